/** Runs of cron jobs: how they end, and what becomes of what they said. */
import type { ErrorNote } from "../../core/errors.ts";
import type { RunDelivery, RunStatus } from "../../ports/store/job-records.ts";
import type { OutboxPart } from "../../ports/store/records.ts";
import type { Disk, Run } from "./disk.ts";

interface End {
  readonly status: RunStatus;
  readonly parts: readonly OutboxPart[];
  readonly atMs: number;
  readonly error: ErrorNote | undefined;
}

/** Ends a run with the parts that it leaves. One that a person had tried again ends once more. */
export function endRun(disk: Disk, runId: string, { status, parts, atMs, error }: End): void {
  const run = disk.runs.get(runId);
  if (!run) return;
  disk.underWay.get(run.jobId)?.delete(run);
  Object.assign(run, { status, endedAtMs: atMs, error: error && { ...error } } satisfies Partial<Run>);
  run.unsettled = parts.filter((part) => part.status !== "sent").length;
  run.undelivered = 0;
  run.delivery = parts.length === 0 ? "none" : deliveryOf(run);
}

function deliveryOf(run: Run): RunDelivery {
  if (run.unsettled > 0) return "waiting";
  return run.undelivered > 0 ? "failed" : "delivered";
}

/** A part of a run has its end, or (`revived`) waits again. */
export function notePart(disk: Disk, runId: string | undefined, what: "sent" | "lost" | "revived" | "recalled"): void {
  const run = runId === undefined ? undefined : disk.runs.get(runId);
  if (!run) return;
  if (what === "revived") run.unsettled += 1;
  else if (what !== "recalled") run.unsettled = Math.max(0, run.unsettled - 1);
  if (what === "lost" || what === "recalled") run.undelivered += 1;
  if (what === "revived") run.undelivered = Math.max(0, run.undelivered - 1);
  run.delivery = deliveryOf(run);
}

/** Ends a run whose row ended without a turn's result. */
export function abandonRun(disk: Disk, runId: string | undefined, atMs: number): void {
  if (runId === undefined || disk.runs.get(runId)?.status !== "running") return;
  const error = { code: "TURN_ABORTED", message: "its message was taken out of the inbox before it was answered" };
  endRun(disk, runId, { status: "failed", parts: [], atMs, error });
}

/** A success forgets the failures in a row. */
export function countSuccess(disk: Disk, runId: string): void {
  const job = disk.jobs.get(disk.runs.get(runId)?.jobId ?? "");
  if (job && job.failures > 0) disk.jobs.set(job.id, { ...job, failures: 0 });
}

/** True when this failure disables the job. */
export function countFailure(disk: Disk, runId: string, atMs: number, disables = false): boolean {
  const job = disk.jobs.get(disk.runs.get(runId)?.jobId ?? "");
  if (!job) return false;
  const failures = job.failures + 1;
  const isTooMany = job.disableAfter > 0 && failures >= job.disableAfter;
  const isDisabled = job.status === "active" && (isTooMany || disables);
  disk.jobs.set(job.id, { ...job, failures, ...(isDisabled ? { status: "disabled", changedAtMs: atMs } : {}) });
  return isDisabled;
}
