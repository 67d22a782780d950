/**
 * How a stored chat of an older version becomes one of this version, and the shape that it must have then. docs/snapshots.md says what to
 * do when the machine changes.
 */
import { chatMachine, type ChatContext } from "./chat.machine.ts";

/** What is stored of a chat's machine: JSON, of whatever version wrote it. */
export interface StoredChat {
  /** The state, such as `backingOff`. */
  readonly value: unknown;
  readonly context: Readonly<Record<string, unknown>>;
  /** Pending delayed events: `{ id, event: { type }, dueAtMs }`. A renamed state or delay renames those of its timers too. */
  readonly timers: readonly unknown[];
}

/** Brings a stored chat one version forward: pure, and quick, since it runs when the chat is opened. What it throws quarantines that chat alone. */
export type ChatMigration = (stored: StoredChat) => StoredChat;

/** One for each version in order: the last leads to `CHAT_SCHEMA_VERSION`, the first comes from the oldest version that can be read. Never edited once released. */
export const CHAT_MIGRATIONS: readonly ChatMigration[] = [];

const isText = (value: unknown): boolean => typeof value === "string";
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isDelay = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER;
const isNote = (value: unknown): boolean => {
  const { code, message } = (value ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return isText(code) && isText(message);
};

/** Each field of the context, and what it may hold. A field that comes, goes or changes here raises `CHAT_SCHEMA_VERSION`. */
const CONTEXT: Readonly<Record<keyof ChatContext, (value: unknown) => boolean>> = {
  schemaVersion: isCount,
  key: isText,
  debounceMs: isDelay,
  turnTimeoutMs: isDelay,
  waiting: isCount,
  turnClass: isText,
  suspect: (value) => typeof value === "boolean",
  failures: isCount,
  delayMs: isDelay,
  questionId: (value) => value === null || isText(value),
  error: (value) => value === null || isNote(value),
};

/** Types of the delayed events of the machine. */
const DELAYED: ReadonlySet<string> = new Set(
  Object.values(chatMachine.states).flatMap((state) => state.after.map((edge) => edge.eventType)),
);

/** What is wrong with a stored chat that should be of this version, in a few words; undefined when it can be restored. */
export function faultOf({ value, context, timers }: StoredChat): string | undefined {
  if (typeof value !== "string" || !Object.hasOwn(chatMachine.states, value)) return `there is no state ${named(value)}`;
  for (const [field, isRight] of Object.entries(CONTEXT)) {
    if (!isRight(context[field])) return `context.${field} is ${named(context[field])}`;
  }
  const strange = Object.keys(context).find((field) => !Object.hasOwn(CONTEXT, field));
  if (strange !== undefined) return `there is no field context.${strange.slice(0, 40)}`;
  const isWrong = (timer: unknown): boolean => !isTimer(timer);
  return timers.some(isWrong) ? `a timer is ${named(timers.find(isWrong))}` : undefined;
}

function isTimer(timer: unknown): boolean {
  const { id, event, dueAtMs } = (timer ?? {}) as Readonly<Record<string, unknown>>;
  const { type } = (event ?? {}) as { readonly type?: unknown };
  return isText(id) && typeof type === "string" && DELAYED.has(type) && isDelay(dueAtMs);
}

function named(value: unknown): string {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
