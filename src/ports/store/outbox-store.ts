/** The outbox of the Store port: what goes out, part by part. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { OutboxPart, Page, PageRequest, PartReceipt, PartStatus } from "./records.ts";

/** What a send came to. `retry`: surely not taken, or (`ambiguous`) perhaps taken. `refused`: dead, with the rest of its group. */
export type SendOutcome =
  | { readonly type: "sent"; readonly platformId: string }
  | { readonly type: "retry"; readonly ambiguous: boolean; readonly nextTryAtMs: number; readonly error: ErrorNote }
  | { readonly type: "refused"; readonly error: ErrorNote };

export type Orphan = "unsent" | "unknown";

/** What a platform says of a part that it took. */
export interface ReceiptRow {
  readonly chat: ChatKey;
  readonly platformId: string;
  readonly receipt: PartReceipt;
  readonly error?: ErrorNote;
}

/** The beginning of a reply, shown while its turn still runs. */
export interface DraftRequest {
  readonly chat: ChatKey;
  readonly fence: number;
  readonly turnId: string;
  readonly content: Content;
  readonly atMs: number;
}

export interface OutboxStore {
  /** Stores an outbound text that no turn produced (`send --out`). */
  readonly put: (
    chat: ChatKey,
    parts: readonly Content[],
    options: {
      readonly groupId: string;
      readonly delivered: boolean;
      /** Of a chat that was never met. */
      readonly address?: string | undefined;
      readonly atMs: number;
    },
  ) => Promise<readonly OutboxPart[]>;
  /**
   * Stores the draft of an open turn, or answers the one it has already. `busy`: another part of the chat is not settled, and a draft never
   * overtakes. A draft that the platform took stays unsettled and lets later parts pass; one that it refused is forgotten. The commit of its
   * turn puts the first part of the reply in its place, with its platform id; any other end of the turn leaves it as a part marked interrupted.
   */
  readonly draft: (request: DraftRequest) => Promise<OutboxPart | "busy" | "fenced">;
  /** Keeps receipts on the newest parts of their chats; a `failed` one makes a sent part dead. Answers the places of those whose part is not known. */
  readonly receive: (receipts: readonly ReceiptRow[]) => Promise<readonly number[]>;
  /**
   * Marks the chat's first unsettled part as `sending` (attempt + 1) when it may be tried at `atMs`; parts older than `maxAgeMs` expire first.
   * `later`: it may be tried at that instant. `orphan`: what a part found `sending` already is to this caller, who sends one part of a chat
   * at a time: `unsent` when the answer that handed it out was lost (it is handed out again as it is), `unknown` when an earlier sender of
   * this process broke off (it becomes ambiguous, attempt + 1). Without it the answer is `none`.
   */
  readonly take: (
    chat: ChatKey,
    options: { readonly atMs: number; readonly maxAgeMs: number; readonly orphan?: Orphan | undefined },
  ) => Promise<TakeResult>;
  /**
   * Settles a send, guarded by (id, attempt), and merges the next `take` of the chat when asked; without `next` the answer is `later` for a
   * part that could be taken now too. `lazy` may join the next group, at most 50 ms late.
   */
  readonly settle: (
    settle: {
      readonly chat: ChatKey;
      readonly id: string;
      readonly attempt: number;
      readonly outcome: SendOutcome;
      readonly lazy: boolean;
      readonly atMs: number;
    },
    next: { readonly maxAgeMs: number } | undefined,
  ) => Promise<TakeResult>;
  /** Waiting parts of a chat created before an instant become `expired`. Answers how many. */
  readonly expire: (chat: ChatKey, beforeMs: number) => Promise<number>;
  /** By id ascending. */
  readonly list: (
    filter: { readonly status?: PartStatus; readonly ambiguous?: boolean; readonly chat?: ChatKey },
    page: PageRequest,
  ) => Promise<Page<OutboxPart>>;
  /** The newest parts of a chat, ascending. */
  readonly newest: (chat: ChatKey, limit: number) => Promise<readonly OutboxPart[]>;
  /** Sent and unsent parts of a chat after an outbox id, ascending. `gone` when that id is older than what is kept. */
  readonly after: (chat: ChatKey, id: string, limit: number) => Promise<readonly OutboxPart[] | "gone">;
  /** A dead or expired part waits again. False when it is in no such state. */
  readonly revive: (id: string, atMs: number) => Promise<OutboxPart | undefined>;
  readonly purge: (id: string) => Promise<boolean>;
}

export type TakeResult =
  | { readonly type: "taken"; readonly part: OutboxPart }
  | { readonly type: "later"; readonly atMs: number }
  /** Nothing unsettled is left, or another part of the chat is being sent. */
  | { readonly type: "none" };
