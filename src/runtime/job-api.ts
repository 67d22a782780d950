/** Cron jobs as the runtime offers them to the ways in: types only. */
import type { TurnClass } from "../core/turn-class.ts";
import type { ChatKey } from "../core/chat-key.ts";
import type { DeliverWhen, JobOrigin, JobOverlap, JobRecord, MissedPolicy, RunRecord } from "../ports/store/job-records.ts";

/** Durations are `"30s"`, `"5m"`, `"24h"` or milliseconds; instants ISO text with a zone, epoch milliseconds or Date. */
export type ScheduleInput =
  /** Counted from `anchor`; by default from when the job was added. */
  | { readonly every: string | number; readonly anchor?: string | number | Date }
  /** Also `"in 20m"`, counted from now. */
  | { readonly at: string | number | Date }
  /** 5, 6 or 7 fields or `@daily`, in an IANA zone; by default that of this machine, as it is when the job is added. */
  | { readonly cron: string; readonly timezone?: string };

/** Everything but `id`, `message` and `schedule` has a default, which docs/cron.md names. */
export interface CronJobInput {
  readonly id: string;
  readonly name?: string;
  readonly message: string;
  readonly schedule: ScheduleInput;
  /** `chat` and `chats` are joined. Default `when`: always. An answer that is exactly `silence` counts as empty. Absent: nothing is delivered. */
  readonly deliver?: {
    readonly chat?: string;
    readonly chats?: readonly string[];
    readonly when?: DeliverWhen;
    readonly silence?: string;
  };
  /** `job` (default): turns run in `cron:<id>`. `chat`: in the first chat of `deliver`, with its history. */
  readonly session?: "job" | "chat";
  /** Default once. */
  readonly missed?: MissedPolicy;
  /** Default one minute with `missed: skip`, else no limit. */
  readonly grace?: string | number;
  /** Default 10, at most 1,000. */
  readonly missedMax?: number;
  /** Default skip. */
  readonly overlap?: JobOverlap;
  readonly retry?: { readonly attempts?: number; readonly backoff?: string | number };
  readonly timeout?: string | number;
  readonly stagger?: string | number;
  readonly jitter?: string | number;
  readonly until?: string | number | Date;
  readonly maxRuns?: number;
  /** Default 10; 0 never. */
  readonly disableAfter?: number;
  /** Default library. */
  readonly origin?: JobOrigin;
  readonly owner?: string;
  readonly turnClass?: TurnClass;
}

export interface JobInstant {
  /** Nominal, epoch milliseconds. */
  readonly atMs: number;
  /** When it starts: with the stagger of the job, without the jitter, which is drawn later. */
  readonly startAtMs: number;
}

/** A job as people see it. Reading it changes nothing. */
export interface JobView extends JobRecord {
  /** State of its machine in dot notation: what it is doing. */
  readonly state: string;
  /** What it waits for, in one sentence. */
  readonly why: string;
  /** Of its schedule; that of this machine for schedules without one. */
  readonly timezone: string;
  /** The next three instants; none when it is not active. */
  readonly next: readonly JobInstant[];
  /** Its part of the stagger. */
  readonly staggerByMs: number;
  readonly lastRun: RunRecord | undefined;
}

/** What a run by hand would do now. */
export interface JobPlan {
  readonly job: JobView;
  /** `run`; or, because a run is under way and by the overlap policy: `skip`, `queue`, `replace`. */
  readonly would: "run" | JobOverlap;
  readonly atMs: number;
  readonly chat: ChatKey;
  readonly message: string;
  readonly deliverTo: readonly ChatKey[];
}

/** Ids of the jobs of the configuration, by what became of them. */
export interface ReconciledJobs {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
}
