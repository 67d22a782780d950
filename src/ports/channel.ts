import type { ChatKey } from "../core/chat-key.ts";
import type { Content } from "../core/content.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { Sender } from "./store/records.ts";

/** What a platform can do; the runtime splits, edits, paces and watches by it. All durations in milliseconds. */
export interface ChannelLimits {
  /** Longest text of one message, in UTF-16 units. */
  readonly textUnits: number;
  /** Streamed replies are shown as they grow, by `edit`. */
  readonly canEdit: boolean;
  /** Where pacing begins; it slows down by what the platform answers. Absent or 0: as fast as it takes. */
  readonly pace?: {
    /** Least time between two sends to one chat. */
    readonly chatMs?: number;
    /** Least time between two sends over the whole connection. */
    readonly channelMs?: number;
    /** Least time between two edits of one message. Default 1,000. */
    readonly editMs?: number;
  };
  /** How long one `typing` is shown. Absent: it is called once a turn. */
  readonly typingMs?: number;
  /** A connected platform that has been silent for longer is `stalled`. Absent: silence says nothing, as with webhooks. */
  readonly silenceMaxMs?: number;
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
  /** Set when the person changed an earlier message: its `externalId`. It replaces that one while nobody has begun to answer it; afterwards it is a message of its own. */
  readonly editOf?: string;
}

/** What a platform says about a part after it took it. */
export interface DeliveryReceipt {
  readonly chat: ChatKey;
  readonly platformId: string;
  readonly status: "delivered" | "read" | "failed";
  readonly atMs: number;
  readonly error?: ErrorNote;
}

/** A command of the runtime, for a platform's menu. */
export interface CommandInfo {
  /** Without the slash, `[a-z]{1,32}`. */
  readonly name: string;
  /** One line, at most 100 characters. */
  readonly description: string;
}

/** The result of handing a batch to intake: settled after the commit, in the order given. */
export type AcceptOutcome = "accepted" | "edited" | "duplicate" | "full" | "conflict" | "forbidden";

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
  readonly remove: (cell: string) => Promise<void>;
  /** The commands that the runtime answers, for a menu. */
  readonly commands: readonly CommandInfo[];
  /** The platform gave a chat another identity: `to` becomes an alias of the chat `from`, which keeps its key and is reached at `address` from now on. Resolves after the commit. */
  readonly moved: (move: { readonly from: ChatKey; readonly to: ChatKey; readonly address: string }) => Promise<void>;
  /** Keeps what the platform says of parts it took; of one that is not known nothing is kept. Resolves after the commit. */
  readonly receive: (receipts: readonly DeliveryReceipt[]) => Promise<void>;
}

export interface DeliverRequest {
  readonly chat: ChatKey;
  readonly address: string;
  readonly content: Content;
  /** Stable over attempts of one part: pass it on where the platform takes an idempotency key. */
  readonly idempotencyKey: string;
  /** Set for a reply that still grows: its markup may be incomplete. */
  readonly isDraft?: true;
  readonly signal: AbortSignal;
}

/** Changes what an earlier delivery showed. */
export interface EditRequest extends DeliverRequest {
  /** What `deliver` resolved to. */
  readonly platformId: string;
}

export interface OpenedFile {
  readonly mime: string;
  /** Ends with an error when more than the bytes allowed come. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A measure of `count` messages (1 or more), which fills up again evenly within `perMs` milliseconds. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

/** Who may write over a channel, who administers it, and how much one may write. Identities are compared in lower case. */
export interface ChannelAccess {
  /** Identities of people, chats and groups, or `"*"` for everybody; whoever was paired comes on top. Undefined also offers a code to the first. */
  readonly allow: readonly string[] | undefined;
  /** Ids of people who may write and who let others in, beside the owner. Never names, which change hands, nor groups. */
  readonly admins?: readonly string[];
  /** Messages beyond these are refused with one reply; commands have a measure of their own. Absent: no limit. */
  readonly rate?: { readonly perUser?: Rate; readonly perChat?: Rate };
}

/**
 * One connection to a platform: translates, and holds no policy (no retries, no queue).
 * `start` is called again only after `stop` has resolved.
 */
export interface Channel {
  readonly name: string;
  readonly kind: string;
  readonly limits: ChannelLimits;
  /** Who may write, and how much. Absent: everybody who reaches the channel, all of them administrators. */
  readonly access?: ChannelAccess;
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
   * @throws TerminalError CHANNEL_REFUSED when it will never be taken, CHAT_UNREACHABLE when nothing for this chat will be (blocked, left, deleted)
   * @throws TransientError CHANNEL_UNAVAILABLE when it surely was not taken (with `retryAfterMs` and its `scope` when the platform said)
   * @throws AmbiguousError SEND_UNKNOWN when the call ended without an answer
   */
  readonly deliver: (request: DeliverRequest) => Promise<{ readonly platformId: string }>;
  /** Shows another content in place of a delivered one; "not modified" is success. Throws as `deliver`. Required where `limits.canEdit`. */
  readonly edit?: (request: EditRequest) => Promise<void>;
  /**
   * Opens a file of a received message by its `ref`, when somebody asks for it.
   * @throws TerminalError TOO_LARGE beyond `maxBytes`, CHANNEL_REFUSED when it is gone
   * @throws TransientError CHANNEL_UNAVAILABLE
   */
  readonly open?: (ref: string, options: { readonly maxBytes: number; readonly signal: AbortSignal }) => Promise<OpenedFile>;
  /**
   * Answers a request to `/webhooks/<name>`, given whole (at most 1 MiB) with its raw body; called only between `start` and `stop`.
   * 200 only once everything in it is stored or knowingly ignored; 503 when it could not be stored. Never throws for what a stranger sent.
   */
  readonly webhook?: (request: Request) => Promise<Response>;
  /** The address of a chat that has never written, as its key names it; undefined when the key does not say. */
  readonly addressOf?: (chat: ChatKey) => string | undefined;
  /** Shows "typing…" for some seconds where the platform can. Never throws. */
  readonly typing?: (address: string, signal: AbortSignal) => Promise<void>;
}
