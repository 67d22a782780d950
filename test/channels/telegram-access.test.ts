import { describe, expect, it } from "vitest";
import type { Message, Update } from "grammy/types";
import { checkAllow } from "../../src/channels/telegram/access.ts";
import { addressOfKey, parseAddress } from "../../src/channels/telegram/address.ts";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import { translate } from "../../src/channels/telegram/translate.ts";
import type { Translation } from "../../src/channels/telegram/translate.ts";
import { parseChatKey } from "../../src/core/chat-key.ts";
import { parseContent, textOf } from "../../src/core/content.ts";
import { systemClock } from "./clocks.ts";

const BOT = { id: 1, username: "sati_bot" };
const PERSON = { id: 7, is_bot: false, first_name: "Ada", last_name: "L", username: "Ada_L" };
const PRIVATE = { id: 7, type: "private", first_name: "Ada" };
const GROUP = { id: -1001234567890, type: "supergroup", title: "Group", username: "the_group" };

function read(message: object): Translation {
  const update = { update_id: 42, message: { message_id: 1, date: 1, from: PERSON, chat: PRIVATE, ...message } as Message } as Update;
  return translate(update, { name: "telegram", bot: BOT });
}

const contentOf = (translation: Translation): unknown => (translation.kind === "message" ? translation.message.content : translation.kind);

const identitiesOf = (translation: Translation): unknown =>
  translation.kind === "message" ? translation.message.identities : translation.kind;

describe("telegram access", () => {
  it("says by which names an allow list may mean the writer and the place", () => {
    expect(identitiesOf(read({ text: "hi" }))).toEqual(["7", "@ada_l"]);
    expect(identitiesOf(read({ chat: GROUP, text: "/hi" }))).toEqual(["7", "-1001234567890", "@ada_l", "@the_group"]);
  });

  it("knows an anonymous writer by the chat that it writes for", () => {
    const from = { id: 1_087_968_824, is_bot: true, first_name: "Group", username: "GroupAnonymousBot" };
    expect(identitiesOf(read({ chat: GROUP, from, sender_chat: GROUP, text: "/hi" }))).toEqual(["-1001234567890", "@the_group"]);
  });

  it("says where only the writer reads the answer", () => {
    expect(read({ text: "hi" })).toMatchObject({ message: { isPrivate: true } });
    expect(read({ chat: GROUP, text: "/hi" })).not.toHaveProperty("message.isPrivate");
  });

  it("takes ids, names in any case and everybody, and names the entry that is none", () => {
    expect(checkAllow([" 7 ", "@Ada_L", "*", "-100"])).toEqual(["7", "@ada_l", "*", "-100"]);
    expect(() => checkAllow(["7", "ada"])).toThrow(/allow\[1\] is "ada"/);
  });
});

describe("telegram translation", () => {
  it("makes keys and addresses that the runtime takes, threads apart", () => {
    const topic = read({ chat: GROUP, text: "/x", is_topic_message: true, message_thread_id: 9 });
    expect(topic).toMatchObject({ message: { chat: "telegram:-1001234567890:9", address: "-1001234567890/9", externalId: "1:42" } });
    // A thread id without the topic mark is only a chain of replies.
    const plain = read({ chat: GROUP, text: "/x", message_thread_id: 9 });
    expect(plain).toMatchObject({
      message: { chat: "telegram:-1001234567890", address: "-1001234567890", sender: { id: "7", name: "Ada L" } },
    });
    const keys = [topic, plain].flatMap((one) => (one.kind === "message" ? [one.message.chat] : []));
    expect(keys.map((key) => parseChatKey(key))).toEqual(keys);
  });

  it.each([
    ["a command", { text: "/status now" }, true],
    ["a command for this bot", { text: "/status@Sati_Bot now" }, true],
    ["a command for another bot", { text: "/status@other_bot now" }, false],
    ["plain talk", { text: "hello all" }, false],
    ["a mention", { text: "hey @sati_bot", entities: [{ type: "mention", offset: 4, length: 9 }] }, true],
    ["a mention of another", { text: "hey @someone", entities: [{ type: "mention", offset: 4, length: 8 }] }, false],
    ["a mention without a name", { text: "hey you", entities: [{ type: "text_mention", offset: 4, length: 3, user: { id: 1 } }] }, true],
    ["a caption with a mention", { caption: "@sati_bot", caption_entities: [{ type: "mention", offset: 0, length: 9 }] }, true],
    ["a reply to the bot", { text: "yes", reply_to_message: { from: { id: 1 } } }, true],
    ["a reply to a person", { text: "yes", reply_to_message: { from: { id: 8 } } }, false],
    ["talk in a topic that the bot created", { text: "yes", reply_to_message: { from: { id: 1 }, forum_topic_created: {} } }, false],
  ])("in a group %s is for the bot: %s", (_, message, isForBot) => {
    expect(read({ chat: GROUP, ...message }).kind).toBe(isForBot ? "message" : "ignored");
    expect(read(message).kind).toBe("message");
  });

  it("takes the bot's name off a command", () => {
    expect(contentOf(read({ chat: GROUP, text: "/queue@sati_bot latest" }))).toEqual([{ type: "text", text: "/queue latest" }]);
  });

  it("never answers another bot", () => {
    expect(read({ from: { ...PERSON, is_bot: true }, text: "hi" }).kind).toBe("ignored");
  });

  it.each([
    [
      "photo",
      {
        photo: [
          { file_id: "s", file_size: 1 },
          { file_id: "l", file_size: 9 },
        ],
        caption: "look",
      },
      { kind: "image", ref: "telegram:l", bytes: 9 },
    ],
    [
      "document",
      { document: { file_id: "d", file_name: "a.pdf", mime_type: "application/pdf" } },
      { kind: "document", name: "a.pdf", bytes: 0 },
    ],
    ["voice", { voice: { file_id: "v", duration: 3 } }, { kind: "voice", mime: "audio/ogg", ref: "telegram:v" }],
    ["animation", { animation: { file_id: "a" }, document: { file_id: "a" } }, { kind: "video", ref: "telegram:a" }],
    ["location", { location: { latitude: 1.5, longitude: -2 } }, { kind: "location", ref: "geo:1.5,-2" }],
    [
      "venue",
      { location: { latitude: 0, longitude: 0 }, venue: { title: "Café", location: { latitude: 1, longitude: 2 } } },
      { kind: "location", name: "Café" },
    ],
  ])("gives a %s as a file", (_, message, part) => {
    const content = contentOf(read(message));
    expect(content).toEqual(expect.arrayContaining([expect.objectContaining({ type: "file", ...part })]));
    expect(() => parseContent(content)).not.toThrow();
    expect(textOf(parseContent(content))).toBe("caption" in message ? "look" : "");
  });

  it("mends text that intake would refuse", () => {
    expect(() => parseContent(contentOf(read({ text: "broken \ud800 half" })))).not.toThrow();
  });
});

describe("telegram addresses", () => {
  it.each([
    ["telegram:123", "123", 123],
    ["telegram:-1001234567890", "-1001234567890", -1_001_234_567_890],
    ["telegram-2:-100:9", "-100/9", -100],
  ] as const)("of a chat that never wrote: %s is %s", (key, address, chatId) => {
    expect(addressOfKey(key)).toBe(address);
    expect(parseAddress(address).chat_id).toBe(chatId);
  });

  it("are none where the key holds no id", () => expect(addressOfKey("telegram:ann b")).toBeUndefined());
});

describe("telegram options", () => {
  it.each([
    [{ token: "" }, "TOKEN_REFUSED", "token"],
    [{ token: "1:a/../b" }, "TOKEN_REFUSED", "token"],
    [{ apiRoot: "api.telegram.org" }, "CONFIG_INVALID", "apiRoot"],
    [{ apiRoot: "file:///etc" }, "CONFIG_INVALID", "apiRoot"],
    [{ name: "Tele Gram" }, "CONFIG_INVALID", "name"],
    [{ pollTimeoutS: 90 }, "CONFIG_INVALID", "pollTimeoutS"],
    [{ allow: ["me!"] }, "CONFIG_INVALID", "allow[0]"],
  ])("refuses %o by %s at %s, without showing a token", (options, code, path) => {
    const make = (): unknown => createTelegramChannel({ token: "1:secret-secret", allow: [], clock: systemClock, ...options });
    expect(make).toThrow(expect.objectContaining({ code, path }));
    expect(make).not.toThrow(/secret/);
  });

  it("takes a root with a trailing slash", () => {
    const channel = createTelegramChannel({ token: "1:x", apiRoot: "http://127.0.0.1:1/", allow: [], clock: systemClock });
    expect(channel.limits).toEqual({ textUnits: 4_096, canEdit: false });
  });
});
