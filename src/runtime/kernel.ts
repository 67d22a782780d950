import { backoffMs } from "../core/backoff.ts";
import { RuntimeError } from "../core/errors.ts";
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
  /** An answer of the store was lost: chats are compared with their rows shortly, beside normal work. */
  readonly lookSoon: () => void;
  /** Aborted when the runtime has stopped: ends every retry loop. */
  readonly closed: AbortSignal;
}

/** Stored timers and job instants nearer than this are in the heap; the rest are read when their time comes near. */
export const TIMER_HORIZON_MS = 60_000;

const STORE_BACKOFF = { baseMs: 50, maxMs: 2_000 };

/**
 * Asks a store that cannot commit now again until it can or the runtime stops (then undefined): for what is in memory only.
 * A call that failed may have been committed all the same, its answer lost: `look` finds what it came to before it is repeated.
 * Any other error is the caller's.
 */
export async function untilStored<T>(
  kernel: Pick<Kernel, "clock" | "closed" | "log" | "random" | "lookSoon">,
  facts: object,
  attempt: () => Promise<T>,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  for (let failures = 1; !kernel.closed.aborted; failures += 1) {
    try {
      return (failures > 1 ? await look() : undefined) ?? (await attempt());
    } catch (error) {
      if (!(error instanceof RuntimeError && error.code === "STORE_UNAVAILABLE")) throw error;
      kernel.lookSoon();
      kernel.log.error({ ...facts, failures, err: error }, "the store cannot commit; trying again");
      await pause(kernel, backoffMs(STORE_BACKOFF, failures, kernel.random.next()));
    }
  }
  return undefined;
}

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
