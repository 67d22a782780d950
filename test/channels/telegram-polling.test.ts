import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { TelegramChannel, TelegramOptions } from "../../src/channels/telegram/channel.ts";
import { textOf } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { createHeldClock, systemClock } from "./clocks.ts";
import type { HeldClock } from "./clocks.ts";

const POLL_S = 25;
const CONFLICT_MS = (POLL_S + 5) * 1_000;

describe("telegram polling", () => {
  let server: TelegramServer;
  let clock: HeldClock;
  let host: RecordingHost;
  let channel: TelegramChannel;
  const open = (options: Partial<TelegramOptions> = {}): TelegramChannel =>
    createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, allow: ["*"], clock, pollTimeoutS: POLL_S, ...options });
  const lastReport = (): string | undefined => host.reports().at(-1)?.type;
  const texts = (): string[] => host.stored().map((message) => textOf(message.content));

  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock });
    clock = createHeldClock();
    host = createRecordingHost("telegram");
    channel = open();
  });
  afterEach(async () => {
    await channel.stop();
    await server.close();
  });

  it("stores a batch, then its offset, then confirms by the next poll", async () => {
    server.say("one");
    server.say("two");
    await channel.start(host);
    await server.until(() => server.unconfirmed().length === 0);
    expect(texts()).toEqual(["one", "two"]);
    expect(host.offers()).toBe(1);
    expect(host.cells.get(`offset:${server.bot.id}`)).toBe(3);
    expect(host.stored()[0]).toMatchObject({
      externalId: `${server.bot.id}:7:1`,
      chat: "telegram:7",
      address: "7",
      sender: { id: "7", name: "Person" },
    });
    expect(server.lastPayload("getUpdates")).toEqual({
      offset: 3,
      timeout: POLL_S,
      allowed_updates: ["message", "edited_message", "callback_query"],
    });
  });

  it("begins with the stored offset, and with none at first contact", async () => {
    await channel.start(host);
    await server.until(() => server.heldPolls() === 1);
    expect(server.lastPayload("getUpdates")).not.toHaveProperty("offset");
    await channel.stop();
    await host.save(`offset:${server.bot.id}`, 3);
    for (const text of ["one", "two", "three"]) server.say(text);
    await channel.start(host);
    await host.until(() => host.stored().length > 0);
    expect(texts()).toEqual(["three"]);
  });

  it("keeps the offset when it could not be saved, and confirms nothing by it", async () => {
    const { save } = host;
    let failures = 0;
    const failing = Object.assign(host, {
      save: (cell: string, value: unknown) => {
        failures += 1;
        return failures === 1 ? Promise.reject(new Error("disk full")) : save(cell, value);
      },
    });
    await channel.start(failing);
    server.say("one");
    await clock.untilPending(1_000);
    expect(server.unconfirmed()).toEqual([1]);
    clock.pass(1_000);
    await server.until(() => server.unconfirmed().length === 0);
    expect(texts()).toEqual(["one"]);
  });

  it("follows the ids down when Telegram starts again at a lower one", async () => {
    await host.save(`offset:${server.bot.id}`, 900);
    await server.close();
    server = await openTelegramServer({ clock: systemClock, firstUpdateId: 900 });
    channel = open();
    await channel.start(host);
    server.say("high");
    await server.until(() => server.unconfirmed().length === 0);
    server.push(
      {
        message: { message_id: 1, date: 1, chat: { id: 7, type: "private" }, from: { id: 7, is_bot: false, first_name: "P" }, text: "low" },
      },
      5,
    );
    await host.until(() => host.stored().length === 2);
    await server.until(() => server.lastPayload("getUpdates")?.offset === 6);
    expect(texts()).toEqual(["high", "low"]);
  });

  it("passes over what it does not understand, in order, without calling intake", async () => {
    server.push({
      message: {
        message_id: 1,
        date: 1,
        chat: { id: 7, type: "private" },
        from: { id: 7, is_bot: false, first_name: "P" },
        new_chat_members: [],
      },
    });
    server.push({ message: null });
    server.push({ message: { text: "no chat at all" } });
    server.say("to somebody else", { chatId: -5 });
    await channel.start(host);
    await server.until(() => server.unconfirmed().length === 0);
    expect(host.offers()).toBe(0);
    expect(channel.counters()).toMatchObject({ accepted: 0, forbidden: 0, ignored: 2, notUnderstood: 2 });
  });

  it("hands over at most 100 updates at once and loses none of many", async () => {
    for (let n = 0; n < 250; n += 1) server.say(String(n));
    await channel.start(host);
    await server.until(() => server.unconfirmed().length === 0);
    expect(texts()).toEqual(Array.from({ length: 250 }, (_, n) => String(n)));
    expect(host.offers()).toBe(3);
  });

  it("waits out another poller, and is back with the first traffic", async () => {
    await channel.start(host);
    await server.until(() => server.heldPolls() === 1);
    server.fail(
      { kind: "error", status: 409, description: "Conflict: terminated by other getUpdates request" },
      { method: "getUpdates", times: 2 },
    );
    for (let round = 1; round <= 2; round += 1) {
      await clock.untilPending(CONFLICT_MS);
      expect(lastReport()).toBe("connection.conflicted");
      expect(server.calls("getUpdates")).toBe(round);
      clock.pass(CONFLICT_MS);
    }
    server.say("still here");
    await host.until(() => host.stored().length === 1);
    expect(host.reports().filter((report) => report.type === "connection.conflicted")).toHaveLength(2);
    expect(host.reports().some((report) => report.type === "connection.lost")).toBe(false);
  });

  it("waits as long as Telegram says after 429, however long", async () => {
    await channel.start(host);
    await server.until(() => server.heldPolls() === 1);
    server.fail({ kind: "error", status: 429, retryAfterS: 6_775 }, { method: "getUpdates" });
    await clock.untilPending(6_775_000);
    clock.pass(6_774_999);
    expect(server.calls("getUpdates")).toBe(1);
    clock.pass(1);
    await server.until(() => server.calls("getUpdates") === 2);
  });

  it.each([
    ["500 as JSON", { kind: "error", status: 500 }],
    ["502 as JSON", { kind: "error", status: 502 }],
    ["a gateway's page", { kind: "html", status: 502 }],
    ["200 without ok", { kind: "noOk", status: 200 }],
    ["500 without ok", { kind: "noOk", status: 500 }],
    ["a cut connection", { kind: "cut" }],
  ] as const)("ends the loop and reports a loss for %s", async (_, fault) => {
    await channel.start(host);
    await server.until(() => server.heldPolls() === 1);
    server.fail(fault, { method: "getUpdates" });
    await host.until(() => lastReport() === "connection.lost");
    await channel.stop();
    expect(server.calls("getUpdates")).toBe(1);
    expect(clock.pending()).toEqual([]);
    server.say("after the loss");
    await channel.start(host);
    await host.until(() => host.stored().length === 1);
  });

  it("reports a refused token with advice, from getMe and from a poll", async () => {
    const stranger = open({ token: "1000001:another-token-BBBB" });
    await stranger.start(host);
    await host.until(() => host.reports().length === 1);
    expect(host.reports()[0]).toMatchObject({
      type: "connection.refused",
      error: { code: "TOKEN_REFUSED", message: expect.stringContaining("@BotFather") },
    });
    await stranger.stop();
    await channel.start(host);
    await server.until(() => server.heldPolls() === 1);
    server.fail({ kind: "error", status: 401, description: "Unauthorized" }, { method: "getUpdates" });
    await host.until(() => lastReport() === "connection.refused");
    await channel.stop();
    expect(clock.pending()).toEqual([]);
    expect(inspect(host.reports())).not.toContain("token-");
  });

  it.each([
    [
      { kind: "error", status: 429, retryAfterS: 30 },
      { type: "connection.lost", retryAfterMs: 30_000 },
    ],
    [{ kind: "html", status: 404 }, { type: "connection.lost" }],
    [{ kind: "cut" }, { type: "connection.lost" }],
    [{ kind: "error", status: 404 }, { type: "connection.refused" }],
  ] as const)("answers getMe going wrong (%o) with %o", async (fault, report) => {
    server.fail(fault, { method: "getMe" });
    await channel.start(host);
    await host.until(() => host.reports().length === 1);
    expect(host.reports()[0]).toMatchObject(report);
    expect(server.calls("getUpdates")).toBe(0);
  });

  it("reports a loss when nothing listens", async () => {
    await server.close();
    await channel.start(host);
    await host.until(() => host.reports().length === 1);
    expect(lastReport()).toBe("connection.lost");
    server = await openTelegramServer({ clock: systemClock });
  });

  it("stops a held poll at once and never overlaps the next one", async () => {
    for (let round = 1; round <= 20; round += 1) {
      await channel.start(host);
      await server.until(() => server.calls("getUpdates") === round && server.heldPolls() === 1);
      await channel.stop();
    }
    expect(server.overlaps()).toBe(0);
    expect(host.reports().some((report) => report.type === "connection.lost")).toBe(false);
  });

  it("waits the whole pause between attempts to store, within its bounds", async () => {
    let attempts = 0;
    host.setAccept(async (messages) => {
      attempts += 1;
      if (attempts < 3) throw new Error("not one of ours");
      return messages.map(() => "accepted");
    });
    server.say("patience");
    await channel.start(host);
    for (let round = 1; round < 3; round += 1) {
      await clock.untilPending(1_000);
      expect(attempts).toBe(round);
      clock.pass(1_000);
    }
    await server.until(() => server.unconfirmed().length === 0);
    expect([attempts, server.calls("getUpdates")]).toEqual([3, 2]);
  });

  it("gives up waiting for a commit that hangs, and what it stores later moves nothing", async () => {
    let finish: (() => void) | undefined;
    host.setAccept(
      (messages) =>
        new Promise((resolve) => {
          finish = () => resolve(messages.map(() => "accepted"));
        }),
    );
    server.say("stuck");
    await channel.start(host);
    await host.until(() => host.offers() === 1);
    const stopping = channel.stop();
    await clock.untilPending(10_000);
    clock.pass(10_000);
    await stopping;
    finish?.();
    host.setAccept(undefined);
    await channel.start(host);
    await server.until(() => server.unconfirmed().length === 0);
    expect(texts()).toEqual(["stuck"]);
  });

  it("stores what was said before and after a group moved around the move, in order", async () => {
    const order: string[] = [];
    const { moved } = host;
    const recording = Object.assign(host, {
      moved: async (move: Parameters<typeof moved>[0]) => {
        order.push(`${move.from} is ${move.to} at ${move.address}`);
        await moved(move);
      },
    });
    recording.setAccept(async (messages) => {
      order.push(...messages.map((message) => `${message.chat} ${textOf(message.content)}`));
      return messages.map(() => "accepted");
    });
    server.say("/before", { chatId: -5 });
    server.migrate(-5, -1005);
    server.say("/after", { chatId: -1005 });
    await channel.start(recording);
    await server.until(() => server.unconfirmed().length === 0);
    const move = "telegram:-5 is telegram:-1005 at -1005";
    expect(order).toEqual(["telegram:-5 /before", move, move, "telegram:-1005 /after"]);
  });

  it("confirms a move only after it is stored, and passes over one that never will be", async () => {
    let attempts = 0;
    const failing = Object.assign(host, {
      moved: async () => {
        attempts += 1;
        expect(server.unconfirmed()).toHaveLength(2);
        if (attempts === 1) throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 100 });
        throw new Error("no such chat");
      },
    });
    server.migrate(-5, -1005);
    await channel.start(failing);
    await clock.untilPending(100);
    clock.pass(100);
    await server.until(() => server.unconfirmed().length === 0);
    expect(attempts).toBe(3);
  });

  it("hands over edits and presses, and stops the spinner of a button once the press is stored", async () => {
    const id = server.say("worse");
    server.editSaid(id, "better");
    await channel.deliver({
      chat: "telegram:7",
      address: "7",
      content: [
        { type: "text", text: "Sure?" },
        { type: "buttons", questionId: "q-1", options: [{ id: "y", label: "Yes" }] },
      ],
      idempotencyKey: "k",
      signal: new AbortController().signal,
    });
    const markup = server.sends()[0]?.payload.reply_markup as { inline_keyboard: { callback_data: string }[][] };
    server.press(markup.inline_keyboard[0]?.[0]?.callback_data ?? "");
    await channel.start(host);
    await server.until(() => server.calls("answerCallbackQuery") === 1);
    expect(texts()).toEqual(["worse", "better", "y"]);
    expect(host.stored()[1]?.editOf).toBe(host.stored()[0]?.externalId);
    expect(host.stored()[2]?.questionId).toBe("q-1");
  });

  it("is not held up by an answer to a press that fails or never comes", async () => {
    server.fail({ kind: "error", status: 400, description: "Bad Request: query is too old" }, { method: "answerCallbackQuery" });
    server.fail({ kind: "takenThenSilent" }, { method: "answerCallbackQuery" });
    server.press("a");
    server.press("b");
    await channel.start(host);
    await server.until(() => server.calls("answerCallbackQuery") === 2 && server.unconfirmed().length === 0);
    await channel.stop();
    expect(texts()).toEqual(["a", "b"]);
    expect(clock.pending()).toEqual([]);
  });
});
