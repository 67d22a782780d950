/** Platforms that refuse or do not answer, and ports that are taken: one understandable line, and everything else goes on. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { openTelegramServer, type TelegramServer } from "../../src/testing/telegram-server.ts";
import { freePort, openRig, until, type Daemon, type Rig } from "../e2e/rig.ts";
import { EXIT, complaints, contentsOf, expectAnswers, refused, told, logOf } from "./rig.ts";

const WRONG = "1000002:this-token-is-wrong";

let rig: Rig;
let telegram: TelegramServer;
beforeEach(async () => {
  rig = await openRig();
  telegram = await openTelegramServer({ clock: createSystemClock() });
});
afterEach(async () => {
  await rig.close();
  await telegram.close();
});

/** A daemon with a Telegram channel and a cron job. */
async function start(token: string, apiRoot: string): Promise<Daemon> {
  const config = {
    channels: { telegram: { token, apiRoot, allow: ["*"] } },
    cron: [{ id: "tick", message: "tick", schedule: { every: "1s" } }],
  };
  await writeFile(join(rig.dir, "satibot.config.json"), JSON.stringify(config));
  const daemon = rig.start();
  await daemon.ready();
  return daemon;
}

const channel = async () => (await rig.api.system()).channels.find(({ name }) => name === "telegram");

async function expectEverythingElseWorks(): Promise<void> {
  await expectAnswers(rig);
  await until("the cron job runs", async () => (await rig.api.chats({ channel: "cron" })).items.length > 0, 8_000);
}

/** What the log says about the channel, one reason each. */
function reasons(daemon: Daemon): readonly string[] {
  const lines = logOf(daemon).filter((line) => line.channel === "telegram" && typeof line.reason === "string");
  return lines.map((line) => `${String(line.state)}: ${String(line.reason)}`);
}

it("stays up with a wrong Telegram token, says so once with advice, and never shows the token", async () => {
  const daemon = await start(WRONG, telegram.apiRoot);
  await until("the channel is logged out", async () => (await channel())?.state === "loggedOut", 8_000);
  expect((await channel())?.reason).toMatch(/^telegram: 401 Unauthorized; .*set a valid one from @BotFather/);
  await expectEverythingElseWorks();
  expect(reasons(daemon).filter((line) => line.startsWith("loggedOut: telegram: 401 Unauthorized; "))).toHaveLength(1);
  expect(daemon.output()).not.toContain("this-token-is-wrong");
  expect(daemon.output()).not.toMatch(/\\n\s+at /);
  expect((await rig.cli(["status"])).stdout).toMatch(/telegram .*loggedOut/);
  daemon.signal("SIGTERM");
  await daemon.endsWith(EXIT.ok);
});

it("stays up without a network, backs off, and says what it cannot reach without flooding the log", async () => {
  const closed = await freePort();
  const daemon = await start(telegram.token, `http://127.0.0.1:${closed}`);
  await until("the channel backs off", async () => (await channel())?.state === "backingOff", 8_000);
  expect((await channel())?.reason).toMatch(/^telegram: connect ECONNREFUSED 127\.0\.0\.1:\d+; the network or Telegram is down/);
  await expectEverythingElseWorks();
  const said = reasons(daemon);
  expect(said.join("\n")).toMatch(/telegram: connect ECONNREFUSED 127\.0\.0\.1:\d+; /);
  expect(said.length).toBeLessThan(20);
  expect(daemon.output()).not.toContain(telegram.token.split(":")[1]);
  daemon.signal("SIGTERM");
  await daemon.endsWith(EXIT.ok);
});

it("refuses a port in use, touches no store, and names what to change", async () => {
  const blocker = createServer().listen(rig.port, "127.0.0.1");
  await new Promise((resolve) => blocker.once("listening", resolve));
  try {
    expect(told(await rig.cli(["start"], { SATIBOT_STORE: "memory:", SATIBOT_LOG_LEVEL: "error" }))).toEqual(
      refused(EXIT.config, [
        `satibot: port ${rig.port} on 127.0.0.1 is in use; stop what listens there (perhaps another satibot), or set http.port or SATIBOT_PORT to a free one`,
      ]),
    );
    expect(await contentsOf(rig.dir)).toEqual({});
  } finally {
    await new Promise((resolve) => blocker.close(resolve));
  }
});

it("refuses an address that is not of this machine", async () => {
  const env = { SATIBOT_STORE: "memory:", SATIBOT_LOG_LEVEL: "error", SATIBOT_HOST: "192.0.2.1", SATIBOT_TOKEN: "s3cret" };
  const { code, stderr } = await rig.cli(["start"], env);
  expect({ code, lines: complaints(stderr) }).toEqual({
    code: EXIT.config,
    lines: ["satibot: cannot listen on http.host 192.0.2.1 (EADDRNOTAVAIL); set it to an address of this machine"],
  });
});
