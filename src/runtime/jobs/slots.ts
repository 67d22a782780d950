/**
 * How many jobs run at once, how fast they begin, and how fast what was missed catches up. A job holds one slot from its claim to the end
 * of its runs; all others that are due wait here, and cost no row and no turn. A few begin at once, and none while the event loop is behind
 * with its work: a hundred thousand jobs of one second take their time, and people theirs. What was missed is let in at a pace,
 * so that a long night does not become one big morning.
 */
import type { Kernel } from "../kernel.ts";

export interface JobSlots {
  /** Calls `grant(id)` when it is its turn, never from inside this call. Who holds one is granted it again. */
  readonly request: (id: string, isCatchUp: boolean) => void;
  /** What the grant was for has been claimed, or not: the next may begin. */
  readonly begun: (id: string) => void;
  /** Gives back the slot or the request; nothing when it has none. */
  readonly release: (id: string) => void;
  readonly facts: () => { readonly running: number; readonly waiting: number; readonly catchingUp: number };
}

/** By so much a timer may come late without the pace of the catch-up falling behind. */
const CREDIT_MS = 50;
/** The event loop is behind when it takes longer to come round; then it gets twice that time for others. */
const BEHIND_MS = 2;
const REST_MAX_MS = 200;
/** Claims on their way to the store at once: they share its commits. */
const BEGINNING_MAX = 4;

export function createJobSlots(
  { clock, closed }: Pick<Kernel, "clock" | "closed">,
  options: {
    /** Both may change while it runs. */
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
  /** They were granted their slots and have not begun. */
  const beginning = new Set<string>();
  /** The loop has to come round before the next. */
  let isResting = false;
  let isPumping = false;
  let isTimed = false;

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
      if (beginning.size >= BEGINNING_MAX || isResting || running.size >= slots()) return;
      const id = next();
      if (id === undefined) return wakeForMissed();
      running.add(id);
      beginning.add(id);
      if (onTime.size + missed.size > 0) rest();
      grant(id);
    });
  };

  const wakeForMissed = (): void => {
    if (isTimed || missed.size === 0) return;
    isTimed = true;
    clock.setTimer(Math.max(1, Math.ceil(mayCatchUpMs - clock.monotonic())), () => {
      isTimed = false;
      pump();
    });
  };

  const begun = (id: string): void => {
    if (beginning.delete(id)) pump();
  };

  const rest = (): void => {
    if (isResting) return;
    isResting = true;
    const over = (): void => {
      isResting = false;
      pump();
    };
    const fromMs = clock.monotonic();
    clock.soon(() => {
      const tookMs = clock.monotonic() - fromMs;
      if (tookMs < BEHIND_MS) over();
      else clock.setTimer(Math.min(REST_MAX_MS, 2 * tookMs), over);
    });
  };

  return {
    request: (id, isCatchUp) => {
      if (running.has(id)) return queueMicrotask(() => running.has(id) && grant(id));
      (isCatchUp ? onTime : missed).delete(id);
      (isCatchUp ? missed : onTime).add(id);
      pump();
    },
    begun,
    release: (id) => {
      onTime.delete(id);
      missed.delete(id);
      begun(id);
      if (running.delete(id)) pump();
    },
    facts: () => ({ running: running.size, waiting: onTime.size + missed.size, catchingUp: missed.size }),
  };
}
