import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { TelegramChannel } from "../../src/channels/telegram/channel.ts";
import { textContent } from "../../src/core/content.ts";
import type { Content } from "../../src/core/content.ts";
import { AmbiguousError, TerminalError, TransientError } from "../../src/core/errors.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { systemClock } from "./clocks.ts";

describe("telegram delivery", () => {
  let server: TelegramServer;
  let channel: TelegramChannel;
  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock });
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, allow: [], clock: systemClock });
  });
  afterEach(() => server.close());

  const send = (
    content: string | Content,
    address = "7",
    signal = new AbortController().signal,
  ): Promise<{ readonly platformId: string }> =>
    channel.deliver({
      chat: "telegram:7",
      address,
      content: typeof content === "string" ? textContent(content) : content,
      idempotencyKey: "k",
      signal,
    });

  it("sends Markdown as entities, without link preview, into the thread of the address", async () => {
    await expect(send("*hi* https://example.org", "-100123/9")).resolves.toEqual({ platformId: "1" });
    expect(server.sends()[0]?.payload).toEqual({
      chat_id: -100123,
      message_thread_id: 9,
      text: "hi https://example.org",
      entities: [{ type: "italic", offset: 0, length: 2 }],
      link_preview_options: { is_disabled: true },
    });
  });

  it("sends text without markup as it is", async () => {
    await send("2 < 3 & 3 > 2");
    expect(server.sends()[0]?.payload).not.toHaveProperty("entities");
    expect(server.sends()[0]?.text).toBe("2 < 3 & 3 > 2");
  });

  it.each([
    "Bad Request: can't parse entities: ENTITY_TEXTURL_INVALID",
    "Bad Request: ENTITY_BOUNDS_INVALID",
    "Bad Request: entity beginning at UTF-16 offset 3 ends in a middle of a UTF-16 symbol at byte offset 5",
  ])("sends the text as it was written, once, when Telegram refuses its entities: %s", async (description) => {
    server.fail({ kind: "error", status: 400, description });
    await expect(send("**bold** [x](https://a.b)")).resolves.toEqual({ platformId: "1" });
    expect(server.sends().map(({ text, payload }) => [text, payload.entities])).toEqual([["**bold** [x](https://a.b)", undefined]]);
    expect(server.calls("sendMessage")).toBe(2);
  });

  it("does not go on for ever when plain text is refused like entities", async () => {
    server.fail({ kind: "error", status: 400, description: "Bad Request: can't parse entities" }, { times: 3 });
    await expect(send("**bold**")).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    expect(server.calls("sendMessage")).toBe(2);
  });

  it("asks for no entities again that were refused while the send was aborted", async () => {
    const abort = new AbortController();
    server.fail({ kind: "error", status: 400, description: "Bad Request: can't parse entities" });
    const sending = send("**bold**", "7", abort.signal).catch((error: unknown) => error);
    await server.until(() => server.calls("sendMessage") === 1);
    abort.abort();
    expect(await sending).toBeInstanceOf(TransientError);
    expect(server.sends()).toEqual([]);
  });

  it.each([
    [{ kind: "error", status: 400, description: "Bad Request: message is too long" }, TerminalError, "CHANNEL_REFUSED", 0],
    [{ kind: "error", status: 400, description: "Bad Request: BUTTON_DATA_INVALID" }, TerminalError, "CHANNEL_REFUSED", 0],
    [{ kind: "error", status: 401, description: "Unauthorized" }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "error", status: 500 }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "error", status: 429 }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "html", status: 413 }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "error", status: 502 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "html", status: 504 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "noOk", status: 200 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "noOk", status: 500 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "cut" }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "takenThenCut" }, AmbiguousError, "SEND_UNKNOWN", 1],
  ] as const)("answers %o with the right class", async (fault, kind, code, taken) => {
    server.fail(fault);
    const error: unknown = await send("x").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(kind);
    expect(error instanceof AmbiguousError).toBe(code === "SEND_UNKNOWN");
    expect(error).toMatchObject({ code });
    expect(server.sends()).toHaveLength(taken);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("token-AAAA");
    await expect(send("the next one works")).resolves.toBeDefined();
  });

  it.each([
    [403, "Forbidden: bot was blocked by the user", /press Start/],
    [403, "Forbidden: user is deactivated", /gone/],
    [403, "Forbidden: bot was kicked from the supergroup chat", /add it again/],
    [403, "Forbidden: bot can't initiate conversation with a user", /press Start/],
    [400, "Bad Request: chat not found", /correct the address/],
    [400, "Bad Request: group chat was deactivated", /gone/],
    [400, "Bad Request: not enough rights to send text messages to the chat", /administrator/],
    [400, "Bad Request: have no rights to send a message", /administrator/],
    [400, "Bad Request: message thread not found", /topic/],
    [400, "Bad Request: TOPIC_CLOSED", /topic/],
  ])("says that the chat cannot be reached after %d %s, and what to do", async (status, description, advice) => {
    server.fail({ kind: "error", status, description });
    const error: unknown = await send("x").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({ code: "CHAT_UNREACHABLE", message: expect.stringMatching(advice) });
  });

  it("passes on the wait that Telegram asks for, of any size, and guesses no scope", async () => {
    server.fail({ kind: "error", status: 429, description: "Too Many Requests: retry after 6775", retryAfterS: 6_775 });
    const error: unknown = await send("x").catch((caught: unknown) => caught);
    expect(error).toMatchObject({ retryAfterMs: 6_775_000, scope: undefined });
  });

  describe("to a group that became a supergroup", () => {
    const start = async (): Promise<RecordingHost> => {
      const host = createRecordingHost("telegram");
      await channel.start(host);
      await server.until(() => server.heldPolls() === 1);
      return host;
    };
    afterEach(() => channel.stop());

    it("tells the runtime, and is sent again at once", async () => {
      const host = await start();
      server.fail({
        kind: "error",
        status: 400,
        description: "Bad Request: group chat was upgraded to a supergroup chat",
        migrateTo: -1005,
      });
      const error: unknown = await send("x", "-5").catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(TransientError);
      expect(error).not.toBeInstanceOf(AmbiguousError);
      expect(error).toMatchObject({ retryAfterMs: 1 });
      expect(host.moves()).toEqual([{ from: "telegram:-5", to: "telegram:-1005", address: "-1005" }]);
      await expect(send("x", "-1005")).resolves.toBeDefined();
    });

    it("does not go round at full speed when it is still sent to the old one", async () => {
      await start();
      server.migrate(-5, -1005);
      await expect(send("x", "-5")).rejects.toMatchObject({ retryAfterMs: 1 });
      await expect(send("x", "-5")).rejects.toMatchObject({ code: "CHANNEL_UNAVAILABLE", retryAfterMs: undefined });
    });

    it("fails as the store does when the move could not be stored", async () => {
      const host = await start();
      server.fail({ kind: "error", status: 400, migrateTo: -1005 });
      Object.assign(host, {
        moved: async () => {
          throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again");
        },
      });
      await expect(send("x", "-5")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    });
  });

  it("is ambiguous when aborted while the answer is awaited", async () => {
    server.fail({ kind: "takenThenSilent" });
    const abort = new AbortController();
    const sending = send("x", "7", abort.signal);
    const outcome = sending.catch((caught: unknown) => caught);
    await server.until(() => server.sends().length === 1);
    abort.abort();
    expect(await outcome).toBeInstanceOf(AmbiguousError);
  });

  it("is transient when nothing listens, and shows no token", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => closed.once("listening", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    channel = createTelegramChannel({ token: server.token, apiRoot: `http://127.0.0.1:${port}`, allow: [], clock: systemClock });
    const error: unknown = await send("x").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).not.toBeInstanceOf(AmbiguousError);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("token-AAAA");
  });

  it.each(["", "abc", "7/x", "7/1/2"])("refuses the address %o", async (address) => {
    await expect(send("x", address)).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    expect(server.calls("sendMessage")).toBe(0);
  });

  it("takes 4,096 units and is refused one more", async () => {
    await send("x".repeat(4_096));
    await expect(send("x".repeat(4_097))).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it("shows typing in the thread, and swallows what goes wrong", async () => {
    const { signal } = new AbortController();
    await channel.typing?.("-100123/9", signal);
    expect(server.lastPayload("sendChatAction")).toEqual({ chat_id: -100123, message_thread_id: 9, action: "typing" });
    server.fail({ kind: "noOk", status: 500 }, { method: "sendChatAction" });
    await channel.typing?.("7", signal);
    expect(server.calls("sendChatAction")).toBe(2);
  });

  describe("of files and buttons", () => {
    const image = { type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 1, ref: "telegram:known" } as const;
    const buttons = {
      type: "buttons",
      questionId: "q",
      options: [
        { id: "y", label: "Yes" },
        { id: "n", label: "No" },
      ],
    } as const;
    beforeEach(() => server.putFile("known", new Uint8Array(3)));

    it.each([
      ["image", "sendPhoto", "photo"],
      ["voice", "sendVoice", "voice"],
      ["audio", "sendAudio", "audio"],
      ["video", "sendVideo", "video"],
      ["document", "sendDocument", "document"],
      ["other", "sendDocument", "document"],
    ] as const)("sends a file of kind %s again by %s", async (kind, method, field) => {
      await expect(send([{ ...image, kind }], "-100/9")).resolves.toEqual({ platformId: "1" });
      expect(server.sends()).toMatchObject([{ method, chatId: -100, threadId: 9, payload: { [field]: "known" } }]);
    });

    it("lets Telegram fetch a file by its URL, with a short text as its caption", async () => {
      await send([
        { type: "text", text: "see **this**" },
        { ...image, ref: "https://example.org/a.png" },
      ]);
      expect(server.sends()).toHaveLength(1);
      expect(server.sends()[0]?.payload).toEqual({
        chat_id: 7,
        photo: "https://example.org/a.png",
        caption: "see this",
        caption_entities: [{ type: "bold", offset: 4, length: 4 }],
      });
    });

    it("sends a text that is too long for a caption before the file", async () => {
      const text = "word ".repeat(300);
      await expect(send([{ type: "text", text }, image])).resolves.toEqual({ platformId: "1" });
      expect(server.sends().map(({ method }) => method)).toEqual(["sendMessage", "sendPhoto"]);
    });

    it.each([
      ["of another bot", "telegram:unknown", "look\n[image: a.png]"],
      ["that Telegram cannot fetch", "https:///nowhere", "look\n[image: a.png] https:///nowhere"],
      ["that it knows nothing of", "slack:F1", "look\n[image: a.png]"],
      ["without encryption", "http://example.org/a.png", "look\n[image: a.png]"],
    ])("says in words what a file is %s", async (_, ref, text) => {
      await send([
        { type: "text", text: "look" },
        { ...image, ref },
      ]);
      expect(server.sends().map((one) => [one.method, one.text])).toEqual([["sendMessage", text]]);
    });

    it("says in words what Telegram fails to fetch, and nothing of that for another failure", async () => {
      const remote = { ...image, ref: "https://example.org/a.png" };
      server.fail({ kind: "error", status: 400, description: "Bad Request: failed to get HTTP URL content" }, { method: "sendPhoto" });
      await send([remote]);
      expect(server.sends().map(({ text }) => text)).toEqual(["[image: a.png] https://example.org/a.png"]);
      server.fail({ kind: "error", status: 403, description: "Forbidden: bot was blocked by the user" }, { method: "sendPhoto" });
      await expect(send([remote])).rejects.toMatchObject({ code: "CHAT_UNREACHABLE" });
      server.fail({ kind: "takenThenCut" }, { method: "sendPhoto" });
      await expect(send([remote])).rejects.toBeInstanceOf(AmbiguousError);
      expect(server.calls("sendMessage")).toBe(1);
    });

    it("sends a place as a place", async () => {
      await send([{ ...image, kind: "location", ref: "geo:48.85,-2.35" }]);
      expect(server.sends()).toMatchObject([{ method: "sendLocation", payload: { latitude: 48.85, longitude: -2.35 } }]);
    });

    it("hangs buttons below the text, in one row where they are short", async () => {
      await send([{ type: "text", text: "Sure?" }, buttons]);
      expect(server.sends()[0]?.payload.reply_markup).toEqual({
        inline_keyboard: [
          [
            { text: "Yes", callback_data: "q1:qy" },
            { text: "No", callback_data: "q1:qn" },
          ],
        ],
      });
    });

    it("hangs buttons below a file, and below a text of their own where there is none", async () => {
      await send([{ type: "text", text: "This?" }, image, buttons]);
      await send([buttons]);
      expect(server.sends().map(({ method, text }) => [method, text])).toEqual([
        ["sendPhoto", "This?"],
        ["sendMessage", "Please choose:"],
      ]);
      expect(server.sends().every(({ payload }) => payload.reply_markup !== undefined)).toBe(true);
    });

    it("names the place of an option whose id is too long, and lists options that no button can carry", async () => {
      const questionId = "7a1e9d2c-0000-4000-8000-000000000000";
      await send([{ ...buttons, questionId, options: [{ id: "x".repeat(60), label: "A long one that has a row of its own" }] }]);
      expect(server.sends()[0]?.payload.reply_markup).toMatchObject({ inline_keyboard: [[{ callback_data: `p36:${questionId}0` }]] });
      await send([{ ...buttons, questionId: "x".repeat(64) }]);
      expect(server.sends()[1]?.text).toBe("• Yes\n• No");
    });

    it("goes on after the message that was taken when a part of several is sent again", async () => {
      const content: Content = [{ type: "text", text: "word ".repeat(300) }, image];
      server.fail({ kind: "error", status: 429, retryAfterS: 3 }, { method: "sendPhoto" });
      await expect(send(content)).rejects.toMatchObject({ retryAfterMs: 3_000 });
      await expect(send(content)).resolves.toEqual({ platformId: "1" });
      expect(server.sends().map(({ method }) => method)).toEqual(["sendMessage", "sendPhoto"]);
      await send(content);
      expect(server.sends()).toHaveLength(4);
    });

    it.each([[[]], [[{ type: "text", text: " \n" }]]] as [Content][])("refuses %o, which shows nothing", async (content) => {
      await expect(send(content)).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
      expect(server.calls("sendMessage")).toBe(0);
    });
  });
});
