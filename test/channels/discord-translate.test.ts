import { describe, expect, it } from "vitest";
import { translate } from "../../src/channels/discord/translate.ts";
import type { TranslateOptions, Translation } from "../../src/channels/discord/translate.ts";
import type { WireMessage } from "../../src/channels/discord/wire.ts";
import type { InboundMessage } from "../../src/ports/channel.ts";

const BOT = { id: "99", username: "sati" };
const DIRECT: TranslateOptions = {
  name: "discord",
  bot: BOT,
  place: { channelId: "10", guildId: undefined, parentId: undefined },
  botRoleId: undefined,
  mode: "mention",
};
const SERVER: TranslateOptions = { ...DIRECT, place: { channelId: "20", guildId: "30", parentId: undefined }, botRoleId: "31" };
const THREAD: TranslateOptions = { ...SERVER, place: { channelId: "40", guildId: "30", parentId: "20" } };
const said = (fields: Partial<WireMessage> = {}): WireMessage => ({
  id: "1",
  channel_id: "10",
  type: 0,
  author: { id: "7", username: "Ada.L", global_name: "Ada" },
  content: "hello",
  ...fields,
});
const messageOf = (translation: Translation): InboundMessage => {
  if (translation.kind !== "message") throw new Error(`was ${translation.kind}`);
  return translation.message;
};
const kindOf = (message: WireMessage, options: TranslateOptions, isEdit?: boolean): string => translate(message, options, isEdit).kind;

describe("a message of Discord", () => {
  it("in a direct chat is private, with who wrote it and where", () => {
    expect(messageOf(translate(said(), DIRECT))).toEqual({
      chat: "discord:10",
      address: "10",
      externalId: "1",
      content: [{ type: "text", text: "hello" }],
      sender: { id: "7", name: "Ada" },
      identities: ["7", "@ada.l", "10"],
      isPrivate: true,
    });
  });

  it("in a thread is a chat of its own, which its channel and server may allow", () => {
    const message = messageOf(translate(said({ mentions: [BOT], content: "<@99> hi" }), THREAD));
    expect(message).toMatchObject({ chat: "discord:40", address: "40", identities: ["7", "@ada.l", "40", "20", "30"] });
    expect(message.isPrivate).toBeUndefined();
  });

  it.each<[string, Partial<WireMessage>, string]>([
    ["names it", { content: "<@99> what is new?", mentions: [BOT] }, "what is new?"],
    ["names it in the old way", { content: "hey <@!99>, ping <@5>", mentions: [BOT, { id: "5" }] }, "hey , ping <@5>"],
    ["names its role", { content: "<@&31> wake up", mention_roles: ["31"] }, "wake up"],
    ["answers it", { content: "and then?", type: 19, referenced_message: { author: { id: "99" } } }, "and then?"],
    ["gives it a command as text", { content: "<@99> /stop", mentions: [BOT] }, "/stop"],
    ["says only its name", { content: "<@99>", mentions: [BOT] }, "@sati"],
  ])("in a server is for the bot when it %s", (_, fields, text) => {
    expect(messageOf(translate(said(fields), SERVER)).content).toEqual([{ type: "text", text }]);
  });

  it.each<[string, Partial<WireMessage>]>([
    ["is among people", { content: "hello all" }],
    ["names somebody else", { content: "<@5>", mentions: [{ id: "5" }] }],
    ["calls everyone", { content: "@everyone" }],
    ["answers somebody else", { type: 19, referenced_message: { author: { id: "5" } } }],
    ["answers what was deleted", { type: 19, referenced_message: null }],
  ])("in a server is passed over when it %s", (_, fields) => {
    expect(kindOf(said(fields), SERVER)).toBe("ignored");
  });

  it("in a server that is set to all needs no name", () => {
    expect(kindOf(said(), { ...SERVER, mode: "all" })).toBe("message");
  });

  it.each<[string, Partial<WireMessage>]>([
    ["another bot", { author: { id: "8", bot: true } }],
    ["itself", { author: { id: "99" } }],
    ["a webhook", { webhook_id: "5" }],
    ["Discord, that somebody joined", { type: 7 }],
    ["Discord, that a thread was opened", { type: 18 }],
  ])("by %s is passed over", (_, fields) => {
    expect(kindOf(said(fields), DIRECT)).toBe("ignored");
  });

  it("carries its files, whose addresses are not kept since they expire", () => {
    const attachments = [
      { id: "50", filename: "cat.png", content_type: "image/png", size: 12, url: "https://cdn/cat.png?ex=1" },
      { id: "51", filename: "talk.ogg", content_type: "audio/ogg", size: 5, url: "https://cdn/talk.ogg" },
      { id: "52", filename: "notes.txt", content_type: "text/plain; charset=utf-8", size: 3, url: "https://cdn/n" },
      { id: "53", filename: "thing", size: -1 },
    ];
    const { content } = messageOf(translate(said({ content: "", attachments }), DIRECT));
    expect(content).toEqual([
      { type: "file", kind: "image", name: "cat.png", mime: "image/png", bytes: 12, ref: "discord:10/1/50" },
      { type: "file", kind: "audio", name: "talk.ogg", mime: "audio/ogg", bytes: 5, ref: "discord:10/1/51" },
      { type: "file", kind: "document", name: "notes.txt", mime: "text/plain", bytes: 3, ref: "discord:10/1/52" },
      { type: "file", kind: "document", name: "thing", mime: "application/octet-stream", bytes: 0, ref: "discord:10/1/53" },
    ]);
    const voice = messageOf(translate(said({ content: "", flags: 8_192, attachments: attachments.slice(1, 2) }), DIRECT));
    expect(voice.content[0]).toMatchObject({ kind: "voice" });
  });

  it("carries what it forwards, and names its stickers", () => {
    const forwarded = { content: "look", attachments: [{ id: "60", filename: "a.jpg", content_type: "image/jpeg", size: 1 }] };
    const message = said({ content: "", message_snapshots: [{ message: forwarded }], sticker_items: [{ name: "Wave" }] });
    expect(messageOf(translate(message, DIRECT)).content).toEqual([
      { type: "text", text: "look\n[sticker: Wave]" },
      { type: "file", kind: "image", name: "a.jpg", mime: "image/jpeg", bytes: 1, ref: "discord:10/1/60" },
    ]);
  });

  it("that was changed says which one it changes, each change with its own identity", () => {
    const edited = said({ content: "hello!", edited_timestamp: "2026-01-01T00:00:01.500Z" });
    expect(messageOf(translate(edited, DIRECT, true))).toMatchObject({
      externalId: `1:${Date.parse("2026-01-01T00:00:01.500Z")}`,
      editOf: "1",
      content: [{ type: "text", text: "hello!" }],
    });
  });

  it("that Discord updates for a preview is no change", () => {
    expect(kindOf(said({ edited_timestamp: null }), DIRECT, true)).toBe("ignored");
  });

  it("says the nickname, and no name where there is none", () => {
    expect(messageOf(translate(said({ member: { nick: "Countess" } }), DIRECT)).sender.name).toBe("Countess");
    expect(messageOf(translate(said({ author: { id: "7" } }), DIRECT)).sender).toEqual({ id: "7" });
  });

  it("is well-formed Unicode whatever comes", () => {
    expect(messageOf(translate(said({ content: "a\ud800b" }), DIRECT)).content).toEqual([{ type: "text", text: "a\ufffdb" }]);
  });

  it.each<[string, unknown]>([
    ["nothing at all", {}],
    ["no author", said({ author: undefined })],
    ["no text and no file", said({ content: "  " })],
    ["a text that is none", { ...said(), content: 5 }],
    ["an id that is none", said({ id: "x" })],
  ])("with %s is not understood, and does no harm", (_, message) => {
    expect(kindOf(message as WireMessage, DIRECT)).toBe("notUnderstood");
  });
});
