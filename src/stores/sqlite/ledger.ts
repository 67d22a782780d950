/** One row for what one commit added to a chat: the event row of its revision, the turn that ended, the entries of the history. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { EventRecord, HistoryEntry, TurnRecord, TurnStatus } from "../../ports/store/records.ts";
import { chain } from "./chain.ts";
import { readable, type ChatRow, type StoredTurn } from "./chat-row.ts";
import type { Engine } from "./engine.ts";
import type { WriteWire } from "./wire.ts";

/** Each of its three is absent when the commit had none, or when its time is over. */
export interface LedgerSql {
  readonly id: number;
  readonly at: number;
  readonly revision: number | null;
  readonly events: string;
  readonly before: string;
  readonly after: string;
  readonly turn: string | null;
  readonly history: string | null;
}

export interface Entry {
  readonly atMs: number;
  /** Of the chat's revision as it is now. */
  readonly events?: readonly [events: string, before: string, after: string];
  /** From `endedTurn`. */
  readonly turn?: string;
  /** JSON array of history entries. */
  readonly history?: string;
}

const INSERT =
  "INSERT INTO ledger (id, chat, prev, at, revision, events, before, after, turn, history) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

export function writeLedger(
  engine: Engine,
  chat: ChatRow,
  {
    atMs,
    events,
    turn = null,
    history = null,
  }: Omit<Entry, "turn" | "history"> & { readonly turn?: string | null; readonly history?: string | null },
): void {
  const id = engine.nextId("ledger");
  if (events) engine.run(INSERT, id, chat.id, chat.ledger, atMs, chat.revision, events[0], events[1], events[2], turn, history);
  else engine.run(INSERT, id, chat.id, chat.ledger, atMs, null, null, null, null, turn, history);
  chat.ledger = id;
  engine.changed(chat, "machine");
}

/** Snapshot and timers of the next revision, and the ledger row of the commit that stored them. */
export function writeSnapshot(
  engine: Engine,
  chat: ChatRow,
  write: WriteWire,
  added: { readonly turn?: string | null; readonly history?: string | null } = {},
): void {
  const [snapshot, state, sinceMs, , , events, stateBefore, error, atMs] = write;
  const [timers, timerAtMs] = snapshot === null ? [chat.timers, chat.timer_at] : [write[3], write[4]];
  chat.revision += 1;
  chat.snapshot = snapshot ?? chat.snapshot;
  chat.state = state;
  chat.since_at = sinceMs;
  if (timers !== chat.timers || error !== chat.error) {
    chat.timers = timers;
    chat.timer_at = timerAtMs;
    chat.error = error;
    engine.changed(chat, "rest");
  }
  writeLedger(engine, chat, { atMs, events: [events, stateBefore, state], ...added });
}

type PackedEnd = readonly [
  id: string,
  status: TurnStatus,
  attempt: number,
  failures: number,
  startedAtMs: number,
  endedAtMs: number,
  error: string | null,
  rows: StoredTurn["rows"] | null,
];

/** The rows of a failed turn are kept with it: a retry brings them back. */
export function endedTurn(open: StoredTurn, status: TurnStatus, atMs: number, error: string | null): string {
  const packed: PackedEnd = [
    open.id,
    status,
    open.attempt,
    open.failures,
    open.startedAtMs,
    atMs,
    error,
    status === "failed" ? open.rows : null,
  ];
  return JSON.stringify(packed);
}

function packedEnd(row: LedgerSql): PackedEnd | undefined {
  const packed = readable<PackedEnd>(row.turn);
  return Array.isArray(packed) ? packed : undefined;
}

export function turnsOf(key: ChatKey, rows: readonly LedgerSql[]): readonly TurnRecord[] {
  return rows.flatMap((row) => {
    const end = packedEnd(row);
    if (!end) return [];
    const [turnId, status, attempt, failures, startedAtMs, endedAtMs, error] = end;
    return [{ chat: key, turnId, status, attempt, failures, startedAtMs, endedAtMs, error: readable(error) }];
  });
}

export function eventsOf(rows: readonly LedgerSql[]): readonly EventRecord[] {
  return rows.flatMap((row) =>
    row.revision === null
      ? []
      : [
          {
            revision: row.revision,
            atMs: row.at,
            events: readable<EventRecord["events"]>(row.events) ?? [],
            stateBefore: row.before,
            stateAfter: row.after,
          },
        ],
  );
}

export function historyOf(rows: readonly LedgerSql[]): readonly HistoryEntry[] {
  return rows.flatMap((row) => readable<HistoryEntry[]>(row.history) ?? []);
}

/** The newest `limit` entries that are not archived, oldest first. */
export function history(engine: Engine, key: ChatKey, limit: number): readonly HistoryEntry[] {
  const chat = engine.chat(key);
  if (!chat || limit <= 0) return [];
  const rows = chain<LedgerSql>(engine, "ledger", {
    chatId: chat.id,
    head: chat.ledger,
    above: chat.archived,
    limit,
    filter: "t.history IS NOT NULL",
  });
  return historyOf(rows).slice(-limit);
}

/** Entries stand in the rows of their commits; the row in which the limit falls keeps its newest. */
export function trim(engine: Engine, key: ChatKey, keep: number): number {
  const chat = engine.chat(key);
  if (!chat) return 0;
  const rows = chain<LedgerSql>(engine, "ledger", { chatId: chat.id, head: chat.ledger, filter: "t.history IS NOT NULL" });
  let left = keep;
  let deleted = 0;
  for (const row of rows.reverse()) {
    const entries = historyOf([row]);
    const kept = left === 0 ? [] : entries.slice(-left);
    left -= kept.length;
    if (kept.length === entries.length) continue;
    deleted += entries.length - kept.length;
    engine.run("UPDATE ledger SET history = ? WHERE id = ?", kept.length === 0 ? null : JSON.stringify(kept), row.id);
  }
  return deleted;
}

export function events(engine: Engine, key: ChatKey, from: number, limit: number): readonly EventRecord[] {
  const chat = engine.chat(key);
  if (!chat) return [];
  // Revisions rise along the chain; rows without one are in between.
  const rows = chain<LedgerSql>(engine, "ledger", {
    chatId: chat.id,
    head: chat.ledger,
    limit,
    keep: "oldest",
    while: ["coalesce(t.revision, ?) >= ?", [from, from]],
    filter: "t.revision IS NOT NULL",
  });
  return eventsOf(rows);
}

/** Ended turns, newest first. */
export function endedTurns(engine: Engine, chat: ChatRow, limit: number): readonly TurnRecord[] {
  const rows = chain<LedgerSql>(engine, "ledger", { chatId: chat.id, head: chat.ledger, limit, filter: "t.turn IS NOT NULL" });
  return turnsOf(chat.key, rows.reverse());
}

/** The rows that the last failed turn of a chat held; none when it lies further back than `depth` turns. */
export function rowsOfLastFailed(engine: Engine, chat: ChatRow, depth: number): StoredTurn["rows"] {
  const rows = chain<LedgerSql>(engine, "ledger", { chatId: chat.id, head: chat.ledger, limit: depth, filter: "t.turn IS NOT NULL" });
  const failed = rows.map(packedEnd).findLast((end) => end?.[1] === "failed");
  return failed?.[7] ?? [];
}
