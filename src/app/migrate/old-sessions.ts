/** SatiBot's `sessions/*.json`: which chat a file is the history of, and what of it is a conversation. */
import { createHash } from "node:crypto";
import { parseChatKey, type ChatKey } from "../../core/chat-key.ts";
import { TEXT_BYTES_MAX } from "../../core/content.ts";
import { RequestError } from "../../core/errors.ts";
import { isPlainObject } from "../config/plain-object.ts";
import type { Leftovers } from "./report.ts";

export interface OldEntry {
  /** Its place in the file, from 0. */
  readonly place: number;
  readonly role: "user" | "assistant";
  readonly text: string;
  readonly atMs: number;
}

export interface OldSession {
  /** Name of the file in `sessions/`. */
  readonly file: string;
  readonly chat: ChatKey;
  /** Where its platform finds it; empty where that is not known. */
  readonly address: string;
  /** Messages in the file, of every kind. */
  readonly total: number;
  readonly entries: readonly OldEntry[];
  /** SHA-256 of the first `count` messages, hex: tells a file that grew from one that was changed. */
  readonly hashOf: (count: number) => string;
}

/** Newest messages of one file that are taken. */
export const MESSAGES_MAX = 10_000;
/** What a message takes of the time before the file was last written, where SatiBot says nothing: it keeps no times. */
const STEP_MS = 1_000;
const CUT = " […]";

const NUMBER = "(-?\\d{1,20})";
const KEYS: readonly (readonly [RegExp, (found: string) => string])[] = [
  [new RegExp(`^(?:tg|telegram)[_:]${NUMBER}$`), (id) => `telegram:${id}`],
  [/^(?:wa|whatsapp)[_:]\+?(\d{3,20})$/, (phone) => `whatsapp:${phone}`],
  [/^discord[_:](.+)$/s, (id) => `discord:${id}`],
  [/^cron[_:](.+)$/s, (id) => `cron:${id}`],
  [/^(heartbeat)$/, () => "system:heartbeat"],
  [/^([a-z][a-z0-9-]*:.+)$/s, (key) => key],
];

/**
 * The chat that a session belongs to: `tg_123` and `telegram:123` are `telegram:123`, a name of no platform is `api:NAME`.
 * @throws RequestError BAD_CHAT_KEY for a name that cannot be a chat key
 */
export function chatOfSession(name: string): ChatKey {
  for (const [form, key] of KEYS) {
    const found = form.exec(name)?.[1];
    if (found !== undefined) return parseChatKey(key(found));
  }
  return parseChatKey(`api:${name}`);
}

/** One file's conversation; undefined, and said, when there is none in it. */
export function readOldSession(
  file: string,
  json: { readonly value: unknown; readonly modifiedAtMs: number },
  nowMs: number,
  left: Leftovers,
): OldSession | undefined {
  const where = `sessions/${file}`;
  const chat = chatOrNothing(file, where, left);
  if (chat === undefined) return undefined;
  const messages = isPlainObject(json.value) ? json.value.messages : json.value;
  if (!Array.isArray(messages)) return left.add(where, "holds no list of messages", "Correct it, then run this again.");
  const first = Math.max(0, messages.length - MESSAGES_MAX);
  if (first > 0) left.add(where, `has ${messages.length} messages; the oldest ${first} were cut`, "They stay in the file.");
  const endMs = Math.min(json.modifiedAtMs, nowMs);
  const read = createMessageReader();
  const entries = messages.slice(first).flatMap((message: unknown, offset): OldEntry[] => {
    const said = read.message(message);
    if (said === undefined) return [];
    const place = first + offset;
    return [{ place, ...said, atMs: Math.round(timeOf(message) ?? endMs - (messages.length - 1 - place) * STEP_MS) }];
  });
  read.say(where, left);
  if (entries.length > 0 && messages.every((message) => timeOf(message) === undefined))
    left.add(where, "SatiBot keeps no times; they were counted back from the file's own, a second for each message", "Nothing to do.");
  if (entries.length === 0) return left.add(where, "holds nothing that a person or the bot said", "Nothing to do.");
  return {
    file,
    chat,
    address: chat.startsWith("telegram:") ? chat.slice("telegram:".length) : "",
    total: messages.length,
    entries,
    hashOf: (count) =>
      createHash("sha256")
        .update(JSON.stringify(messages.slice(0, count)))
        .digest("hex"),
  };
}

function chatOrNothing(file: string, where: string, left: Leftovers): ChatKey | undefined {
  try {
    return chatOfSession(file.replace(/\.json$/, ""));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return left.add(where, error.message, "Rename the file, then run this again.");
  }
}

/** Epoch milliseconds where a message has its time, as some versions write it. */
function timeOf(message: unknown): number | undefined {
  if (!isPlainObject(message)) return undefined;
  const found = [message.created_at_ms, message.timestamp_ms, message.at_ms].find((value) => typeof value === "number");
  return typeof found === "number" && found > 0 && found < 8.64e15 ? found : undefined;
}

/** Reads messages one by one and remembers how many of which kind it could not take. */
function createMessageReader(): {
  readonly message: (message: unknown) => Pick<OldEntry, "role" | "text"> | undefined;
  readonly say: (where: string, left: Leftovers) => void;
} {
  const counts = { tool: 0, calls: 0, system: 0, cut: 0, silent: 0, odd: 0 };
  return {
    message: (message) => {
      if (!isPlainObject(message)) return void (counts.odd += 1);
      const { role, content } = message;
      const hasCalls = Array.isArray(message.tool_calls) && message.tool_calls.length > 0;
      if (role === "tool") return void (counts.tool += 1);
      if (role === "system") return void (counts.system += 1);
      if (role !== "user" && role !== "assistant") return void (counts.odd += 1);
      if (hasCalls) counts.calls += 1;
      if (content === null || content === undefined || (typeof content === "string" && content.trim() === ""))
        return void (counts.silent += hasCalls ? 0 : 1);
      if (typeof content !== "string") return void (counts.odd += 1);
      const text = withinLimit(content.toWellFormed());
      if (text.length < content.length) counts.cut += 1;
      return { role, text };
    },
    say: (where, left) => {
      const tell = (count: number, what: string, todo: string): void => {
        if (count > 0) left.add(where, `${what}: ${count}`, todo);
      };
      tell(counts.tool + counts.calls, "tool calls and their results", "Histories here hold what was said; they stay in the file.");
      tell(counts.system, "system prompts", "Write them into your agent.");
      tell(counts.cut, `messages cut after ${TEXT_BYTES_MAX} bytes`, "The whole text stays in the file.");
      tell(counts.silent, "messages without text", "Nothing to do.");
      tell(counts.odd, "entries that are no messages, or whose role or content is not known", "Look at them in the file.");
    },
  };
}

/** Text of at most 64 KiB of UTF-8, cut between characters. */
function withinLimit(text: string): string {
  if (text.length * 3 <= TEXT_BYTES_MAX) return text;
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= TEXT_BYTES_MAX) return text;
  let end = TEXT_BYTES_MAX - CUT.length - 4;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return new TextDecoder().decode(bytes.subarray(0, end)) + CUT;
}
