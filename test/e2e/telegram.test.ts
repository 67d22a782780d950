/**
 * The main job of the README, `TELEGRAM_BOT_TOKEN=… SATIBOT_ALLOW=… satibot start`, against the npm server `telegram-test-api`: another
 * author's idea of the Bot API, which never holds a poll, lacks methods and answers 500 without `ok` to them.
 */
import { writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TelegramServer } from "telegram-test-api/lib/telegramServer.js";
import { afterEach, beforeEach, expect, it } from "vitest";
import { freePort, openRig, report, until, type Daemon, type Rig } from "./rig.ts";

const TEST_MS = 60_000;
const TOKEN = "1000001:sampleTokenForTests";
const USER = 1;
const DRAIN_MS = 2_000;

let rig: Rig;
let telegramPort: number;
let telegram: TelegramServer | undefined;
let proxy: Server;
let calls: Map<string, number>;

beforeEach(async () => {
  rig = await openRig();
  telegramPort = await freePort();
  calls = new Map();
  proxy = await openCountingProxy();
  await openTelegram();
  const apiRoot = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const config = { channels: { telegram: { apiRoot } }, limits: { drainTimeout: DRAIN_MS } };
  await writeFile(join(rig.dir, "satibot.config.json"), JSON.stringify(config));
});
afterEach(async () => {
  await rig.close();
  await closeTelegram();
  await new Promise((resolve) => {
    proxy.close(resolve);
    proxy.closeAllConnections();
  });
});

async function openTelegram(): Promise<void> {
  telegram = new TelegramServer({ host: "127.0.0.1", port: telegramPort });
  await telegram.start();
}

async function closeTelegram(): Promise<void> {
  await telegram?.stop();
  telegram = undefined;
}

/** Passes calls of the bot on and counts them by method; cuts the connection while Telegram is away. */
async function openCountingProxy(): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    const method = /^\/bot[^/]*\/(\w+)/.exec(incoming.url ?? "")?.[1] ?? "?";
    calls.set(method, (calls.get(method) ?? 0) + 1);
    const { url: path, method: verb, headers } = incoming;
    const passed = request({ host: "127.0.0.1", port: telegramPort, path, method: verb, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function start(): Daemon {
  return rig.start({ TELEGRAM_BOT_TOKEN: TOKEN, SATIBOT_ALLOW: "*" });
}

/** A person writes, if there is a text, and hears what comes next. */
async function ask(text: string | undefined, userId = USER): Promise<string | undefined> {
  const client = telegram?.getClient(TOKEN, { timeout: 10_000, userId, chatId: userId });
  if (!client) throw new Error("telegram is away");
  if (text !== undefined) await client.sendMessage(client.makeMessage(text));
  const { result } = (await client.getUpdates()) as { readonly result: readonly { readonly message: { readonly text: string } }[] };
  return result.map((update) => update.message.text).join(" | ");
}

/** What the bot has said, as Telegram has it, oldest first. */
const said = (): readonly string[] => (telegram?.storage.botMessages ?? []).map(({ message }) => message.text);

it(
  "answers on Telegram, and polls a server that never holds a poll about once a second",
  async () => {
    const daemon = start();
    await daemon.ready();
    expect(await ask("hello")).toBe("You said: hello");
    expect(await ask("how are you?")).toBe("You said: how are you?");
    const before = calls.get("getUpdates") ?? 0;
    await sleep(4_000);
    const polls = (calls.get("getUpdates") ?? 0) - before;
    expect(polls).toBeGreaterThanOrEqual(2);
    expect(polls).toBeLessThanOrEqual(6);
    expect(await ask("still there?")).toBe("You said: still there?");
    const { channels } = await rig.api.system();
    expect(channels).toContainEqual(expect.objectContaining({ name: "telegram", state: "online" }));
    expect(daemon.output()).not.toContain(TOKEN);
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
    report("telegram-test-api", {
      "polls a second": polls / 4,
      calls: [...calls].map(([method, count]) => `${method}:${count}`).join(" "),
    });
  },
  TEST_MS,
);

it(
  "keeps what could not be sent over a restart, and sends it in order when Telegram is back",
  async () => {
    const first = start();
    await first.ready();
    expect(await ask("hello")).toBe("You said: hello");
    await closeTelegram();
    const chat = `telegram:${USER}`;
    for (const text of ["one", "two", "/parts 2"]) await rig.api.sendMessage(chat, { text });
    await until("all is answered", async () => (await rig.api.chat(chat)).waiting === 0, 5_000);
    expect((await rig.api.chat(chat)).outbox.filter((part) => part.status === "sent")).toHaveLength(1);
    const drainedMs = performance.now();
    first.signal("SIGTERM");
    await first.endsWith(0);
    const drainMs = Math.round(performance.now() - drainedMs);
    expect(drainMs).toBeLessThan(DRAIN_MS + 500);

    // Telegram is still away: the daemon starts all the same.
    const second = start();
    await second.ready();
    await openTelegram();
    const expected = ["You said: one", "You said: two", "part 1 of 2", "part 2 of 2"];
    await until("all has arrived", () => said().length >= expected.length, 20_000);
    await until("all is settled", async () => (await rig.api.chat(chat)).outbox.every((part) => part.status === "sent"), 5_000);
    expect(said()).toEqual(expected);
    report("telegram away over a restart", { "ms to exit 0": drainMs, parts: expected.length });
  },
  TEST_MS,
);

it(
  "is closed without an allow list, and opens to whoever sends the code that the start prints",
  async () => {
    const daemon = rig.start({ TELEGRAM_BOT_TOKEN: TOKEN });
    await daemon.ready();
    await until("the code is printed", () => /send it the code/.test(daemon.output()), 5_000);
    const [, link] = /(https:\/\/t\.me\/\w+\?start=\w{8})/.exec(daemon.output()) ?? [];
    const [, code = ""] = /send it the code (\w{4}-\w{4})/.exec(daemon.output()) ?? [];
    expect(link).toContain(code.replace("-", ""));
    expect(await ask("hello", 7)).toContain("This bot is private");
    expect(await ask(`/start ${code.replace("-", "")}`)).toContain("Hello!");
    expect(await ask("hello")).toBe("You said: hello");

    // The owner is asked about the next stranger, and lets them in without leaving the chat.
    expect(await ask("knock knock", 8)).toContain("Its owner has been asked");
    expect(await ask(undefined)).toContain("To let them in: /approve 8");
    expect(await ask("/approve 8")).toContain("may write now and has been told");
    expect(await ask(undefined, 8)).toContain("You are let in.");
    expect(await ask("at last", 8)).toBe("You said: at last");

    const list = await rig.cli(["pair", "list"]);
    expect(list.stdout).toMatch(/telegram +1 .*owner/);
    expect(list.stdout).toMatch(/telegram +7 .*asks/);
    expect((await rig.cli(["pair", "approve", "telegram", "7"])).stdout).toBe("7 may write over telegram now.\n");
    expect(await ask(undefined, 7)).toContain("You are let in.");
    expect(await ask("hello again", 7)).toBe("You said: hello again");
    expect((await rig.cli(["pair", "revoke", "telegram", "7"])).code).toBe(0);
    expect(await rig.cli(["pair", "revoke", "telegram", "7"])).toMatchObject({ code: 1, stderr: expect.stringContaining("pair list") });
    expect((await rig.cli(["pair", "code"])).stdout).toContain("https://t.me/");

    // The owner stays known, so a start prints no code.
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
    const next = rig.start({ TELEGRAM_BOT_TOKEN: TOKEN });
    await next.ready();
    expect(await ask("still me")).toBe("You said: still me");
    expect(next.output()).not.toContain("t.me/");
    next.signal("SIGTERM");
    await next.endsWith(0);
  },
  TEST_MS,
);
