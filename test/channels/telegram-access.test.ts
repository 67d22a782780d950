import { describe, expect, it } from "vitest";
import type { Message, Update } from "grammy/types";
import { checkAllow } from "../../src/channels/telegram/access.ts";
import { addressOfKey, parseAddress } from "../../src/channels/telegram/address.ts";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import { translate } from "../../src/channels/telegram/translate.ts";
import type { Translation } from "../../src/channels/telegram/translate.ts";
import { systemClock } from "./clocks.ts";

const BOT = { id: 1, username: "sati_bot" };
const PERSON = { id: 7, is_bot: false, first_name: "Ada", last_name: "L", username: "Ada_L" };
const PRIVATE = { id: 7, type: "private", first_name: "Ada" };
const GROUP = { id: -1001234567890, type: "supergroup", title: "Group", username: "the_group" };

function read(message: object): Translation {
  const update = { update_id: 42, message: { message_id: 1, date: 1, from: PERSON, chat: PRIVATE, ...message } as Message } as Update;
  return translate(update, { name: "telegram", bot: BOT, groups: new Map() });
}

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
    [{ mode: "push" as "webhook" }, "CONFIG_INVALID", "mode"],
    [{ mode: "webhook" as const }, "CONFIG_INVALID", "webhookUrl"],
    [{ mode: "webhook" as const, webhookUrl: "bot.example.org" }, "CONFIG_INVALID", "webhookUrl"],
    [{ mode: "webhook" as const, webhookUrl: "https://bot.example.org/?a=b" }, "CONFIG_INVALID", "webhookUrl"],
    [{ mode: "webhook" as const, secretToken: "a secret" }, "CONFIG_INVALID", "secretToken"],
    [{ groups: { "7": "all" as const } }, "CONFIG_INVALID", "groups.7"],
    [{ groups: { "-100": "some" as "all" } }, "CONFIG_INVALID", "groups.-100"],
  ])("refuses %o by %s at %s, without showing a token", (options, code, path) => {
    const make = (): unknown => createTelegramChannel({ token: "1:hidden-hidden", allow: [], clock: systemClock, ...options });
    expect(make).toThrow(expect.objectContaining({ code, path }));
    expect(make).not.toThrow(/hidden|a secret/);
  });

  it("takes a root with a trailing slash, and says what the platform can", () => {
    const channel = createTelegramChannel({
      token: "1:x",
      apiRoot: "http://127.0.0.1:1/",
      allow: [],
      clock: systemClock,
      pollTimeoutS: 10,
    });
    expect(channel.limits).toEqual({
      textUnits: 4_096,
      canEdit: true,
      pace: { chatMs: 0, channelMs: 34, editMs: 1_000 },
      typingMs: 5_000,
      silenceMaxMs: 75_000,
    });
    expect(channel.webhook).toBeUndefined();
  });

  it("says nothing of silence for a webhook, which is silent as long as nobody writes", () => {
    const channel = createTelegramChannel({ token: "1:x", mode: "webhook", webhookUrl: "https://bot.example.org", clock: systemClock });
    expect(channel.limits).not.toHaveProperty("silenceMaxMs");
    expect(channel.webhook).toBeTypeOf("function");
  });
});
