import type { Clock } from "../ports/clock.ts";

export interface VirtualClock extends Clock {
  /** Runs everything due until `ms` from now has passed, in order; between two timers all promises that can settle do. */
  readonly advance: (ms: number) => Promise<void>;
  /** Runs the next timer or `soon` call, at its time; false when nothing is pending. */
  readonly runNext: () => boolean;
  /** Steps the wall clock without letting time pass (a set system clock). */
  readonly step: (ms: number) => void;
  readonly pending: () => number;
  /** Milliseconds until the next timer; undefined when none is set. */
  readonly nextInMs: () => number | undefined;
  /** Forgets all timers, as the end of a process does. */
  readonly clear: () => void;
}

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Turns of the promise queue that let a chain of awaits settle between two timers. */
const SETTLE_TURNS = 200;

/**
 * Time that passes only when told to. `choose` picks among the timers due at the same instant (index below its argument); first in,
 * first out without it.
 */
export function createVirtualClock(options: { readonly startMs?: number; readonly choose?: (count: number) => number } = {}): VirtualClock {
  let elapsedMs = 0;
  let offsetMs = options.startMs ?? Date.UTC(2026, 0, 1);
  let order = 0;
  const pending = new Set<Pending>();

  const add = (delayMs: number, run: () => void): (() => void) => {
    const entry: Pending = { atMs: elapsedMs + Math.max(0, delayMs), order: order++, run };
    pending.add(entry);
    return () => void pending.delete(entry);
  };

  const next = (): Pending | undefined => {
    let atMs = Number.POSITIVE_INFINITY;
    for (const entry of pending) if (entry.atMs < atMs) atMs = entry.atMs;
    const due = [...pending].filter((entry) => entry.atMs === atMs).sort((a, b) => a.order - b.order);
    return due[due.length > 1 && options.choose ? options.choose(due.length) : 0];
  };

  const runEntry = (entry: Pending): void => {
    pending.delete(entry);
    elapsedMs = Math.max(elapsedMs, entry.atMs);
    entry.run();
  };

  return {
    now: () => offsetMs + elapsedMs,
    monotonic: () => elapsedMs,
    setTimer: add,
    soon: (run) => void add(0, run),
    advance: async (ms) => {
      const untilMs = elapsedMs + ms;
      await settle();
      for (let entry = next(); entry && entry.atMs <= untilMs; entry = next()) {
        runEntry(entry);
        await settle();
      }
      elapsedMs = untilMs;
    },
    runNext: () => {
      const entry = next();
      if (entry) runEntry(entry);
      return entry !== undefined;
    },
    step: (ms) => {
      offsetMs += ms;
    },
    pending: () => pending.size,
    nextInMs: () => {
      const entry = next();
      return entry && Math.max(0, entry.atMs - elapsedMs);
    },
    clear: () => pending.clear(),
  };
}

/** Lets promises settle without letting time pass. */
export async function settle(turns = SETTLE_TURNS): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
}
