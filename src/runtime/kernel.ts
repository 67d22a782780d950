import type { Limits } from "../core/limits.ts";
import type { Agent } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store/store.ts";
import type { SchedulingQueue } from "./scheduler.ts";
import type { StreamHub } from "./stream-hub.ts";
import type { TurnQueue } from "./turn-queue.ts";

/** What every part of the runtime stands on. */
export interface Kernel {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits: Limits;
  readonly agent: Agent;
  readonly queue: SchedulingQueue;
  readonly turnQueue: TurnQueue;
  readonly hub: StreamHub;
  /** Aborted when the runtime has stopped: ends every retry loop. */
  readonly closed: AbortSignal;
}

/** Stored timers and job instants nearer than this are in the heap; the rest are read when their time comes near. */
export const TIMER_HORIZON_MS = 60_000;

/** Resolves after `delayMs`, or at once when the runtime stops. */
export function pause(kernel: Pick<Kernel, "clock" | "closed">, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (kernel.closed.aborted) return resolve();
    const done = (): void => {
      cancel();
      kernel.closed.removeEventListener("abort", done);
      resolve();
    };
    const cancel = kernel.clock.setTimer(delayMs, done);
    kernel.closed.addEventListener("abort", done, { once: true });
  });
}
