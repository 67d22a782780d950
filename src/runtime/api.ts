/** What the runtime offers to the ways in (HTTP, CLI, library): types only. */
import type { CronJobInput, JobPlan, JobView, ReconciledJobs, ScheduleInput } from "./job-api.ts";
import type { ActiveHours } from "../core/active-hours.ts";
import type { ChatKey } from "../core/chat-key.ts";
import type { Content } from "../core/content.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import type { JobFilter, RunRecord } from "../ports/store/job-records.ts";
import type { ChannelAccess } from "../ports/channel.ts";
import type { ChatFilter } from "../ports/store/store.ts";
import type {
  EventRecord,
  HistoryEntry,
  InboxRow,
  OutboxPart,
  Page,
  PageRequest,
  PartStatus,
  Schedule,
  Sender,
  StoredTimer,
} from "../ports/store/records.ts";

export interface AddMessageOptions {
  /** Idempotency key, scoped to the chat, or to the hook where there is one: the same id with the same body is accepted once. */
  readonly messageId?: string;
  readonly sender?: Sender;
  /** The webhook trigger that brings it: its turn comes behind those of people, and its text is never a command. */
  readonly hook?: string;
}

export interface AddMessageResult {
  readonly seq: number;
  readonly duplicate: boolean;
}

export interface ChatSummary {
  readonly key: ChatKey;
  readonly channel: string;
  /** Machine state in dot notation, or `passivated`. */
  readonly state: string;
  readonly since: number;
  readonly waiting: number;
  readonly lastMessageAt: number | undefined;
  readonly lastReplyAt: number | undefined;
  readonly error: ErrorNote | undefined;
}

export interface ChatDetail extends ChatSummary {
  readonly address: string;
  readonly overlap: string;
  readonly timers: readonly StoredTimer[];
  readonly waitingRows: readonly InboxRow[];
  readonly turn: { readonly turnId: string; readonly attempt: number; readonly startedAt: number; readonly steps: number } | undefined;
  readonly history: readonly HistoryEntry[];
  readonly outbox: readonly OutboxPart[];
  readonly revision: number;
  /** Since when its platform refuses whatever is sent (blocked, left, deleted), until its person writes; epoch ms. */
  readonly unreachableSince: number | undefined;
}

export interface Why {
  readonly key: string;
  readonly state: string;
  readonly since: number;
  readonly sentence: string;
  readonly waitsFor: string | undefined;
  readonly endsBy: readonly { readonly event: string; readonly atMs?: number }[];
}

export interface ChannelStatus {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly since: number;
  readonly reason: string | undefined;
  readonly lastTrafficAt: number | undefined;
  readonly counters: { readonly received: number; readonly sent: number; readonly failed: number };
}

export interface SystemStatus {
  readonly version: string;
  /** `booting`, `running`, `draining` or `stopped`. */
  readonly state: string;
  readonly startedAt: number;
  readonly node: string;
  readonly store: string;
  readonly queue: {
    readonly waiting: number;
    readonly running: number;
    readonly slots: number;
    /** Agents that go on although their turn has ended. */
    readonly abandoned: number;
    readonly byClass: Readonly<Record<string, number>>;
  };
  readonly timers: number;
  readonly chats: { readonly known: number; readonly live: number; readonly quarantined: number };
  readonly loopDelayMs: { readonly p50: number; readonly p99: number };
  readonly memoryBytes: number;
  readonly channels: readonly ChannelStatus[];
}

export type StreamEvent =
  | { readonly type: "delta"; readonly turnId: string; readonly attempt: number; readonly offset: number; readonly text: string }
  | {
      readonly type: "reply";
      readonly id: string;
      readonly turnId: string;
      readonly part: number;
      readonly of: number;
      readonly content: Content;
      readonly text: string;
      readonly inReplyTo: readonly number[];
    }
  | { readonly type: "state"; readonly state: string; readonly since: number }
  | {
      readonly type: "turn";
      readonly turnId: string;
      readonly attempt: number;
      readonly status: "started" | "done" | "failed" | "aborted" | "superseded";
    }
  /** The id asked for is older than what is kept: reload the chat. */
  | { readonly type: "reset" };

export interface StreamOptions {
  /** Outbox id: every later reply is sent again first. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/** What somebody may do over a channel: everybody who is let in, an administrator, who lets others in, or the first, whom no administrator removes. */
export type Role = "guest" | "admin" | "owner";

/** Somebody who may write although no allow list names them. */
export interface PairedPerson {
  /** Of the platform: an id, or an @username in lower case. */
  readonly id: string;
  readonly name?: string;
  readonly role: Role;
  readonly sinceMs: number;
}

/** Somebody who wrote and was not let in; kept in memory, the newest 50 of a channel. */
export interface AccessRequest {
  readonly id: string;
  readonly name?: string;
  readonly lastAtMs: number;
  readonly count: number;
}

export interface PairingStatus {
  readonly channel: string;
  /** `allow` of the configuration; undefined when it names nobody and the first comes by code. */
  readonly allow: readonly string[] | undefined;
  readonly people: readonly PairedPerson[];
  readonly requests: readonly AccessRequest[];
  /** End of the code that is out, if there is one. The code itself is told once, where it was issued. */
  readonly codeExpiresAtMs: number | undefined;
}

/** A one-time code: the first who sends it over the channel becomes its owner. */
export interface PairingCode {
  readonly channel: string;
  /** Eight characters, `ABCD-EFGH`. */
  readonly code: string;
  /** The bot's account, when its channel is connected. */
  readonly account: string | undefined;
  /** Opens the platform with the code ready to send, where it can. */
  readonly url: string | undefined;
  readonly expiresAtMs: number;
}

/** Who may write over channels that have an allow list. Every call throws RequestError NOT_FOUND for any other channel. */
export interface PairingControl {
  readonly list: () => Promise<readonly PairingStatus[]>;
  /** A new code; the one before it ends. */
  readonly issue: (channel: string) => Promise<PairingCode>;
  /** Lets somebody in, who need not have written yet. @throws RequestError BAD_REQUEST */
  readonly approve: (channel: string, id: string) => Promise<PairedPerson>;
  /** @throws RequestError NOT_FOUND when nobody of that id was paired */
  readonly revoke: (channel: string, id: string) => Promise<void>;
}

/** Changes who may write over a channel, and how much, while the runtime runs. */
export interface AccessControl {
  /**
   * Replaces what the configuration says of a channel, from the next message on; whoever was let in stays. Undefined opens it to everybody.
   * @throws RequestError NOT_FOUND for a channel that this runtime has not
   */
  readonly configure: (channel: string, access: ChannelAccess | undefined) => void;
}

/** `ambiguous`: those of which an earlier send may have arrived. */
export type OutboxStatus = PartStatus | "ambiguous";

/** Replies over all chats. */
export interface OutboxControl {
  /** By id ascending. */
  readonly list: (filter: { readonly status?: OutboxStatus; readonly chat?: string }, page: PageRequest) => Promise<Page<OutboxPart>>;
  /** Sends a dead or expired part again, before the later ones of its chat. @throws RequestError NOT_FOUND, WRONG_STATE */
  readonly retry: (id: string) => Promise<OutboxPart>;
  /** Removes a part; the person will not get it. @throws RequestError NOT_FOUND, WRONG_STATE while it is being sent */
  readonly purge: (id: string) => Promise<void>;
}

/** Health facts; `healthy` is false when the loop stalls or the store does not commit. */
export interface Health {
  readonly healthy: boolean;
  readonly loopDelayMs: number;
  readonly lastCommitAt: number | undefined;
}

/** The runtime looks around by itself: a turn of its own in the chat `system:heartbeat`. */
export interface HeartbeatOptions {
  /** Milliseconds between two. */
  readonly everyMs: number;
  /** Always, by default. */
  readonly activeHours?: ActiveHours | undefined;
  /** Chats that get an answer, unless it is exactly `HEARTBEAT_OK`. Default none. */
  readonly deliverTo?: readonly string[];
  /** Entries of earlier heartbeats that are kept. Default 20. */
  readonly history?: number;
  /** Longest that one may take; by default the limit of every turn. */
  readonly timeoutMs?: number | undefined;
  /** What the agent looks after, asked each time; undefined when nobody has written any. Empty, or comments only, no agent is asked. */
  readonly instructions: () => Promise<string | undefined>;
  /** Where people find those, such as the name of a file. */
  readonly source: string;
}

/** What may change while the runtime runs; what is left out stays as it is. */
export interface RuntimeSettings {
  /** A turn that runs keeps its timeout and its slot: fewer slots are reached as turns end. */
  readonly limits?: Partial<Limits>;
  /** `false`: none. */
  readonly heartbeat?: HeartbeatOptions | false;
}

/** What reading the configuration again came to, as paths such as `limits.concurrentTurns` and `cron.daily_report`. */
export interface ReloadAnswer {
  /** In force from now on. */
  readonly applied: readonly string[];
  /** Differs from what runs, and does so until the next start. */
  readonly needsRestart: readonly string[];
}

/** The actor system without channels: what the library calls an event loop. */
export interface EventLoop {
  /** Opens the store, recovers what an earlier process left, and begins to claim turns. Idempotent. @throws ConfigError from the store */
  readonly start: () => Promise<void>;
  /** Starts if needed and resolves once the loop has drained after `shutdown`. */
  readonly run: () => Promise<void>;
  /** Drains (DESIGN: stop claiming, finish, flush) within `drainTimeoutMs`; idempotent. */
  readonly shutdown: () => Promise<void>;
  /**
   * Puts a message into a chat as if its person had written it; resolves after the commit. An unknown `api:` chat is created.
   * @throws RequestError BAD_CHAT_KEY, BAD_CONTENT, INBOX_FULL, MESSAGE_CONFLICT, CHAT_UNKNOWN
   * @throws TransientError DRAINING, STORE_UNAVAILABLE
   */
  readonly addChatMessage: (key: string, content: string | Content, options?: AddMessageOptions) => Promise<AddMessageResult>;
  /** Delivers a text to a chat without a turn; resolves to the id of its first outbox part after the commit. */
  readonly send: (key: string, content: string | Content) => Promise<string>;
  readonly stream: (key: string, options?: StreamOptions) => AsyncIterable<StreamEvent>;
  /**
   * Adds or replaces a job by id; its first instant is computed from now. `isNew` refuses to replace. `keepsState` changes the job of that
   * id, if there is one: it keeps its status, its counts and, where its schedule is the same, its next instant.
   * @throws RequestError BAD_SCHEDULE, BAD_REQUEST with the path of what is wrong, JOB_EXISTS, JOBS_FULL
   */
  readonly addCronJob: (job: CronJobInput, options?: { readonly isNew?: boolean; readonly keepsState?: boolean }) => Promise<JobView>;
  /** A run under way goes on; what ran is kept. False for a job never met. */
  readonly removeCronJob: (id: string) => Promise<boolean>;
  /**
   * Makes the jobs of origin `config` these: others of that origin are removed, changed ones keep status, counts and (where it is the same) schedule.
   * Nothing changes when one of them is wrong. @throws RequestError as addCronJob
   */
  readonly reconcileJobs: (jobs: readonly CronJobInput[]) => Promise<ReconciledJobs>;
  /** @throws RequestError JOB_UNKNOWN */
  readonly job: (id: string) => Promise<JobView>;
  /** By id ascending. */
  readonly jobs: (page?: PageRequest, filter?: JobFilter) => Promise<Page<JobView>>;
  /** Newest first; also of jobs that are gone. */
  readonly jobRuns: (id: string, page?: PageRequest) => Promise<Page<RunRecord>>;
  /** Idempotent. @throws RequestError JOB_UNKNOWN, WRONG_STATE when it is completed */
  readonly pauseJob: (id: string) => Promise<JobView>;
  /** Also of a disabled job. What passed meanwhile is recorded as skipped. @throws RequestError JOB_UNKNOWN, WRONG_STATE when no instant is left */
  readonly resumeJob: (id: string) => Promise<JobView>;
  /** Runs now, whatever its status; the schedule does not move. Answers the run, which may be `skipped`. @throws RequestError JOB_UNKNOWN */
  readonly runJob: (id: string) => Promise<RunRecord>;
  /** What `runJob` would do; does nothing. @throws RequestError JOB_UNKNOWN */
  readonly planJob: (id: string) => Promise<JobPlan>;
  /** The first instants strictly after one, at most 1,000; pure. @throws RequestError BAD_SCHEDULE */
  readonly nextInstants: (schedule: ScheduleInput | Schedule, afterMs: number, count: number) => readonly number[];
  /** Aborts the running turn and drops what waits. @throws RequestError CHAT_UNKNOWN */
  readonly stop: (key: string) => Promise<ChatDetail>;
  readonly reset: (key: string) => Promise<ChatDetail>;
  /** Leaves quarantine, or re-runs what was given up. `skip` drops the message that caused it. @throws RequestError WRONG_STATE when there is nothing to retry */
  readonly retry: (key: string, options?: { readonly skip?: boolean }) => Promise<ChatDetail>;
  readonly passivate: (key: string) => Promise<ChatDetail>;
  /** Everything known of a chat, JSON-safe. @throws RequestError CHAT_UNKNOWN */
  readonly export: (key: string) => Promise<Readonly<Record<string, unknown>>>;
  /** Ends the chat's turn and erases everything known of it but dedupe hashes, also what arrives meanwhile. @throws RequestError CHAT_UNKNOWN */
  readonly erase: (key: string) => Promise<void>;
  readonly why: (key: string) => Promise<Why>;
  readonly chat: (key: string) => Promise<ChatDetail>;
  /** `states` may hold `passivated`. */
  readonly chats: (filter: ChatFilter, page: PageRequest) => Promise<Page<ChatSummary>>;
  readonly events: (key: string, from: number, limit: number) => Promise<readonly EventRecord[]>;
  readonly pairing: PairingControl;
  readonly access: AccessControl;
  readonly outbox: OutboxControl;
  /**
   * Hands a request of a platform (at most 1 MiB) to the channel of that name; resolves to what the platform is to be answered.
   * @throws RequestError NOT_FOUND for a channel without webhook
   * @throws TransientError DRAINING, and NOT_READY while it is not connected or when it failed
   */
  readonly webhook: (channel: string, request: Request) => Promise<Response>;
  readonly status: () => Promise<SystemStatus>;
  readonly health: () => Promise<Health>;
  /** True for a chat that its first message creates here: those named `api:` and those of direct channels such as `web`. @throws RequestError BAD_CHAT_KEY */
  readonly mayBegin: (key: string) => boolean;
  /** True while intake is open. */
  readonly isReady: () => boolean;
  /** Changes settings without restarting or ending anything. @throws TransientError when the store could not take the heartbeat */
  readonly configure: (settings: RuntimeSettings) => Promise<void>;
}
