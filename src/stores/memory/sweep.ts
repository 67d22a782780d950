/**
 * Deletes what is past its time, a bounded number of entries a call. Everything is kept in the order in which it came, so a look at the
 * oldest entry mostly says that nothing is to be done.
 */
import type { Retention } from "../../ports/store/retention.ts";
import { instantOf, type Chat, type Disk, type Run } from "./disk.ts";
import { removeOrdered } from "./ordered.ts";

/** Entries looked at by one call. */
const CHATS_A_CALL = 200;
const OTHERS_A_CALL = 2_000;
/** A round begins when a limit has moved by so much since the last: what is up to an hour older does no harm. */
const ROUND_MS = 3_600_000;

/** Goes round over everything that ages; false when the round is done. */
export function createSweeper(disk: Disk): (retention: Retention) => boolean {
  const walks = [
    createWalk(disk.chats, CHATS_A_CALL, (_key, chat, retention) => sweepChat(chat, retention)),
    createWalk(disk.updates, OTHERS_A_CALL, (key, update, { dedupeBeforeMs }) => {
      if (update.atMs >= dedupeBeforeMs) return "young";
      disk.updates.delete(key);
    }),
    createWalk(disk.runs, OTHERS_A_CALL, (_id, run, { runsBeforeMs }) => {
      if (run.startedAtMs >= runsBeforeMs) return "young";
      sweepRun(disk, run, runsBeforeMs);
    }),
    createWalk(disk.jobs, OTHERS_A_CALL, (id, job, { runsBeforeMs }) => {
      if (job.status !== "completed" || job.origin === "config" || job.changedAtMs >= runsBeforeMs) return;
      disk.jobs.delete(id);
      disk.jobIds = undefined;
    }),
  ];
  let left: typeof walks = [];
  let last: Retention | undefined;
  return (retention) => {
    if (left.length === 0) {
      if (last && !hasMoved(last, retention)) return false;
      last = retention;
      left = walks;
    }
    left = left.filter((walk) => walk(retention));
    return left.length > 0;
  };
}

function hasMoved(before: Retention, now: Retention): boolean {
  return (Object.keys(now) as (keyof Retention)[]).some((limit) => Math.abs(now[limit] - before[limit]) >= ROUND_MS);
}

/**
 * Walks on through a map where the last call ended, until its end or an entry that is `young`; false when that is reached. The iterator of
 * a map stays valid while the map changes.
 */
function createWalk<Key, Value>(
  map: ReadonlyMap<Key, Value>,
  max: number,
  visit: (key: Key, value: Value, retention: Retention) => "young" | void,
): (retention: Retention) => boolean {
  let entries: MapIterator<[Key, Value]> | undefined;
  return (retention) => {
    entries ??= map.entries();
    for (let count = 0; count < max; count += 1) {
      const next = entries.next();
      if (!next.done && visit(...next.value, retention) !== "young") continue;
      entries = undefined;
      return false;
    }
    return true;
  };
}

function sweepChat(chat: Chat, retention: Retention): void {
  chat.events = kept(chat.events, (event) => event.atMs >= retention.eventsBeforeMs);
  chat.rows = kept(
    chat.rows,
    (row) => row.receivedAtMs >= retention.inboxBeforeMs,
    (row) => row.status === "waiting",
  );
  chat.history = kept(chat.history, (entry) => entry.atMs >= retention.historyBeforeMs);
  chat.archive = kept(chat.archive, (entry) => entry.atMs >= retention.historyBeforeMs);
  chat.parts = kept(
    chat.parts,
    (part) => part.createdAtMs >= retention.outboxBeforeMs,
    (part) => part.status !== "sent" && part.status !== "expired" && part.status !== "dead",
  );
  for (const turn of chat.turns.values()) {
    if (turn.startedAtMs >= retention.inboxBeforeMs) break;
    if (turn.endedAtMs !== undefined && turn.endedAtMs < retention.inboxBeforeMs) chat.turns.delete(turn.turnId);
  }
}

function sweepRun(disk: Disk, run: Run, beforeMs: number): void {
  if (run.endedAtMs === undefined || run.endedAtMs >= beforeMs || run.delivery === "waiting") return;
  disk.runs.delete(run.runId);
  const ofJob = disk.runsOfJob.get(run.jobId);
  if (!ofJob) return;
  removeOrdered(ofJob, run, instantOf);
  if (ofJob.length === 0) disk.runsOfJob.delete(run.jobId);
}

/** The same array when its oldest item is young: those after it are younger. `isNeeded` keeps an old one. */
function kept<T>(items: T[], isYoung: (item: T) => boolean, isNeeded: (item: T) => boolean = () => false): T[] {
  const [oldest] = items;
  if (oldest === undefined || isYoung(oldest)) return items;
  return items.filter((item) => isYoung(item) || isNeeded(item));
}
