import { noteOf, TransientError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { pause } from "./pause.ts";

/** Bounds of the wait before something that could not be stored is tried again. */
const STORE_RETRY_MS = { min: 50, default: 1_000, max: 30_000 } as const;

export interface StoreContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly name: string;
  readonly log: Log | undefined;
}

/** Repeats a store call until it succeeds; undefined when the channel stops first. */
export async function untilStored<T>(
  { clock, signal, name, log }: StoreContext,
  what: string,
  store: () => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      return { value: await store() };
    } catch (error) {
      if (signal.aborted) return undefined;
      const asked = (error instanceof TransientError ? error.retryAfterMs : undefined) ?? STORE_RETRY_MS.default;
      const delayMs = Math.min(STORE_RETRY_MS.max, Math.max(STORE_RETRY_MS.min, asked));
      // Once, not with each try of each chat: an outage would fill the log.
      log?.[isFirst ? "warn" : "debug"]({ channel: name, what, delayMs, error: noteOf(error) }, "not stored; it is kept and tried again");
      await pause(clock, delayMs, signal);
      if (signal.aborted) return undefined;
    }
  }
}
