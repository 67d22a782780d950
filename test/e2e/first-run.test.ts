/** What a person meets first: `satibot start` in an empty folder, the commands beside it, and the two ways in which a start is refused. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { WireChatDetail } from "../../src/http/wire.ts";
import { freePort, openRig, report, until, type Rig } from "./rig.ts";

const TEST_MS = 40_000;

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

/** What the person reads: all lines but those of the log. */
function complaints(output: string): readonly string[] {
  return output.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
}

it(
  "runs without any configuration, answers, tells how it is and ends with 0",
  async () => {
    const startedMs = performance.now();
    const daemon = rig.start();
    await daemon.ready();
    const readyMs = Math.round(performance.now() - startedMs);
    expect(existsSync(join(rig.dir, "data/satibot.db"))).toBe(true);

    expect(await rig.cli(["send", "api:me", "hello"])).toEqual({ code: 0, stdout: "Taken as message 1 of api:me.\n", stderr: "" });
    const answeredMs = performance.now();
    await until("it is answered", async () => (await rig.api.chat("api:me")).history.length === 2, 5_000);
    const shown = await rig.cli(["chats", "show", "api:me", "--json"]);
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    const { state, waiting, history } = JSON.parse(shown.stdout) as WireChatDetail;
    expect({ state, waiting }).toEqual({ state: "idle", waiting: 0 });
    expect(history).toMatchObject([
      { role: "user", text: "hello", seq: 1 },
      { role: "assistant", text: "You said: hello" },
    ]);
    const status = await rig.cli(["status"]);
    expect(status).toMatchObject({ code: 0, stderr: "" });
    expect(status.stdout).toContain("running");
    expect((await rig.cli(["chats", "list"])).stdout).toContain("api:me");

    daemon.signal("SIGTERM");
    await daemon.endsWith(0);

    // A stopped one can be read, but not written to.
    const read = await rig.cli(["chats", "show", "api:me"]);
    expect(read).toMatchObject({ code: 0, stderr: expect.stringContaining("no daemon at") });
    expect(read.stdout).toContain("You said: hello");
    expect(await rig.cli(["send", "api:me", "hello"])).toMatchObject({ code: 69, stdout: "" });
    report("first run", { "ms to ready": readyMs, "ms to shown answer": Math.round(performance.now() - answeredMs) });
  },
  TEST_MS,
);

it(
  "refuses a second daemon on the same store with 78 and one clear line, and the first goes on",
  async () => {
    const first = rig.start();
    await first.ready();
    const second = rig.start({ SATIBOT_PORT: String(await freePort()) });
    await second.endsWith(78);
    expect(complaints(second.output())).toEqual([
      expect.stringMatching(/^satibot: .*satibot\.db belongs to another running satibot; stop /),
    ]);
    await rig.api.sendMessage("api:me", { text: "still here?" });
    await until("the first answers", async () => (await rig.api.chat("api:me")).history.length === 2, 5_000);

    // The lock goes with its process, however that ends.
    await first.kill();
    const third = rig.start();
    await third.ready();
    expect((await rig.api.chat("api:me")).history).toHaveLength(2);
  },
  TEST_MS,
);

it(
  "refuses a port in use with 78 and one clear line, and leaves the store to others",
  async () => {
    const blocker = createServer().listen(rig.port, "127.0.0.1");
    await new Promise((resolve) => blocker.once("listening", resolve));
    const refused = rig.start();
    await refused.endsWith(78);
    expect(complaints(refused.output())).toEqual([
      expect.stringMatching(new RegExp(`^satibot: port ${rig.port} on 127\\.0\\.0\\.1 is in use; .*SATIBOT_PORT`)),
    ]);
    await new Promise((resolve) => blocker.close(resolve));
    await rig.start().ready();
  },
  TEST_MS,
);

it(
  "refuses a store that cannot be opened with 78 and one clear line",
  async () => {
    await mkdir(join(rig.dir, "folder"));
    const refused = rig.start({ SATIBOT_STORE: "sqlite:./folder" });
    await refused.endsWith(78);
    expect(complaints(refused.output())).toEqual([expect.stringMatching(/^satibot: .*folder/)]);
  },
  TEST_MS,
);
