/** Telegram updates as messages of the runtime: pure, and forgiving, since an update that throws would block all that come after it. */
import type { CallbackQuery, Message, MessageEntity, Update, UserFromGetMe } from "grammy/types";
import { bodyHash } from "../../core/body-hash.ts";
import type { ChatKey } from "../../core/chat-key.ts";
import type { InboundMessage } from "../../ports/channel.ts";
import { pressOf } from "./buttons.ts";
import { contentOf, NAME_UNITS_MAX, textOfMessage } from "./message-content.ts";
import type { GroupRule } from "./options.ts";

/** What became of one update. Only the first two are handed on; all are confirmed. */
export type Translation =
  /** `pressId` is to be answered, or the button keeps spinning. */
  | { readonly kind: "message"; readonly message: InboundMessage; readonly pressId?: string }
  /** A group became a supergroup. */
  | { readonly kind: "moved"; readonly from: ChatKey; readonly to: ChatKey; readonly address: string }
  /** Said in a group, but not to the bot; or an edit that changed nothing a person could see. */
  | { readonly kind: "ignored" }
  | { readonly kind: "notUnderstood" };

/** What is read; Telegram sends nothing else. */
export const UPDATE_KINDS = ["message", "edited_message", "callback_query"] as const;

/** What is needed of the bot's own account. */
export type BotIdentity = Pick<UserFromGetMe, "id" | "username">;

export interface TranslateOptions {
  readonly name: string;
  readonly bot: BotIdentity;
  /** By chat id and `*`. */
  readonly groups: ReadonlyMap<string, GroupRule>;
}

const COMMAND = /^\/([A-Za-z0-9_]{1,64})(?:@(\w+))?(?=\s|$)/;

function sameName(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a.toLowerCase() === b.toLowerCase();
}

/** `/stop@this_bot now` is `/stop now`; a command for another bot gives undefined, except in a private chat, where nobody else reads. */
function ownText(text: string, message: Message, bot: BotIdentity): string | undefined {
  const command = COMMAND.exec(text);
  if (command?.[2] === undefined) return text;
  if (sameName(command[2], bot.username)) return `/${command[1]}${text.slice(command[0].length)}`;
  return message.chat.type === "private" ? text : undefined;
}

function isMentioned(text: string, entities: readonly MessageEntity[], bot: BotIdentity): boolean {
  return entities.some((entity) => {
    if (entity.type === "text_mention") return entity.user.id === bot.id;
    return entity.type === "mention" && sameName(text.slice(entity.offset + 1, entity.offset + entity.length), bot.username);
  });
}

/** Private chats always; groups by their rule: everything, or a command, a mention or a reply to the bot. */
function isAddressed(message: Message, text: string, { bot, groups }: TranslateOptions): boolean {
  const { chat, reply_to_message: replied } = message;
  if (chat.type === "private" || (groups.get(String(chat.id)) ?? groups.get("*")) === "all") return true;
  // In a topic every message "replies" to the one that created the topic; that is not a reply to the bot.
  if (replied?.from?.id === bot.id && replied.forum_topic_created === undefined) return true;
  return COMMAND.test(text) || isMentioned(text, message.entities ?? message.caption_entities ?? [], bot);
}

interface Writer {
  readonly id: number;
  readonly username: string | undefined;
  readonly name: string;
}

function writerOf({ from: user, sender_chat: sender }: Pick<Message, "from" | "sender_chat">): Writer | undefined {
  // Anonymous admins and channels write through a shared account; `sender_chat` says who it is.
  if (sender) return { id: sender.id, username: sender.username, name: sender.title ?? "" };
  // Two bots that answer each other would never end.
  if (!user || user.is_bot) return undefined;
  return { id: user.id, username: user.username, name: [user.first_name, user.last_name].filter(Boolean).join(" ") };
}

/** Where something was said and by whom. */
function frameOf(
  message: Pick<Message, "chat" | "is_topic_message" | "message_thread_id">,
  writer: Writer,
  name: string,
): Omit<InboundMessage, "externalId" | "content"> {
  const { chat } = message;
  const thread = message.is_topic_message === true ? message.message_thread_id : undefined;
  const senderName = writer.name.slice(0, NAME_UNITS_MAX).toWellFormed();
  const names = [writer.username, chat.username].filter((one) => one !== undefined).map((one) => `@${one.toLowerCase()}`);
  return {
    chat: keyOf(name, chat.id, thread),
    address: thread === undefined ? String(chat.id) : `${chat.id}/${thread}`,
    sender: senderName === "" ? { id: String(writer.id) } : { id: String(writer.id), name: senderName },
    identities: [...new Set([String(writer.id), String(chat.id), ...names])],
    ...(chat.type === "private" ? { isPrivate: true } : {}),
  };
}

/** The key of a chat, or of one topic in it. */
export function keyOf(name: string, chatId: number, thread?: number): ChatKey {
  return `${name}:${chatId}${thread === undefined ? "" : `:${thread}`}`;
}

/**
 * Bot, chat and message number: an edit can name the message it changes, and another bot under the same channel name does not look like
 * a redelivery. A message that Telegram will deliver later has no number yet; it gets that of its update.
 */
function externalIdOf(update: Update, message: Message, bot: BotIdentity): string {
  return message.message_id > 0 ? `${bot.id}:${message.chat.id}:${message.message_id}` : `${bot.id}:u${update.update_id}`;
}

function translateMessage(update: Update, message: Message, options: TranslateOptions): Translation {
  const { name, bot } = options;
  const written = textOfMessage(message);
  const writer = writerOf(message);
  if (!writer) return { kind: "ignored" };
  // Direct messages to a channel can be answered only by their topic, which an address here cannot say.
  if (message.direct_messages_topic) return { kind: "notUnderstood" };
  const text = ownText(written, message, bot);
  if (text === undefined || !isAddressed(message, written, options)) return { kind: "ignored" };
  const content = contentOf(message, text);
  if (content.length === 0) return { kind: "notUnderstood" };
  const original = externalIdOf(update, message, bot);
  const frame = frameOf(message, writer, name);
  if (update.edited_message === undefined) return { kind: "message", message: { ...frame, externalId: original, content } };
  // The same change comes again with a reaction or a preview: its time and what it says are its identity. A file's reference may differ.
  const said = JSON.stringify(content, (field, value: unknown) => (field === "ref" ? undefined : value));
  const externalId = `${original}:${message.edit_date}:${bodyHash(said).slice(0, 14)}`;
  return { kind: "message", message: { ...frame, externalId, content, editOf: original } };
}

/** Telegram also sends what nobody edited: the first reaction, a link preview (both without a date), and each step of a live location. */
function isVisibleEdit(message: Message): boolean {
  return message.edit_date !== undefined && message.location === undefined;
}

function translatePress(press: CallbackQuery, { name, bot }: TranslateOptions): Translation {
  const said = pressOf(press);
  const writer = writerOf({ from: press.from });
  if (!said || !writer || !press.message) return { kind: "notUnderstood" };
  const { text, questionId } = said;
  return {
    kind: "message",
    pressId: press.id,
    message: {
      ...frameOf(press.message, writer, name),
      externalId: `${bot.id}:press:${press.id}`,
      content: [{ type: "text", text: text.toWellFormed() }],
      ...(questionId === undefined ? {} : { questionId }),
    },
  };
}

function translateKnown(update: Update, options: TranslateOptions): Translation {
  const { message, edited_message: edited, callback_query: press } = update;
  const { name } = options;
  if (press) return translatePress(press, options);
  if (edited) return isVisibleEdit(edited) ? translateMessage(update, edited, options) : { kind: "ignored" };
  if (!message) return { kind: "notUnderstood" };
  const { migrate_to_chat_id: to, migrate_from_chat_id: from, chat } = message;
  // Both messages of a migration say the same; either may be the one that arrives.
  if (to !== undefined) return { kind: "moved", from: keyOf(name, chat.id), to: keyOf(name, to), address: String(to) };
  if (from !== undefined) return { kind: "moved", from: keyOf(name, from), to: keyOf(name, chat.id), address: String(chat.id) };
  return translateMessage(update, message, options);
}

/** Never throws: what has an unknown shape is `notUnderstood`. */
export function translate(update: Update, options: TranslateOptions): Translation {
  try {
    return translateKnown(update, options);
  } catch {
    // Only a shape that the Bot API does not document gets here; no later poll would bring a better one.
    return { kind: "notUnderstood" };
  }
}
