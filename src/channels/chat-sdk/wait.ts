/** Waits that end: by the work itself, by time, or because somebody wants no more. None leaves anything behind on what it waited for. */
import { TransientError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";

/** Calls `end` once, at once when it is over already; returns what takes it back. */
export type Listen = (end: () => void) => () => void;

/** The end of a connection, that many may wait for. (An AbortSignal warns of more than ten.) */
export interface Ending {
  readonly isOver: () => boolean;
  readonly listen: Listen;
  readonly end: () => void;
}

export function createEnding(): Ending {
  const ends = new Set<() => void>();
  let isOver = false;
  return {
    isOver: () => isOver,
    listen: (end) => {
      if (isOver) end();
      else ends.add(end);
      return () => ends.delete(end);
    },
    end: () => {
      isOver = true;
      for (const end of ends) end();
      ends.clear();
    },
  };
}

export function listenTo(signal: AbortSignal): Listen {
  return (end) => {
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
    return () => signal.removeEventListener("abort", end);
  };
}

/** The work's outcome, or `error` as soon as it is over; the work is not ended by it. */
export function unless<T>(listen: Listen, error: () => Error, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const off = listen(() => reject(error()));
    work.then(resolve, reject).finally(off);
  });
}

/** Resolves after `delayMs`, or at once when it is over. Never rejects. */
export function pause(clock: Pick<Clock, "setTimer">, delayMs: number, { listen }: Ending): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.setTimer(delayMs, () => {
      off();
      resolve();
    });
    const off = listen(() => {
      cancel();
      resolve();
    });
  });
}

/**
 * The work's outcome, or a failure once `limitMs` have passed; the work is not ended by it.
 * @throws TransientError CHANNEL_UNAVAILABLE naming `what`, when the time is over
 */
export function within<T>(clock: Pick<Clock, "setTimer">, limitMs: number, what: string, work: Promise<T>): Promise<T> {
  const listen: Listen = (end) => clock.setTimer(limitMs, end);
  return unless(listen, () => new TransientError("CHANNEL_UNAVAILABLE", `${what} took longer than ${limitMs} ms; it is tried again`), work);
}
