/** Telegram updates as messages of the runtime: pure, and forgiving, since an update that throws would block all that come after it. */
import type { Message, MessageEntity, Update, UserFromGetMe } from "grammy/types";
import type { ChatKey } from "../../core/chat-key.ts";
import type { FilePart, TextPart } from "../../core/content.ts";
import type { InboundMessage } from "../../ports/channel.ts";

/** What became of one update. All but `message` are confirmed without being handed on. */
export type Translation =
  | { readonly kind: "message"; readonly message: InboundMessage }
  /** Said in a group, but not to the bot. */
  | { readonly kind: "ignored" }
  | { readonly kind: "notUnderstood" };

/** What is needed of the bot's own account. */
export type BotIdentity = Pick<UserFromGetMe, "id" | "username">;

export interface TranslateOptions {
  readonly name: string;
  readonly bot: BotIdentity;
}

const NAME_UNITS_MAX = 128;
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

/** Private chats always; groups by a command, a mention or a reply to the bot. */
function isAddressed(message: Message, text: string, bot: BotIdentity): boolean {
  if (message.chat.type === "private") return true;
  const replied = message.reply_to_message;
  // In a topic every message "replies" to the one that created the topic; that is not a reply to the bot.
  if (replied?.from?.id === bot.id && replied.forum_topic_created === undefined) return true;
  return COMMAND.test(text) || isMentioned(text, message.entities ?? message.caption_entities ?? [], bot);
}

interface Media {
  readonly file_id: string;
  readonly file_size?: number;
  readonly file_name?: string;
  readonly mime_type?: string;
}

function filePart(kind: FilePart["kind"], media: Media, name: string, mime: string): FilePart {
  return {
    type: "file",
    kind,
    name: (media.file_name ?? name).toWellFormed().slice(0, NAME_UNITS_MAX),
    mime: media.mime_type ?? mime,
    bytes: Number.isSafeInteger(media.file_size) ? (media.file_size ?? 0) : 0,
    ref: `telegram:${media.file_id}`,
  };
}

function fileOf(message: Message): FilePart | undefined {
  const photo = message.photo?.at(-1);
  if (photo) return filePart("image", photo, "photo.jpg", "image/jpeg");
  if (message.voice) return filePart("voice", message.voice, "voice.ogg", "audio/ogg");
  if (message.audio) return filePart("audio", message.audio, "audio.mp3", "audio/mpeg");
  if (message.video) return filePart("video", message.video, "video.mp4", "video/mp4");
  if (message.video_note) return filePart("video", message.video_note, "video-note.mp4", "video/mp4");
  // Before `document`: Telegram repeats an animation there for old clients.
  if (message.animation) return filePart("video", message.animation, "animation.mp4", "video/mp4");
  if (message.document) return filePart("document", message.document, "document", "application/octet-stream");
  if (message.sticker) return filePart("image", message.sticker, "sticker.webp", "image/webp");
  const place = message.venue?.location ?? message.location;
  if (!place) return undefined;
  const point = `${place.latitude},${place.longitude}`;
  // A location has no file: its reference is a geo URI (RFC 5870).
  return {
    type: "file",
    kind: "location",
    name: message.venue?.title ?? point,
    mime: "application/geo+json",
    bytes: 0,
    ref: `geo:${point}`,
  };
}

interface Writer {
  readonly id: number;
  readonly username: string | undefined;
  readonly name: string;
}

function writerOf(message: Message): Writer | undefined {
  // Anonymous admins and channels write through a shared account; `sender_chat` says who it is.
  const { sender_chat: from } = message;
  if (from) return { id: from.id, username: from.username, name: from.title ?? "" };
  const user = message.from;
  // Two bots that answer each other would never end.
  if (!user || user.is_bot) return undefined;
  return { id: user.id, username: user.username, name: [user.first_name, user.last_name].filter(Boolean).join(" ") };
}

/** By which an allow list may mean the writer or the place. */
function identitiesOf({ id, username }: Writer, { chat }: Message): readonly string[] {
  const names = [username, chat.username].filter((name) => name !== undefined).map((name) => `@${name.toLowerCase()}`);
  return [...new Set([String(id), String(chat.id), ...names])];
}

function translateMessage(update: Update, message: Message, { name, bot }: TranslateOptions): Translation {
  const { id: chatId, type: chatType } = message.chat;
  const written = (message.text ?? message.caption ?? "").toWellFormed();
  const writer = writerOf(message);
  if (!writer) return { kind: "ignored" };
  const text = ownText(written, message, bot);
  if (text === undefined || !isAddressed(message, written, bot)) return { kind: "ignored" };
  const file = fileOf(message);
  const said: TextPart[] = text.trim() === "" ? [] : [{ type: "text", text }];
  const content = file ? [...said, file] : said;
  if (content.length === 0) return { kind: "notUnderstood" };
  const thread = message.is_topic_message === true ? message.message_thread_id : undefined;
  const senderName = writer.name.toWellFormed().slice(0, NAME_UNITS_MAX);
  return {
    kind: "message",
    message: {
      chat: `${name}:${chatId}${thread === undefined ? "" : `:${thread}`}` as ChatKey,
      address: thread === undefined ? String(chatId) : `${chatId}/${thread}`,
      // Update ids count per bot: another bot under the same channel name must not look like a redelivery.
      externalId: `${bot.id}:${update.update_id}`,
      content,
      sender: senderName === "" ? { id: String(writer.id) } : { id: String(writer.id), name: senderName },
      identities: identitiesOf(writer, message),
      ...(chatType === "private" ? { isPrivate: true } : {}),
    },
  };
}

/** Never throws: what has an unknown shape is `notUnderstood`. */
export function translate(update: Update, options: TranslateOptions): Translation {
  const message = update.message;
  if (!message) return { kind: "notUnderstood" };
  try {
    return translateMessage(update, message, options);
  } catch {
    // Only a shape that the Bot API does not document gets here; no later poll would bring a better one.
    return { kind: "notUnderstood" };
  }
}
