import { setImmediate, setTimeout, clearTimeout } from "node:timers";
import type { Clock } from "../../src/ports/clock.ts";

/** The system's time: these tests talk to real sockets. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (delayMs, wake) => {
    const timer = setTimeout(wake, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (run) => {
    setImmediate(run);
  },
};

export interface HeldClock extends Clock {
  /** Delays of the timers that wait, in order of their setting. */
  readonly pending: () => readonly number[];
  /** Resolves once a timer of exactly this delay waits. */
  readonly untilPending: (delayMs: number) => Promise<void>;
  /** Fires every timer that is due after the time has passed. */
  readonly pass: (ms: number) => void;
}

/** Time that stands still until it is told to pass. */
export function createHeldClock(): HeldClock {
  let nowMs = 1_700_000_000_000;
  const timers = new Set<{ readonly dueMs: number; readonly delayMs: number; readonly wake: () => void }>();
  const waiters = new Set<{ readonly delayMs: number; readonly resolve: () => void }>();
  const isPending = (delayMs: number): boolean => [...timers].some((timer) => timer.delayMs === delayMs);
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    setTimer: (delayMs, wake) => {
      const timer = { dueMs: nowMs + delayMs, delayMs, wake };
      timers.add(timer);
      for (const waiter of waiters) {
        if (waiter.delayMs !== delayMs) continue;
        waiters.delete(waiter);
        waiter.resolve();
      }
      return () => timers.delete(timer);
    },
    soon: (run) => {
      setImmediate(run);
    },
    pending: () => [...timers].map((timer) => timer.delayMs),
    untilPending: (delayMs) =>
      isPending(delayMs)
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ delayMs, resolve });
          }),
    pass: (ms) => {
      nowMs += ms;
      for (const timer of [...timers].sort((a, b) => a.dueMs - b.dueMs)) {
        if (timer.dueMs <= nowMs && timers.delete(timer)) timer.wake();
      }
    },
  };
}
