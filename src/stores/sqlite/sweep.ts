/**
 * Deletes what is past its time, a bounded number of rows a call. Logs are in the order of time, so a window begins at the oldest row and
 * ends at the first young one; dedupe keys are not, so they are looked through round by round.
 */
import type { Retention } from "../../ports/store/retention.ts";
import type { Engine, Log } from "./engine.ts";

/** Rows of one table looked at in a call. */
const WINDOW = 5_000;
/** Free pages beyond which a call gives some back to the file system, and how many. */
const FREE_PAGES_MAX = 4_000;
const PAGES_GIVEN_BACK = 1_000;

interface LogSweep {
  readonly log: Log;
  readonly at: string;
  readonly ended: string;
}

const INBOX: LogSweep = { log: "inbox", at: "received_at", ended: "status NOT IN ('waiting', 'held')" };
const OUTBOX: LogSweep = { log: "outbox", at: "created_at", ended: "status IN ('sent', 'expired', 'dead')" };
const RUNS: LogSweep = { log: "runs", at: "started_at", ended: "ended_at IS NOT NULL AND delivery <> 'waiting'" };
/** A row of the ledger goes when nothing in it is kept: until then it holds the chain of its chat together. */
const LEDGER: LogSweep = { log: "ledger", at: "at", ended: "1" };

const FIRST_KEY = { scope: "", externalId: "" };

/** True when more is left. Remembers where it stopped, so there is one per writer. */
export function createSweeper(engine: Engine): (retention: Retention) => boolean {
  const stopped = new Map<Log, number>();
  const sweepKeys = createKeySweeper(engine);

  const sweepLog = ({ log, at, ended }: LogSweep, beforeMs: number): boolean => {
    const from = stopped.get(log) ?? 0;
    const window = engine.get<{ last: number | null; newest: number | null; count: number }>(
      `SELECT max(id) AS last, max(${at}) AS newest, count(*) AS count FROM (SELECT id, ${at} FROM ${log} WHERE id > ? ORDER BY id LIMIT ${WINDOW})`,
      from,
    );
    stopped.delete(log);
    if (!window || window.last === null) return false;
    engine.run(`DELETE FROM ${log} WHERE id > ? AND id <= ? AND ${at} < ? AND ${ended}`, from, window.last, beforeMs);
    const isDone = window.count < WINDOW || (window.newest ?? 0) >= beforeMs;
    if (!isDone) stopped.set(log, window.last);
    return !isDone;
  };

  /** Clears one of the three things that a row of the ledger holds. How far it came is stored: each row is cleared once. */
  const clear = (name: string, columns: readonly string[], beforeMs: number): boolean => {
    const counter = `cleared.${name}`;
    const from = engine.get<{ value: number }>("SELECT value FROM counters WHERE name = ?", counter)?.value ?? 0;
    const old = engine.get<{ last: number | null; count: number }>(
      `SELECT max(id) AS last, count(*) AS count FROM (SELECT id, at FROM ledger WHERE id > ? ORDER BY id LIMIT ${WINDOW}) WHERE at < ?`,
      from,
      beforeMs,
    );
    if (!old || old.last === null) return false;
    engine.run(
      `UPDATE ledger SET ${columns.map((column) => `${column} = NULL`).join(", ")} WHERE id > ? AND id <= ? AND at < ?`,
      from,
      old.last,
      beforeMs,
    );
    engine.run("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)", counter, old.last);
    return old.count === WINDOW;
  };

  const sweepLedger = ({ eventsBeforeMs, inboxBeforeMs, historyBeforeMs }: Retention): boolean => {
    const left = [
      clear("events", ["revision", "events", "before", "after"], eventsBeforeMs),
      clear("turns", ["turn"], inboxBeforeMs),
      clear("history", ["history"], historyBeforeMs),
      sweepLog(LEDGER, Math.min(eventsBeforeMs, inboxBeforeMs, historyBeforeMs)),
    ];
    return left.includes(true);
  };

  return (retention) => {
    engine.keepIds();
    const left = [
      sweepLedger(retention),
      sweepLog(INBOX, retention.inboxBeforeMs),
      sweepLog(OUTBOX, retention.outboxBeforeMs),
      sweepLog(RUNS, retention.runsBeforeMs),
      sweepKeys(retention.dedupeBeforeMs),
    ];
    engine.run("DELETE FROM archived_snapshots WHERE at < ?", retention.historyBeforeMs);
    engine.run("DELETE FROM jobs WHERE status = 'completed' AND origin <> 'config' AND changed_at < ?", retention.runsBeforeMs);
    const free = engine.get<{ freelist_count: number }>("PRAGMA freelist_count")?.freelist_count ?? 0;
    if (free > FREE_PAGES_MAX) engine.db.exec(`PRAGMA incremental_vacuum(${PAGES_GIVEN_BACK})`);
    return left.includes(true);
  };
}

function createKeySweeper(engine: Engine): (beforeMs: number) => boolean {
  let key = FIRST_KEY;
  let seen = 0;
  /** Calls left before the keys are looked through again: a big table is not read whole each time. */
  let rest = 0;
  return (beforeMs) => {
    if (rest > 0) {
      rest -= 1;
      return false;
    }
    const keys = engine.all<{ scope: string; external_id: string }>(
      `SELECT scope, external_id FROM dedupe WHERE (scope, external_id) > (?, ?) ORDER BY scope, external_id LIMIT ${WINDOW}`,
      key.scope,
      key.externalId,
    );
    const last = keys.at(-1);
    if (last) {
      engine.run(
        "DELETE FROM dedupe WHERE (scope, external_id) > (?, ?) AND (scope, external_id) <= (?, ?) AND at < ?",
        key.scope,
        key.externalId,
        last.scope,
        last.external_id,
        beforeMs,
      );
    }
    seen += keys.length;
    if (last && keys.length === WINDOW) {
      key = { scope: last.scope, externalId: last.external_id };
      return true;
    }
    rest = Math.floor(seen / WINDOW);
    key = FIRST_KEY;
    seen = 0;
    return false;
  };
}
