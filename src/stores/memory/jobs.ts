import { invariant } from "../../core/errors.ts";
import type { JobFilter, JobRecord, RunPolicy, RunRecord, RunStatus, RunTrigger } from "../../ports/store/job-records.ts";
import type { InstantClaim, InstantClaimed, JobPosition, JobStore, PassedInstants } from "../../ports/store/job-store.ts";
import type { Page, PageRequest } from "../../ports/store/records.ts";
import { byText, instantOf, runOf, type Disk, type Run } from "./disk.ts";
import { closeTurn, endRow } from "./endings.ts";
import { appendOne } from "./inbox.ts";
import { findOrdered, insertOrdered, placeFrom } from "./ordered.ts";
import { endRun } from "./runs.ts";

const copyOf = (job: JobRecord): JobRecord => structuredClone(job);

export function put(
  disk: Disk,
  job: JobRecord,
  options: Parameters<JobStore["put"]>[1] = {},
): "added" | "replaced" | "exists" | "full" | "moved" {
  const isKnown = disk.jobs.has(job.id);
  if (isKnown && options.isNew) return "exists";
  if (options.from && !hasStayed(disk.jobs.get(job.id), options.from)) return "moved";
  if (options.ownerMax !== undefined && job.owner !== undefined && ownedBy(disk, job) >= options.ownerMax) return "full";
  write(disk, copyOf(job));
  if (!isKnown) disk.jobIds = undefined;
  return isKnown ? "replaced" : "added";
}

function hasStayed(job: JobRecord | undefined, from: JobRecord): boolean {
  const facts = ["status", "nextAtMs", "startAtMs", "runs", "failures", "changedAtMs"] as const;
  return job !== undefined && facts.every((fact) => job[fact] === from[fact]);
}

/** Other jobs of its owner that are not completed. */
function ownedBy(disk: Disk, { id, owner }: JobRecord): number {
  let count = 0;
  for (const job of disk.jobs.values()) if (job.owner === owner && job.id !== id && job.status !== "completed") count += 1;
  return count;
}

function write(disk: Disk, job: JobRecord): void {
  disk.jobs.set(job.id, job);
  if (job.status === "active" && job.startAtMs !== undefined) disk.soonestStartMs = Math.min(disk.soonestStartMs, job.startAtMs);
}

export function get(disk: Disk, id: string): JobRecord | undefined {
  const job = disk.jobs.get(id);
  return job && copyOf(job);
}

export function remove(disk: Disk, id: string): boolean {
  disk.jobIds = undefined;
  return disk.jobs.delete(id);
}

export function list(disk: Disk, page: PageRequest, filter: JobFilter = {}): Page<JobRecord> {
  disk.jobIds ??= [...disk.jobs.keys()].sort(byText);
  const items: JobRecord[] = [];
  for (let place = placeAfter(disk.jobIds, page.cursor); place < disk.jobIds.length; place += 1) {
    const job = disk.jobs.get(disk.jobIds[place] ?? "");
    if (!job || !matches(job, filter)) continue;
    if (items.length === page.limit) return { items, next: items.at(-1)?.id };
    items.push(copyOf(job));
  }
  return { items, next: undefined };
}

function placeAfter(ids: readonly string[], cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (byText(ids[middle] ?? "", cursor) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function matches(job: JobRecord, { owner, origin, status, isFailing }: JobFilter): boolean {
  return (
    (owner === undefined || job.owner === owner) &&
    (origin === undefined || job.origin === origin) &&
    (status === undefined || job.status === status) &&
    (isFailing === undefined || job.failures > 0)
  );
}

export function due(
  disk: Disk,
  beforeMs: number,
  limit: number,
  after: Parameters<JobStore["due"]>[2],
): Awaited<ReturnType<JobStore["due"]>> {
  if (disk.soonestStartMs >= beforeMs) return [];
  const found: { readonly id: string; readonly startAtMs: number }[] = [];
  let soonestMs = Number.POSITIVE_INFINITY;
  for (const { id, status, startAtMs } of disk.jobs.values()) {
    if (status !== "active" || startAtMs === undefined) continue;
    soonestMs = Math.min(soonestMs, startAtMs);
    if (startAtMs >= beforeMs) continue;
    const isLater = !after || startAtMs > after.startAtMs || (startAtMs === after.startAtMs && byText(id, after.id) > 0);
    if (isLater) found.push({ id, startAtMs });
  }
  disk.soonestStartMs = soonestMs;
  return found.sort((a, b) => a.startAtMs - b.startAtMs || byText(a.id, b.id)).slice(0, limit);
}

export function advance(disk: Disk, move: Parameters<JobStore["advance"]>[0]): boolean {
  const job = disk.jobs.get(move.jobId);
  if (!job || job.nextAtMs !== move.fromMs) return false;
  if (move.passed) {
    requireNew(disk, move.passed.runId);
    recordPassed(disk, job.id, move.passed, move.atMs);
  }
  moveTo(disk, move.isForgiven ? { ...job, failures: 0 } : job, move.to, move.atMs);
  return true;
}

function moveTo(disk: Disk, job: JobRecord, { status, nextAtMs, startAtMs }: JobPosition, atMs: number): void {
  write(disk, { ...job, status, nextAtMs, startAtMs, changedAtMs: status === job.status ? job.changedAtMs : atMs });
}

/** Nothing when the last of them has a row already. */
function recordPassed(disk: Disk, jobId: string, passed: PassedInstants, atMs: number): void {
  if (findOrdered(disk.runsOfJob.get(jobId) ?? [], passed.lastMs, instantOf)) return;
  const { runId, status, firstMs, lastMs: instantMs, count, error } = passed;
  addRun(disk, { runId, jobId, instantMs, firstMs, count, trigger: "schedule", status, error, atMs }, undefined);
}

function requireNew(disk: Disk, runId: string): void {
  invariant(!disk.runs.has(runId), `there is a run ${runId} already; name each run once`);
}

type NewRun = Pick<Run, "runId" | "jobId" | "instantMs" | "firstMs" | "count" | "error"> & {
  readonly trigger: RunTrigger;
  readonly status: RunStatus;
  readonly atMs: number;
};

function addRun(disk: Disk, { atMs, ...facts }: NewRun, policy: Run["policy"]): Run {
  const endedAtMs = facts.status === "running" ? undefined : atMs;
  const run: Run = { ...facts, startedAtMs: atMs, endedAtMs, delivery: "none", policy, unsettled: 0, undelivered: 0 };
  const ofJob = disk.runsOfJob.get(run.jobId) ?? [];
  disk.runs.set(run.runId, run);
  insertOrdered(ofJob, run, instantOf);
  disk.runsOfJob.set(run.jobId, ofJob);
  if (run.status === "running") disk.underWay.set(run.jobId, (disk.underWay.get(run.jobId) ?? new Set()).add(run));
  return run;
}

export function claimInstant(disk: Disk, claim: InstantClaim): InstantClaimed {
  const job = disk.jobs.get(claim.jobId);
  if (!job) return { status: "gone" };
  // Before anything changes: a call that fails has changed nothing.
  for (const runId of [claim.policy.runId, ...(claim.passed ? [claim.passed.runId] : [])]) requireNew(disk, runId);
  const isByHand = claim.to === undefined;
  const ofJob = disk.runsOfJob.get(job.id) ?? [];
  const isTaken = (instantMs: number): boolean => findOrdered(ofJob, instantMs, instantOf) !== undefined;
  if (!isByHand && (job.status !== "active" || job.nextAtMs !== claim.fromMs || isTaken(claim.instantMs))) return { status: "gone" };
  let { instantMs } = claim;
  while (isByHand && (isTaken(instantMs) || instantMs === job.nextAtMs)) instantMs += 1;
  if (claim.passed) recordPassed(disk, job.id, claim.passed, claim.atMs);
  const earlierRuns = [...(disk.underWay.get(job.id) ?? [])];
  const isSkipped = claim.overlap === "skip" && earlierRuns.length > 0;
  const { policy, atMs, to, toSkipped = to } = claim;
  const move = (hasRun: boolean): void => {
    const position = hasRun ? to : toSkipped;
    if (position) moveTo(disk, hasRun ? { ...job, runs: job.runs + 1 } : job, position, atMs);
  };
  const facts = { runId: policy.runId, jobId: job.id, instantMs, firstMs: instantMs, count: 1, trigger: policy.trigger, atMs };
  if (isSkipped) {
    move(false);
    const error = { code: "RUN_OVERLAPS", message: "an earlier run of the job was still under way" };
    return { status: "overlapped", run: runOf(addRun(disk, { ...facts, status: "skipped", error }, policy)) };
  }
  const replaced = claim.overlap === "replace" ? earlierRuns : [];
  for (const earlier of replaced) replace(disk, earlier, atMs);
  const run = addRun(disk, { ...facts, status: "running", error: undefined }, policy);
  const appended = appendOne(disk, claim.append, run.runId);
  move(appended.status === "accepted");
  if (appended.status !== "accepted") {
    const error = { code: "INBOX_FULL", message: `too many messages wait in ${policy.chat}` };
    endRun(disk, run.runId, { status: "skipped", parts: [], atMs, error });
  }
  return { status: "claimed", appended, run: runOf(run), replaced: replaced.map(({ runId }) => runId) };
}

/** Ends a run, its turn or its waiting row; whoever runs the turn is fenced off. */
function replace(disk: Disk, run: Run, atMs: number): void {
  const error = { code: "RUN_REPLACED", message: "a later instant of the job took its place" };
  endRun(disk, run.runId, { status: "replaced", parts: [], atMs, error });
  const chat = run.policy && disk.chats.get(run.policy.chat);
  if (!chat) return;
  if (chat.openTurn?.runId === run.runId) {
    chat.fence += 1;
    closeTurn(chat, "stopped", atMs, error);
  }
  for (const row of chat.waiting.filter((one) => one.runId === run.runId)) endRow(chat, row, "dropped", undefined);
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

export function policy(disk: Disk, runId: string): RunPolicy | undefined {
  const held = disk.runs.get(runId)?.policy;
  return held && structuredClone(held);
}

export function newestRuns(disk: Disk, jobIds: readonly string[]): readonly RunRecord[] {
  return jobIds.flatMap((id) => disk.runsOfJob.get(id)?.slice(-1).map(runOf) ?? []);
}

export function underWay(disk: Disk, jobIds: readonly string[]): readonly { readonly jobId: string; readonly count: number }[] {
  return jobIds.flatMap((jobId) => {
    const count = disk.underWay.get(jobId)?.size ?? 0;
    return count === 0 ? [] : [{ jobId, count }];
  });
}
