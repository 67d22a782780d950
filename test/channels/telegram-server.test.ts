/** The test server itself: what it lets through is what these tests would not notice. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { entityProblem } from "../../src/testing/telegram-server/entities.ts";
import { systemClock } from "./clocks.ts";

interface Answer {
  readonly ok: boolean;
  readonly error_code?: number;
  readonly description?: string;
  readonly result?: unknown;
  readonly parameters?: { readonly retry_after?: number; readonly migrate_to_chat_id?: number };
}

describe("the telegram test server", () => {
  let server: TelegramServer;
  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock, rates: { chatPerS: 3, groupPerMinute: 2 } });
  });
  afterEach(() => server.close());

  const call = async (method: string, payload: object = {}, token = server.token): Promise<Answer> => {
    const response = await fetch(`${server.apiRoot}/bot${token}/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(payload),
    });
    return (await response.json()) as Answer;
  };

  it("knows its token, its methods and its chats", async () => {
    expect(await call("getMe", {}, "1:wrong")).toMatchObject({ ok: false, error_code: 401 });
    expect(await call("sendStars")).toMatchObject({ ok: false, error_code: 404 });
    expect(await call("sendMessage", { text: "x" })).toMatchObject({ error_code: 400, description: "Bad Request: chat not found" });
  });

  it.each([
    [{ text: "" }, "message text is empty"],
    [{ text: "x".repeat(4_097) }, "message is too long"],
    [{ text: "x", parse_mode: "HTML" }, "can't parse entities"],
    [{ text: "x", entities: [{ type: "bold", offset: 0, length: 2 }] }, "can't parse entities"],
    [{ text: "x", reply_markup: {} }, "object expected as reply markup"],
    [{ text: "x", reply_markup: { inline_keyboard: [[{ text: "", callback_data: "a" }]] } }, "can't be empty"],
    [{ text: "x", reply_markup: { inline_keyboard: [[{ text: "a", callback_data: "é".repeat(33) }]] } }, "BUTTON_DATA_INVALID"],
  ])("refuses the message %o", async (payload, why) => {
    const answer = await call("sendMessage", { chat_id: 7, ...payload });
    expect(answer).toMatchObject({ ok: false, error_code: 400 });
    expect(answer.description).toContain(why);
    expect(server.sends()).toEqual([]);
  });

  it("offers updates until an offset confirms them, and holds a poll until there is one", async () => {
    server.say("one");
    server.say("two");
    for (let round = 0; round < 2; round += 1)
      expect(await call("getUpdates")).toMatchObject({ result: [{ update_id: 1 }, { update_id: 2 }] });
    const held = call("getUpdates", { offset: 3, timeout: 50 });
    await server.until(() => server.heldPolls() === 1);
    expect(server.unconfirmed()).toEqual([]);
    server.say("three");
    expect(await held).toMatchObject({ result: [{ update_id: 3 }] });
  });

  it("ends the older of two polls, and any poll when a webhook is set", async () => {
    const older = call("getUpdates", { timeout: 50 });
    await server.until(() => server.heldPolls() === 1);
    const newer = call("getUpdates", { timeout: 50 });
    expect(await older).toMatchObject({ error_code: 409 });
    await server.until(() => server.heldPolls() === 1);
    await call("setWebhook", { url: "http://127.0.0.1:1/x" });
    expect(await newer).toMatchObject({ error_code: 409 });
    expect((await call("getUpdates")).description).toContain("while webhook is active");
    expect(await call("getWebhookInfo")).toMatchObject({ result: { url: "http://127.0.0.1:1/x", pending_update_count: 0 } });
    await call("deleteWebhook");
    expect(await call("getUpdates")).toMatchObject({ ok: true });
  });

  it("keeps what waits when a webhook is removed, unless it is told to drop it", async () => {
    server.say("one");
    await call("deleteWebhook", { drop_pending_updates: false });
    expect(server.unconfirmed()).toEqual([1]);
    await call("deleteWebhook", { drop_pending_updates: true });
    expect(server.unconfirmed()).toEqual([]);
  });

  it.each([{ url: "ftp://x" }, { url: 7 }, { url: "https://a.b", secret_token: "no spaces" }])(
    "refuses the webhook %o",
    async (payload) => {
      expect(await call("setWebhook", payload)).toMatchObject({ error_code: 400 });
      expect(server.webhook()).toBeUndefined();
    },
  );

  it("limits what is sent, and says for how long", async () => {
    for (let n = 0; n < 3; n += 1) expect(await call("sendMessage", { chat_id: 7, text: "x" })).toMatchObject({ ok: true });
    expect(await call("sendMessage", { chat_id: 7, text: "x" })).toMatchObject({ error_code: 429, parameters: { retry_after: 1 } });
    expect(await call("sendMessage", { chat_id: 8, text: "x" })).toMatchObject({ ok: true });
    for (let n = 0; n < 2; n += 1) await call("sendMessage", { chat_id: -5, text: "x" });
    expect((await call("sendMessage", { chat_id: -5, text: "x" })).parameters?.retry_after).toBeGreaterThan(50);
  });

  it("edits what it knows, and says what did not change", async () => {
    await call("sendMessage", { chat_id: 7, text: "a" });
    expect((await call("editMessageText", { chat_id: 7, message_id: 1, text: "a" })).description).toContain("message is not modified");
    expect(await call("editMessageText", { chat_id: 7, message_id: 1, text: "b" })).toMatchObject({ ok: true });
    expect((await call("editMessageText", { chat_id: 8, message_id: 1, text: "b" })).description).toContain("message to edit not found");
    expect(server.shown(7).map(({ text }) => text)).toEqual(["b"]);
  });

  it("refuses sends to a group that moved, naming the new one", async () => {
    server.migrate(-5, -1005);
    expect((await call("sendMessage", { chat_id: -5, text: "x" })).parameters).toEqual({ migrate_to_chat_id: -1005 });
  });

  it("takes one answer for each press", async () => {
    await call("sendMessage", { chat_id: 7, text: "?", reply_markup: { inline_keyboard: [[{ text: "Yes", callback_data: "y" }]] } });
    server.press("y");
    const { result } = (await call("getUpdates")) as { result: { callback_query: { id: string } }[] };
    const callback_query_id = result[0]?.callback_query.id;
    expect(await call("answerCallbackQuery", { callback_query_id })).toMatchObject({ ok: true });
    expect(await call("answerCallbackQuery", { callback_query_id })).toMatchObject({ error_code: 400 });
  });

  it("hands out 5,000 waiting updates over polls of a hundred", async () => {
    for (let n = 0; n < 5_000; n += 1) server.say(String(n), { userId: n % 50 });
    let offset = 0;
    let count = 0;
    for (;;) {
      const { result } = (await call("getUpdates", { offset })) as { result: { update_id: number }[] };
      if (result.length === 0) break;
      count += result.length;
      offset = (result.at(-1)?.update_id ?? 0) + 1;
    }
    expect(count).toBe(5_000);
  });
});

describe("entities over a text", () => {
  const bold = (offset: number, length: number) => ({ type: "bold", offset, length });
  const italic = (offset: number, length: number) => ({ type: "italic", offset, length });
  const code = (offset: number, length: number) => ({ type: "code", offset, length });
  const quote = (offset: number, length: number) => ({ type: "blockquote", offset, length });
  const link = (offset: number, length: number, url = "https://a.b") => ({ type: "text_link", offset, length, url });

  it.each([
    [[]],
    [[bold(0, 5), italic(1, 2)]],
    [[bold(0, 5), italic(5, 2)]],
    [[bold(0, 5), italic(0, 5)]],
    [[link(0, 5), bold(1, 2)]],
    [[quote(0, 9), code(1, 2), bold(4, 2), link(7, 1)]],
    [[{ type: "pre", offset: 0, length: 4, language: "ts" }]],
  ])("are right: %o", (entities) => {
    expect(entityProblem("0123456789", entities)).toBeUndefined();
  });

  it.each([
    [[bold(0, 11)], "reaches"],
    [[bold(-1, 2)], "reaches"],
    [[bold(3, 0)], "reaches"],
    [[bold(0.5, 2)], "whole"],
    [[bold(0, 5), italic(3, 5)], "partly overlaps"],
    [[bold(0, 5), bold(1, 2)], "inside of bold"],
    [[code(0, 5), bold(1, 2)], "inside of code"],
    [[bold(0, 5), code(1, 2)], "inside of bold"],
    [[link(0, 5), code(1, 2)], "inside of text_link"],
    [[quote(0, 9), quote(1, 2)], "inside of blockquote"],
    [[link(0, 2, "http://localhost")], "is invalid"],
    [[link(0, 2, "javascript:a")], "is invalid"],
    [[{ type: "shout", offset: 0, length: 1 }], "unknown type"],
    [[{ ...bold(0, 1), language: "ts" }], "no pre"],
    [Array.from({ length: 101 }, () => bold(0, 1)), "ENTITIES_TOO_LONG"],
    ["bold", "must be an array"],
  ])("are wrong: %o", (entities, why) => {
    expect(entityProblem("0123456789", entities)).toContain(why);
  });

  it("neither begin nor end inside of an emoji, and cover more than white space", () => {
    expect(entityProblem("a😀b", [bold(1, 2)])).toBeUndefined();
    expect(entityProblem("a😀b", [bold(2, 2)])).toContain("begins in the middle");
    expect(entityProblem("a😀b", [bold(0, 2)])).toContain("ends in the middle");
    expect(entityProblem("a  b", [bold(1, 2)])).toContain("white space");
  });
});
