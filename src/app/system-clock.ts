import { performance } from "node:perf_hooks";
import type { Clock } from "../ports/clock.ts";

/** Longest delay that the host's timers take; longer ones would fire at once. */
const HOST_DELAY_MAX_MS = 2 ** 31 - 1;

/**
 * The host's time. Timers never fire early: the host counts from the start of its loop iteration and rounds, so a timer that wakes
 * before its instant is set again for what is left; the same makes delays of any length work.
 */
export function createSystemClock(): Clock {
  const monotonic = (): number => performance.now();
  return {
    now: () => Date.now(),
    monotonic,
    setTimer: (delayMs, wake) => {
      const dueMs = monotonic() + Math.max(0, delayMs);
      let handle: NodeJS.Timeout | undefined;
      const arm = (): void => {
        handle = setTimeout(fire, Math.min(HOST_DELAY_MAX_MS, Math.ceil(dueMs - monotonic())));
      };
      const fire = (): void => {
        if (monotonic() < dueMs) return arm();
        handle = undefined;
        wake();
      };
      arm();
      return () => clearTimeout(handle);
    },
    soon: (run) => void setImmediate(run),
  };
}
