import type { ChatKey } from "../core/chat-key.ts";
import type { Content } from "../core/content.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { Sender } from "./store/records.ts";

/** What a platform can do; the runtime splits, edits and paces by it. */
export interface ChannelLimits {
  /** Longest text of one message, in UTF-16 units. */
  readonly textUnits: number;
  readonly canEdit: boolean;
}

/** One thing that a person did on a platform, translated. */
export interface InboundMessage {
  readonly chat: ChatKey;
  /** Platform address that `deliver` needs; kept in a column, may change while the key does not. */
  readonly address: string;
  /** Identity of the update at the platform: the same value means a redelivery. */
  readonly externalId: string;
  readonly content: Content;
  readonly sender: Sender;
  /** What an allow list may call the writer or the place: ids and @usernames, in lower case. Absent: the sender's id alone. */
  readonly identities?: readonly string[];
  /** Set where only the sender reads what is answered. */
  readonly isPrivate?: true;
  /** Set for a button press: the question it answers. */
  readonly questionId?: string;
}

/** The result of handing a batch to intake: settled after the commit, in the order given. */
export type AcceptOutcome = "accepted" | "duplicate" | "full" | "conflict" | "forbidden";

/** Who the bot is at the platform. */
export interface ChannelAccount {
  /** For people, such as `@family_bot`. */
  readonly name: string;
  /** A link that opens the bot and sends `/start CODE`, when a pairing code is put behind it. */
  readonly startUrl?: string;
}

/** What a connection reports about itself. Facts only: policy and states live in the channel machine. */
export type ChannelReport =
  | { readonly type: "connection.opened"; readonly account?: ChannelAccount }
  /** Something came from the platform: proof of life. */
  | { readonly type: "traffic.seen" }
  | { readonly type: "connection.lost"; readonly error: ErrorNote; readonly retryAfterMs?: number }
  /** Another poller or session uses the same token. */
  | { readonly type: "connection.conflicted"; readonly error: ErrorNote }
  /** The token is refused; only a person can mend it. */
  | { readonly type: "connection.refused"; readonly error: ErrorNote };

/** Given to a channel when it starts. */
export interface ChannelHost {
  /** Identity of the channel instance, such as `telegram` or `telegram-2`. */
  readonly name: string;
  /** Commits a batch in one transaction; acknowledge to the platform only when it resolves. Rejects with TransientError when it could not be stored. */
  readonly accept: (messages: readonly InboundMessage[]) => Promise<readonly AcceptOutcome[]>;
  readonly report: (report: ChannelReport) => void;
  /** A namespaced durable cell, for offsets and cursors. */
  readonly load: (cell: string) => Promise<unknown>;
  readonly save: (cell: string, value: unknown) => Promise<void>;
}

export interface DeliverRequest {
  readonly chat: ChatKey;
  readonly address: string;
  readonly content: Content;
  /** Stable over attempts of one part: pass it on where the platform takes an idempotency key. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
}

/**
 * One connection to a platform: translates, and holds no policy (no retries, no queue).
 * `start` is called again only after `stop` has resolved.
 */
export interface Channel {
  readonly name: string;
  readonly kind: string;
  readonly limits: ChannelLimits;
  /** Who may write: identities or `"*"`, and whoever was paired. `allow` undefined also offers a code to the first. Absent: everybody who reaches the channel. */
  readonly access?: { readonly allow: readonly string[] | undefined };
  /**
   * Set when the runtime itself is the platform: a part is delivered by the commit that stores it, people read it from history and stream,
   * and their first message over HTTP creates the chat. `deliver` is then never called.
   */
  readonly isDirect?: true;
  /** Opens the connection and resolves once the attempt is under way; its fate arrives through `host.report`. @throws ConfigError for a configuration that cannot work */
  readonly start: (host: ChannelHost) => Promise<void>;
  /** Ends every request and listener and confirms nothing that was not stored. Resolves when the old connection is gone. */
  readonly stop: () => Promise<void>;
  /**
   * Hands one part to the platform; resolves to the platform's message id.
   * @throws TerminalError CHANNEL_REFUSED when it will never be taken
   * @throws TransientError CHANNEL_UNAVAILABLE when it surely was not taken (with `retryAfterMs` when the platform said)
   * @throws AmbiguousError SEND_UNKNOWN when the call ended without an answer
   */
  readonly deliver: (request: DeliverRequest) => Promise<{ readonly platformId: string }>;
  /** The address of a chat that has never written, as its key names it; undefined when the key does not say. */
  readonly addressOf?: (chat: ChatKey) => string | undefined;
  /** Shows "typing…" for some seconds where the platform can. Never throws. */
  readonly typing?: (address: string, signal: AbortSignal) => Promise<void>;
}
