/**
 * The migrations in order, and with them the tables.
 *
 * Rows are written in the order in which they come, so that a group commit over many chats touches few pages: `inbox`, `outbox` and
 * `ledger` are logs by id. Each of their rows names the row of the same chat before it (`prev`), the chat's row names the newest: a chat
 * is read by walking back. What is not found so is in a small partial index (rows and parts that wait) or in the chat's row itself:
 * counters, the open turn with the rows that it holds, the part being sent. The way of a message needs no other index. The ledger has one
 * row for what one commit added: the event row of its revision, the turn that ended, the entries of the history.
 */
import type { Database } from "./driver.ts";

export type Migration = (db: Database) => void;

const FIRST = `
CREATE TABLE chats (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, channel TEXT NOT NULL,
  fence INTEGER NOT NULL, last_seq INTEGER NOT NULL, waiting INTEGER NOT NULL, commands INTEGER NOT NULL, inbox INTEGER NOT NULL, message_at INTEGER, turn TEXT,
  unsettled INTEGER NOT NULL, sending INTEGER, outbox INTEGER NOT NULL, reply_at INTEGER,
  revision INTEGER NOT NULL, ledger INTEGER NOT NULL, state TEXT NOT NULL, since_at INTEGER NOT NULL, snapshot TEXT,
  address TEXT NOT NULL, archived INTEGER NOT NULL, busy_at INTEGER, timer_at INTEGER, timers TEXT, settings TEXT NOT NULL, error TEXT
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
CREATE TABLE journal (
  chat INTEGER NOT NULL, turn_id TEXT NOT NULL, place INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (chat, turn_id, place)
) WITHOUT ROWID;
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, prev INTEGER NOT NULL, at INTEGER NOT NULL,
  revision INTEGER, events TEXT, before TEXT, after TEXT, turn TEXT, history TEXT
);
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, prev INTEGER NOT NULL, group_id TEXT NOT NULL, part INTEGER NOT NULL, of INTEGER NOT NULL,
  status TEXT NOT NULL, attempts INTEGER NOT NULL, ambiguous INTEGER NOT NULL, created_at INTEGER NOT NULL, revived_at INTEGER, next_try_at INTEGER,
  platform_id TEXT, run_id TEXT, error TEXT, in_reply_to TEXT NOT NULL, content TEXT NOT NULL
);
CREATE INDEX outbox_waiting ON outbox (chat, id) WHERE status IN ('waiting', 'draft');
CREATE INDEX outbox_ended ON outbox (status, id) WHERE status IN ('dead', 'expired');
CREATE TABLE archived_snapshots (
  chat INTEGER NOT NULL, revision INTEGER NOT NULL, at INTEGER NOT NULL, snapshot TEXT NOT NULL, PRIMARY KEY (chat, revision)
) WITHOUT ROWID;
CREATE TABLE jobs (id TEXT PRIMARY KEY, body TEXT NOT NULL, paused INTEGER NOT NULL, next_at INTEGER) WITHOUT ROWID;
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

/** Streamed replies, what platforms say of parts they took, and chats that moved on their platform. */
const PLATFORMS = `
ALTER TABLE outbox ADD COLUMN draft INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN receipt TEXT;
CREATE TABLE aliases (alias TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX aliases_key ON aliases (key);
`;

/** Policies of cron jobs. What changes with each instant is in columns; runs keep the policy that they were claimed with. */
const JOBS = `
CREATE TABLE jobs_with_policies (
  id TEXT PRIMARY KEY, body TEXT NOT NULL, origin TEXT NOT NULL, owner TEXT, disable_after INTEGER NOT NULL, status TEXT NOT NULL,
  next_at INTEGER, start_at INTEGER, runs INTEGER NOT NULL, failures INTEGER NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO jobs_with_policies
  SELECT id, CASE WHEN json_valid(body) THEN json_remove(body, '$.paused', '$.nextAtMs', '$.createdAtMs') ELSE body END, coalesce(CASE WHEN json_valid(body) THEN json_extract(body, '$.origin') END, 'library'), NULL, 10,
    CASE WHEN paused = 1 OR NOT json_valid(body) THEN 'paused' WHEN next_at IS NULL THEN 'completed' ELSE 'active' END,
    next_at, next_at, 0, 0, coalesce(CASE WHEN json_valid(body) THEN json_extract(body, '$.createdAtMs') END, 0), 0 FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_with_policies RENAME TO jobs;
CREATE INDEX jobs_start ON jobs (start_at, id) WHERE status = 'active' AND start_at IS NOT NULL;
CREATE INDEX jobs_owner ON jobs (owner) WHERE owner IS NOT NULL;
CREATE INDEX jobs_completed ON jobs (changed_at) WHERE status = 'completed';
ALTER TABLE runs ADD COLUMN first_at INTEGER;
ALTER TABLE runs ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN trigger TEXT NOT NULL DEFAULT 'schedule';
ALTER TABLE runs ADD COLUMN policy TEXT;
ALTER TABLE runs ADD COLUMN unsettled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN undelivered INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET policy = json_object('runId', run_id, 'jobId', job, 'jobName', job, 'trigger', 'schedule', 'chat', 'cron:' || job,
  'deliverTo', CASE WHEN deliver_to IS NULL THEN json('[]') ELSE json_array(deliver_to) END, 'deliverWhen', 'always', 'alertTo', json('[]'))
  WHERE status = 'running';
UPDATE runs SET unsettled = (SELECT count(*) FROM outbox WHERE run_id = runs.run_id AND status IN ('waiting', 'sending', 'draft'))
  WHERE delivery = 'waiting';
CREATE INDEX runs_under_way ON runs (job) WHERE status = 'running';
`;

/** `PRAGMA user_version` counts those that a file has had. Never edited once released. */
export const MIGRATIONS: readonly Migration[] = [(db) => db.exec(FIRST), (db) => db.exec(PLATFORMS), (db) => db.exec(JOBS)];
