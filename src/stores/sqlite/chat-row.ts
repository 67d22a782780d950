/** The row of a chat: counters, the newest row of each log, the open turn, and what its machine stored. */
import type { ChatKey } from "../../core/chat-key.ts";
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
export type ChatSql = Omit<ChatRow, "open"> & { readonly turn: string | null };

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

function unpackTurn(packed: PackedTurn | undefined): StoredTurn | undefined {
  if (!packed) return undefined;
  const [id, status, attempt, failures, suspect, startedAtMs, turnClass, rows, runId, steps, error] = packed;
  return { id, status, attempt, failures, suspect: suspect === 1, startedAtMs, class: turnClass, rows, runId, steps, error };
}

export function chatOfRow({ turn, ...row }: ChatSql): ChatRow {
  return { ...row, open: unpackTurn(json<PackedTurn>(turn)) };
}

export function json<T>(text: string | null | undefined): T | undefined {
  return text === null || text === undefined ? undefined : (JSON.parse(text) as T);
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
  return {
    key: chat.key,
    channel: chat.channel,
    address: chat.address,
    fence: chat.fence,
    revision: chat.revision,
    snapshot: json<StoredSnapshot>(chat.snapshot),
    timers: json<StoredTimer[]>(chat.timers) ?? [],
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
    },
    settings: json<Record<string, string>>(chat.settings) ?? {},
    lastMessageAtMs: optional(chat.message_at),
    lastReplyAtMs: optional(chat.reply_at),
    error: json(chat.error),
  };
}
