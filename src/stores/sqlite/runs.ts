/** Runs of cron jobs: how they end, and what becomes of what they said. */
import type { ErrorNote } from "../../core/errors.ts";
import type { RunPolicy, RunRecord, RunStatus, RunTrigger, RunDelivery } from "../../ports/store/job-records.ts";
import type { RunTarget } from "../../ports/store/job-store.ts";
import type { HistoryEntry, OutboxPart } from "../../ports/store/records.ts";
import { readable, text } from "./chat-row.ts";
import type { Engine } from "./engine.ts";
import { policyOfRow, shown } from "./job-shape.ts";
import { writeLedger } from "./ledger.ts";
import { insertParts, partsOf } from "./parts.ts";

export interface RunSql {
  readonly run_id: string;
  readonly job: string;
  readonly instant: number;
  readonly first_at: number | null;
  readonly count: number;
  readonly trigger: RunTrigger;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly status: RunStatus;
  readonly delivery: RunDelivery;
  readonly error: string | null;
  readonly policy: string | null;
}

export function runOfRow(row: RunSql): RunRecord {
  return {
    runId: row.run_id,
    jobId: row.job,
    instantMs: shown(row.instant),
    count: shown(row.count),
    firstMs: shown(row.first_at ?? row.instant),
    trigger: row.trigger,
    startedAtMs: shown(row.started_at),
    endedAtMs: row.ended_at === null ? undefined : shown(row.ended_at),
    status: row.status,
    delivery: row.delivery,
    error: readable(row.error),
  };
}

export function policyOf(engine: Pick<Engine, "get">, runId: string): RunPolicy | undefined {
  const row = engine.get<RunSql>("SELECT * FROM runs WHERE run_id = ?", runId);
  // Instants that passed have none.
  if (!row || (row.policy === null && row.status !== "running")) return undefined;
  return policyOfRow({ runId, jobId: row.job, trigger: row.trigger }, readable(row.policy));
}

interface End {
  readonly status: RunStatus;
  readonly parts: readonly Pick<OutboxPart, "status">[];
  readonly atMs: number;
  readonly error: ErrorNote | undefined;
}

/** Ends a run with the parts that it leaves. One that a person had tried again ends once more. */
export function endRun(engine: Engine, runId: string, { status, parts, atMs, error }: End): void {
  const unsettled = parts.filter((part) => part.status !== "sent").length;
  const delivery: RunDelivery = parts.length === 0 ? "none" : unsettled > 0 ? "waiting" : "delivered";
  engine.run(
    "UPDATE runs SET status = ?, ended_at = ?, error = ?, delivery = ?, unsettled = ?, undelivered = 0 WHERE run_id = ?",
    status,
    atMs,
    text(error),
    delivery,
    unsettled,
    runId,
  );
}

/** Ends a run whose row ended without a turn's result. */
export function abandonRun(engine: Engine, runId: string | null, atMs: number): void {
  if (runId === null || !engine.get("SELECT 1 FROM runs WHERE run_id = ? AND status = 'running'", runId)) return;
  const error = { code: "TURN_ABORTED", message: "its message was taken out of the inbox before it was answered" };
  endRun(engine, runId, { status: "failed", parts: [], atMs, error });
}

/** A success forgets the failures in a row. */
export function countSuccess(engine: Engine, runId: string): void {
  engine.run("UPDATE jobs SET failures = 0 WHERE failures > 0 AND id = (SELECT job FROM runs WHERE run_id = ?)", runId);
}

/** True when this failure disables the job. */
export function countFailure(engine: Engine, runId: string, atMs: number, disables = false): boolean {
  const job = engine.get<{ id: string; status: string; failures: number; disable_after: number }>(
    "UPDATE jobs SET failures = failures + 1 WHERE id = (SELECT job FROM runs WHERE run_id = ?) RETURNING id, status, failures, disable_after",
    runId,
  );
  const isTooMany = job !== undefined && job.disable_after > 0 && job.failures >= job.disable_after;
  if (job?.status !== "active" || !(isTooMany || disables)) return false;
  engine.run("UPDATE jobs SET status = 'disabled', changed_at = ? WHERE id = ?", atMs, job.id);
  return true;
}

/** Puts what a run says into the chats that get it, and into their histories. */
export function writeTargets(
  engine: Engine,
  targets: readonly RunTarget[],
  { runId, groupId, turnId, atMs }: { readonly runId: string; readonly groupId: string; readonly turnId: string; readonly atMs: number },
): readonly OutboxPart[] {
  return targets.flatMap(({ chat: key, parts, history, isDelivered }) => {
    const chat = engine.meet(key, "", atMs);
    const entries = history.map((content): HistoryEntry => ({ role: "assistant", content, atMs, turnId }));
    if (entries.length > 0) writeLedger(engine, chat, { atMs, history: JSON.stringify(entries) });
    const contents = parts.map((part) => JSON.stringify(part));
    return partsOf(chat, insertParts(engine, chat, contents, { groupId, first: isDelivered ? "sent" : "waiting", atMs, runId }));
  });
}
