import { describe, expect, it } from "vitest";
import type { CallbackQuery, Message } from "grammy/types";
import type { GroupRule } from "../../src/channels/telegram/options.ts";
import { translate } from "../../src/channels/telegram/translate.ts";
import type { Translation } from "../../src/channels/telegram/translate.ts";
import { parseChatKey } from "../../src/core/chat-key.ts";
import { parseContent, textOf } from "../../src/core/content.ts";

const BOT = { id: 1, username: "sati_bot" };
const PERSON = { id: 7, is_bot: false, first_name: "Ada", last_name: "L", username: "Ada_L" };
const PRIVATE = { id: 7, type: "private", first_name: "Ada" };
const GROUP = { id: -1001234567890, type: "supergroup", title: "Group", username: "the_group" };

const messageOf = (message: object): Message => ({ message_id: 5, date: 1, from: PERSON, chat: PRIVATE, ...message }) as Message;

function readUpdate(update: object, groups: Readonly<Record<string, GroupRule>> = {}): Translation {
  return translate({ update_id: 42, ...update }, { name: "telegram", bot: BOT, groups: new Map(Object.entries(groups)) });
}

function read(message: object, groups: Readonly<Record<string, GroupRule>> = {}): Translation {
  return readUpdate({ message: messageOf(message) }, groups);
}

const edited = (message: object): Translation => readUpdate({ edited_message: messageOf(message) });

function press(query: object): Translation {
  const message = messageOf({
    from: { id: 1, is_bot: true },
    reply_markup: { inline_keyboard: [[{ text: "Yes", callback_data: "q2:abyes" }], [{ text: "Go", url: "https://a.b" }]] },
  });
  return readUpdate({ callback_query: { id: "p1", from: PERSON, chat_instance: "1", message, ...query } as CallbackQuery });
}

const contentOf = (translation: Translation): unknown => (translation.kind === "message" ? translation.message.content : translation.kind);
const idOf = (translation: Translation): string => (translation.kind === "message" ? translation.message.externalId : translation.kind);

describe("telegram translation", () => {
  it("makes keys and addresses that the runtime takes, threads apart", () => {
    const topic = read({ chat: GROUP, text: "/x", is_topic_message: true, message_thread_id: 9 });
    expect(topic).toMatchObject({
      message: { chat: "telegram:-1001234567890:9", address: "-1001234567890/9", externalId: "1:-1001234567890:5" },
    });
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

  it.each([
    ["contact", { contact: { first_name: "Eve", last_name: "F", phone_number: "+1" } }, "[contact: Eve F, +1]"],
    ["poll", { poll: { question: "When?", options: [{ text: "Now" }, { text: "Never" }] } }, "[poll: When?]\n- Now\n- Never"],
    ["dice", { dice: { emoji: "🎲", value: 3 } }, "[🎲 3]"],
    [
      "checklist",
      { checklist: { title: "Do", tasks: [{ text: "a", completion_date: 9 }, { text: "b" }] } },
      "[checklist: Do]\n- [x] a\n- [ ] b",
    ],
    ["game", { game: { title: "Chess" } }, "[game: Chess]"],
    ["story", { story: { id: 1 } }, "[story]"],
    ["web app", { web_app_data: { data: "chosen", button_text: "x" } }, "chosen"],
    [
      "rich message",
      {
        rich_message: {
          blocks: [
            { type: "paragraph", text: ["Hello ", { type: "bold", text: "you" }] },
            { type: "list", items: [{ blocks: [{ type: "paragraph", text: "one" }] }] },
          ],
        },
      },
      "Hello you\none",
    ],
  ])("puts a %s into words", (_, message, text) => {
    expect(contentOf(read(message))).toEqual([{ type: "text", text }]);
  });

  it.each([
    ["a new member", { new_chat_members: [PERSON] }],
    ["a pinned message", { pinned_message: { message_id: 1 } }],
    ["a direct message to a channel", { text: "hi", direct_messages_topic: { topic_id: 1 } }],
  ])("does not understand %s", (_, message) => {
    expect(read(message).kind).toBe("notUnderstood");
  });

  it.each([{}, { message: null }, { message: { text: "no chat" } }, { poll: { id: "1" } }, { callback_query: { id: "1" } }])(
    "passes over %o",
    (update) => {
      expect(readUpdate(update).kind).toMatch(/notUnderstood|ignored/);
    },
  );

  it("knows stickers by what they are made of", () => {
    const kind = (sticker: object): unknown => contentOf(read({ sticker: { file_id: "s", ...sticker } }));
    expect(kind({})).toMatchObject([{ kind: "image" }]);
    expect(kind({ is_animated: true })).toMatchObject([{ kind: "other", mime: "application/gzip" }]);
    expect(kind({ is_video: true })).toMatchObject([{ kind: "video" }]);
  });

  it("gives each photo of an album as a message of its own, with its own identity", () => {
    const album = [5, 6].map((id) => read({ message_id: id, media_group_id: "g", photo: [{ file_id: `f${id}` }] }));
    expect(album.map(idOf)).toEqual(["1:7:5", "1:7:6"]);
  });

  it("gives a message without a number yet the identity of its update", () => {
    expect(idOf(read({ message_id: 0, text: "later" }))).toBe("1:u42");
  });
});

describe("telegram groups", () => {
  const talk = { chat: GROUP, text: "hello all" };
  it.each([
    ["by default only what addresses the bot", {}, "ignored"],
    ["everything where the group says so", { [GROUP.id]: "all" }, "message"],
    ["everything in all groups", { "*": "all" }, "message"],
    ["only what addresses the bot in the group that says so", { "*": "all", [GROUP.id]: "mention" }, "ignored"],
    ["nothing more for the rule of another group", { "-100": "all" }, "ignored"],
  ] as const)("answers %s", (_, groups, kind) => {
    expect(read(talk, groups).kind).toBe(kind);
  });

  it("leaves commands of another bot alone in any case", () => {
    expect(read({ chat: GROUP, text: "/stop@other_bot" }, { "*": "all" }).kind).toBe("ignored");
  });

  it.each([
    [{ chat: { id: -5, type: "group" }, migrate_to_chat_id: -100 }],
    [{ chat: { id: -100, type: "supergroup" }, migrate_from_chat_id: -5 }],
  ])("that moved are told as moved: %o", (message) => {
    expect(read(message)).toEqual({ kind: "moved", from: "telegram:-5", to: "telegram:-100", address: "-100" });
  });
});

describe("telegram edits", () => {
  it("name the message that they change", () => {
    expect(edited({ text: "better", edit_date: 9 })).toMatchObject({
      kind: "message",
      message: { editOf: idOf(read({ text: "worse" })), content: [{ type: "text", text: "better" }], chat: "telegram:7" },
    });
  });

  it("have an identity that a redelivery and a later reaction share", () => {
    const first = edited({ text: "better", edit_date: 9 });
    expect(idOf(edited({ text: "better", edit_date: 9, reply_markup: {} }))).toBe(idOf(first));
    expect(idOf(first)).not.toBe(idOf(read({ text: "better" })));
  });

  it("are different edits when they say something else in the same second, or the same at another time", () => {
    const ids = [edited({ text: "a", edit_date: 9 }), edited({ text: "b", edit_date: 9 }), edited({ text: "a", edit_date: 10 })].map(idOf);
    expect(new Set(ids).size).toBe(3);
  });

  it("of a caption keep their identity though Telegram names the file otherwise", () => {
    const captions = ["f1", "f2"].map((file_id) => idOf(edited({ caption: "x", photo: [{ file_id, file_size: 3 }], edit_date: 9 })));
    expect(captions[0]).toBe(captions[1]);
  });

  it.each([
    ["that nobody made, such as the first reaction", { text: "same" }],
    ["of a live location", { location: { latitude: 1, longitude: 2, live_period: 60 }, edit_date: 9 }],
  ])("%s are passed over", (_, message) => {
    expect(edited(message).kind).toBe("ignored");
  });

  it("that call the bot in a group are for the bot", () => {
    const entities = [{ type: "mention", offset: 0, length: 9 }];
    expect(edited({ chat: GROUP, text: "@sati_bot hi", entities, edit_date: 9 }).kind).toBe("message");
    expect(edited({ chat: GROUP, text: "hi", edit_date: 9 }).kind).toBe("ignored");
  });
});

describe("telegram button presses", () => {
  it("answer the question with the id of the option", () => {
    expect(press({ data: "q2:abyes" })).toEqual({
      kind: "message",
      pressId: "p1",
      message: {
        chat: "telegram:7",
        address: "7",
        externalId: "1:press:p1",
        content: [{ type: "text", text: "yes" }],
        questionId: "ab",
        sender: { id: "7", name: "Ada L" },
        identities: ["7", "@ada_l"],
        isPrivate: true,
      },
    });
  });

  it("answer the same where the message is no longer shown", () => {
    expect(press({ data: "q2:abyes", message: { chat: PRIVATE, message_id: 5, date: 0 } })).toMatchObject({
      message: { questionId: "ab", content: [{ text: "yes" }] },
    });
  });

  it("answer with the label of an option whose id no button can carry", () => {
    const reply_markup = { inline_keyboard: [[{ text: "A long one", callback_data: "p2:ab0" }]] };
    const message = { chat: PRIVATE, message_id: 5, date: 1, reply_markup };
    expect(press({ data: "p2:ab0", message })).toMatchObject({ message: { questionId: "ab", content: [{ text: "A long one" }] } });
  });

  it("of somebody else's button are plain messages", () => {
    expect(press({ data: "menu" })).not.toHaveProperty("message.questionId");
    expect(contentOf(press({ data: "menu" }))).toEqual([{ type: "text", text: "menu" }]);
    expect(contentOf(press({ data: "q99:short" }))).toEqual([{ type: "text", text: "q99:short" }]);
  });

  it("in a topic belong to the topic", () => {
    const message = { chat: GROUP, message_id: 5, date: 1, is_topic_message: true, message_thread_id: 9 };
    expect(press({ data: "q2:abyes", message })).toMatchObject({ message: { chat: `telegram:${GROUP.id}:9` } });
  });

  it("that say nothing are not understood", () => {
    expect(press({ game_short_name: "chess" }).kind).toBe("notUnderstood");
    expect(press({ data: "x", message: undefined, inline_message_id: "1" }).kind).toBe("notUnderstood");
    expect(press({ data: "q2:abyes", from: { ...PERSON, is_bot: true } }).kind).toBe("notUnderstood");
  });
});
