/**
 * What the rows of jobs and runs must look like to be acted on. A row may hold what no satibot wrote; whoever acted on it would fail each
 * time it is due, and end or hold up what belongs to others.
 */
import { parseChatKey } from "../../core/chat-key.ts";
import { isTimeZone } from "../../core/time-zone.ts";
import { TURN_CLASSES } from "../../core/turn-class.ts";
import type {
  DeliverWhen,
  JobDefinition,
  JobOrigin,
  JobOverlap,
  JobStatus,
  MissedPolicy,
  RunPolicy,
} from "../../ports/store/job-records.ts";

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, unknown>>;

const STATUSES = ["active", "paused", "disabled", "completed"] as const satisfies readonly JobStatus[];
const ORIGINS = ["config", "api", "chat", "library", "system"] as const satisfies readonly JobOrigin[];
const MISSED = ["skip", "once", "all"] as const satisfies readonly MissedPolicy[];
const OVERLAPS = ["skip", "queue", "replace"] as const satisfies readonly JobOverlap[];
const WHEN = ["always", "failure", "nonEmpty", "answer"] as const satisfies readonly DeliverWhen[];

const isText: Check = (value) => typeof value === "string";
const isSomeText: Check = (value) => typeof value === "string" && value !== "";
const isInstant: Check = (value) => Number.isSafeInteger(value);
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isPositive: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0;
const isSpan: Check = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0;
const isKey: Check = (value) => {
  if (typeof value !== "string") return false;
  try {
    parseChatKey(value);
    return true;
  } catch {
    return false;
  }
};
const areKeys: Check = (value) => Array.isArray(value) && value.every(isKey);
const oneOf =
  (values: readonly string[]): Check =>
  (value) =>
    values.some((known) => known === value);
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const fits = (value: unknown, checks: Readonly<Record<string, Check>>): boolean =>
  isFields(value) && Object.entries(checks).every(([key, check]) => check(value[key]));

const isZone: Check = (value) => typeof value === "string" && isTimeZone(value);
const isMinute: Check = (value) => isCount(value) && (value as number) <= 1_440;
const HOURS = { fromMinute: isMinute, toMinute: isMinute, timezone: isZone };
const SCHEDULES: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  every: { everyMs: isPositive, anchorMs: isInstant, within: maybe((value) => fits(value, HOURS)) },
  at: { atMs: isInstant },
  cron: { expression: isText, timezone: isZone },
};
const isSchedule: Check = (value) => {
  const checks = isFields(value) && typeof value.kind === "string" && Object.hasOwn(SCHEDULES, value.kind) && SCHEDULES[value.kind];
  return checks ? fits(value, checks) : false;
};

const POLICY = {
  deliverTo: areKeys,
  deliverWhen: oneOf(WHEN),
  silence: maybe(isText),
  attempts: maybe(isPositive),
  backoffMs: maybe(isSpan),
  timeoutMs: maybe(isSpan),
  chat: isKey,
};
const DEFINITION: Readonly<Record<keyof JobDefinition, Check>> = {
  ...POLICY,
  disableAfter: isCount,
  id: isSomeText,
  name: isText,
  message: isSomeText,
  schedule: isSchedule,
  missed: oneOf(MISSED),
  graceMs: maybe(isSpan),
  missedMax: isPositive,
  overlap: oneOf(OVERLAPS),
  staggerMs: isSpan,
  jitterMs: isSpan,
  untilMs: maybe(isInstant),
  maxRuns: maybe(isPositive),
  turnClass: oneOf(TURN_CLASSES),
  origin: oneOf(ORIGINS),
  owner: maybe(isKey),
};

/** True when every field has a value that a job can have. */
export function isDefinition(job: JobDefinition): boolean {
  return fits(job, DEFINITION);
}

interface Columns {
  readonly status: unknown;
  readonly next_at: unknown;
  readonly start_at: unknown;
  readonly runs: unknown;
  readonly failures: unknown;
  readonly created_at: unknown;
  readonly changed_at: unknown;
}

/** True when the columns of a job say where it is. */
export function isPlaced({ status, next_at, start_at, runs, failures, created_at, changed_at }: Columns): boolean {
  const instants = next_at === null || start_at === null ? next_at === start_at : isInstant(next_at) && isInstant(start_at);
  return instants && oneOf(STATUSES)(status) && isCount(runs) && isCount(failures) && isInstant(created_at) && isInstant(changed_at);
}

/** A number of a row that is shown; 0 for what is none. */
export function shown(value: unknown): number {
  return isInstant(value) ? (value as number) : 0;
}

/**
 * What holds for a run, by its row: that says which run of which job it is. A policy that cannot be read delivers to nobody and alerts
 * nobody, so that the run ends as any other and its job goes on.
 */
export function policyOfRow(facts: Pick<RunPolicy, "runId" | "jobId" | "trigger">, stored: unknown): RunPolicy {
  const { jobId } = facts;
  const known = { silence: undefined, attempts: undefined, backoffMs: undefined, timeoutMs: undefined, disableAfter: 10 };
  if (fits(stored, { ...POLICY, disableAfter: maybe(isCount), jobName: isText, alertTo: areKeys }))
    return { ...known, ...(stored as RunPolicy), ...facts };
  return { ...known, ...facts, jobName: jobId, chat: `cron:${jobId}`, deliverTo: [], deliverWhen: "always", alertTo: [] };
}
