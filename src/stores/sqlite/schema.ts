/**
 * The tables. Rows are written in the order in which they come, so that a group commit over many chats touches few pages: `inbox`,
 * `history`, `outbox`, `turns` and `events` are logs by id, and each row names the row of the same chat before it (`prev`); the chat's row
 * names the newest. What is looked for without a chain is either in a small partial index (waiting rows, unsettled parts) or in the chat's
 * row itself: counters, the open turn with the rows that it holds, the part being sent.
 */

/** Logs by id. Ids are never used twice, since chains may point at rows that were deleted; `counters` keeps the highest. */
export const LOGS = ["inbox", "history", "outbox", "turns", "events", "runs"] as const;
export type Log = (typeof LOGS)[number];

export const FIRST_SCHEMA = `
CREATE TABLE chats (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, address TEXT NOT NULL,
  fence INTEGER NOT NULL, revision INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  waiting INTEGER NOT NULL, commands INTEGER NOT NULL, unsettled INTEGER NOT NULL, sending INTEGER,
  inbox INTEGER NOT NULL, history INTEGER NOT NULL, archived INTEGER NOT NULL, outbox INTEGER NOT NULL, turns INTEGER NOT NULL, events INTEGER NOT NULL,
  message_at INTEGER, reply_at INTEGER, busy_at INTEGER, turn TEXT,
  state TEXT NOT NULL, since_at INTEGER NOT NULL, timer_at INTEGER, timers TEXT, settings TEXT NOT NULL, error TEXT, snapshot TEXT
);
CREATE INDEX chats_timer ON chats (timer_at) WHERE timer_at IS NOT NULL;
CREATE TABLE dedupe (
  scope TEXT NOT NULL, external_id TEXT NOT NULL, body_hash TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (scope, external_id)
) WITHOUT ROWID;
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, prev INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, class TEXT NOT NULL,
  status TEXT NOT NULL, turn_id TEXT, run_id TEXT, received_at INTEGER NOT NULL, sender TEXT, content TEXT NOT NULL
);
CREATE INDEX inbox_waiting ON inbox (chat, seq) WHERE status = 'waiting';
CREATE TABLE turns (
  id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, prev INTEGER NOT NULL, turn_id TEXT NOT NULL, status TEXT NOT NULL, attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, rows TEXT, error TEXT
);
CREATE TABLE journal (
  chat INTEGER NOT NULL, turn_id TEXT NOT NULL, place INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (chat, turn_id, place)
) WITHOUT ROWID;
CREATE TABLE history (id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, prev INTEGER NOT NULL, at INTEGER NOT NULL, entries TEXT NOT NULL);
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, prev INTEGER NOT NULL, group_id TEXT NOT NULL, part INTEGER NOT NULL, of INTEGER NOT NULL,
  status TEXT NOT NULL, attempts INTEGER NOT NULL, ambiguous INTEGER NOT NULL, created_at INTEGER NOT NULL, next_try_at INTEGER,
  platform_id TEXT, run_id TEXT, error TEXT, in_reply_to TEXT NOT NULL, content TEXT NOT NULL
);
CREATE INDEX outbox_waiting ON outbox (chat, id) WHERE status IN ('waiting', 'draft');
CREATE INDEX outbox_ended ON outbox (status, id) WHERE status IN ('dead', 'expired');
CREATE TABLE events (
  id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, prev INTEGER NOT NULL, revision INTEGER NOT NULL, at INTEGER NOT NULL, events TEXT NOT NULL,
  before TEXT NOT NULL, after TEXT NOT NULL
);
CREATE TABLE archived_snapshots (chat INTEGER NOT NULL, revision INTEGER NOT NULL, at INTEGER NOT NULL, snapshot TEXT NOT NULL, PRIMARY KEY (chat, revision)) WITHOUT ROWID;
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, message TEXT NOT NULL, schedule TEXT NOT NULL, deliver_to TEXT, class TEXT NOT NULL, origin TEXT NOT NULL,
  paused INTEGER NOT NULL, next_at INTEGER, created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_next ON jobs (next_at) WHERE next_at IS NOT NULL AND paused = 0;
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, instant INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER,
  status TEXT NOT NULL, delivery TEXT NOT NULL, error TEXT, deliver_to TEXT
);
CREATE UNIQUE INDEX runs_instant ON runs (job, instant);
CREATE TABLE kv (namespace TEXT NOT NULL, cell TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (namespace, cell)) WITHOUT ROWID;
CREATE TABLE nodes (node TEXT PRIMARY KEY, seen_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`;
