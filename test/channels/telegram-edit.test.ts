import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { TelegramChannel } from "../../src/channels/telegram/channel.ts";
import { textContent } from "../../src/core/content.ts";
import { TerminalError } from "../../src/core/errors.ts";
import type { DeliverRequest } from "../../src/ports/channel.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { systemClock } from "./clocks.ts";

describe("telegram edits of sent messages", () => {
  let server: TelegramServer;
  let channel: TelegramChannel;
  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock });
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, allow: [], clock: systemClock });
  });
  afterEach(() => server.close());
  const request = (text: string): DeliverRequest => ({
    chat: "telegram:7",
    address: "7",
    content: textContent(text),
    idempotencyKey: "k",
    signal: new AbortController().signal,
  });
  const edit = async (text: string, platformId = "1"): Promise<void> => channel.edit?.({ ...request(text), platformId });

  it("change what is shown, with entities", async () => {
    await channel.deliver({ ...request("Grow**ing"), isDraft: true });
    await edit("Growing **up**");
    expect(server.shown(7)).toEqual([
      { messageId: 1, chatId: 7, text: "Growing up", entities: [{ type: "bold", offset: 8, length: 2 }], replyMarkup: undefined },
    ]);
    expect(server.edits()[0]?.payload).toMatchObject({ link_preview_options: { is_disabled: true } });
  });

  it("that change nothing are a success", async () => {
    await channel.deliver(request("same"));
    await expect(edit("same")).resolves.toBeUndefined();
    expect(server.calls("editMessageText")).toBe(1);
  });

  it("show the text as it was written when Telegram refuses its entities", async () => {
    await channel.deliver(request("draft"));
    server.fail({ kind: "error", status: 400, description: "Bad Request: can't parse entities" }, { method: "editMessageText" });
    await edit("**final**");
    expect(server.shown(7)[0]?.text).toBe("**final**");
  });

  it("of a message that is gone are refused for good", async () => {
    const error: unknown = await edit("late", "99").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({ code: "CHANNEL_REFUSED", message: expect.stringContaining("message to edit not found") });
    await expect(edit("x", "not a number")).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    await expect(edit("  ")).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it.each([
    [
      { kind: "error", status: 429, retryAfterS: 6_775 },
      { code: "CHANNEL_UNAVAILABLE", retryAfterMs: 6_775_000 },
    ],
    [{ kind: "error", status: 403, description: "Forbidden: bot was blocked by the user" }, { code: "CHAT_UNREACHABLE" }],
    [{ kind: "takenThenCut" }, { code: "SEND_UNKNOWN" }],
  ] as const)("throw after %o as deliver does", async (fault, error) => {
    await channel.deliver(request("draft"));
    server.fail(fault, { method: "editMessageText" });
    await expect(edit("final")).rejects.toMatchObject(error);
    await expect(edit("final")).resolves.toBeUndefined();
  });

  it("put files and buttons into words and keys", async () => {
    await channel.deliver(request("draft"));
    await channel.edit?.({
      ...request(""),
      platformId: "1",
      content: [
        { type: "text", text: "See" },
        { type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 1, ref: "telegram:x" },
        { type: "buttons", questionId: "q", options: [{ id: "y", label: "Yes" }] },
      ],
    });
    expect(server.shown(7)).toMatchObject([{ text: "See\n[image: a.png]", replyMarkup: { inline_keyboard: [[{ text: "Yes" }]] } }]);
  });
});
