import { monitorEventLoopDelay } from "node:perf_hooks";
import type { CancelTimer, Clock } from "../ports/clock.ts";

/** Time between two samples; what the histogram records on top of it is the delay. */
const RESOLUTION_MS = 10;
const WINDOW_MS = 10_000;

/** How late the main loop is, in milliseconds. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  /** The longest of the window. */
  readonly current: number;
}

export interface LoopDelayMeter {
  /** Over the window of the last 10 s that has ended, or since the start when none has; `current` also counts the window under way. */
  readonly read: () => LoopDelay;
  readonly stop: () => void;
}

/** Measures by a timer of its own in the host, about 100 times a second. Its window timer keeps the process alive until `stop`. */
export function createLoopDelayMeter(clock: Clock): LoopDelayMeter {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const late = (nanoseconds: number): number => Math.max(0, Math.round((nanoseconds / 1e6 - RESOLUTION_MS) * 100) / 100);
  const measure = (): LoopDelay =>
    histogram.count === 0
      ? { p50: 0, p99: 0, current: 0 }
      : { p50: late(histogram.percentile(50)), p99: late(histogram.percentile(99)), current: late(histogram.max) };
  let last: LoopDelay | undefined;
  let cancel: CancelTimer | undefined;
  const turnWindow = (): void => {
    cancel = clock.setTimer(WINDOW_MS, () => {
      last = measure();
      histogram.reset();
      turnWindow();
    });
  };
  histogram.enable();
  turnWindow();
  return {
    read: () => {
      const live = measure();
      return last === undefined ? live : { p50: last.p50, p99: last.p99, current: Math.max(last.current, live.current) };
    },
    stop: () => {
      histogram.disable();
      cancel?.();
    },
  };
}
