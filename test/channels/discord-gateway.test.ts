import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiscordChannel } from "../../src/channels/discord/channel.ts";
import { textOf } from "../../src/core/content.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import type { DiscordServer } from "../../src/testing/discord-server/server.ts";
import { createHeldClock } from "./clocks.ts";
import { openChannel, openServer } from "./discord-rig.ts";

/** Timers that keep the process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
/** Lets what the last test has left behind run out. */
async function untilNoTimers(): Promise<void> {
  while (timers() > 0) await new Promise((resolve) => void setImmediate(resolve));
}

describe("discord gateway", () => {
  let server: DiscordServer;
  let host: RecordingHost;
  let channel: DiscordChannel;
  const texts = (): string[] => host.stored().map((message) => textOf(message.content));
  const count = (type: string): number => host.reports().filter((report) => report.type === type).length;
  const last = (): unknown => host.reports().at(-1);
  const opened = (times = 1): Promise<void> => host.until(() => count("connection.opened") === times);

  beforeEach(async () => {
    server = await openServer();
    host = createRecordingHost("discord");
    channel = openChannel(server);
  });
  afterEach(async () => {
    await channel.stop();
    await server.close();
  });

  it("logs in with the intents it needs and says who it is", async () => {
    await channel.start(host);
    await opened();
    expect(host.reports()[0]).toEqual({ type: "connection.opened", account: { name: "@sati-test-bot" } });
    expect(server.gateway.lastIdentify()).toMatchObject({ intents: 1 | 512 | 4_096 | 32_768, shard: [0, 1] });
  });

  it("takes heartbeats as proof of life", async () => {
    await server.close();
    server = await openServer({ heartbeatMs: 40 });
    channel = openChannel(server);
    await channel.start(host);
    await host.until(() => count("traffic.seen") >= 4);
    expect(server.gateway.counts().heartbeats).toBeGreaterThanOrEqual(3);
  });

  it("resumes after a cut and gets what was said meanwhile, once and in order", async () => {
    await channel.start(host);
    await opened();
    server.say("before");
    await host.until(() => host.stored().length === 1);
    server.gateway.cut();
    await server.until(() => server.gateway.open() === 0);
    server.say("meanwhile");
    server.say("a stranger's first words", { userId: "8" });
    await opened(2);
    server.say("after");
    await host.until(() => host.stored().length === 4);
    expect(texts()).toEqual(["before", "meanwhile", "a stranger's first words", "after"]);
    expect(server.gateway.counts()).toMatchObject({ identifies: 1, resumes: 1 });
    expect(server.calls("read")).toBe(0);
    expect(count("connection.lost")).toBe(0);
  });

  it.each([
    ["asked to reconnect (op 7)", (fake: DiscordServer) => fake.gateway.askReconnect()],
    ["told that the session is invalid but may be resumed (op 9)", (fake: DiscordServer) => fake.gateway.invalidate(true)],
    ["closed with 4000", (fake: DiscordServer) => fake.gateway.closeAll(4_000)],
    ["closed with 4009", (fake: DiscordServer) => fake.gateway.closeAll(4_009)],
  ])("resumes when %s", async (_, disturb) => {
    await channel.start(host);
    await opened();
    disturb(server);
    await opened(2);
    server.say("hello again");
    await host.until(() => host.stored().length === 1);
    expect(server.gateway.counts()).toMatchObject({ identifies: 1, resumes: 1 });
    expect(count("connection.lost")).toBe(0);
  });

  it.each([
    ["the session is invalid (op 9)", (fake: DiscordServer) => fake.gateway.invalidate(false)],
    ["Discord closes with 1000", (fake: DiscordServer) => fake.gateway.closeAll(1_000)],
    ["Discord closes with 4007", (fake: DiscordServer) => fake.gateway.closeAll(4_007)],
    [
      "there is nothing to resume",
      (fake: DiscordServer) => {
        fake.gateway.forgetSessions();
        fake.gateway.cut();
      },
    ],
  ])("logs in anew when %s, and reads back what was said meanwhile", async (_, disturb) => {
    await channel.start(host);
    await opened();
    server.say("known");
    await host.until(() => host.stored().length === 1);
    disturb(server);
    server.gateway.forgetSessions();
    server.say("meanwhile");
    await opened(2);
    await host.until(() => host.stored().length === 2);
    server.say("live");
    await host.until(() => host.stored().length === 3);
    expect(texts()).toEqual(["known", "meanwhile", "live"]);
    expect(server.gateway.counts().identifies).toBe(2);
    expect(server.calls("read")).toBeGreaterThanOrEqual(1);
  });

  it("resumes when a heartbeat is not answered", async () => {
    await server.close();
    server = await openServer({ heartbeatMs: 50 });
    channel = openChannel(server);
    await channel.start(host);
    await opened();
    server.gateway.setAcks(false);
    await server.until(() => server.gateway.counts().connections === 2);
    server.gateway.setAcks(true);
    await opened(2);
    expect(server.gateway.counts()).toMatchObject({ identifies: 1, resumes: 1 });
  });

  it("resumes soon after the network has died, without waiting for a goodbye", async () => {
    await server.close();
    server = await openServer({ heartbeatMs: 50 });
    const clock = createHeldClock();
    channel = openChannel(server, { clock });
    await channel.start(host);
    await opened();
    server.gateway.freeze();
    server.say("into silence");
    await clock.untilPending(2_000);
    clock.pass(2_000);
    await opened(2);
    await host.until(() => host.stored().length === 1);
    expect(server.gateway.counts()).toMatchObject({ identifies: 1, resumes: 1 });
    await channel.stop();
    expect(clock.pending()).toEqual([]);
  });

  it.each([
    [4_004, "TOKEN_REFUSED", "Reset Token"],
    [4_014, "CONFIG_INVALID", "Message Content Intent"],
    [4_013, "CONFIG_UNSUPPORTED", "update satibot"],
    [4_011, "CONFIG_UNSUPPORTED", "more servers"],
  ])("is refused with advice when the login is closed with %i", async (code, errorCode, advice) => {
    server.gateway.refuseLogins(code);
    await channel.start(host);
    await host.until(() => host.reports().length > 0);
    expect(host.reports()).toEqual([
      { type: "connection.refused", error: { code: errorCode, message: expect.stringContaining(advice) as unknown } },
    ]);
    await channel.stop();
    expect(server.gateway.counts().connections).toBe(1);
  });

  it("explains the switch of the Message Content intent", async () => {
    server.gateway.setAllowedIntents(false);
    await channel.start(host);
    await host.until(() => host.reports().length > 0);
    expect(last()).toMatchObject({
      type: "connection.refused",
      error: { message: expect.stringContaining("developer portal") as unknown },
    });
  });

  it("reports a refused token with advice and without the token", async () => {
    const stranger = openChannel(server, { token: "another-token.BBBB.secret" });
    await stranger.start(host);
    await host.until(() => host.reports().length > 0);
    expect(last()).toMatchObject({ type: "connection.refused", error: { code: "TOKEN_REFUSED" } });
    expect(inspect(host.reports())).not.toContain("BBBB");
    await stranger.stop();
  });

  it("reports a token that is refused later, when Discord closes an open connection with 4004", async () => {
    await channel.start(host);
    await opened();
    server.gateway.closeAll(4_004);
    await host.until(() => count("connection.refused") === 1);
    await channel.stop();
    expect(server.gateway.counts().connections).toBe(1);
  });

  it.each([
    ["503", { kind: "error", status: 503 }, { type: "connection.lost" }],
    ["a gateway's page", { kind: "html", status: 502 }, { type: "connection.lost" }],
    ["a cut connection", { kind: "cut" }, { type: "connection.lost" }],
    ["429", { kind: "throttled", retryAfterS: 6_775, isGlobal: true }, { type: "connection.lost", retryAfterMs: 6_775_000 }],
  ] as const)("reports a loss when the gateway's address is answered with %s", async (_, fault, report) => {
    server.fail(fault, { call: "gateway" });
    await channel.start(host);
    await host.until(() => host.reports().length > 0);
    expect(last()).toMatchObject(report);
    await channel.stop();
    await channel.start(host);
    await opened();
  });

  it("reports a loss when nothing listens", async () => {
    await server.close();
    await channel.start(host);
    await host.until(() => host.reports().length > 0);
    expect(last()).toMatchObject({ type: "connection.lost", error: { message: expect.stringContaining("ECONNREFUSED") as unknown } });
    server = await openServer();
  });

  it("reports a loss when a closed connection is not mended within 45 s, and ends the library's attempts", async () => {
    const clock = createHeldClock();
    channel = openChannel(server, { clock });
    await channel.start(host);
    await opened();
    await server.close();
    await clock.untilPending(45_000);
    clock.pass(45_000);
    await host.until(() => count("connection.lost") === 1);
    expect(last()).toMatchObject({
      error: { code: "CHANNEL_UNAVAILABLE", message: expect.stringContaining("could not be mended") as unknown },
    });
    server = await openServer();
  });

  it("reports a loss when no login succeeds within a minute", async () => {
    const clock = createHeldClock();
    server.fail({ kind: "takenThenSilent" }, { call: "gateway" });
    channel = openChannel(server, { clock });
    await channel.start(host);
    await server.until(() => server.calls("gateway") === 1);
    clock.pass(60_000);
    await host.until(() => host.reports().length > 0);
    expect(last()).toMatchObject({ type: "connection.lost" });
  });

  it("spaces its logins, also over restarts", async () => {
    const clock = createHeldClock();
    channel = openChannel(server, { clock, identifyMs: 5_000 });
    await channel.start(host);
    await opened();
    await channel.stop();
    await channel.start(host);
    await clock.untilPending(5_000);
    expect(server.gateway.counts().identifies).toBe(1);
    clock.pass(5_000);
    await opened(2);
  });

  describe("stop", () => {
    it("leaves no connection and no timer, and start works again", async () => {
      await untilNoTimers();
      for (let round = 1; round <= 5; round += 1) {
        await channel.start(host);
        await opened(round);
        await channel.stop();
        expect(server.gateway.open()).toBe(0);
        expect(timers()).toBe(0);
      }
      expect(server.gateway.counts()).toMatchObject({ connections: 5, identifies: 5 });
      expect(count("connection.lost")).toBe(0);
    });

    it("ends a login that has just begun", async () => {
      await untilNoTimers();
      await channel.start(host);
      await channel.stop();
      expect(timers()).toBe(0);
      await channel.start(host);
      await server.until(() => server.gateway.counts().connections === 1);
      await channel.stop();
      expect([timers(), host.reports().length]).toEqual([0, 0]);
      await server.until(() => server.gateway.open() === 0);
      expect(server.gateway.counts().connections).toBe(1);
    });

    it("ends the library's pause between two connections", async () => {
      await untilNoTimers();
      let hasSeenClose: () => void = () => undefined;
      const closed = new Promise<void>((resolve) => {
        hasSeenClose = resolve;
      });
      channel = openChannel(server, { log: { debug: () => undefined, info: hasSeenClose, warn: () => undefined, error: () => undefined } });
      await channel.start(host);
      await opened();
      server.gateway.cut();
      await closed;
      await channel.stop();
      expect(timers()).toBe(0);
      expect(server.gateway.counts().connections).toBe(1);
    });

    it("ends a login that waits its turn", async () => {
      await untilNoTimers();
      const clock = createHeldClock();
      channel = openChannel(server, { clock, identifyMs: 59_000 });
      await channel.start(host);
      await opened();
      await channel.stop();
      await channel.start(host);
      await clock.untilPending(59_000);
      await channel.stop();
      expect(clock.pending()).toEqual([]);
      expect(timers()).toBe(0);
      await server.until(() => server.gateway.open() === 0);
      expect(server.gateway.counts()).toMatchObject({ connections: 2, identifies: 1 });
    });

    it("does not wait for the goodbye of a dead peer", async () => {
      const clock = createHeldClock();
      channel = openChannel(server, { clock });
      await channel.start(host);
      await opened();
      server.gateway.freeze();
      const stopping = channel.stop();
      await clock.untilPending(2_000);
      clock.pass(2_000);
      await stopping;
      await server.until(() => server.gateway.open() === 0);
      await channel.start(host);
      await opened(2);
      expect(count("connection.lost")).toBe(0);
    });
  });

  it("survives events of any shape", async () => {
    await channel.start(host);
    await opened();
    for (const t of [
      "MESSAGE_CREATE",
      "MESSAGE_UPDATE",
      "INTERACTION_CREATE",
      "GUILD_CREATE",
      "THREAD_CREATE",
      "THREAD_LIST_SYNC",
      "UNHEARD_OF",
    ]) {
      for (const d of [
        {},
        { id: 5 },
        { id: "x", channel_id: null },
        { author: 3, id: "1", channel_id: "2", content: {} },
        { roles: 1, threads: [null] },
      ])
        server.push(t, d);
    }
    server.say("still here");
    await host.until(() => host.stored().length === 1);
    expect(texts()).toEqual(["still here"]);
    expect(count("connection.lost")).toBe(0);
  });
});
