/** Events of an adapter as messages of the runtime. */
import type { ActionEvent, Adapter, Author, Message, SlashCommandEvent } from "chat";
import { bodyHash } from "../../core/body-hash.ts";
import { CONTENT_ITEMS_MAX, TEXT_BYTES_MAX, textContent } from "../../core/content.ts";
import type { Content } from "../../core/content.ts";
import type { CommandInfo, InboundMessage } from "../../ports/channel.ts";
import { chatKeyOf, placeOf } from "./address.ts";
import { parseButtonId } from "./buttons.ts";
import type { Files } from "./files.ts";

/** What became of one event. All but `message` are confirmed without being handed on. */
export type Translation =
  | { readonly kind: "message"; readonly message: InboundMessage }
  /** Not for the bot, or nothing that the runtime knows. */
  | { readonly kind: "ignored" }
  | { readonly kind: "notUnderstood" };

export interface TranslateOptions {
  readonly name: string;
  readonly groups: "mention" | "all";
  readonly commands: readonly CommandInfo[];
  readonly files: Files;
  readonly isSubscribed: (threadId: string) => Promise<boolean>;
  /** What people may call the bot, without `@`. */
  readonly ownNames: () => Promise<readonly string[]>;
}

const NAME_UNITS_MAX = 128;
const LINKS_MAX = 16;

/** The text as far as one message of the runtime takes it. */
function clip(text: string): string {
  const whole = text.toWellFormed();
  if (whole.length * 3 <= TEXT_BYTES_MAX) return whole;
  const bytes = new TextEncoder().encode(whole);
  if (bytes.length <= TEXT_BYTES_MAX) return whole;
  const mark = "… (cut)";
  return new TextDecoder().decode(bytes.subarray(0, TEXT_BYTES_MAX - 16)).replace(/\ufffd+$/, "") + mark;
}

/** Where a thread is, and who is in it. */
function placeFields(
  adapter: Adapter,
  threadId: string,
  author: Author,
  name: string,
): Pick<InboundMessage, "chat" | "address" | "sender" | "identities" | "isPrivate"> {
  const isPrivate = adapter.isDM?.(threadId) === true;
  const senderName = (author.fullName || author.userName || "").toWellFormed().slice(0, NAME_UNITS_MAX);
  const channelPlace = placeOf(adapter.channelIdFromThreadId(threadId), adapter.name);
  // Names are left out: on Slack and others everybody chooses their own, and an allow list must not follow them.
  const identities = [...new Set([author.userId, channelPlace].filter((id) => id !== "").map((id) => id.toLowerCase()))];
  return {
    chat: chatKeyOf(name, threadId, adapter.name),
    address: threadId,
    sender: senderName === "" ? { id: author.userId } : { id: author.userId, name: senderName },
    identities,
    ...(isPrivate ? { isPrivate: true } : {}),
  };
}

/** Two bots that answer each other would never end. */
function isOneOfUs(author: Author): boolean {
  return author.isMe || author.isSystem === true || author.isBot === true;
}

function nameAt(text: string, start: number, names: readonly string[]): string | undefined {
  const rest = text.slice(start).toLowerCase();
  return names.find((name) => name !== "" && rest.startsWith(name.toLowerCase()) && !/^[\w-]/.test(rest.slice(name.length)));
}

/** For adapters that leave `isMention` open: `@name` or `<@id>` in the text. */
function isNamed(text: string, names: readonly string[]): boolean {
  for (const { index } of text.matchAll(/(?<!\w)@!?/g)) {
    const start = index + (text[index + 1] === "!" ? 2 : 1);
    if (nameAt(text, start, names) !== undefined) return true;
  }
  return false;
}

/** `@bot /stop` is `/stop`: what addresses the bot is not what is said to it. */
function withoutOwnName(text: string, names: readonly string[]): string {
  const trimmed = text.trimStart();
  const start = /^<?@!?/.exec(trimmed)?.[0].length;
  const name = start === undefined ? undefined : nameAt(trimmed, start, names);
  if (start === undefined || name === undefined) return text;
  const rest = trimmed.slice(start + name.length).replace(/^>?[\s,:]*/, "");
  return rest === "" ? text : rest;
}

/** The SDK's text has no link targets; those that are missing follow behind it. */
function textOf(message: Message): string {
  const urls = (message.links ?? []).map(({ url }) => url).filter((url) => !message.text.includes(url));
  return [message.text, ...urls.slice(0, LINKS_MAX)].join("\n").trim();
}

/** Message ids count per channel, and the same one comes by several events: the channel and the id say which message it is. */
function externalIdOf(adapter: Adapter, threadId: string, messageId: string): string {
  return `${placeOf(adapter.channelIdFromThreadId(threadId), adapter.name)}/${messageId}`;
}

async function isAddressed(message: Message, threadId: string, isPrivate: boolean, options: TranslateOptions): Promise<boolean> {
  if (isPrivate || options.groups === "all" || message.isMention === true) return true;
  if (message.isMention === undefined && isNamed(message.text, await options.ownNames())) return true;
  return options.isSubscribed(threadId);
}

/** A message that somebody wrote, or changed when `isEdit`. @throws TypeError for a shape that no adapter should give */
export async function translateMessage(
  adapter: Adapter,
  threadId: string,
  message: Message,
  isEdit: boolean,
  options: TranslateOptions,
): Promise<Translation> {
  if (isOneOfUs(message.author)) return { kind: "ignored" };
  if (typeof message.id !== "string" || message.id === "" || threadId === "") return { kind: "notUnderstood" };
  const place = placeFields(adapter, threadId, message.author, options.name);
  if (!(await isAddressed(message, threadId, place.isPrivate === true, options))) return { kind: "ignored" };
  const said = textOf(message);
  const text = clip(said.includes("@") ? withoutOwnName(said, await options.ownNames()) : said);
  const files = options.files.partsOf(adapter, threadId, message.id, (message.attachments ?? []).slice(0, CONTENT_ITEMS_MAX - 1));
  const content: Content = [...(text.trim() === "" ? [] : textContent(text)), ...files];
  if (content.length === 0) return { kind: "notUnderstood" };
  const externalId = externalIdOf(adapter, threadId, message.id);
  const editedAtMs = message.metadata.editedAt?.getTime() ?? Number.NaN;
  const version = Number.isFinite(editedAtMs) ? String(editedAtMs) : bodyHash(JSON.stringify(content));
  return {
    kind: "message",
    message: { ...place, content, ...(isEdit ? { externalId: `${externalId}#${version}`, editOf: externalId } : { externalId }) },
  };
}

/** A hash of the platform's own payload: a redelivery repeats it, another press or command does not. */
function payloadId(raw: unknown, fallback: () => string): string {
  try {
    const text = JSON.stringify(raw);
    if (text !== undefined && text !== "{}" && text !== "null") return bodyHash(text);
  } catch {
    // It refers to itself: nothing to recognise a redelivery by.
  }
  return fallback();
}

/** A pressed button: the answer to its question, or the button's value as text. */
export function translateAction(
  event: Omit<ActionEvent, "thread" | "openModal"> & { readonly adapter: Adapter },
  options: TranslateOptions,
  nextId: () => string,
): Translation {
  // Without a thread it was pressed in a view, such as Slack's home tab: no chat to answer in.
  if (isOneOfUs(event.user) || event.threadId === "") return { kind: "ignored" };
  const questionId = parseButtonId(event.actionId);
  const text = clip(event.value || event.actionId);
  if (text.trim() === "") return { kind: "notUnderstood" };
  return {
    kind: "message",
    message: {
      ...placeFields(event.adapter, event.threadId, event.user, options.name),
      externalId: `press:${event.actionId.slice(0, 64)}:${payloadId(event.raw, nextId)}`,
      content: textContent(text),
      ...(questionId === undefined ? {} : { questionId }),
    },
  };
}

/**
 * A slash command of the platform as the text that a person would write: `/new` stays, and a command of the bot's own name hands its
 * words on, so that `/satibot stop` is `/stop` and `/satibot hello` is `hello`.
 */
export function translateCommand(
  event: Omit<SlashCommandEvent, "channel" | "openModal"> & { readonly adapter: Adapter; readonly channelId: string },
  options: TranslateOptions,
  nextId: () => string,
): Translation {
  const { adapter, channelId, user } = event;
  const name = event.command.replace(/^\/+/, "");
  if (isOneOfUs(user) || channelId === "" || name === "") return { kind: "ignored" };
  const args = event.text.trim();
  const isOwn = [options.name, adapter.userName].some((own) => own.toLowerCase() === name.toLowerCase());
  const [first = "", ...rest] = args.split(/\s+/);
  const isCommand = options.commands.some((command) => command.name === first.toLowerCase());
  const own = isCommand ? ["/" + first.toLowerCase(), ...rest].join(" ") : args || "/help";
  const text = clip(isOwn ? own : `/${name} ${args}`.trim());
  return {
    kind: "message",
    message: {
      ...placeFields(adapter, channelId, user, options.name),
      externalId: `command:${payloadId(event.raw, nextId)}`,
      content: textContent(text),
    },
  };
}
