import { TransientError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";

/** Resolves after `delayMs`, or at once when the signal aborts. Never rejects. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.setTimer(delayMs, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

/**
 * The work's outcome, or a failure once `limitMs` have passed; the work is not ended by it.
 * @throws TransientError CHANNEL_UNAVAILABLE naming `what`, when the time is over
 */
export async function within<T>(clock: Clock, limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let cancel = (): void => undefined;
  const limit = new Promise<never>((_, reject) => {
    cancel = clock.setTimer(limitMs, () => {
      reject(new TransientError("CHANNEL_UNAVAILABLE", `${what} took longer than ${limitMs} ms; it is tried again`));
    });
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    cancel();
  }
}
