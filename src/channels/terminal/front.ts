import type { ChatKey } from "../../core/chat-key.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Entries } from "./entries.ts";

export type TerminalInput = NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(mode: boolean): unknown };

/** Called when the output took a text, or with the error when it did not. */
export type Done = (error?: Error | null) => void;

/** One way to show a conversation and to hear a person: a prompt, or plain lines. */
export interface Front {
  readonly start: (host: ChannelHost) => void;
  /** Ends listening and gives the terminal back as it was; `show` and `reply` then write plain lines. */
  readonly stop: () => void;
  /** Complete lines, made harmless by the caller. */
  readonly show: (text: string, done?: Done) => void;
  /** A reply as it came, for any chat. */
  readonly reply: (chat: ChatKey, turnId: string, text: string, done: Done) => void;
  /** Something about the entries has changed. */
  readonly entriesChanged: () => void;
  /** The person has turned to another chat. */
  readonly switched?: () => void;
  /** The person has asked to leave. */
  readonly quit?: () => void;
  /** Resolves when the next entry may be offered. */
  readonly mayOffer?: (signal: AbortSignal) => Promise<void>;
}

/** What a front is given besides its streams. */
export interface FrontWays {
  readonly entries: Pick<Entries, "add" | "retry" | "waiting" | "isRefused">;
  readonly quit: () => void;
}
