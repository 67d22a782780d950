/**
 * How many jobs run at once, and how fast what was missed catches up. A job holds one slot from its claim to the end of its runs; all others
 * that are due wait here, and cost no row and no turn. What is on time goes first come, first served; what was missed is let in at a pace,
 * so that a long night does not become one big morning.
 */
import type { Kernel } from "../kernel.ts";

export interface JobSlots {
  /** Calls `grant(id)` when it is its turn, never from inside this call. Who holds one is granted it again. */
  readonly request: (id: string, isCatchUp: boolean) => void;
  /** Gives back the slot or the request; nothing when it has none. */
  readonly release: (id: string) => void;
  readonly facts: () => { readonly running: number; readonly waiting: number; readonly catchingUp: number };
}

const CREDIT_MS = 50;

export function createJobSlots(
  { clock, closed }: Pick<Kernel, "clock" | "closed">,
  options: {
    /** Asked each time: both may change. */
    readonly slots: () => number;
    readonly catchUpPerSecond: () => number;
    readonly grant: (id: string) => void;
  },
): JobSlots {
  const { slots, catchUpPerSecond, grant } = options;
  const running = new Set<string>();
  const onTime = new Set<string>();
  const missed = new Set<string>();
  let mayCatchUpMs = Number.NEGATIVE_INFINITY;
  let isTimed = false;
  let isPumping = false;

  const take = (waiting: Set<string>): string | undefined => {
    const [id] = waiting;
    if (id !== undefined) waiting.delete(id);
    return id;
  };

  const next = (): string | undefined => {
    const nowMs = clock.monotonic();
    if (missed.size > 0 && nowMs >= mayCatchUpMs) {
      // Time that nobody used is not saved up, but for what a timer came late.
      mayCatchUpMs = (mayCatchUpMs < nowMs - CREDIT_MS ? nowMs : mayCatchUpMs) + 1_000 / catchUpPerSecond();
      return take(missed);
    }
    return take(onTime);
  };

  const pump = (): void => {
    if (isPumping || closed.aborted) return;
    isPumping = true;
    queueMicrotask(() => {
      isPumping = false;
      const granted: string[] = [];
      for (let id = running.size < slots() ? next() : undefined; id !== undefined; id = running.size < slots() ? next() : undefined) {
        running.add(id);
        granted.push(id);
      }
      if (missed.size > 0 && running.size < slots()) wakeLater();
      for (const id of granted) if (running.has(id)) grant(id);
    });
  };

  const wakeLater = (): void => {
    if (isTimed) return;
    isTimed = true;
    clock.setTimer(Math.max(1, Math.ceil(mayCatchUpMs - clock.monotonic())), () => {
      isTimed = false;
      pump();
    });
  };

  return {
    request: (id, isCatchUp) => {
      if (running.has(id)) return queueMicrotask(() => running.has(id) && grant(id));
      (isCatchUp ? onTime : missed).delete(id);
      (isCatchUp ? missed : onTime).add(id);
      pump();
    },
    release: (id) => {
      onTime.delete(id);
      missed.delete(id);
      if (running.delete(id)) pump();
    },
    facts: () => ({ running: running.size, waiting: onTime.size + missed.size, catchingUp: missed.size }),
  };
}
