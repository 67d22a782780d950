/** Jobs and runs as they travel. What an input takes is written as an input takes it, so that an answer can be sent back. */
import { formatMinute, type ActiveHours } from "../core/active-hours.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { RunRecord } from "../ports/store/job-records.ts";
import type { Schedule } from "../ports/store/records.ts";
import type { JobPlan, JobView } from "../runtime/job-api.ts";

export type WireSchedule =
  | {
      readonly every: number;
      readonly anchor: number;
      /** Only in this part of each day, from its beginning on; local times such as `08:00`. */
      readonly within?: { readonly from: string; readonly to: string; readonly timezone: string };
    }
  | { readonly at: number }
  | { readonly cron: string; readonly timezone: string };

export interface WireRun {
  readonly runId: string;
  /** Nominal. */
  readonly instant: number;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly status: string;
  readonly delivery: string;
  /** `schedule`, `catchUp` or `hand`. */
  readonly trigger: string;
  /** Instants that it stands for, when there are several: from `firstInstant` to `instant`. */
  readonly count?: number;
  readonly firstInstant?: number;
  readonly error?: ErrorNote;
}

export interface WireJob {
  readonly id: string;
  readonly name: string;
  readonly message: string;
  readonly schedule: WireSchedule;
  /** Zone of the schedule; that of the daemon's machine for schedules without one. */
  readonly timezone: string;
  /** Absent: nothing is delivered. */
  readonly deliver?: { readonly chat?: string; readonly chats?: readonly string[]; readonly when: string; readonly silence?: string };
  /** The chat in which its turns run. */
  readonly chat: string;
  readonly missed: string;
  readonly grace?: number;
  readonly missedMax: number;
  readonly overlap: string;
  readonly retry?: { readonly attempts?: number; readonly backoff?: number };
  readonly timeout?: number;
  readonly stagger: number;
  readonly jitter: number;
  readonly until?: number;
  readonly maxRuns?: number;
  readonly disableAfter: number;
  readonly origin: string;
  readonly owner?: string;
  /** `active`, `paused`, `disabled` or `completed`. */
  readonly status: string;
  readonly paused: boolean;
  /** Of its machine. */
  readonly state: string;
  readonly why: string;
  /** Nominal; at most three, none while it is not active. */
  readonly nextInstants: readonly number[];
  /** Its fixed part of `stagger`, by which it starts after each of them. */
  readonly staggerBy: number;
  readonly runs: number;
  /** In a row. */
  readonly failures: number;
  readonly lastRun?: WireRun;
  readonly createdAt: number;
  readonly changedAt: number;
}

export interface WirePlan {
  readonly dry: true;
  /** `run`, or what the overlap policy makes of it: `skip`, `queue`, `replace`. */
  readonly would: string;
  readonly at: number;
  readonly chat: string;
  readonly message: string;
  readonly deliverTo: readonly string[];
}

export function wireJob(job: JobView): WireJob {
  const { attempts, backoffMs } = job;
  return {
    id: job.id,
    name: job.name,
    message: job.message,
    schedule: wireSchedule(job.schedule),
    timezone: (job.schedule.kind === "every" ? job.schedule.within?.timezone : undefined) ?? job.timezone,
    deliver: wireDeliver(job),
    chat: job.chat,
    missed: job.missed,
    grace: job.graceMs,
    missedMax: job.missedMax,
    overlap: job.overlap,
    retry: attempts === undefined && backoffMs === undefined ? undefined : { attempts, backoff: backoffMs },
    timeout: job.timeoutMs,
    stagger: job.staggerMs,
    jitter: job.jitterMs,
    until: job.untilMs,
    maxRuns: job.maxRuns,
    disableAfter: job.disableAfter,
    origin: job.origin,
    owner: job.owner,
    status: job.status,
    paused: job.status === "paused",
    state: job.state,
    why: job.why,
    nextInstants: job.next.map(({ atMs }) => atMs),
    staggerBy: job.staggerByMs,
    runs: job.runs,
    failures: job.failures,
    lastRun: job.lastRun && wireRun(job.lastRun),
    createdAt: job.createdAtMs,
    changedAt: job.changedAtMs,
  };
}

export function wireRun(run: RunRecord): WireRun {
  const isOne = run.count === 1;
  return {
    runId: run.runId,
    instant: run.instantMs,
    startedAt: run.startedAtMs,
    endedAt: run.endedAtMs,
    status: run.status,
    delivery: run.delivery,
    trigger: run.trigger,
    count: isOne ? undefined : run.count,
    firstInstant: isOne ? undefined : run.firstMs,
    error: run.error,
  };
}

export function wirePlan({ would, atMs, chat, message, deliverTo }: JobPlan): WirePlan {
  return { dry: true, would, at: atMs, chat, message, deliverTo };
}

function wireSchedule(schedule: Schedule): WireSchedule {
  switch (schedule.kind) {
    case "every":
      return { every: schedule.everyMs, anchor: schedule.anchorMs, within: schedule.within && wireHours(schedule.within) };
    case "at":
      return { at: schedule.atMs };
    case "cron":
      return { cron: schedule.expression, timezone: schedule.timezone };
  }
}

function wireHours({ fromMinute, toMinute, timezone }: ActiveHours): {
  readonly from: string;
  readonly to: string;
  readonly timezone: string;
} {
  return { from: formatMinute(fromMinute), to: formatMinute(toMinute), timezone };
}

function wireDeliver({ deliverTo, deliverWhen, silence }: JobView): WireJob["deliver"] {
  const [chat, ...others] = deliverTo;
  if (chat === undefined) return undefined;
  return { ...(others.length === 0 ? { chat } : { chats: deliverTo }), when: deliverWhen, silence };
}
