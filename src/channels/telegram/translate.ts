/** Telegram updates as messages of the runtime: pure, and forgiving, since an update that throws would block all that come after it. */
import type { Message, MessageEntity, Update, UserFromGetMe } from "grammy/types";
import type { ChatKey } from "../../core/chat-key.ts";
import type { FilePart, TextPart } from "../../core/content.ts";
import type { InboundMessage } from "../../ports/channel.ts";
import type { Visitor } from "./access.ts";

/** What became of one update. All but `message` are confirmed without being handed on. */
export type Translation =
  | { readonly kind: "message"; readonly message: InboundMessage }
  /** Said in a group, but not to the bot. */
  | { readonly kind: "ignored" }
  | { readonly kind: "forbidden"; readonly visitor: Visitor }
  | { readonly kind: "notUnderstood" };

/** What is needed of the bot's own account. */
export type BotIdentity = Pick<UserFromGetMe, "id" | "username">;

export interface TranslateOptions {
  readonly name: string;
  readonly bot: BotIdentity;
  readonly isAllowed: (visitor: Visitor) => boolean;
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

function visitorOf(message: Message): (Visitor & { readonly name: string }) | undefined {
  // Anonymous admins and channels write through a shared account; `sender_chat` says who it is.
  const { sender_chat: from, chat } = message;
  const chatUsername = chat.username;
  if (from) return { userId: from.id, username: from.username, name: from.title ?? "", chatId: chat.id, chatUsername };
  const user = message.from;
  // Two bots that answer each other would never end.
  if (!user || user.is_bot) return undefined;
  const name = [user.first_name, user.last_name].filter(Boolean).join(" ");
  return { userId: user.id, username: user.username, name, chatId: chat.id, chatUsername };
}

function translateMessage(update: Update, message: Message, { name, bot, isAllowed }: TranslateOptions): Translation {
  const written = (message.text ?? message.caption ?? "").toWellFormed();
  const visitor = visitorOf(message);
  if (!visitor) return { kind: "ignored" };
  const text = ownText(written, message, bot);
  if (text === undefined || !isAddressed(message, written, bot)) return { kind: "ignored" };
  const file = fileOf(message);
  const said: TextPart[] = text.trim() === "" ? [] : [{ type: "text", text }];
  const content = file ? [...said, file] : said;
  if (content.length === 0) return { kind: "notUnderstood" };
  if (!isAllowed(visitor)) return { kind: "forbidden", visitor };
  const thread = message.is_topic_message === true ? message.message_thread_id : undefined;
  const senderName = visitor.name.toWellFormed().slice(0, NAME_UNITS_MAX);
  return {
    kind: "message",
    message: {
      chat: `${name}:${message.chat.id}${thread === undefined ? "" : `:${thread}`}` as ChatKey,
      address: thread === undefined ? String(message.chat.id) : `${message.chat.id}/${thread}`,
      // Update ids count per bot: another bot under the same channel name must not look like a redelivery.
      externalId: `${bot.id}:${update.update_id}`,
      content,
      sender: senderName === "" ? { id: String(visitor.userId) } : { id: String(visitor.userId), name: senderName },
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
