import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { TelegramChannel } from "../../src/channels/telegram/channel.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { createHeldClock, systemClock } from "./clocks.ts";
import type { HeldClock } from "./clocks.ts";

describe("telegram's menu of commands", () => {
  let server: TelegramServer;
  let clock: HeldClock;
  let host: RecordingHost;
  let channel: TelegramChannel;
  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock });
    clock = createHeldClock();
    host = createRecordingHost("telegram");
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, clock });
  });
  afterEach(async () => {
    await channel.stop();
    await server.close();
  });
  const cell = (): unknown => host.cells.get(`menu:${server.bot.id}`);
  const restart = async (as: RecordingHost = host): Promise<void> => {
    await channel.stop();
    await channel.start(as);
    await server.until(() => server.heldPolls() === 1);
  };

  it("is set once, and again only when the commands change", async () => {
    await restart();
    await host.until(() => cell() !== undefined);
    expect(server.lastPayload("setMyCommands")).toEqual({
      commands: [
        { command: "help", description: "What I can do" },
        { command: "stop", description: "Abort what I am doing" },
      ],
    });
    await restart();
    await channel.stop();
    expect(server.calls("setMyCommands")).toBe(1);
    const other = Object.assign(createRecordingHost("telegram"), {
      load: host.load,
      commands: [{ name: "new", description: "Begin anew" }],
    });
    await restart(other);
    await server.until(() => server.calls("setMyCommands") === 2);
  });

  it("stays unset for as long as a 429 says, over restarts, and polling goes on", async () => {
    server.fail({ kind: "error", status: 429, retryAfterS: 480 }, { method: "setMyCommands" });
    server.say("hello");
    await restart();
    await host.until(() => cell() !== undefined && host.stored().length === 1);
    await restart();
    await channel.stop();
    expect(server.calls("setMyCommands")).toBe(1);
    clock.pass(480_000);
    await restart();
    await server.until(() => server.calls("setMyCommands") === 2);
    expect(host.reports().some((report) => report.type === "connection.lost")).toBe(false);
  });

  it.each([
    { kind: "error", status: 400, description: "Bad Request: BOT_COMMAND_INVALID" },
    { kind: "html", status: 502 },
    { kind: "cut" },
  ] as const)("that fails by %o is tried at the next start, and harms nothing", async (fault) => {
    server.fail(fault, { method: "setMyCommands" });
    server.say("hello");
    await restart();
    await server.until(() => server.unconfirmed().length === 0 && server.calls("setMyCommands") === 1);
    await restart();
    await server.until(() => server.calls("setMyCommands") === 2);
    expect(host.reports().some((report) => report.type === "connection.lost")).toBe(false);
  });
});
