import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Config } from "../../../src/app/config/config.ts";
import { RequestError, TransientError } from "../../../src/core/errors.ts";
import { chat, detail, run, system } from "./cli-rig.ts";

describe("usage", () => {
  it("explains itself and tells its version", async () => {
    const help = await run(["--help"]);
    expect(help).toMatchObject({ code: 0, err: "" });
    for (const command of ["start", "send", "status", "chats", "config"]) expect(help.out).toMatch(new RegExp(`^  ${command}\\b`, "m"));
    expect((await run(["chats", "list", "--help"])).out).toContain("--cursor");
    expect(await run(["--version"])).toMatchObject({ code: 0, out: "1.2.3" });
  });

  it.each([
    [[]],
    [["fly"]],
    [["chats"]],
    [["chats", "list", "--limit", "5000"]],
    [["chats", "show"]],
    [["send", "api:me"]],
    [["status", "--nope"]],
    [["status", "--url", "localhost"]],
  ])("ends with 64 for %j", async (args) => {
    const ran = await run(args, { api: {} });
    expect(ran.code).toBe(64);
    expect(ran.err).not.toBe("");
    expect(ran.out).toBe("");
  });
});

describe("start", () => {
  it("gives the checked configuration to the daemon and ends with its code", async () => {
    let started: Config | undefined;
    const startDaemon = (config: Config) => ((started = config), Promise.resolve(3));
    expect((await run(["start"], { env: { SATIBOT_PORT: "0" }, startDaemon })).code).toBe(3);
    expect(started?.http.port).toBe(0);
  });

  it("ends with 78 and starts nothing when the configuration is wrong", async () => {
    const startDaemon = () => Promise.reject(new Error("started"));
    const ran = await run(["start"], { env: { SATIBOT_PORT: "x" }, startDaemon });
    expect(ran).toMatchObject({ code: 78, out: "" });
    expect(ran.err).toContain("SATIBOT_PORT (http.port)");
    expect((await run(["start", "--config", "none.yaml"], { startDaemon })).code).toBe(78);
  });

  it("ends with 1 and the reason when the daemon fails", async () => {
    const startDaemon = () => Promise.reject(new TransientError("STORE_UNAVAILABLE", "disk full; free some space"));
    expect(await run(["start"], { startDaemon })).toMatchObject({ code: 1, err: "satibot: disk full; free some space" });
  });
});

describe("send", () => {
  const sendMessage = () => Promise.resolve({ seq: 5, duplicate: false });

  it("puts a message into a chat", async () => {
    const ran = await run(["send", "api:me", "hello", "--message-id", "m1"], { api: { sendMessage } });
    expect(ran).toMatchObject({ code: 0, out: "Taken as message 5 of api:me." });
    expect(ran.calls[1]).toEqual(["sendMessage", "api:me", { text: "hello", messageId: "m1" }]);
    const json = await run(["send", "api:me", "hello", "--json"], { api: { sendMessage } });
    expect(JSON.parse(json.out)).toEqual({ seq: 5, duplicate: false });
  });

  it("says when it was taken before, and delivers with --out", async () => {
    const again = await run(["send", "api:me", "x"], { api: { sendMessage: () => Promise.resolve({ seq: 2, duplicate: true }) } });
    expect(again.out).toBe("Taken before, as message 2 of api:me.");
    const out = await run(["send", "api:me", "x", "--out"], { api: { sendOut: () => Promise.resolve({ id: "9" }) } });
    expect(out.out).toBe("On its way to api:me as part 9.");
  });

  it("ends with 1 and the daemon's reason when it is refused", async () => {
    const ran = await run(["send", "nope", "x"], {
      api: { sendMessage: () => Promise.reject(new RequestError("BAD_CHAT_KEY", "chat key needs a colon")) },
    });
    expect(ran).toMatchObject({ code: 1, err: "satibot: chat key needs a colon" });
  });
});

describe("finding the daemon", () => {
  const api = { system: () => Promise.resolve(system) };

  it("takes address and token from options, environment or configuration", async () => {
    const target = async (args: string[], env = {}) => (await run(["status", ...args], { api, env })).calls[0]?.[1];
    expect(await target([])).toEqual({ baseUrl: "http://127.0.0.1:7330", token: undefined });
    expect(await target([], { SATIBOT_HOST: "0.0.0.0", SATIBOT_PORT: "1", SATIBOT_TOKEN: "t" })).toEqual({
      baseUrl: "http://127.0.0.1:1",
      token: "t",
    });
    expect(await target([], { SATIBOT_HOST: "::" })).toEqual({ baseUrl: "http://[::1]:7330", token: undefined });
    expect(await target(["--url", "https://bot.example/", "--token", "u"], { SATIBOT_TOKEN: "t" })).toEqual({
      baseUrl: "https://bot.example",
      token: "u",
    });
  });

  it("does not need the secrets of the daemon's other sections", async () => {
    const cwd = await mkdtemp(join(tmpdir(), "satibot-cli-"));
    await writeFile(join(cwd, "satibot.config.yaml"), "channels: { telegram: { token: '${UNSET}' } }\nhttp: { port: 99 }\n");
    expect((await run(["status"], { api, cwd })).calls[0]?.[1]).toMatchObject({ baseUrl: "http://127.0.0.1:99" });
    await rm(cwd, { recursive: true });
  });

  it("ends with 69 and a hint when nothing answers", async () => {
    const ran = await run(["send", "api:me", "hello"]);
    expect(ran).toMatchObject({ code: 69, out: "" });
    expect(ran.err).toMatch(/no satibot answers at http:\/\/127\.0\.0\.1:7330 \(`satibot start` starts one/);
    expect((await run(["status"])).code).toBe(69);
  });
});

describe("a stopped daemon", () => {
  const store = {
    counts: () => Promise.resolve({ known: 4, quarantined: 1, waitingRows: 2, deadParts: 0 }),
    chats: () => Promise.resolve({ items: [chat], next: null }),
    chat: () => Promise.resolve(detail),
  };

  it("is read from its store, and says so", async () => {
    const list = await run(["chats", "list"], { store });
    expect(list.code).toBe(0);
    expect(list.out).toContain("api:ann");
    expect(list.err).toMatch(/no daemon at .*; this is what the store holds \(.*satibot\.db\)/);
    expect((await run(["chats", "show", "api:ann", "--json"], { store })).code).toBe(0);
    const status = await run(["status"], { store });
    expect(status.out).toMatch(/satibot +stopped/);
    expect(status.out).toMatch(/waiting +2 messages/);
  });

  it("cannot be acted upon", async () => {
    expect((await run(["chats", "reset", "api:ann"], { store })).code).toBe(69);
  });

  it("is not looked for behind another --url", async () => {
    expect((await run(["chats", "list", "--url", "http://127.0.0.1:1"], { store })).code).toBe(69);
  });
});

describe("chats", () => {
  it("lists with filters, and tells how to go on", async () => {
    const api = { chats: () => Promise.resolve({ items: [chat], next: "api:ann" }) };
    const ran = await run(["chats", "list", "--state", "idle", "--channel", "api", "--query", "an", "--limit", "1", "--cursor", "a"], {
      api,
    });
    expect(ran.calls[1]).toEqual(["chats", { state: "idle", channel: "api", q: "an", limit: 1, cursor: "a" }]);
    expect(ran.out.split("\n")).toEqual([
      "CHAT     STATE  SINCE               LAST MESSAGE        LAST REPLY",
      "api:ann  idle   11:59:57 (3 s ago)  11:59:57 (3 s ago)  2 s ago",
    ]);
    expect(ran.err).toBe('More: add --cursor "api:ann"');
    expect(JSON.parse((await run(["chats", "list", "--json"], { api })).out)).toEqual({ items: [chat], next: "api:ann" });
  });

  it("gives a hint when there is nothing", async () => {
    const api = { chats: () => Promise.resolve({ items: [], next: null }), events: () => Promise.resolve({ items: [], next: null }) };
    expect((await run(["chats", "list"], { api })).out).toContain('satibot send api:me "hello"');
    expect((await run(["chats", "list", "--state", "quarantined"], { api })).out).toContain("leave out a filter");
    expect((await run(["chats", "events", "api:ann"], { api })).out).toContain("No events");
  });

  it("shows one, with texts made harmless and delivered parts left out", async () => {
    const { out } = await run(["chats", "show", "api:ann"], { api: { chat: () => Promise.resolve(detail) }, columns: 80 });
    for (const text of [
      "idle, since 11:59:57 (3 s ago)",
      "t1, attempt 2",
      "Timers",
      "in 1 min",
      "are you there?",
      "2026-02-28 12:00 (24 h ago)",
      "dead",
      "2/2",
      "blocked",
    ]) {
      expect(out).toContain(text);
    }
    expect(out).not.toContain("done");
    expect(out).not.toContain("\u001b");
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("says why one waits, and prints its events", async () => {
    const why = {
      key: "api:ann",
      state: "backingOff",
      since: chat.since,
      sentence: "The last attempt failed.",
      waitsFor: "the retry",
      endsBy: [{ event: "retry", atMs: chat.since + 63_000 }],
    };
    const api = {
      why: () => Promise.resolve(why),
      events: () =>
        Promise.resolve({
          items: [{ revision: 1, at: chat.since, events: [{ type: "message.received" }], stateBefore: "idle", stateAfter: "queued" }],
          next: null,
        }),
    };
    expect((await run(["chats", "why", "api:ann"], { api })).out).toBe(
      "api:ann is backingOff since 11:59:57 (3 s ago).\nThe last attempt failed.\nIt waits for: the retry\nIt ends by retry at 12:01:00 (in 1 min)",
    );
    expect((await run(["chats", "events", "api:ann", "--from", "1"], { api })).out).toContain("idle -> queued  message.received");
  });

  it("stops, resets and retries", async () => {
    const done = () => Promise.resolve(detail);
    const api = { stop: done, reset: done, retry: done };
    expect((await run(["chats", "stop", "api:ann"], { api })).out).toBe("api:ann is stopped; it is now idle, nothing waits.");
    expect((await run(["chats", "reset", "api:ann"], { api })).calls[1]).toEqual(["reset", "api:ann"]);
    expect((await run(["chats", "retry", "api:ann", "--skip"], { api })).calls[1]).toEqual(["retry", "api:ann", { skip: true }]);
    expect((await run(["chats", "retry", "api:ann"], { api })).calls[1]).toEqual(["retry", "api:ann", { skip: false }]);
  });
});

describe("status", () => {
  it("tells how the daemon is", async () => {
    const ran = await run(["status"], { api: { system: () => Promise.resolve(system) }, columns: 100 });
    for (const text of ["1.2.3, running since 10:00:00 (2 h ago)", "10 known, 2 live, 1 quarantined", "2 of 16 slots", "90 MiB", "online"])
      expect(ran.out).toContain(text);
    const none = await run(["status"], { api: { system: () => Promise.resolve({ ...system, channels: [] }) } });
    expect(none.out).toContain("No channels");
  });
});

describe("config", () => {
  it("checks and prints it with secrets masked", async () => {
    const env = { TELEGRAM_BOT_TOKEN: "12345:AAsecret" };
    const ran = await run(["config", "check"], { env });
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/^channels\.telegram\.token +12345:\*\*\*$/m);
    expect(ran.out).toMatch(/^limits\.turnTimeout +5 min$/m);
    expect(JSON.parse((await run(["config", "check", "--json"], { env })).out)).toMatchObject({
      store: expect.stringContaining("satibot.db"),
    });
    expect((await run(["config", "check"], { env: { SATIBOT_LOG_LEVEL: "loud" } })).code).toBe(78);
  });

  it("prints its schema", async () => {
    expect(JSON.parse((await run(["config", "schema"])).out)).toMatchObject({ type: "object", title: "satibot configuration" });
  });
});
