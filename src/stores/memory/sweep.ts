import type { Retention } from "../../ports/store/retention.ts";
import { instantOf, type Chat, type Disk, type Run } from "./disk.ts";
import { removeOrdered } from "./ordered.ts";

/** Entries looked at by one call. */
const CHATS_A_CALL = 200;
const UPDATES_A_CALL = 2_000;
const RUNS_A_CALL = 2_000;

/** Goes round over everything that ages, a bounded number a call; false when the round is done. */
export function createSweeper(disk: Disk): (retention: Retention) => boolean {
  const chats = createRound(disk.chats, CHATS_A_CALL);
  const updates = createRound(disk.updates, UPDATES_A_CALL);
  const runs = createRound(disk.runs, RUNS_A_CALL);
  const jobs = createRound(disk.jobs, RUNS_A_CALL);
  return (retention) => {
    const more = [
      chats((_key, chat) => sweepChat(chat, retention)),
      updates((key, update) => {
        if (update.atMs < retention.dedupeBeforeMs) disk.updates.delete(key);
      }),
      runs((_runId, run) => sweepRun(disk, run, retention.runsBeforeMs)),
      jobs((id, job) => {
        if (job.status !== "completed" || job.origin === "config" || job.changedAtMs >= retention.runsBeforeMs) return;
        disk.jobs.delete(id);
        disk.jobIds = undefined;
      }),
    ];
    return more.includes(true);
  };
}

/** Walks on through a map where the last call ended; the iterator of a map stays valid while the map changes. */
function createRound<Key, Value>(map: ReadonlyMap<Key, Value>, max: number): (visit: (key: Key, value: Value) => void) => boolean {
  let entries: MapIterator<[Key, Value]> | undefined;
  return (visit) => {
    entries ??= map.entries();
    for (let count = 0; count < max; count += 1) {
      const next = entries.next();
      if (next.done) {
        entries = undefined;
        return false;
      }
      visit(...next.value);
    }
    return true;
  };
}

function sweepChat(chat: Chat, retention: Retention): void {
  chat.events = kept(chat.events, (event) => event.atMs >= retention.eventsBeforeMs);
  chat.rows = kept(chat.rows, (row) => row.status === "waiting" || row.receivedAtMs >= retention.inboxBeforeMs);
  chat.history = kept(chat.history, (entry) => entry.atMs >= retention.historyBeforeMs);
  chat.archive = kept(chat.archive, (entry) => entry.atMs >= retention.historyBeforeMs);
  chat.parts = kept(
    chat.parts,
    (part) =>
      part.createdAtMs >= retention.outboxBeforeMs || (part.status !== "sent" && part.status !== "expired" && part.status !== "dead"),
  );
  for (const turn of chat.turns.values()) {
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

/** The same array when nothing goes. */
function kept<T>(items: T[], isKept: (item: T) => boolean): T[] {
  return items.every(isKept) ? items : items.filter(isKept);
}
