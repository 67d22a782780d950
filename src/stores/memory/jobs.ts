import { invariant } from "../../core/errors.ts";
import type { JobRecord, Page, PageRequest, RunDelivery, RunRecord } from "../../ports/store/records.ts";
import type { AppendResult, JobStore } from "../../ports/store/store.ts";
import { byText, instantOf, runOf, type Disk, type Run } from "./disk.ts";
import { endRun } from "./endings.ts";
import { appendOne } from "./inbox.ts";
import { findOrdered, insertOrdered, placeFrom } from "./ordered.ts";

const copyOf = (job: JobRecord): JobRecord => ({ ...job, schedule: { ...job.schedule } });

export function put(disk: Disk, job: JobRecord): "added" | "replaced" {
  const isKnown = disk.jobs.has(job.id);
  disk.jobs.set(job.id, copyOf(job));
  return isKnown ? "replaced" : "added";
}

export function get(disk: Disk, id: string): JobRecord | undefined {
  const job = disk.jobs.get(id);
  return job && copyOf(job);
}

export function remove(disk: Disk, id: string): boolean {
  return disk.jobs.delete(id);
}

export function list(disk: Disk, page: PageRequest): Page<JobRecord> {
  const cursor = page.cursor ?? "";
  const jobs = [...disk.jobs.values()].filter((job) => byText(job.id, cursor) > 0).sort((a, b) => byText(a.id, b.id));
  const items = jobs.slice(0, page.limit).map(copyOf);
  return { items, next: jobs.length > page.limit ? items.at(-1)?.id : undefined };
}

export function due(disk: Disk, beforeMs: number, limit: number): readonly JobRecord[] {
  return [...disk.jobs.values()]
    .filter((job) => !job.paused && job.nextAtMs !== undefined && job.nextAtMs < beforeMs)
    .sort((a, b) => (a.nextAtMs ?? 0) - (b.nextAtMs ?? 0) || byText(a.id, b.id))
    .slice(0, limit)
    .map(copyOf);
}

export function reschedule(disk: Disk, id: string, fromMs: number, toMs: number | undefined): boolean {
  const job = disk.jobs.get(id);
  if (job?.nextAtMs !== fromMs) return false;
  disk.jobs.set(id, { ...job, nextAtMs: toMs });
  return true;
}

export function claimInstant(
  disk: Disk,
  claim: Parameters<JobStore["claimInstant"]>[0],
): { readonly appended: AppendResult | undefined } | "gone" {
  const { jobId, instantMs, append } = claim;
  const job = disk.jobs.get(jobId);
  const runs = disk.runsOfJob.get(jobId) ?? [];
  if (job?.nextAtMs !== instantMs || findOrdered(runs, instantMs, instantOf)) return "gone";
  invariant(!disk.runs.has(claim.runId), `job ${jobId} already had a run ${claim.runId}; name each run once`);
  const run: Run = {
    runId: claim.runId,
    jobId,
    instantMs,
    startedAtMs: claim.atMs,
    endedAtMs: claim.status === "running" ? undefined : claim.atMs,
    status: claim.status,
    delivery: "none",
    error: undefined,
    deliverTo: job.deliverTo,
  };
  disk.jobs.set(jobId, { ...job, nextAtMs: claim.nextAtMs });
  disk.runs.set(run.runId, run);
  insertOrdered(runs, run, instantOf);
  disk.runsOfJob.set(jobId, runs);
  if (!append) return { appended: undefined };
  const appended = appendOne(disk, append, run.runId);
  if (appended.status !== "accepted") {
    const error = { code: "INBOX_FULL", message: "earlier runs of the job still wait" };
    endRun(disk, run.runId, { status: "skipped", delivery: "none", atMs: claim.atMs, error });
  }
  return { appended };
}

/** Newest instant first; the cursor is an instant. */
export function runs(disk: Disk, jobId: string, page: PageRequest): Page<RunRecord> {
  const all = disk.runsOfJob.get(jobId) ?? [];
  const end = page.cursor === undefined ? all.length : placeFrom(all, Number(page.cursor), instantOf);
  const items = all
    .slice(Math.max(0, end - page.limit), end)
    .reverse()
    .map(runOf);
  return { items, next: end > page.limit ? String(items.at(-1)?.instantMs) : undefined };
}

export function setDelivery(disk: Disk, runId: string, delivery: RunDelivery): void {
  const run = disk.runs.get(runId);
  if (run) run.delivery = delivery;
}
