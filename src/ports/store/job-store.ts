/**
 * The part of the Store port that cron jobs need. An instant is claimed in one transaction: the job moves on, the run begins, and its
 * message waits in the chat. Reading never moves anything.
 */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { JobFilter, JobOverlap, JobRecord, JobStatus, RunPolicy, RunRecord } from "./job-records.ts";
import type { Page, PageRequest } from "./records.ts";
import type { AppendRequest, AppendResult } from "./store.ts";

/** Where a job stands in its schedule. */
export interface JobPosition {
  readonly status: JobStatus;
  readonly nextAtMs: number | undefined;
  readonly startAtMs: number | undefined;
}

/** Instants that passed without a run: one row for all of them. */
export interface PassedInstants {
  readonly runId: string;
  readonly status: "missed" | "skipped";
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly error: ErrorNote;
}

export interface InstantClaim {
  readonly jobId: string;
  /** The next instant as the caller saw it. Undefined for a run by hand, which neither moves the job nor needs it to be active. */
  readonly fromMs: number | undefined;
  /** Instants before the one that runs. */
  readonly passed: PassedInstants | undefined;
  /** A run by hand at an instant that is taken gets the next free millisecond. */
  readonly instantMs: number;
  readonly policy: RunPolicy;
  readonly overlap: JobOverlap;
  readonly append: AppendRequest;
  /** Where the job goes on; undefined by hand. */
  readonly to: JobPosition | undefined;
  /** Where it goes on instead when the instant begins no run, which then counts as none. Default `to`. */
  readonly toSkipped?: JobPosition;
  readonly atMs: number;
}

export type InstantClaimed =
  /** The instant was claimed before, or the job went, changed or is not active. Nothing is stored. */
  | { readonly status: "gone" }
  /** An earlier run is under way: the instant is recorded as skipped, and the job has moved on. */
  | { readonly status: "overlapped"; readonly run: RunRecord }
  /**
   * `appended` may be `full`: then the run is `skipped`. `replaced`: ids of the runs that ended for it; the turn or row of each is dropped,
   * and the fence of their chat is raised.
   */
  | { readonly status: "claimed"; readonly appended: AppendResult; readonly run: RunRecord; readonly replaced: readonly string[] };

/** What the end of a run puts into one chat: the parts, and the assistant messages of its history. */
export interface RunTarget {
  readonly chat: ChatKey;
  readonly parts: readonly Content[];
  readonly history: readonly Content[];
  /** The commit itself delivers (`api:` chats). */
  readonly isDelivered: boolean;
}

/** Ends a run with a turn's commit. `targets` are other chats than the turn's own, whose parts are those of the turn. */
export interface RunEnd {
  readonly runId: string;
  readonly targets: readonly RunTarget[];
}

/** Ends a run with a turn that is given up. `alert` goes out instead of `notice` when this failure disables the job. */
export interface RunFailure {
  readonly runId: string;
  readonly notice: readonly RunTarget[];
  readonly alert: readonly RunTarget[];
  /** Disables the job however few failures it has had. */
  readonly disables?: boolean;
}

export interface JobStore {
  /**
   * `isNew` answers `exists` instead of replacing. `full`: the owner has `ownerMax` other jobs that are not completed. `moved`, and nothing
   * is stored: the job is not any more as `from` has it, and `job` was made of that.
   */
  readonly put: (
    job: JobRecord,
    options?: { readonly isNew?: boolean; readonly ownerMax?: number; readonly from?: JobRecord | undefined },
  ) => Promise<"added" | "replaced" | "exists" | "full" | "moved">;
  readonly get: (id: string) => Promise<JobRecord | undefined>;
  /** Its runs are kept as long as any. */
  readonly remove: (id: string) => Promise<boolean>;
  /** By id ascending. */
  readonly list: (page: PageRequest, filter?: JobFilter) => Promise<Page<JobRecord>>;
  /** Active jobs whose next start is before `beforeMs`, by start and id; from the one after `after`. */
  readonly due: (
    beforeMs: number,
    limit: number,
    after?: { readonly id: string; readonly startAtMs: number },
  ) => Promise<readonly { readonly id: string; readonly startAtMs: number }[]>;
  /** Moves a job without a run; false, and nothing changes, when it is gone or has another next instant than `fromMs`. */
  readonly advance: (move: {
    readonly jobId: string;
    readonly fromMs: number | undefined;
    readonly to: JobPosition;
    /** Forgets the failures in a row. */
    readonly isForgiven?: boolean;
    readonly passed?: PassedInstants | undefined;
    readonly atMs: number;
  }) => Promise<boolean>;
  readonly claimInstant: (claim: InstantClaim) => Promise<InstantClaimed>;
  /** Newest instant first; the cursor is an instant. */
  readonly runs: (jobId: string, page: PageRequest) => Promise<Page<RunRecord>>;
  /** What holds for a run; undefined for one that is not known, or of instants that passed. */
  readonly policy: (runId: string) => Promise<RunPolicy | undefined>;
  /** The newest run of each job that has one. */
  readonly newestRuns: (jobIds: readonly string[]) => Promise<readonly RunRecord[]>;
  /** How many runs of each job are under way; jobs without one are left out. */
  readonly underWay: (jobIds: readonly string[]) => Promise<readonly { readonly jobId: string; readonly count: number }[]>;
}
