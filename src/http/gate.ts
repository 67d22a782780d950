import { TransientError } from "../core/errors.ts";

/** Lets a number of pieces of work run at once and the rest wait, first come first served. */
export interface Gate {
  /** @throws TransientError NOT_READY when too many wait */
  readonly pass: <T>(work: () => Promise<T>) => Promise<T>;
}

export function createGate({ runningMax, waitingMax }: { readonly runningMax: number; readonly waitingMax: number }): Gate {
  let running = 0;
  const waiting = new Set<() => void>();
  const leave = (): void => {
    const [next] = waiting;
    if (next) {
      waiting.delete(next);
      next();
    } else running -= 1;
  };
  const enter = (): Promise<void> | undefined => {
    if (running < runningMax) {
      running += 1;
      return undefined;
    }
    if (waiting.size >= waitingMax)
      throw new TransientError("NOT_READY", "too many requests at once; send it again", { retryAfterMs: 1_000 });
    return new Promise((resolve) => {
      waiting.add(resolve);
    });
  };
  return {
    pass: async (work) => {
      await enter();
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
