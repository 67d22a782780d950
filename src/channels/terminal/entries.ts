/**
 * What a person entered, on its way to the store: one message after the other, each offered under the same id until it is stored. The
 * platform here is this process, so what is not stored is kept and told, never dropped in silence.
 */
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent } from "../../core/content.ts";
import { noteOf, TransientError } from "../../core/errors.ts";
import type { AcceptOutcome, ChannelHost } from "../../ports/channel.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";

export interface Entry {
  readonly chat: ChatKey;
  readonly address: string;
  readonly text: string;
  readonly externalId: string;
}

export interface EntryWatch {
  /** Intake has answered; anything but `accepted` says why the message is not in the chat. */
  readonly ended: (entry: Entry, outcome: AcceptOutcome) => void;
  /** Not stored; tried again after the delay, or at once by `retry`. */
  readonly refused: (entry: Entry, why: string, delayMs: number) => void;
  /** Resolves when the chat can take one more; asked before each offer. */
  readonly mayOffer?: (signal: AbortSignal) => Promise<void>;
}

export interface Entries {
  /** False when too many wait already: nothing was taken. */
  readonly add: (chat: ChatKey, address: string, text: string) => boolean;
  /** Ends a wait between two tries. */
  readonly retry: () => void;
  readonly start: (host: ChannelHost) => void;
  /** Resolves when no offer is under way, at the latest after 10 s; what is not stored waits for the next start. */
  readonly stop: () => Promise<void>;
  /** Not yet stored, in order. */
  readonly waiting: () => readonly Entry[];
  /** True while the first one waits for another try. */
  readonly isRefused: () => boolean;
  /** Answered by intake since the channel was made. */
  readonly endedCount: () => number;
}

/** Messages that wait for the store; more are refused at the prompt. */
export const ENTRIES_MAX = 100;
const RETRY_MS = { default: 1_000, max: 30_000 } as const;
/** Longest that `stop` waits for a commit under way. */
const STOP_MS_MAX = 10_000;

export function createEntries(options: { readonly clock: Clock; readonly session: string; readonly watch: EntryWatch }): Entries {
  const { clock, session, watch } = options;
  const queue: Entry[] = [];
  let count = 0;
  let ended = 0;
  let isRefused = false;
  let life: { readonly host: ChannelHost; readonly abort: AbortController; work: Promise<void> | undefined } | undefined;
  let cancelPause: (() => void) | undefined;

  const pause = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      let cancel: CancelTimer = () => undefined;
      const end = (): void => {
        cancel();
        cancelPause = undefined;
        resolve();
      };
      cancel = clock.setTimer(delayMs, end);
      cancelPause = end;
    });

  const offer = async (host: ChannelHost, entry: Entry): Promise<void> => {
    const { chat, address, text, externalId } = entry;
    try {
      const [outcome = "accepted"] = await host.accept([
        { chat, address, externalId, content: textContent(text), sender: { id: "terminal" }, isPrivate: true },
      ]);
      queue.shift();
      ended += 1;
      isRefused = false;
      watch.ended(entry, outcome);
    } catch (error) {
      const delayMs = Math.min(RETRY_MS.max, (error instanceof TransientError ? error.retryAfterMs : undefined) ?? RETRY_MS.default);
      isRefused = true;
      watch.refused(entry, noteOf(error).message, delayMs);
      if (!life?.abort.signal.aborted) await pause(delayMs);
    }
  };

  const work = async (host: ChannelHost, signal: AbortSignal): Promise<void> => {
    for (let entry = queue[0]; entry && !signal.aborted; entry = queue[0]) {
      await watch.mayOffer?.(signal);
      if (signal.aborted) return;
      host.report({ type: "traffic.seen" });
      await offer(host, entry);
    }
  };

  const wake = (): void => {
    const mine = life;
    if (!mine || mine.work || mine.abort.signal.aborted || queue.length === 0) return;
    mine.work = work(mine.host, mine.abort.signal).finally(() => {
      mine.work = undefined;
      wake();
    });
  };

  return {
    add: (chat, address, text) => {
      if (queue.length >= ENTRIES_MAX) return false;
      count += 1;
      queue.push({ chat, address, text, externalId: `${session}-${count}` });
      wake();
      return true;
    },
    retry: () => cancelPause?.(),
    start: (host) => {
      life = { host, abort: new AbortController(), work: undefined };
      wake();
    },
    stop: async () => {
      const mine = life;
      if (!mine) return;
      mine.abort.abort();
      cancelPause?.();
      let cancel: CancelTimer = () => undefined;
      const tooLong = new Promise<void>((resolve) => {
        cancel = clock.setTimer(STOP_MS_MAX, resolve);
      });
      await Promise.race([mine.work, tooLong]);
      cancel();
      if (life === mine) life = undefined;
    },
    waiting: () => queue,
    isRefused: () => isRefused,
    endedCount: () => ended,
  };
}
