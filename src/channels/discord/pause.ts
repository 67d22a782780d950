import type { Clock } from "../../ports/clock.ts";

/** Longest delay that one timer takes. */
const TIMER_MS_MAX = 2_147_483_647;

/** Resolves after `delayMs` (any size), or at once when the signal aborts. Never rejects. */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = delayMs; leftMs > 0 && !signal.aborted; leftMs -= TIMER_MS_MAX) {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = clock.setTimer(Math.min(leftMs, TIMER_MS_MAX), end);
      signal.addEventListener("abort", end, { once: true });
    });
  }
}

/** Resolves to true when `work` settles within `limitMs`, to false otherwise; the work is not ended by it. */
export function settlesWithin(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.setTimer(limitMs, () => resolve(false));
    const settled = (): void => {
      cancel();
      resolve(true);
    };
    work.then(settled, settled);
  });
}
