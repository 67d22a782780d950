/**
 * The Store port: semantic operations, not SQL. Every promise of a write resolves after its commit is durable and
 * rejects with STORE_UNAVAILABLE when it was not: a TransientError surely, an AmbiguousError perhaps (its answer was lost; the caller looks,
 * or repeats a write for which that is safe). One call is one transaction;
 * an adapter may group the calls of many chats into one commit, but a call that fails takes no other with it.
 * Writes that name a fence answer `"fenced"` and change nothing when it is no longer the chat's.
 * Calls issued in one order by one caller commit in that order for one chat, and resolve in that order.
 */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { TurnClass } from "../../core/turn-class.ts";
import type { RunPolicy } from "./job-records.ts";
import type { JobStore, RunEnd, RunFailure } from "./job-store.ts";
import type { OutboxStore } from "./outbox-store.ts";
import type { Retention } from "./retention.ts";
import type {
  ChatRecord,
  EventRecord,
  HistoryEntry,
  InboxKind,
  InboxRow,
  JournalEntry,
  OutboxPart,
  Page,
  PageRequest,
  Sender,
  StoredSnapshot,
  StoredTimer,
  TurnRecord,
} from "./records.ts";

/** Identity of an update at its source, and what it said: the same scope and id with another hash is a conflict. */
export interface DedupeKey {
  /** `channel/bot id`, or the chat key for HTTP message ids. */
  readonly scope: string;
  readonly externalId: string;
  /** Hash of the content, hex. */
  readonly bodyHash: string;
}

export interface AppendRequest {
  readonly chat: ChatKey;
  readonly address: string;
  readonly kind: InboxKind;
  readonly turnClass: TurnClass;
  readonly content: Content;
  readonly sender: Sender | undefined;
  readonly receivedAtMs: number;
  readonly dedupe: DedupeKey | undefined;
  /** The person changed an earlier message: its external id, in the scope of `dedupe`. While that row waits in no turn, this content takes its place. */
  readonly editOf?: string | undefined;
  /** A `message` is refused when this many wait already. Commands and answers are not counted, and are refused at ten times this. 0 refuses all, also in a chat never met. */
  readonly inboxMax: number;
  /** Platforms only: on refusal, the dedupe row is stored as rejected with this reply in the same transaction, at most once per `everyMs` per chat. */
  readonly busyReply: { readonly content: Content; readonly everyMs: number } | undefined;
  /** Answer with the chat's record as it stands after the append. */
  readonly open: boolean;
  /** Merged append + claim: claims the row at once if it is the chat's only waiting message, no turn is open and the chat is not quarantined. */
  readonly claim: { readonly turnId: string; readonly suspect: boolean } | undefined;
}

export type AppendResult =
  | { readonly status: "accepted"; readonly seq: number; readonly chat: ChatRecord | undefined; readonly claim: Claim | undefined }
  | { readonly status: "duplicate"; readonly seq: number }
  /** The content took the place of that of a waiting row. */
  | { readonly status: "edited"; readonly seq: number }
  | { readonly status: "conflict" }
  /** `reply`: the busy part that was stored, when one was. */
  | { readonly status: "full"; readonly reply: OutboxPart | undefined };

export interface InboxStore {
  /** All rows in one transaction, in the order given. Chats are created at first contact. */
  readonly append: (requests: readonly AppendRequest[]) => Promise<readonly AppendResult[]>;
  /** Waiting rows of a chat, oldest first. */
  readonly waiting: (chat: ChatKey, page: PageRequest) => Promise<Page<InboxRow>>;
  /** Waiting commands and answers of a chat, oldest first (at most 100). */
  readonly commands: (chat: ChatKey) => Promise<readonly InboxRow[]>;
}

/** What a commit stores of the machine: guarded by nothing but the fence of its call. `state` and `since` feed lists and `why`. */
export interface SnapshotWrite {
  /** Undefined leaves what is stored, the timers too: for a chat whose snapshot cannot be read. */
  readonly snapshot: StoredSnapshot | undefined;
  readonly state: string;
  readonly sinceMs: number;
  readonly timers: readonly StoredTimer[];
  /** The event row of this revision; `events` already bounded by the caller. */
  readonly events: readonly { readonly type: string }[];
  readonly stateBefore: string;
  /** Kept in the chat's row: why it is quarantined, or undefined. */
  readonly error: ErrorNote | undefined;
  readonly atMs: number;
}

export interface ChatFilter {
  /** A stored state, or several. */
  readonly states?: readonly string[];
  readonly channel?: string;
  /** Part of the key. */
  readonly query?: string;
}

/** Command's commit: ends the row, may drop older rows, archive, set and reply. Never a snapshot. */
export interface CommandCommit {
  readonly chat: ChatKey;
  readonly seq: number;
  /** `/stop` and `/new`: raise the fence, close the open turn as `stopped` and drop all messages older than `seq`. */
  readonly stop: boolean;
  /** `/new`: archive the history. */
  readonly archive: boolean;
  readonly settings: Readonly<Record<string, string>>;
  /** The parts of the reply, in order; one group. With `stop`, `{dropped}` in a text is replaced by the number of rows dropped. */
  readonly reply: readonly Content[];
  /** The reply is delivered by this commit itself (`api:` chats). */
  readonly delivered: boolean;
  /** With `stop`: what a draft of the stopped turn shows from now on; by default what it was stored with, marked as interrupted. */
  readonly draft?: Content | undefined;
  readonly atMs: number;
}

export interface ChatStore {
  /** The record of a chat, or undefined for a chat never met. */
  readonly open: (chat: ChatKey) => Promise<ChatRecord | undefined>;
  /** By key ascending; the cursor is the last key. */
  readonly list: (filter: ChatFilter, page: PageRequest) => Promise<Page<ChatRecord>>;
  /** Chats that need an actor at boot or after a lost wake-up: waiting rows, open turns or unsettled parts. By key ascending. */
  readonly needingWork: (page: PageRequest) => Promise<Page<ChatRecord>>;
  readonly counts: () => Promise<{
    readonly known: number;
    readonly quarantined: number;
    readonly waitingRows: number;
    readonly deadParts: number;
  }>;
  /** Passivation, drain and quarantine: snapshot + timers + event row under the fence. */
  readonly park: (chat: ChatKey, fence: number, write: SnapshotWrite) => Promise<"parked" | "fenced">;
  readonly command: (
    commit: CommandCommit,
  ) => Promise<
    { readonly dropped: number; readonly fence: number; readonly waiting: number; readonly parts: readonly OutboxPart[] } | "ended"
  >;
  /** Archives history and snapshot, drops all waiting rows and timers, closes the open turn, raises the fence. */
  readonly reset: (chat: ChatKey, atMs: number) => Promise<{ readonly dropped: number; readonly fence: number } | undefined>;
  /**
   * Rows `failed` by the last given-up turn wait again, as a new turn. Answers how many. `skip` ends the open turn's rows as failed instead.
   * Raises the fence. A chat that is `quarantined` leaves that, and nothing that was given up before comes back. `afresh` archives the snapshot and drops the timers, so that the machine starts from what waits.
   */
  readonly retry: (
    chat: ChatKey,
    options: { readonly skip: boolean; readonly afresh?: boolean; readonly atMs: number },
  ) => Promise<{ readonly restored: number; readonly skipped: number; readonly fence: number } | undefined>;
  /** The platform gave the chat `from` another identity: it keeps its key and gets the address, and `to` becomes an alias of it. */
  readonly move: (move: { readonly from: ChatKey; readonly to: ChatKey; readonly address: string; readonly atMs: number }) => Promise<void>;
  /** All aliases, and the chats they stand for (at most 100,000). */
  readonly aliases: () => Promise<readonly { readonly alias: ChatKey; readonly chat: ChatKey }[]>;
  /** The newest `limit` entries before `beforeAtMs`, oldest first. */
  readonly history: (chat: ChatKey, limit: number) => Promise<readonly HistoryEntry[]>;
  /** Deletes all but the newest `keep` entries of the history, archived ones included. Answers how many. */
  readonly trim: (chat: ChatKey, keep: number) => Promise<number>;
  /** Everything known of a chat, JSON-safe. */
  readonly export: (chat: ChatKey) => Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Erases all but dedupe hashes. False for a chat never met. */
  readonly erase: (chat: ChatKey) => Promise<boolean>;
}

/** A turn handed to a runner: exactly these rows, under this fence. */
export interface Claim {
  readonly chat: ChatKey;
  readonly turnId: string;
  readonly fence: number;
  readonly attempt: number;
  readonly failures: number;
  readonly rows: readonly InboxRow[];
  readonly journal: readonly JournalEntry[];
  /** Set when the row came from a cron job. */
  readonly run: RunPolicy | undefined;
}

export interface ClaimRequest {
  readonly chat: ChatKey;
  /** Used when no turn is open: the name of the new one. */
  readonly turnId: string;
  /** Most message rows that a new turn takes. */
  readonly rowsMax: number;
  /** The attempt runs in the suspect slot: an unknown end will count. */
  readonly suspect: boolean;
  readonly atMs: number;
}

export interface TurnCommit {
  readonly chat: ChatKey;
  readonly fence: number;
  readonly turnId: string;
  /** How each held row ends. */
  readonly rows: readonly { readonly seq: number; readonly status: "consumed" | "skipped" }[];
  readonly history: readonly HistoryEntry[];
  /** All parts of the turn's answer, in order; one group. */
  readonly parts: readonly Content[];
  /** `sending`: the first part is stored as sending, attempt 1, unless an earlier part of the chat is unsettled. `delivered`: all are stored as sent. */
  readonly delivery: "waiting" | "sending" | "delivered";
  /** Ends the cron run; `parts` count for its delivery like those of other chats. */
  readonly run: RunEnd | undefined;
  readonly write: SnapshotWrite;
}

export interface FailCommit {
  readonly chat: ChatKey;
  readonly fence: number;
  readonly turnId: string;
  readonly error: ErrorNote;
  /** `retry`: the rows keep waiting under the same turn. `giveUp`: rows end as failed and the reply goes out. `quarantine`: rows keep waiting, the reply goes out. `abort`: not counted, rows keep waiting. */
  readonly outcome: "retry" | "giveUp" | "quarantine" | "abort";
  readonly reply: Content | undefined;
  readonly delivered: boolean;
  /** With `giveUp`: what a draft of the turn shows from now on; by default what it was stored with, marked as interrupted. */
  readonly draft?: Content | undefined;
  /** With `giveUp` and `quarantine`: ends the cron run as failed and counts that against its job. */
  readonly run: RunFailure | undefined;
  /** Absent for `abort`. */
  readonly write: SnapshotWrite | undefined;
  readonly atMs: number;
}

export interface AskCommit {
  readonly chat: ChatKey;
  readonly fence: number;
  readonly turnId: string;
  readonly entry: JournalEntry;
  readonly question: Content;
  readonly delivered: boolean;
  readonly write: SnapshotWrite;
}

export interface TurnStore {
  /** Re-claims the open turn with its rows, or opens a new one over the oldest waiting messages. `undefined` when nothing waits. */
  readonly claim: (request: ClaimRequest) => Promise<Claim | undefined>;
  readonly journal: (chat: ChatKey, fence: number, turnId: string, entry: JournalEntry) => Promise<"written" | "fenced">;
  /** `waiting`: message rows left after it. `parts`: those stored, in the chats that receive them. */
  readonly commit: (
    commit: TurnCommit,
  ) => Promise<{ readonly parts: readonly OutboxPart[]; readonly revision: number; readonly waiting: number } | "fenced">;
  readonly fail: (commit: FailCommit) => Promise<
    | {
        readonly parts: readonly OutboxPart[];
        readonly revision: number;
        readonly ended: number;
        readonly waiting: number;
        /** This failure disabled the job of the run. */
        readonly isJobDisabled?: boolean;
      }
    | "fenced"
  >;
  readonly ask: (commit: AskCommit) => Promise<{ readonly parts: readonly OutboxPart[]; readonly revision: number } | "fenced">;
  /**
   * Once at boot, before any claim: turns found `started` become `suspect`; one that held the suspect slot gets a failure more.
   * Parts found `sending` become waiting and ambiguous. Appends a `chat.restored` event row to each chat touched. Answers what it found.
   */
  readonly recover: (atMs: number) => Promise<{ readonly suspects: number; readonly ambiguous: number }>;
  /** The journaled steps of an open turn. */
  readonly steps: (chat: ChatKey, turnId: string) => Promise<readonly JournalEntry[]>;
  /** Newest first, at most `limit`. */
  readonly list: (chat: ChatKey, limit: number) => Promise<readonly TurnRecord[]>;
}

export interface TimerStore {
  /** Stored timers due before an instant, soonest first. */
  readonly dueBefore: (beforeMs: number, limit: number) => Promise<readonly { readonly chat: ChatKey; readonly timer: StoredTimer }[]>;
}

export interface EventStore {
  /** Ascending by revision, from `from`. */
  readonly list: (chat: ChatKey, from: number, limit: number) => Promise<readonly EventRecord[]>;
}

/** Small durable cells: settings, cursors, `retry_after`, leases of the future. Values are JSON-safe. */
export interface KvStore {
  readonly get: (namespace: string, cell: string) => Promise<unknown>;
  readonly set: (namespace: string, cell: string, value: unknown) => Promise<void>;
  readonly remove: (namespace: string, cell: string) => Promise<void>;
}

export interface NodeStore {
  /** Records that this node lives; a single-owner store keeps one row. */
  readonly beat: (node: string, atMs: number) => Promise<void>;
  readonly list: () => Promise<readonly { readonly node: string; readonly seenAtMs: number }[]>;
}

export interface Store {
  readonly kind: "memory" | "sqlite" | "postgres";
  /** For people: where it is, secrets masked. */
  readonly location: string;
  /**
   * Opens, locks and migrates.
   * @throws ConfigError STORE_LOCKED, STORE_NEWER, STORE_UNREADABLE
   */
  readonly start: () => Promise<void>;
  /** Finishes the writes under way, releases the lock. */
  readonly stop: () => Promise<void>;
  /** A real commit, for health checks. */
  readonly ping: () => Promise<void>;
  /** Deletes ended rows older than the limits, a bounded number a call; true when more is left. */
  readonly sweep: (retention: Retention) => Promise<boolean>;
  readonly inbox: InboxStore;
  readonly chats: ChatStore;
  readonly turns: TurnStore;
  readonly outbox: OutboxStore;
  readonly jobs: JobStore;
  readonly timers: TimerStore;
  readonly events: EventStore;
  readonly kv: KvStore;
  readonly nodes: NodeStore;
}
