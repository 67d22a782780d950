/** The row of a chat: counters, the newest row of each log, the open turn, and what its machine stored. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { TurnClass } from "../../core/turn-class.ts";
import type { ChatRecord, StoredSnapshot, StoredTimer, TurnStatus } from "../../ports/store/records.ts";
import type { Engine } from "./engine.ts";

/** The open turn of a chat and the rows that it holds, by sequence number and row id. */
export interface StoredTurn {
  readonly id: string;
  status: TurnStatus;
  attempt: number;
  failures: number;
  suspect: boolean;
  startedAtMs: number;
  readonly class: TurnClass;
  readonly rows: readonly (readonly [seq: number, id: number])[];
  readonly runId: string | null;
  /** Steps journaled. */
  steps: number;
  error: string | null;
}

/** `open` is the open turn; all other names are columns. */
export interface ChatRow {
  readonly id: number;
  readonly key: ChatKey;
  readonly channel: string;
  fence: number;
  last_seq: number;
  waiting: number;
  commands: number;
  /** Id of the newest row of the chat in each log; 0 for none. */
  inbox: number;
  outbox: number;
  ledger: number;
  message_at: number | null;
  open: StoredTurn | undefined;
  /** The column of the open turn, when it cannot be read: it stays as it is, and nothing is claimed. */
  damagedTurn: string | undefined;
  unsettled: number;
  /** Id of the part that is being sent. */
  sending: number | null;
  reply_at: number | null;
  revision: number;
  state: string;
  since_at: number;
  snapshot: string | null;
  address: string;
  /** History up to this id is archived. */
  archived: number;
  busy_at: number | null;
  timer_at: number | null;
  timers: string | null;
  settings: string;
  error: string | null;
}

/** As SQLite gives it. */
export type ChatSql = Omit<ChatRow, "open" | "damagedTurn"> & { readonly turn: string | null };

type PackedTurn = readonly [
  string,
  TurnStatus,
  number,
  number,
  0 | 1,
  number,
  TurnClass,
  StoredTurn["rows"],
  string | null,
  number,
  string | null,
];

export function packTurn(open: StoredTurn | undefined): string | null {
  if (!open) return null;
  const { id, status, attempt, failures, suspect, startedAtMs, rows, runId, steps, error } = open;
  const packed: PackedTurn = [id, status, attempt, failures, suspect ? 1 : 0, startedAtMs, open.class, rows, runId, steps, error];
  return JSON.stringify(packed);
}

function unpackTurn(packed: PackedTurn): StoredTurn {
  const [id, status, attempt, failures, suspect, startedAtMs, turnClass, rows, runId, steps, error] = packed;
  return { id, status, attempt, failures, suspect: suspect === 1, startedAtMs, class: turnClass, rows, runId, steps, error };
}

export function chatOfRow({ turn, ...row }: ChatSql): ChatRow {
  const packed = checked(turn, isPackedTurn);
  return { ...row, open: packed && unpackTurn(packed), damagedTurn: turn !== null && !packed ? turn : undefined };
}

/** What a column holds, if it is what was written there: a row that cannot be read must not stop those beside it. */
function checked<T>(column: string | null, isRight: (value: unknown) => value is T): T | undefined {
  const value = readable<unknown>(column);
  return isRight(value) ? value : undefined;
}

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isOptionalText = (value: unknown): boolean => value === null || typeof value === "string";

const TURN_PARTS: readonly ((part: unknown) => boolean)[] = [
  (id) => typeof id === "string",
  (status) => status === "started" || status === "waiting" || status === "suspect",
  isCount,
  isCount,
  (suspect) => suspect === 0 || suspect === 1,
  isCount,
  (turnClass) => typeof turnClass === "string",
  (rows) => Array.isArray(rows) && rows.every((row) => Array.isArray(row) && row.length === 2 && row.every(isCount)),
  isOptionalText,
  isCount,
  isOptionalText,
];

function isPackedTurn(value: unknown): value is PackedTurn {
  return Array.isArray(value) && value.length === TURN_PARTS.length && TURN_PARTS.every((isRight, place) => isRight(value[place]));
}

const isSnapshot = (value: unknown): value is StoredSnapshot => isPlain(value) && "value" in value && "context" in value;

const isNote = (value: unknown): value is ErrorNote =>
  isPlain(value) && typeof value.code === "string" && typeof value.message === "string";

const isTimers = (value: unknown): value is StoredTimer[] =>
  Array.isArray(value) &&
  value.every(
    (timer) =>
      isPlain(timer) &&
      typeof timer.id === "string" &&
      typeof timer.dueAtMs === "number" &&
      isPlain(timer.event) &&
      typeof timer.event.type === "string",
  );

const isSettings = (value: unknown): value is Record<string, string> =>
  isPlain(value) && Object.values(value).every((setting) => typeof setting === "string");

/** A chat that was put aside stays so, though what was noted is lost. */
const NO_NOTE: ErrorNote = { code: "STORE_UNREADABLE", message: "the note of its error is damaged" };

/** Undefined for a column that cannot be read. */
export const settingsOf = (column: string): Readonly<Record<string, string>> | undefined => checked(column, isSettings);

/** Undefined for a column that cannot be read, and for one that is empty. */
export const timersOf = (column: string | null): readonly StoredTimer[] | undefined => checked(column, isTimers);

export function json<T>(text: string | null | undefined): T | undefined {
  return text === null || text === undefined ? undefined : (JSON.parse(text) as T);
}

/** The same, for what is only read: undefined for text that is no JSON. */
export function readable<T>(text: string | null | undefined): T | undefined {
  try {
    return json<T>(text);
  } catch {
    return undefined;
  }
}

export function text(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

export const optional = <T>(value: T | null): T | undefined => (value === null ? undefined : value);

/** Class of the oldest message that waits, the ones of the open turn included. */
function waitingClass(engine: Pick<Engine, "get">, chat: ChatRow): TurnClass | undefined {
  if (chat.waiting === 0) return undefined;
  const first = chat.open?.rows[0]?.[0];
  const waiting = engine.get<{ seq: number; class: TurnClass }>(
    "SELECT seq, class FROM inbox WHERE chat = ? AND status = 'waiting' AND kind = 'message' ORDER BY seq LIMIT 1",
    chat.id,
  );
  return waiting && (first === undefined || waiting.seq < first) ? waiting.class : chat.open?.class;
}

export function recordOf(engine: Pick<Engine, "get">, chat: ChatRow): ChatRecord {
  const { open } = chat;
  const snapshot = checked(chat.snapshot, isSnapshot);
  const timers = timersOf(chat.timers);
  const settings = settingsOf(chat.settings);
  const error = chat.error === null ? undefined : (checked(chat.error, isNote) ?? NO_NOTE);
  const damaged = [
    chat.snapshot !== null && !snapshot ? "snapshot" : "",
    chat.timers !== null && !timers ? "timers" : "",
    chat.damagedTurn === undefined ? "" : "turn",
    settings ? "" : "settings",
  ].filter((column) => column !== "");
  return {
    key: chat.key,
    channel: chat.channel,
    address: chat.address,
    fence: chat.fence,
    revision: chat.revision,
    snapshot,
    timers: timers ?? [],
    state: chat.state,
    sinceMs: chat.since_at,
    waiting: chat.waiting,
    waitingCommands: chat.commands,
    waitingClass: waitingClass(engine, chat),
    unsettledParts: chat.unsettled,
    openTurn: open && {
      turnId: open.id,
      status: open.status,
      attempt: open.attempt,
      failures: open.failures,
      startedAtMs: open.startedAtMs,
      ...(open.runId === null ? {} : { runId: open.runId }),
    },
    settings: settings ?? {},
    lastMessageAtMs: optional(chat.message_at),
    lastReplyAtMs: optional(chat.reply_at),
    error,
    ...(damaged.length > 0 ? { damaged } : {}),
  };
}
