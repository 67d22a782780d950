/** The world as one process sees it: its timers and its calls to the store end with it. */
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store/store.ts";

export interface MortalClock extends Clock {
  readonly isDead: () => boolean;
  /** Timers that have neither run nor been cancelled. */
  readonly pending: () => number;
  /** The process ends: nothing of it runs any more. */
  readonly clear: () => void;
}

/** The world's clock for one process. */
export function mortalClock(world: Clock): MortalClock {
  const pending = new Set<() => void>();
  let isDead = false;
  const add = (delayMs: number, run: () => void): (() => void) => {
    if (isDead) return () => undefined;
    const cancel = world.setTimer(delayMs, () => {
      pending.delete(cancel);
      run();
    });
    pending.add(cancel);
    return () => {
      pending.delete(cancel);
      cancel();
    };
  };
  return {
    now: world.now,
    monotonic: world.monotonic,
    setTimer: add,
    soon: (run) => void add(0, run),
    isDead: () => isDead,
    pending: () => pending.size,
    clear: () => {
      isDead = true;
      for (const cancel of pending) cancel();
      pending.clear();
    },
  };
}

/** The store as one process sees it: what the process asks after its end is never heard, and it hears no answer. */
export function mortalStore(store: Store, isDead: () => boolean): Store {
  const never = new Promise<never>(() => undefined);
  const mortal =
    (call: (...args: unknown[]) => Promise<unknown>) =>
    async (...args: unknown[]) => {
      if (isDead()) return never;
      try {
        const value = await call(...args);
        return isDead() ? never : value;
      } catch (error) {
        if (isDead()) return never;
        throw error;
      }
    };
  const wrap = (module: object): object =>
    Object.fromEntries(
      Object.entries(module).map(([name, member]) => {
        if (typeof member === "function") return [name, mortal(member as (...args: unknown[]) => Promise<unknown>)];
        return [name, typeof member === "object" && member !== null ? wrap(member as object) : (member as unknown)];
      }),
    );
  return wrap(store) as Store;
}
