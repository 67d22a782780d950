import type { ChatKey } from "../core/chat-key.ts";
import type { Content, FilePart } from "../core/content.ts";
import type { TurnClass } from "../core/turn-class.ts";
import type { OpenedFile } from "./channel.ts";
import type { HistoryEntry, Sender } from "./store/records.ts";

/** One message of a turn. `skipped` is set on those that an overlap policy merged into a later one. */
export interface TurnMessage {
  readonly seq: number;
  readonly content: Content;
  readonly text: string;
  readonly sender: Sender | undefined;
  readonly receivedAtMs: number;
  readonly skipped: boolean;
}

/** What an agent is asked to answer. */
export interface Turn {
  readonly chat: ChatKey;
  /** Stable over attempts: an idempotency key for effects of the agent's own. */
  readonly turnId: string;
  /** 1 for the first attempt; rises with each start of this turn. */
  readonly attempt: number;
  readonly trigger: TurnClass;
  readonly messages: readonly TurnMessage[];
  /** The last `limit` (default 100) entries of the conversation before this turn, oldest first. */
  readonly history: (limit?: number) => Promise<readonly HistoryEntry[]>;
  /**
   * Runs `fn` once per turn and key: its JSON-safe result is journaled under the turn's fence, and a re-run gets the journaled result.
   * A crash between the effect of `fn` and its journal entry runs it again.
   * @throws RuntimeError FENCED when another attempt has taken over
   */
  readonly step: <T>(key: string, fn: () => T | Promise<T>) => Promise<T>;
  /**
   * Opens a file of one of the messages, from its platform: nothing is read before. `maxBytes` is 20 MiB by default.
   * @throws TerminalError TOO_LARGE, CHANNEL_REFUSED when it is gone @throws TransientError CHANNEL_UNAVAILABLE
   */
  readonly open: (file: FilePart, options?: { readonly maxBytes?: number }) => Promise<OpenedFile>;
}

/** Tools given to the agent by name. None exist yet; the shape is fixed so that agents can be written against it. */
export type Tools = Readonly<Record<string, (input: unknown) => Promise<unknown>>>;

export interface AgentContext {
  /** Aborted on /stop, timeout and drain; an agent that ignores it is abandoned under a raised fence. */
  readonly signal: AbortSignal;
  readonly tools: Tools;
}

/**
 * Answers a turn: yields text deltas (joined into one reply) and whole contents (a reply of their own).
 * What it yields reaches the person only with the turn's commit; until then it is streamed as a draft.
 * Throw TerminalError to give up at once; anything else is retried until `maxAttempts`.
 */
export type Agent = (turn: Turn, context: AgentContext) => AsyncIterable<string | Content>;
