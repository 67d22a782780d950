import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiscordChannel, DiscordOptions } from "../../src/channels/discord/channel.ts";
import { textOf } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import { earlier } from "../../src/channels/discord/snowflake.ts";
import type { InboundMessage } from "../../src/ports/channel.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import type { DiscordServer } from "../../src/testing/discord-server/server.ts";
import { createHeldClock } from "./clocks.ts";
import { cursorOf, makeKnown, openChannel, openServer } from "./discord-rig.ts";

describe("what Discord says while nobody listens", () => {
  let server: DiscordServer;
  let host: RecordingHost;
  let channel: DiscordChannel;
  const direct = (userId = "7"): string => server.directId(userId);
  /** Without what another process has stored: a little before the cursor is read again, and the runtime knows it. */
  const stored = (): InboundMessage[] => {
    const seen = new Set<string>();
    return host.stored().filter(({ externalId }) => !seen.has(externalId) && seen.add(externalId));
  };
  const texts = (): string[] => stored().map((message) => textOf(message.content));
  const opened = (times = 1): Promise<void> =>
    host.until(() => host.reports().filter((report) => report.type === "connection.opened").length === times);
  const open = (options: Partial<DiscordOptions> = {}): DiscordChannel => (channel = openChannel(server, options));

  beforeEach(async () => {
    server = await openServer();
    host = createRecordingHost("discord");
    open();
  });
  afterEach(async () => {
    await channel.stop();
    await server.close();
  });

  /** Somebody has spoken to the bot in these places, and it has stopped since. */
  const meet = async (...channelIds: string[]): Promise<void> => {
    await channel.start(host);
    await opened();
    for (const channelId of channelIds) server.say("first", { channelId, mentions: true });
    await host.until(() => stored().length === channelIds.length);
    await channel.stop();
  };

  it("is handed over once, oldest first, before what is said after the login", async () => {
    await meet(direct());
    for (let n = 0; n < 5; n += 1) server.say(`away ${n}`);
    await channel.start(host);
    await opened(2);
    for (let n = 0; n < 5; n += 1) server.say(`live ${n}`);
    await host.until(() => stored().length === 11);
    const numbers = [0, 1, 2, 3, 4];
    expect(texts().slice(1)).toEqual([...numbers.map((n) => `away ${n}`), ...numbers.map((n) => `live ${n}`)]);
    await channel.stop();
    expect(host.stored()).toHaveLength(11);
  });

  it("is found by another process, also when the last one was killed", async () => {
    await channel.start(host);
    await opened();
    server.say("first");
    await host.until(() => cursorOf(host, direct()) === server.messages(direct())[0]?.id);
    const killed = channel;
    server.gateway.freeze();
    server.say("into the void");
    open();
    await channel.start(host);
    await host.until(() => texts().includes("into the void"));
    await killed.stop();
    expect(texts()).toEqual(["first", "into the void"]);
  });

  it("is found when the process ends between hearing somebody for the first time and storing it", async () => {
    host.setAccept(() => new Promise(() => undefined));
    const clock = createHeldClock();
    open({ clock });
    await channel.start(host);
    await opened();
    server.say("nice to meet you");
    await host.until(() => host.offers() === 1);
    const stopping = channel.stop();
    await clock.untilPending(10_000);
    clock.pass(10_000);
    await stopping;
    host.setAccept(undefined);
    open();
    await channel.start(host);
    await host.until(() => stored().length === 1);
    expect(texts()).toEqual(["nice to meet you"]);
  });

  it("is read page by page, for each direct chat, channel and thread", async () => {
    const thread = server.openThread(server.generalId);
    await meet(direct("7"), direct("8"), server.generalId, thread);
    for (let n = 0; n < 250; n += 1) server.say(`seven ${n}`, { userId: "7" });
    server.say("eight", { userId: "8" });
    for (let n = 0; n < 120; n += 1) server.say(`chatter ${n}`, { channelId: server.generalId });
    server.say("general", { channelId: server.generalId, mentions: true });
    server.say("thread", { channelId: thread, mentions: true });
    await channel.start(host);
    await host.until(() => stored().length === 4 + 253);
    expect(texts().filter((text) => text.startsWith("seven"))).toEqual(Array.from({ length: 250 }, (_, n) => `seven ${n}`));
    expect(texts()).toEqual(expect.arrayContaining(["eight", "general", "thread"]));
    expect(stored().find((message) => textOf(message.content) === "general")).toMatchObject({
      chat: `discord:${server.generalId}`,
      identities: ["7", "@person7", server.generalId, server.guildId],
    });
  });

  it("is judged by the server's role and the thread's parent also when only it is read", async () => {
    const thread = server.openThread(server.generalId);
    await meet(thread, server.generalId);
    open({ groups: { [server.generalId]: "all" } });
    server.say("no name needed", { channelId: thread });
    server.say(`<@&${server.bot.roleId}> by role`, { channelId: server.openChannel(), extra: { mention_roles: [server.bot.roleId] } });
    await channel.start(host);
    await host.until(() => stored().length === 3);
    expect(texts()[2]).toBe("no name needed");
    expect(stored()[2]?.identities).toContain(server.generalId);
  });

  it("is cut down to the oldest and the newest when it is too much, which is counted", async () => {
    await meet(direct());
    open({ backfillMax: 200 });
    for (let n = 0; n < 450; n += 1) server.say(String(n));
    await channel.start(host);
    await host.until(() => texts().includes("449"));
    server.say("live");
    await host.until(() => texts().includes("live"));
    // Whole pages: one more at most.
    const numbers = texts().slice(1, -1).map(Number);
    const oldest = numbers.findIndex((number, at) => number !== at);
    expect(oldest).toBeGreaterThanOrEqual(200);
    expect(oldest).toBeLessThan(300);
    expect(numbers.slice(oldest)).toEqual(Array.from({ length: 100 }, (_, n) => 350 + n));
    expect(channel.counters().cutShort).toBe(1);
  });

  it("waits out refusals and outages, however long Discord asks", async () => {
    await meet(direct());
    const clock = createHeldClock();
    open({ clock });
    server.say("patience");
    server.fail({ kind: "throttled", retryAfterS: 6_775 }, { call: "read" });
    server.fail({ kind: "error", status: 503 }, { call: "read" });
    server.fail({ kind: "cut" }, { call: "read" });
    server.fail({ kind: "html", status: 404 }, { call: "read" });
    await channel.start(host);
    for (const delayMs of [6_775_000, 2_000, 4_000, 8_000]) {
      await clock.untilPending(delayMs);
      clock.pass(delayMs);
    }
    await host.until(() => stored().length === 2);
    expect(texts()[1]).toBe("patience");
  });

  it("is left where the bot may not read any more, and a channel that is gone is forgotten", async () => {
    const [hidden, gone] = [server.openChannel(), server.openChannel()];
    await meet(hidden, gone, direct());
    server.setState(hidden, "hidden");
    server.setState(gone, "gone");
    server.say("still here");
    await channel.start(host);
    await host.until(() => stored().length === 4);
    await host.until(() => cursorOf(host, gone) === undefined);
    expect(cursorOf(host, hidden)).toBeDefined();
    server.setState(hidden, "open");
    server.say("live again", { channelId: hidden, mentions: true });
    await host.until(() => stored().length === 5);
  });

  it("says that the token is refused when it is while reading", async () => {
    await meet(direct());
    server.fail({ kind: "error", status: 401, message: "401: Unauthorized" }, { call: "read" });
    await channel.start(host);
    await host.until(() => host.reports().at(-1)?.type === "connection.refused");
    expect(host.reports().at(-1)).toMatchObject({ error: { code: "TOKEN_REFUSED" } });
  });

  it("is not read for channels where nobody has spoken to the bot", async () => {
    await channel.start(host);
    await opened();
    server.say("among ourselves", { channelId: server.generalId });
    server.say("hello", { userId: "7" });
    await host.until(() => stored().length === 1);
    await channel.stop();
    expect(cursorOf(host, server.generalId)).toBeUndefined();
    expect(channel.counters()).toMatchObject({ accepted: 1, ignored: 1 });
  });

  it("does not include again what was passed over while the bot listened", async () => {
    await channel.start(host);
    await opened();
    server.say("hello", { channelId: server.generalId, mentions: true });
    const lastId = Array.from({ length: 130 }, (_, n) => server.say(`chatter ${n}`, { channelId: server.generalId })).at(-1);
    server.say("done");
    await host.until(() => stored().length === 2);
    await channel.stop();
    expect(cursorOf(host, server.generalId)).toBe(lastId);
  });

  it("writes one small cell for a message, however many channels are known", async () => {
    for (let n = 0; n < 300; n += 1) await makeKnown(host, String(1_000 + n));
    for (let n = 0; n < 300; n += 1) server.fail({ kind: "error", status: 403, code: 50_001 }, { call: "read" });
    await channel.start(host);
    await opened();
    const saved: [string, unknown][] = [];
    const { save } = host;
    Object.assign(host, {
      save: (cell: string, value: unknown) => {
        saved.push([cell, value]);
        return save(cell, value);
      },
    });
    await channel.stop();
    await channel.start(host);
    await opened(2);
    server.say("one");
    await host.until(() => cursorOf(host, direct()) === server.messages(direct())[0]?.id);
    const cells = saved.filter(([cell]) => cell.startsWith("channel"));
    expect(cells.map(([cell]) => cell)).toEqual(["channels", "channel:300", "channel:300"]);
    expect(JSON.stringify(cells.at(-1)).length).toBeLessThan(120);
  });

  it("is read back when the store was away for longer than a channel's events can wait, with nothing lost and in order", async () => {
    const refuse = new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 50 });
    host.setAccept(() => Promise.reject(refuse));
    let isFull: () => void = () => undefined;
    const full = new Promise<void>((resolve) => {
      isFull = resolve;
    });
    const warn = (_: object, line: string): void => {
      if (line.startsWith("more events wait")) isFull();
    };
    open({ log: { debug: () => undefined, info: () => undefined, warn, error: () => undefined } });
    await channel.start(host);
    await opened();
    for (let n = 0; n < 1_500; n += 1) server.say(String(n));
    server.say("another chat", { userId: "8" });
    await full;
    host.setAccept(undefined);
    await host.until(() => stored().length === 1_501);
    expect(texts().filter((text) => text !== "another chat")).toEqual(Array.from({ length: 1_500 }, (_, n) => String(n)));
    expect(server.calls("read")).toBeGreaterThan(0);
    await channel.stop();
    expect(host.stored()).toHaveLength(1_501);
    expect(channel.counters()).toMatchObject({ accepted: 1_501, dropped: 0 });
  });

  it("takes a burst of 5,000 over 50 chats, each in order", async () => {
    await channel.start(host);
    await opened();
    for (let n = 0; n < 5_000; n += 1) server.say(String(n), { userId: String(100 + (n % 50)) });
    await host.until(() => host.stored().length >= 5_000);
    expect(stored()).toHaveLength(5_000);
    for (let user = 0; user < 50; user += 1) {
      const numbers = host.stored().filter(({ sender }) => sender.id === String(100 + user));
      expect(numbers.map((message) => Number(textOf(message.content)))).toEqual(Array.from({ length: 100 }, (_, n) => n * 50 + user));
    }
  });

  it("keeps a message that overtakes an older one of the same moment", async () => {
    await channel.start(host);
    await opened();
    server.say("hello");
    await host.until(() => stored().length === 1);
    const late = server.messages(direct())[0]?.raw ?? {};
    const older = String(BigInt(String(late.id)) - 1n);
    server.push("MESSAGE_CREATE", { ...late, id: older, content: "overtaken" });
    await host.until(() => stored().length === 2);
    expect(texts()).toEqual(["hello", "overtaken"]);
    expect(cursorOf(host, direct())).toBe(late.id);
  });

  it("is not asked for in a server's channels where nothing new was said, as the login tells", async () => {
    const [quiet, busy] = [server.openChannel(), server.openChannel()];
    const hourAgo = earlier(quiet, 3_600_000);
    await makeKnown(host, quiet, hourAgo, server.guildId);
    await makeKnown(host, busy, hourAgo, server.guildId);
    server.say("news", { channelId: busy, mentions: true });
    await channel.start(host);
    await host.until(() => texts().includes("news"));
    server.say("live", { channelId: quiet, mentions: true });
    await host.until(() => texts().includes("live"));
    expect(server.calls("read")).toBe(1);
  });

  it("is read when a server comes back from an outage", async () => {
    await meet(server.generalId);
    await channel.start(host);
    await opened(2);
    await server.until(() => server.calls("read") === 1);
    server.push("GUILD_DELETE", { id: server.guildId, unavailable: true });
    server.push("GUILD_CREATE", { id: server.guildId, roles: [], channels: [], threads: [] });
    await server.until(() => server.calls("read") === 2);
    expect(texts()).toEqual(["first"]);
  });

  it("reports a loss when the cells cannot be read", async () => {
    const failing = Object.assign(host, {
      load: () => Promise.reject(new TransientError("STORE_UNAVAILABLE", "the disk is away; try again")),
    });
    await channel.start(failing);
    await host.until(() => host.reports().length > 0);
    expect(host.reports()).toMatchObject([{ type: "connection.lost", error: { code: "STORE_UNAVAILABLE" } }]);
  });
});
