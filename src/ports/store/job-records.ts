/** Cron jobs and their runs, as the stores keep them. All instants are epoch milliseconds. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { TurnClass } from "../../core/turn-class.ts";
import type { Schedule } from "./records.ts";

/** Who added the job: the configuration file, the HTTP API, a person in a chat, the embedding program, or the runtime itself. */
export type JobOrigin = "config" | "api" | "chat" | "library" | "system";

/** What becomes of instants that were not seen in time: none runs, the newest runs, or each runs. All are recorded. */
export type MissedPolicy = "skip" | "once" | "all";

/** What becomes of an instant while a run of its job is under way: recorded as skipped, run after it, or run in its place. */
export type JobOverlap = "skip" | "queue" | "replace";

/**
 * `always`: also failures, and that a run had nothing to say. `failure`: failures alone. `nonEmpty`: failures, and what is not empty.
 * `answer`: what is not empty, and no failures.
 */
export type DeliverWhen = "always" | "failure" | "nonEmpty" | "answer";

/** `paused` by a person, `disabled` after too many failures, `completed` when no instant is left. */
export type JobStatus = "active" | "paused" | "disabled" | "completed";

/** What the author of a job decided. */
export interface JobDefinition {
  /** Part of a chat key: `cron:<id>`. */
  readonly id: string;
  readonly name: string;
  /** What the agent is asked at each instant. */
  readonly message: string;
  readonly schedule: Schedule;
  /** Where the turns run: `cron:<id>`, or with `session: chat` the first chat that gets the result. */
  readonly chat: ChatKey;
  /** Chats that get the result; empty delivers nothing. */
  readonly deliverTo: readonly ChatKey[];
  readonly deliverWhen: DeliverWhen;
  /** An answer that is exactly this text is an empty one. */
  readonly silence: string | undefined;
  readonly missed: MissedPolicy;
  /** An instant found later than this after its start never runs; undefined sets no limit. */
  readonly graceMs: number | undefined;
  /** Most missed instants that `all` runs: the newest. */
  readonly missedMax: number;
  readonly overlap: JobOverlap;
  /** Attempts of one run before it has failed; undefined is the limit of every turn. */
  readonly attempts: number | undefined;
  /** Wait before the second attempt; it doubles up to a limit. Undefined as for every turn. */
  readonly backoffMs: number | undefined;
  /** Longest that one attempt may take; undefined is the limit of every turn. */
  readonly timeoutMs: number | undefined;
  /** The start comes later than the instant by a part of this that follows from the id and never changes. */
  readonly staggerMs: number;
  /** And by a part of this that is drawn anew for each instant. */
  readonly jitterMs: number;
  /** Instants after this are none of the job's. */
  readonly untilMs: number | undefined;
  /** Runs by the schedule after which the job is completed. */
  readonly maxRuns: number | undefined;
  /** Failed runs in a row after which the job is disabled; 0 never. */
  readonly disableAfter: number;
  readonly turnClass: TurnClass;
  readonly origin: JobOrigin;
  /** The chat in which it was added: it counts against that chat's limit, and is told what nobody else would be. */
  readonly owner: ChatKey | undefined;
}

/** The definition, and how far the job has come. */
export interface JobRecord extends JobDefinition {
  readonly status: JobStatus;
  /** The next nominal instant; undefined when none is left. It stays while the job is paused. */
  readonly nextAtMs: number | undefined;
  /** When that instant starts: never before it. */
  readonly startAtMs: number | undefined;
  /** Runs begun by the schedule. */
  readonly runs: number;
  /** Failed runs since the last success. */
  readonly failures: number;
  readonly createdAtMs: number;
  /** When the definition or the status changed last. */
  readonly changedAtMs: number;
  /** The row holds what no satibot wrote. It counts as completed; only its id and its numbers are its own. */
  readonly isUnreadable?: true;
}

/**
 * `missed`: nobody was there in time. `skipped`: an earlier run was still under way, its inbox was full, or the job was paused.
 * `replaced`: ended for a later instant. All but `running` are final.
 */
export type RunStatus = "running" | "succeeded" | "failed" | "skipped" | "missed" | "replaced";

/** `none`: nothing to deliver. `delivered`: every part is with its platform, whose message ids are stored. `failed`: one never will be. */
export type RunDelivery = "none" | "waiting" | "delivered" | "failed";

/** `catchUp`: a missed instant. `hand`: a person asked for it, and the schedule did not move. */
export type RunTrigger = "schedule" | "catchUp" | "hand";

export interface RunRecord {
  readonly runId: string;
  readonly jobId: string;
  /** Nominal instant; unique per job. Of several: the newest. */
  readonly instantMs: number;
  /** Instants that the row stands for: 1, or how many passed without a run. A count stops at 1,000. */
  readonly count: number;
  /** The oldest of them. */
  readonly firstMs: number;
  readonly trigger: RunTrigger;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly status: RunStatus;
  readonly delivery: RunDelivery;
  /** Why it failed, was skipped or was not delivered. */
  readonly error: ErrorNote | undefined;
}

/** What holds for one run from its claim to its end, whatever becomes of its job meanwhile. */
export interface RunPolicy {
  readonly runId: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly trigger: RunTrigger;
  /** Where its turn runs. */
  readonly chat: ChatKey;
  readonly deliverTo: readonly ChatKey[];
  readonly deliverWhen: DeliverWhen;
  readonly silence: string | undefined;
  readonly attempts: number | undefined;
  readonly backoffMs: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly disableAfter: number;
  /** Who is told when the job is disabled: where it delivers, or else its owner. */
  readonly alertTo: readonly ChatKey[];
}

export interface JobFilter {
  readonly owner?: ChatKey;
  readonly origin?: JobOrigin;
  readonly status?: JobStatus;
  /** Its last run failed. */
  readonly isFailing?: true;
}
