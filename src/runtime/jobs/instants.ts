/** What becomes of the instants of a job: pure functions of its row and the time. */
import type { ErrorNote } from "../../core/errors.ts";
import type { JobDefinition, JobRecord, JobStatus } from "../../ports/store/job-records.ts";
import type { JobPosition, PassedInstants } from "../../ports/store/job-store.ts";
import { countTicks, lastTickUpTo, nextTickAfter, nextTicks } from "../schedule.ts";
import { ON_TIME_MS } from "./definition.ts";

/** A count of instants that passed stops here. */
export const PASSED_MAX = 1_000;

/** By how much the starts of a job are later than its instants: from 0 to `staggerMs`, by its id alone. */
export function staggerOf({ id, staggerMs }: Pick<JobDefinition, "id" | "staggerMs">): number {
  if (staggerMs === 0) return 0;
  // FNV-1a, and a mix so that names that end alike are apart.
  let hash = 0x811c9dc5;
  for (const char of id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  hash ^= hash >>> 16;
  return Math.floor(((hash >>> 0) / 2 ** 32) * staggerMs);
}

/**
 * Where a job goes on after an instant: the next one, and its start.
 * @param chance - in [0, 1), for the jitter
 * @param runs - how many it has had then
 * @param nowMs - a start drawn before this is this, while the jitter of its instant allows it: the one before it took its time
 */
export function positionAfter(
  job: JobDefinition,
  afterMs: number,
  {
    status,
    runs,
    chance,
    nowMs = 0,
  }: { readonly status: JobStatus; readonly runs: number; readonly chance: number; readonly nowMs?: number },
): JobPosition {
  const isSpent = job.maxRuns !== undefined && runs >= job.maxRuns;
  const nextAtMs = isSpent ? undefined : nextTickAfter(job.schedule, afterMs);
  if (nextAtMs === undefined || (job.untilMs !== undefined && nextAtMs > job.untilMs))
    return { status: "completed", nextAtMs: undefined, startAtMs: undefined };
  const firstMs = nextAtMs + staggerOf(job);
  const drawnMs = firstMs + Math.floor(job.jitterMs * chance);
  return { status, nextAtMs, startAtMs: Math.max(drawnMs, Math.min(nowMs, firstMs + job.jitterMs)) };
}

interface Span {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
}

export type Due =
  /** Nothing is due before then; undefined: nothing any more. */
  | { readonly type: "wait"; readonly startAtMs: number | undefined }
  /** One runs, after `passed` are recorded. `isCatchUp`: it was not seen in time. */
  | { readonly type: "run"; readonly instantMs: number; readonly isCatchUp: boolean; readonly passed: Span | undefined }
  /** None runs. */
  | { readonly type: "pass"; readonly passed: Span };

/**
 * What is due of a job.
 * @param seenAtMs - when its start was noticed; a wait for a slot since then makes nothing late
 */
export function dueOf(job: JobRecord, seenAtMs: number): Due {
  const { schedule, nextAtMs, startAtMs, untilMs = Number.MAX_SAFE_INTEGER } = job;
  if (job.status !== "active" || nextAtMs === undefined || startAtMs === undefined) return { type: "wait", startAtMs: undefined };
  if (startAtMs > seenAtMs) return { type: "wait", startAtMs };
  // Later ones may start as late as this after their instants.
  const spreadMs = staggerOf(job) + job.jitterMs;
  const dueMs = Math.min(seenAtMs - spreadMs, untilMs);
  const newestMs = lastTickUpTo(schedule, nextAtMs, dueMs) ?? nextAtMs;
  const isAlone = newestMs === nextAtMs;
  const lateMs = isAlone ? seenAtMs - startAtMs : seenAtMs - spreadMs - newestMs;
  const isOnTime = isAlone && lateMs <= ON_TIME_MS;
  const graceMs = job.graceMs ?? Number.POSITIVE_INFINITY;
  if (isOnTime || (isAlone && lateMs <= graceMs)) return { type: "run", instantMs: nextAtMs, isCatchUp: !isOnTime, passed: undefined };
  if (lateMs > graceMs) return { type: "pass", passed: span(job, nextAtMs, newestMs) };
  const instantMs = job.missed === "all" ? oldestToRun(job, newestMs, seenAtMs - spreadMs - graceMs) : newestMs;
  return { type: "run", instantMs, isCatchUp: true, passed: spanBefore(job, instantMs) };
}

/** Of several that passed: as many of the newest as may run, none of them older than the grace allows. */
function oldestToRun({ schedule, nextAtMs = 0, missedMax }: JobRecord, newestMs: number, fromMs: number): number {
  const firstMs = Math.max(nextAtMs, nextTickAfter(schedule, Math.max(nextAtMs - 1, fromMs - 1)) ?? newestMs);
  const ahead = countTicks(schedule, firstMs - 1, newestMs, PASSED_MAX + 1);
  if (ahead <= missedMax) return firstMs;
  if (ahead <= PASSED_MAX) return nextTicks(schedule, firstMs - 1, ahead - missedMax + 1).at(-1) ?? newestMs;
  let oldestMs = newestMs;
  for (let place = 1; place < missedMax; place += 1) oldestMs = lastTickUpTo(schedule, firstMs - 1, oldestMs - 1) ?? oldestMs;
  return oldestMs;
}

function spanBefore(job: JobRecord, instantMs: number): Span | undefined {
  const { schedule, nextAtMs = 0 } = job;
  if (instantMs <= nextAtMs) return undefined;
  return span(job, nextAtMs, lastTickUpTo(schedule, nextAtMs - 1, instantMs - 1) ?? nextAtMs);
}

function span({ schedule }: JobRecord, firstMs: number, lastMs: number): Span {
  return { firstMs, lastMs, count: 1 + countTicks(schedule, firstMs, lastMs, PASSED_MAX - 1) };
}

/** The row of instants that nobody saw in time. */
export function missedInstants(passed: Span, runId: string): PassedInstants {
  return { ...passed, runId, status: "missed", error: { code: "RUN_MISSED", message: "nothing ran this job at its time" } };
}

/** The row of an instant that has nothing to do, and of those that passed before it. */
export function skippedInstants({ instantMs, passed }: Due & { readonly type: "run" }, error: ErrorNote, runId: string): PassedInstants {
  return { runId, status: "skipped", firstMs: passed?.firstMs ?? instantMs, lastMs: instantMs, count: (passed?.count ?? 0) + 1, error };
}

/** Instants of a job whose starts have passed without a run by `nowMs`; undefined when there are none. */
export function passedBy(job: JobRecord, nowMs: number): Span | undefined {
  const { nextAtMs, startAtMs = nowMs } = job;
  const untilMs = nowMs - staggerOf(job);
  if (nextAtMs === undefined || startAtMs > nowMs || nextAtMs > untilMs) return undefined;
  const lastMs = lastTickUpTo(job.schedule, nextAtMs, Math.min(untilMs, job.untilMs ?? untilMs)) ?? nextAtMs;
  return span(job, nextAtMs, lastMs);
}

/** An instant for a run by hand: now, or just after when that is one of the schedule. */
export function instantByHand({ schedule }: JobRecord, nowMs: number): number {
  try {
    return nextTickAfter(schedule, nowMs - 1) === nowMs ? nowMs + 1 : nowMs;
  } catch {
    return nowMs;
  }
}

/** Milliseconds by which the next instant may lie beyond the one computed now, before a clock far ahead is blamed for it. */
const AHEAD_MAX_MS = 3_600_000;

/** True for a next instant that a clock computed which was far ahead: nothing of the schedule explains it. */
export function isFarAhead(job: JobRecord, nowMs: number): boolean {
  if (job.nextAtMs === undefined) return false;
  const nextMs = nextTickAfter(job.schedule, nowMs);
  return nextMs !== undefined && job.nextAtMs - nextMs > AHEAD_MAX_MS;
}
