/** What happens in one chat right now, as its stream tells: the state, and text of turns that are not delivered yet. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { EventLoop, StreamEvent } from "../../runtime/api.ts";

export interface ChatWatch {
  readonly state: () => { readonly state: string; readonly sinceMs: number } | undefined;
  /** Messages behind the one being answered, as far as known. */
  readonly behind: () => number;
  /** Text streamed so far and not delivered, oldest turn first. */
  readonly streamed: () => string;
  /** The turn's reply has been shown: its streamed text, also what is yet to come of it, is void. */
  readonly settle: (turnId: string) => void;
  /** Asks how many messages wait. */
  readonly count: () => void;
  readonly stop: () => void;
}

export interface ChatWatchOptions {
  readonly loop: Pick<EventLoop, "stream" | "chats">;
  readonly clock: Clock;
  readonly key: ChatKey;
  readonly changed: () => void;
  /** A turn was stopped after it had streamed this much, which nothing will replace. */
  readonly aborted: (text: string) => void;
}

interface Tail {
  readonly attempt: number;
  text: string;
  /** Place of `text` in all that the attempt has streamed. */
  start: number;
}

/** UTF-16 units kept of what a turn streams; the screen shows less. */
const TAIL_MAX = 64 * 1024;
const TAILS_MAX = 4;
const SETTLED_MAX = 32;
/** Wait before a stream that ended is opened again. */
const REOPEN_MS = 1_000;

/** States in which the chat has nothing to do. */
export function isAtRest(state: string | undefined): boolean {
  return state === undefined || state === "idle" || state === "passivated" || state === "quarantined";
}

export function watchChat({ loop, clock, key, changed, aborted }: ChatWatchOptions): ChatWatch {
  const abort = new AbortController();
  const tails = new Map<string, Tail>();
  const settled = new Set<string>();
  let state: { state: string; sinceMs: number } | undefined;
  let waiting = 0;
  let isCounting = false;
  let cancelReopen: CancelTimer = () => undefined;

  const take = (event: StreamEvent & { readonly type: "delta" }): void => {
    if (settled.has(event.turnId)) return;
    const known = tails.get(event.turnId);
    const tail = known && known.attempt === event.attempt ? known : { attempt: event.attempt, text: "", start: event.offset };
    const kept = event.offset - tail.start;
    if (kept >= 0 && kept <= tail.text.length) tail.text = tail.text.slice(0, kept) + event.text;
    else [tail.start, tail.text] = [event.offset, event.text];
    const surplus = tail.text.length - TAIL_MAX;
    if (surplus > 0) [tail.start, tail.text] = [tail.start + surplus, tail.text.slice(surplus)];
    tails.set(event.turnId, tail);
    for (const oldest of tails.keys()) {
      if (tails.size <= TAILS_MAX) break;
      tails.delete(oldest);
    }
  };

  const see = (event: StreamEvent): void => {
    switch (event.type) {
      case "delta":
        take(event);
        break;
      case "state":
        state = { state: event.state, sinceMs: event.since };
        count();
        break;
      case "turn": {
        const tail = tails.get(event.turnId);
        if (event.status === "done" || !tail) break;
        tails.delete(event.turnId);
        if (event.status === "aborted" && tail.text.trim() !== "") aborted(tail.text);
        break;
      }
      case "reply":
      case "reset":
        return;
    }
    changed();
  };

  const count = (): void => {
    if (isCounting || abort.signal.aborted) return;
    isCounting = true;
    loop
      .chats({ channel: key.slice(0, key.indexOf(":")), query: key }, { limit: 100 })
      .then(({ items }) => {
        waiting = items.find((item) => item.key === key)?.waiting ?? 0;
        changed();
      })
      .catch(() => undefined)
      .finally(() => {
        isCounting = false;
      });
  };

  const follow = async (): Promise<void> => {
    try {
      for await (const event of loop.stream(key, { signal: abort.signal })) {
        if (abort.signal.aborted) return;
        see(event);
      }
    } catch {
      // The loop says in its log what is wrong; here the stream is opened again.
    }
    if (abort.signal.aborted) return;
    tails.clear();
    cancelReopen = clock.setTimer(REOPEN_MS, () => void follow());
  };
  void follow();

  return {
    state: () => state,
    behind: () => Math.max(0, waiting - (state && !isAtRest(state.state) && state.state !== "queued" ? 1 : 0)),
    streamed: () => [...tails.values()].map(({ text }) => text).join("\n"),
    settle: (turnId) => {
      tails.delete(turnId);
      settled.add(turnId);
      for (const oldest of settled) {
        if (settled.size <= SETTLED_MAX) break;
        settled.delete(oldest);
      }
      changed();
    },
    count,
    stop: () => {
      abort.abort();
      cancelReopen();
    },
  };
}
