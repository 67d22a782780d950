/**
 * The database inside its thread: prepared statements, and the rows of chats in a write-back cache. The writer is the only owner, so a
 * cached chat row is the truth; changed ones are written once a transaction, and a rollback forgets them all.
 */
import { channelOf, type ChatKey } from "../../core/chat-key.ts";
import { invariant } from "../../core/errors.ts";
import { chatOfRow, packTurn, type ChatRow, type ChatSql } from "./chat-row.ts";
import type { Database, Statement } from "./driver.ts";

export type Value = string | number | null;

/** Tables that are written in order. Their ids are never used twice, since a chain may end at a row that was deleted. */
export const LOGS = ["inbox", "ledger", "outbox", "runs"] as const;
export type Log = (typeof LOGS)[number];

/** Chats kept in the cache, about 1 KB each; beyond it the one that came first goes. */
const CACHE_MAX = 50_000;

/** Columns that change together. */
const SIDES = {
  intake: ["fence", "last_seq", "waiting", "commands", "inbox", "message_at", "turn"],
  delivery: ["unsettled", "sending", "outbox", "reply_at"],
  machine: ["revision", "ledger", "state", "since_at", "snapshot"],
  rest: ["address", "archived", "busy_at", "timer_at", "timers", "settings", "error"],
} as const;
export type Side = keyof typeof SIDES;
const BITS: Readonly<Record<Side, number>> = { intake: 1, delivery: 2, machine: 4, rest: 8 };
const SIDE_NAMES = Object.keys(SIDES) as Side[];

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
  /** Marks a side of a row to be written with the transaction. */
  readonly changed: (row: ChatRow, side: Side) => void;
  readonly forgetChat: (row: ChatRow) => void;
  readonly nextId: (log: Log) => number;
  /** Notes how far the ids went; part of every transaction that deletes rows of a log. */
  readonly keepIds: () => void;
  /** Writes the changed rows; before COMMIT. */
  readonly flush: () => void;
  /** After ROLLBACK. */
  readonly forget: () => void;
}

export function createEngine(db: Database): Engine {
  const statements = new Map<string, Statement>();
  const lastIds = new Map<Log, number>();

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
  const lastId = (log: Log): number => {
    const known = lastIds.get(log);
    if (known !== undefined) return known;
    const sql = `SELECT max(coalesce((SELECT max(id) FROM ${log}), 0), coalesce((SELECT value FROM counters WHERE name = ?), 0)) AS id`;
    return get<{ id: number }>(sql, log)?.id ?? 0;
  };
  const chats = createChatCache(get, run);

  return {
    db,
    run,
    get,
    all: <T>(sql: string, ...values: Value[]) => prepare(sql).all(...values) as T[],
    ...chats,
    nextId: (log) => {
      const id = lastId(log) + 1;
      lastIds.set(log, id);
      return id;
    },
    keepIds: () => {
      for (const log of LOGS) run("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)", log, lastId(log));
    },
    forget: () => {
      chats.forget();
      lastIds.clear();
    },
  };
}

type ChatCache = Pick<Engine, "chat" | "chatById" | "meet" | "changed" | "forgetChat" | "flush" | "forget">;

function createChatCache(get: Engine["get"], run: Engine["run"]): ChatCache {
  const cache = new Map<ChatKey, ChatRow>();
  const keys = new Map<number, ChatKey>();
  /** Changed rows, and which sides of them. */
  const dirty = new Map<ChatRow, number>();

  const keep = (row: ChatRow): ChatRow => {
    cache.set(row.key, row);
    keys.set(row.id, row.key);
    if (cache.size > CACHE_MAX) {
      for (const old of cache.values()) {
        if (dirty.has(old) || old === row) continue;
        cache.delete(old.key);
        keys.delete(old.id);
        break;
      }
    }
    return row;
  };

  const chat = (key: ChatKey): ChatRow | undefined => {
    const known = cache.get(key);
    if (known) return known;
    const row = get<ChatSql>("SELECT * FROM chats WHERE key = ?", key);
    return row && keep(chatOfRow(row));
  };

  return {
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
        `INSERT INTO chats (key, channel, fence, last_seq, waiting, commands, inbox, unsettled, outbox, revision, ledger, state, since_at, address, archived, settings)
         VALUES (?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'idle', ?, ?, 0, '{}')`,
        key,
        channelOf(key),
        atMs,
        address,
      );
      const row = chat(key);
      invariant(row, `chat ${key} was not stored`);
      return row;
    },
    changed: (row, side) => void dirty.set(row, (dirty.get(row) ?? 0) | BITS[side]),
    forgetChat: (row) => {
      cache.delete(row.key);
      keys.delete(row.id);
      dirty.delete(row);
    },
    flush: () => {
      for (const [row, sides] of dirty) {
        const { sql, columns } = updateOf(sides);
        const values: Value[] = [];
        for (const column of columns) values.push(column === "turn" ? (row.damagedTurn ?? packTurn(row.open)) : row[column]);
        values.push(row.id);
        run(sql, ...values);
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

type Column = (typeof SIDES)[Side][number];

interface Update {
  readonly sql: string;
  readonly columns: readonly Column[];
}

const UPDATES: (Update | undefined)[] = [];

function updateOf(sides: number): Update {
  const known = UPDATES[sides];
  if (known) return known;
  const columns = SIDE_NAMES.filter((side) => (sides & BITS[side]) !== 0).flatMap((side): readonly Column[] => SIDES[side]);
  const update = { sql: `UPDATE chats SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE id = ?`, columns };
  UPDATES[sides] = update;
  return update;
}
