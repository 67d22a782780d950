/**
 * The way into the store. Without hooks a call applies at once and resolves a microtask later. With hooks it waits before and after it
 * applies, and calls that share a lane (a chat, a job, a cell) still apply and resolve in the order in which they were issued.
 */
import { TransientError } from "../../core/errors.ts";

export interface Hooks {
  /** Awaited before a call applies; when it throws, the call rejects with that and nothing was applied. */
  readonly before?: (call: string) => void | Promise<void>;
  /** Awaited after a call has applied and before it resolves. */
  readonly after?: (call: string) => void | Promise<void>;
}

export interface Calls {
  readonly run: <T>(name: string, lanesOf: () => readonly string[], apply: () => T) => Promise<T>;
  readonly open: () => void;
  /** Refuses further calls; resolves when those under way have. */
  readonly close: () => Promise<void>;
  /** Calls under way never resolve, nor apply if they have not; further ones neither, until `open`. */
  readonly crash: () => void;
}

export function createCalls(hooks: Hooks): Calls {
  let phase: "closed" | "open" | "crashed" = "closed";
  /** Rises with each crash: a call of an earlier one is dead. */
  let life = 0;
  let underWay = 0;
  let closing: (() => void)[] = [];
  /** The last call issued in each lane. */
  const lanes = new Map<string, Promise<void>>();

  const ended = (): void => {
    underWay -= 1;
    if (underWay > 0) return;
    for (const resolve of closing) resolve();
    closing = [];
  };

  const runPlain = <T>(apply: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      const born = life;
      let settle: () => void;
      try {
        const result = apply();
        settle = () => resolve(result);
      } catch (error) {
        settle = () => reject(error);
      }
      queueMicrotask(() => {
        if (life !== born) return;
        ended();
        settle();
      });
    });

  const enter = (names: ReadonlySet<string>): { readonly earlier: readonly Promise<void>[]; readonly leave: () => void } => {
    const earlier = [...names].flatMap((name) => lanes.get(name) ?? []);
    let leave = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      leave = resolve;
    });
    for (const name of names) lanes.set(name, done);
    return {
      earlier,
      leave: () => {
        for (const name of names) if (lanes.get(name) === done) lanes.delete(name);
        leave();
      },
    };
  };

  const runHooked = async <T>(name: string, lanesOf: () => readonly string[], apply: () => T): Promise<T> => {
    const born = life;
    const { earlier, leave } = enter(new Set(lanesOf()));
    try {
      for (const call of earlier) await call;
      await hooks.before?.(name);
      if (life !== born) return await never();
      const result = apply();
      await hooks.after?.(name);
      return life === born ? result : await never();
    } catch (error) {
      if (life !== born) return await never();
      throw error;
    } finally {
      if (life === born) {
        leave();
        ended();
      }
    }
  };

  return {
    run: (name, lanesOf, apply) => {
      if (phase === "crashed") return never();
      if (phase === "closed") return Promise.reject(new TransientError("STORE_UNAVAILABLE", "the store is not open; start it first"));
      underWay += 1;
      return hooks.before || hooks.after ? runHooked(name, lanesOf, apply) : runPlain(apply);
    },
    open: () => {
      phase = "open";
    },
    close: async () => {
      if (phase === "crashed") return;
      phase = "closed";
      if (underWay > 0) await new Promise<void>((resolve) => void closing.push(resolve));
    },
    crash: () => {
      phase = "crashed";
      life += 1;
      underWay = 0;
      closing = [];
      lanes.clear();
    },
  };
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
