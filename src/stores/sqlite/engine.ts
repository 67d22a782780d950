/**
 * The database inside its worker: prepared statements, and the rows of chats in a write-back cache. The writer is the only owner, so a
 * cached chat row is the truth; changed ones are written once a transaction, and a rollback forgets them all.
 */
import { channelOf, type ChatKey } from "../../core/chat-key.ts";
import { invariant } from "../../core/errors.ts";
import type { TurnClass } from "../../core/turn-class.ts";
import type { ChatRecord, OpenTurn, StoredSnapshot, StoredTimer } from "../../ports/store/records.ts";
import type { Database, Statement } from "./driver.ts";

/** A row of `chats`, as stored. */
export interface ChatRow {
  readonly id: number;
  readonly key: ChatKey;
  readonly channel: string;
  address: string;
  fence: number;
  revision: number;
  last_seq: number;
  last_entry: number;
  last_part: number;
  /** No message below this sequence number waits. */
  first_waiting: number;
  /** No part below this number is unsettled. */
  first_unsettled: number;
  waiting: number;
  commands: number;
  unsettled: number;
  open_turn: string | null;
  state: string;
  since_at: number;
  snapshot: string | null;
  timers: string | null;
  timer_at: number | null;
  settings: string;
  error: string | null;
  message_at: number | null;
  reply_at: number | null;
  busy_at: number | null;
}

export type Value = string | number | null;

/** Chats kept in the cache; beyond it the longest unused goes. */
const CACHE_MAX = 20_000;
const COLUMNS = [
  "address",
  "fence",
  "revision",
  "last_seq",
  "last_entry",
  "last_part",
  "first_waiting",
  "first_unsettled",
  "waiting",
  "commands",
  "unsettled",
  "open_turn",
  "state",
  "since_at",
  "snapshot",
  "timers",
  "timer_at",
  "settings",
  "error",
  "message_at",
  "reply_at",
  "busy_at",
] as const satisfies readonly (keyof ChatRow)[];
const UPDATE = `UPDATE chats SET ${COLUMNS.map((column) => `${column} = ?`).join(", ")} WHERE id = ?`;

export interface Engine {
  readonly db: Database;
  /** Runs a statement for its effect; answers how many rows it changed. */
  readonly run: (sql: string, ...values: Value[]) => number;
  readonly get: <T>(sql: string, ...values: Value[]) => T | undefined;
  readonly all: <T>(sql: string, ...values: Value[]) => T[];
  readonly chat: (key: ChatKey) => ChatRow | undefined;
  readonly chatById: (id: number) => ChatRow;
  /** The chat's row, made at first contact. */
  readonly meet: (key: ChatKey, address: string, atMs: number) => ChatRow;
  /** Marks a row to be written with the transaction. */
  readonly changed: (row: ChatRow) => void;
  readonly forgetChat: (row: ChatRow) => void;
  /** Writes the changed rows; before COMMIT. */
  readonly flush: () => void;
  /** After ROLLBACK. */
  readonly forget: () => void;
}

export function createEngine(db: Database): Engine {
  const statements = new Map<string, Statement>();
  const cache = new Map<ChatKey, ChatRow>();
  const keys = new Map<number, ChatKey>();
  const dirty = new Set<ChatRow>();

  const prepare = (sql: string): Statement => {
    let statement = statements.get(sql);
    if (!statement) {
      statement = db.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  const get = <T>(sql: string, ...values: Value[]): T | undefined => prepare(sql).get(...values) as T | undefined;
  const run = (sql: string, ...values: Value[]): number => Number(prepare(sql).run(...values).changes);

  const keep = (row: ChatRow): ChatRow => {
    cache.set(row.key, row);
    keys.set(row.id, row.key);
    if (cache.size > CACHE_MAX) {
      for (const [key, old] of cache) {
        if (dirty.has(old)) continue;
        cache.delete(key);
        keys.delete(old.id);
        break;
      }
    }
    return row;
  };

  const chat = (key: ChatKey): ChatRow | undefined => {
    const known = cache.get(key);
    if (known) {
      // Least recently used goes first.
      cache.delete(key);
      cache.set(key, known);
      return known;
    }
    const row = get<ChatRow>("SELECT * FROM chats WHERE key = ?", key);
    return row && keep({ ...row });
  };

  return {
    db,
    run,
    get,
    all: <T>(sql: string, ...values: Value[]) => prepare(sql).all(...values) as T[],
    chat,
    chatById: (id) => {
      const key = keys.get(id) ?? get<{ key: ChatKey }>("SELECT key FROM chats WHERE id = ?", id)?.key;
      const row = key && chat(key);
      invariant(row, `no chat has the row id ${id}`);
      return row;
    },
    meet: (key, address, atMs) => {
      const known = chat(key);
      if (known) return known;
      run(
        `INSERT INTO chats (key, channel, address, fence, revision, last_seq, last_entry, last_part, first_waiting, first_unsettled, waiting, commands, unsettled, state, since_at, settings)
         VALUES (?, ?, ?, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 'idle', ?, '{}')`,
        key,
        channelOf(key),
        address,
        atMs,
      );
      const row = chat(key);
      invariant(row, `chat ${key} was not stored`);
      return row;
    },
    changed: (row) => void dirty.add(row),
    forgetChat: (row) => {
      cache.delete(row.key);
      keys.delete(row.id);
      dirty.delete(row);
    },
    flush: () => {
      const update = prepare(UPDATE);
      for (const row of dirty) {
        const values: Value[] = COLUMNS.map((column) => row[column]);
        update.run(...values, row.id);
      }
      dirty.clear();
    },
    forget: () => {
      dirty.clear();
      cache.clear();
      keys.clear();
    },
  };
}

export function json<T>(text: string | null | undefined): T | undefined {
  return text === null || text === undefined ? undefined : (JSON.parse(text) as T);
}

export function text(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

export const optional = <T>(value: T | null): T | undefined => (value === null ? undefined : value);

interface TurnFacts {
  readonly turn_id: string;
  readonly status: OpenTurn["status"];
  readonly attempt: number;
  readonly failures: number;
  readonly started_at: number;
}

export function openTurnOf(engine: Pick<Engine, "get">, row: ChatRow): OpenTurn | undefined {
  if (row.open_turn === null) return undefined;
  const turn = engine.get<TurnFacts>(
    "SELECT turn_id, status, attempt, failures, started_at FROM turns WHERE chat = ? AND turn_id = ?",
    row.id,
    row.open_turn,
  );
  return (
    turn && { turnId: turn.turn_id, status: turn.status, attempt: turn.attempt, failures: turn.failures, startedAtMs: turn.started_at }
  );
}

/** Sequence number and class of the oldest waiting message. */
export function firstWaiting(engine: Pick<Engine, "get">, row: ChatRow): { readonly seq: number; readonly class: TurnClass } | undefined {
  if (row.waiting === 0) return undefined;
  return engine.get(
    "SELECT seq, class FROM inbox WHERE chat = ? AND seq >= ? AND status = 'waiting' AND kind = 'message' ORDER BY seq LIMIT 1",
    row.id,
    row.first_waiting,
  );
}

export function recordOf(engine: Pick<Engine, "get">, row: ChatRow): ChatRecord {
  return {
    key: row.key,
    channel: row.channel,
    address: row.address,
    fence: row.fence,
    revision: row.revision,
    snapshot: json<StoredSnapshot>(row.snapshot),
    timers: json<StoredTimer[]>(row.timers) ?? [],
    state: row.state,
    sinceMs: row.since_at,
    waiting: row.waiting,
    waitingCommands: row.commands,
    waitingClass: firstWaiting(engine, row)?.class,
    unsettledParts: row.unsettled,
    openTurn: openTurnOf(engine, row),
    settings: json<Record<string, string>>(row.settings) ?? {},
    lastMessageAtMs: optional(row.message_at),
    lastReplyAtMs: optional(row.reply_at),
    error: json(row.error),
  };
}
