/**
 * The rows that every store keeps, as the runtime sees them. All instants are epoch milliseconds, all sequence numbers start at 1.
 */
import type { ActiveHours } from "../../core/active-hours.ts";
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { TurnClass } from "../../core/turn-class.ts";

export interface Sender {
  readonly id: string;
  readonly name?: string;
}

/** `message` is answered by a turn, `command` by the runtime, `answer` by the question that asked. */
export type InboxKind = "message" | "command" | "answer";

/** `waiting` until it ends, exactly once, as one of the others. A row that a turn holds is still `waiting`, with its `turnId` set. */
export type InboxStatus = "waiting" | "consumed" | "skipped" | "failed" | "dropped";

export interface InboxRow {
  readonly chat: ChatKey;
  /** Per chat, from 1, without gaps in commit order. */
  readonly seq: number;
  readonly kind: InboxKind;
  readonly turnClass: TurnClass;
  readonly content: Content;
  readonly sender: Sender | undefined;
  readonly receivedAtMs: number;
  readonly status: InboxStatus;
  /** The turn that holds or ended it. */
  readonly turnId: string | undefined;
}

/** What a machine needs to go on after a restart: value and context, as JSON. */
export interface StoredSnapshot {
  readonly value: unknown;
  readonly context: unknown;
}

/** A pending delayed event of an actor. `id` is the scheduler's; the same id replaces. */
export interface StoredTimer {
  readonly id: string;
  readonly event: { readonly type: string };
  readonly dueAtMs: number;
}

export interface ChatRecord {
  readonly key: ChatKey;
  readonly channel: string;
  /** Platform address; empty for chats that are reached over HTTP. */
  readonly address: string;
  /** Rises at each claim, abandonment, stop and reset; every turn write names it. */
  readonly fence: number;
  /** Rises with each stored snapshot; 0 before the first. */
  readonly revision: number;
  readonly snapshot: StoredSnapshot | undefined;
  readonly timers: readonly StoredTimer[];
  /** Machine state when last stored, in dot notation such as `idle`, and since when. */
  readonly state: string;
  readonly sinceMs: number;
  /** Rows of kind `message` still waiting, the ones held by a turn included. */
  readonly waiting: number;
  /** Commands and answers still waiting. */
  readonly waitingCommands: number;
  /** Class of the oldest waiting message, when there is one. */
  readonly waitingClass: TurnClass | undefined;
  /** Parts of this chat that are not settled yet. */
  readonly unsettledParts: number;
  /** A turn begun and neither committed nor given up. */
  readonly openTurn: OpenTurn | undefined;
  /** Settings changed by commands, such as the overlap policy; `unreachable` is since when (epoch ms) the platform refuses whatever is sent to the chat, until its person writes. */
  readonly settings: Readonly<Record<string, string>>;
  readonly lastMessageAtMs: number | undefined;
  readonly lastReplyAtMs: number | undefined;
  readonly error: ErrorNote | undefined;
  /** Columns of the row that hold what no satibot wrote; they read as empty, and stay as they are until a retry or reset. */
  readonly damaged?: readonly string[];
}

/** `started`: running when the row was written. `suspect`: found started after an unclean end. `waiting`: between attempts, or asking. */
export type TurnStatus = "started" | "waiting" | "suspect" | "done" | "failed" | "stopped" | "superseded";

export interface OpenTurn {
  readonly turnId: string;
  readonly status: TurnStatus;
  /** Starts so far. */
  readonly attempt: number;
  /** Attempts that counted against `maxAttempts`. */
  readonly failures: number;
  readonly startedAtMs: number;
  /** The cron run that it answers. */
  readonly runId?: string;
}

export interface TurnRecord extends OpenTurn {
  readonly chat: ChatKey;
  readonly endedAtMs: number | undefined;
  readonly error: ErrorNote | undefined;
}

/** One durable step of a turn; `place` counts from 0. */
export interface JournalEntry {
  readonly place: number;
  readonly type: "step" | "model" | "tool.started" | "tool.finished" | "asked" | "answered" | "steered";
  readonly key: string;
  /** JSON text. */
  readonly body: string;
  readonly atMs: number;
}

export interface HistoryEntry {
  readonly role: "user" | "assistant" | "system";
  readonly content: Content;
  readonly atMs: number;
  /** Inbox row that said it, for what a person wrote. */
  readonly seq?: number;
  readonly turnId?: string;
}

/** What the platform said of a part after it took it. */
export interface PartReceipt {
  readonly status: "delivered" | "read" | "failed";
  readonly atMs: number;
}

export type PartStatus = "draft" | "waiting" | "sending" | "sent" | "expired" | "dead";

export interface OutboxPart {
  /** Decimal string; rises in commit order within a chat. */
  readonly id: string;
  readonly chat: ChatKey;
  /** Groups the parts of one reply: a refusal of one dead-letters the rest of its group. */
  readonly turnId: string;
  /** From 1 to `of`. */
  readonly part: number;
  readonly of: number;
  readonly content: Content;
  readonly status: PartStatus;
  /** Sends begun so far. A delivery write names the attempt it belongs to. */
  readonly attempts: number;
  /** An earlier send may have arrived: this one may be a repetition. */
  readonly ambiguous: boolean;
  readonly createdAtMs: number;
  readonly nextTryAtMs: number | undefined;
  /** Set once the platform took it; on a part that is not sent yet, the message that it takes the place of. */
  readonly platformId: string | undefined;
  readonly error: ErrorNote | undefined;
  readonly inReplyTo: readonly number[];
  /** A streamed reply that still grows; the commit of its turn puts the final part in its place. */
  readonly isDraft?: true;
  readonly receipt?: PartReceipt;
}

export interface EventRecord {
  readonly revision: number;
  readonly atMs: number;
  /** The events since the last stored revision, in order, as the machine got them. */
  readonly events: readonly { readonly type: string }[];
  readonly stateBefore: string;
  readonly stateAfter: string;
}

export type Schedule =
  /** `within`: from each opening on, until closing time; then `anchorMs` says nothing. */
  | { readonly kind: "every"; readonly everyMs: number; readonly anchorMs: number; readonly within?: ActiveHours }
  | { readonly kind: "at"; readonly atMs: number }
  | { readonly kind: "cron"; readonly expression: string; readonly timezone: string };

/** A page of a list: `next` is the cursor of the following page. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

export interface PageRequest {
  /** 1 to 1000. */
  readonly limit: number;
  readonly cursor?: string;
}
