/** Discord's messages as messages of the runtime: pure, and forgiving, since one that throws would block all that come after it. */
import type { Content, FilePart } from "../../core/content.ts";
import type { InboundMessage } from "../../ports/channel.ts";
import type { GroupMode } from "./settings.ts";
import { isSnowflake } from "./snowflake.ts";
import type { WireAttachment, WireMember, WireMessage, WireUser } from "./wire.ts";

/** What became of one message. All but `message` are passed over. */
export type Translation =
  | { readonly kind: "message"; readonly message: InboundMessage }
  /** Said in a server, but not to the bot; or by a program. */
  | { readonly kind: "ignored" }
  | { readonly kind: "notUnderstood" };

export interface BotIdentity {
  readonly id: string;
  readonly username: string;
}

/** Where a message was said. */
export interface Whereabouts {
  readonly channelId: string;
  /** Undefined: a direct chat. */
  readonly guildId: string | undefined;
  /** Of a thread: the channel it hangs on. */
  readonly parentId: string | undefined;
}

export interface TranslateOptions {
  readonly name: string;
  readonly bot: BotIdentity;
  readonly place: Whereabouts;
  /** The bot's own role in that server; people pick it from the list when they mean the bot. */
  readonly botRoleId: string | undefined;
  readonly mode: GroupMode;
}

const NAME_UNITS_MAX = 128;
/** @see https://discord.com/developers/docs/resources/message#message-object-message-types */
const TYPE_DEFAULT = 0;
const TYPE_REPLY = 19;
const FLAG_VOICE = 1 << 13;

const IGNORED: Translation = { kind: "ignored" };
const NOT_UNDERSTOOD: Translation = { kind: "notUnderstood" };

/** `ref` of an attachment: its address expires after a day, so the message is asked for again when somebody opens it. */
export function fileRef(channelId: string, messageId: string, attachmentId: string): string {
  return `discord:${channelId}/${messageId}/${attachmentId}`;
}

function kindOf(mime: string, isVoice: boolean): FilePart["kind"] {
  if (isVoice) return "voice";
  const [family] = mime.split("/");
  if (family === "image" || family === "audio" || family === "video") return family;
  return "document";
}

function filePart(attachment: WireAttachment, message: WireMessage, channelId: string): FilePart | undefined {
  const { id, filename = "file", content_type: type, size } = attachment;
  if (!isSnowflake(id) || !isSnowflake(message.id)) return undefined;
  const mime = (type ?? "application/octet-stream").split(";")[0]?.trim() ?? "application/octet-stream";
  return {
    type: "file",
    kind: kindOf(mime, ((message.flags ?? 0) & FLAG_VOICE) !== 0),
    name: filename.toWellFormed().slice(0, NAME_UNITS_MAX),
    mime,
    bytes: Number.isSafeInteger(size) && (size ?? 0) >= 0 ? (size ?? 0) : 0,
    ref: fileRef(channelId, message.id, id),
  };
}

/** Removes the bot's own name from what was said to it; other mentions stay as Discord writes them. */
function withoutOwnName(text: string, bot: BotIdentity, botRoleId: string | undefined): string {
  const forms = [`<@${bot.id}>`, `<@!${bot.id}>`, ...(botRoleId === undefined ? [] : [`<@&${botRoleId}>`])];
  if (!forms.some((form) => text.includes(form))) return text;
  return forms.reduce((left, form) => left.replaceAll(form, ""), text).trim();
}

function isAddressed(message: WireMessage, { bot, botRoleId, place, mode }: TranslateOptions): boolean {
  if (place.guildId === undefined || mode === "all") return true;
  if (message.mentions?.some(({ id }) => id === bot.id)) return true;
  if (botRoleId !== undefined && message.mention_roles?.includes(botRoleId)) return true;
  return message.referenced_message?.author?.id === bot.id;
}

/** By which an allow list may mean the writer or the place. */
export function identitiesOf(user: WireUser, { channelId, parentId, guildId }: Whereabouts): readonly string[] {
  const name = user.username === undefined ? undefined : `@${user.username.toLowerCase()}`;
  return [...new Set([user.id, name, channelId, parentId, guildId].filter((one) => one !== undefined))];
}

export function senderOf(user: WireUser & { readonly id: string }, member: WireMember | undefined): InboundMessage["sender"] {
  const name = (member?.nick ?? user.global_name ?? user.username ?? "").toWellFormed().slice(0, NAME_UNITS_MAX);
  return name === "" ? { id: user.id } : { id: user.id, name };
}

/** The chat of a place, and whether only the sender reads it. */
export function chatOf(name: string, { channelId, guildId }: Whereabouts): Pick<InboundMessage, "chat" | "address" | "isPrivate"> {
  return { chat: `${name}:${channelId}`, address: channelId, ...(guildId === undefined ? { isPrivate: true } : {}) };
}

function contentOf(message: WireMessage, { bot, botRoleId, place }: TranslateOptions): Content {
  const forwarded = message.message_snapshots?.[0]?.message;
  const said = withoutOwnName((message.content ?? "").toWellFormed(), bot, botRoleId);
  const stickers = (message.sticker_items ?? []).map(({ name = "" }) => `[sticker: ${name.toWellFormed()}]`);
  const lines = [said, (forwarded?.content ?? "").toWellFormed(), ...stickers].filter((line) => line.trim() !== "");
  const attachments = [...(message.attachments ?? []), ...(forwarded?.attachments ?? [])];
  const files = attachments.map((one) => filePart(one, message, place.channelId)).filter((file) => file !== undefined);
  // Nothing but the bot's name is a call for attention.
  if (lines.length === 0 && files.length === 0 && (message.content ?? "").trim() !== "") lines.push(`@${bot.username}`);
  return [...(lines.length > 0 ? [{ type: "text" as const, text: lines.join("\n") }] : []), ...files];
}

function translateMessage(message: WireMessage, options: TranslateOptions, isEdit: boolean): Translation {
  const { name, bot, place } = options;
  const { id, author, type = TYPE_DEFAULT } = message;
  if (!isSnowflake(id) || !isSnowflake(author?.id)) return NOT_UNDERSTOOD;
  // Two programs that answer each other would never end.
  if (author.bot === true || author.id === bot.id || message.webhook_id !== undefined) return IGNORED;
  if ((type !== TYPE_DEFAULT && type !== TYPE_REPLY) || !isAddressed(message, options)) return IGNORED;
  const editedMs = isEdit ? Date.parse(message.edited_timestamp ?? "") : 0;
  // Discord updates a message also to show a preview of a link.
  if (Number.isNaN(editedMs)) return IGNORED;
  const content = contentOf(message, options);
  if (content.length === 0) return NOT_UNDERSTOOD;
  return {
    kind: "message",
    message: {
      ...chatOf(name, place),
      externalId: isEdit ? `${id}:${editedMs}` : id,
      content,
      sender: senderOf({ ...author, id: author.id }, message.member),
      identities: identitiesOf(author, place),
      ...(isEdit ? { editOf: id } : {}),
    },
  };
}

/** Never throws: what has an unknown shape is `notUnderstood`. `isEdit`: the person changed an earlier message to this. */
export function translate(message: WireMessage, options: TranslateOptions, isEdit = false): Translation {
  try {
    return translateMessage(message, options, isEdit);
  } catch {
    // Only a shape that Discord does not document gets here; no repetition would bring a better one.
    return NOT_UNDERSTOOD;
  }
}
