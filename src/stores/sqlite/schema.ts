/**
 * Tables and their migrations. `PRAGMA user_version` counts the migrations that a file has had; a file is only ever moved forward.
 *
 * Rows of one chat lie together (`chat` is the integer id of its row in `chats`), and the chat's row carries what the hot path needs:
 * counters, the fence and hints where the first waiting message and the first unsettled part are. So appends, claims and commits need
 * no secondary index.
 */
import { ConfigError } from "../../core/errors.ts";
import type { Database } from "./driver.ts";

export type Migration = (db: Database) => void;

const FIRST = `
CREATE TABLE chats (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, address TEXT NOT NULL,
  fence INTEGER NOT NULL, revision INTEGER NOT NULL, last_seq INTEGER NOT NULL, last_entry INTEGER NOT NULL, last_part INTEGER NOT NULL,
  first_waiting INTEGER NOT NULL, first_unsettled INTEGER NOT NULL,
  waiting INTEGER NOT NULL, commands INTEGER NOT NULL, unsettled INTEGER NOT NULL,
  open_turn TEXT, state TEXT NOT NULL, since_at INTEGER NOT NULL, snapshot TEXT, timers TEXT, timer_at INTEGER,
  settings TEXT NOT NULL, error TEXT, message_at INTEGER, reply_at INTEGER, busy_at INTEGER
);
CREATE INDEX chats_timer ON chats (timer_at) WHERE timer_at IS NOT NULL;
CREATE TABLE dedupe (
  scope TEXT NOT NULL, external_id TEXT NOT NULL, body_hash TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (scope, external_id)
) WITHOUT ROWID;
CREATE TABLE inbox (
  chat INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, class TEXT NOT NULL, content TEXT NOT NULL, sender TEXT,
  received_at INTEGER NOT NULL, status TEXT NOT NULL, turn_id TEXT, run_id TEXT, PRIMARY KEY (chat, seq)
) WITHOUT ROWID;
CREATE TABLE turns (
  chat INTEGER NOT NULL, turn_id TEXT NOT NULL, status TEXT NOT NULL, attempt INTEGER NOT NULL, failures INTEGER NOT NULL,
  suspect INTEGER NOT NULL, rows TEXT NOT NULL, run_id TEXT, started_at INTEGER NOT NULL, ended_at INTEGER, error TEXT,
  PRIMARY KEY (chat, turn_id)
) WITHOUT ROWID;
CREATE TABLE journal (
  chat INTEGER NOT NULL, turn_id TEXT NOT NULL, place INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (chat, turn_id, place)
) WITHOUT ROWID;
CREATE TABLE history (
  chat INTEGER NOT NULL, entry INTEGER NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, at INTEGER NOT NULL, seq INTEGER,
  turn_id TEXT, archived INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (chat, entry)
) WITHOUT ROWID;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, group_id TEXT NOT NULL, part INTEGER NOT NULL, of INTEGER NOT NULL, content TEXT NOT NULL,
  status TEXT NOT NULL, attempts INTEGER NOT NULL, ambiguous INTEGER NOT NULL, created_at INTEGER NOT NULL, next_try_at INTEGER,
  platform_id TEXT, error TEXT, in_reply_to TEXT NOT NULL, run_id TEXT
);
CREATE INDEX outbox_dead ON outbox (status, id) WHERE status IN ('dead', 'expired');
CREATE TABLE events (
  chat INTEGER NOT NULL, revision INTEGER NOT NULL, at INTEGER NOT NULL, events TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
  PRIMARY KEY (chat, revision)
) WITHOUT ROWID;
CREATE TABLE jobs (id TEXT PRIMARY KEY, body TEXT NOT NULL, paused INTEGER NOT NULL, next_at INTEGER) WITHOUT ROWID;
CREATE INDEX jobs_next ON jobs (next_at) WHERE next_at IS NOT NULL AND paused = 0;
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY, job TEXT NOT NULL, instant INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, status TEXT NOT NULL,
  delivery TEXT NOT NULL, error TEXT, deliver_to TEXT
) WITHOUT ROWID;
CREATE UNIQUE INDEX runs_instant ON runs (job, instant);
CREATE TABLE kv (namespace TEXT NOT NULL, cell TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (namespace, cell)) WITHOUT ROWID;
CREATE TABLE nodes (node TEXT PRIMARY KEY, seen_at INTEGER NOT NULL) WITHOUT ROWID;
`;

/** In order; never edited once released. */
export const MIGRATIONS: readonly Migration[] = [(db) => db.exec(FIRST)];

/**
 * Brings a database to the newest schema, one transaction a step.
 * @throws ConfigError STORE_NEWER when a later version of satibot wrote it, STORE_UNREADABLE when it is no database of satibot
 */
export function migrate(db: Database, migrations: readonly Migration[] = MIGRATIONS): void {
  const version = versionOf(db);
  if (version > migrations.length) {
    throw new ConfigError(
      "STORE_NEWER",
      `the store has schema ${version} and this satibot knows ${migrations.length}; install the newer satibot that wrote it, or name another store`,
    );
  }
  if (version === 0 && db.prepare("SELECT name FROM sqlite_master LIMIT 1").get()) {
    throw new ConfigError("STORE_UNREADABLE", "the store is a database of another program; name another file");
  }
  for (const [place, step] of migrations.entries()) {
    if (place < version) continue;
    db.exec("BEGIN IMMEDIATE");
    try {
      step(db);
      db.exec(`PRAGMA user_version = ${place + 1}`);
      db.exec("COMMIT");
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  }
}

export function versionOf(db: Database): number {
  return Number((db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version);
}
