/**
 * How many jobs run at once, how fast they begin, and how fast what was missed catches up. A job holds one slot from its claim to the end
 * of its runs; all others that are due wait here, and cost no row and no turn. While people write, they begin one after the other, with as
 * much time in between as each took; at other times a few begin at once; and none while the event loop is behind with its work: a hundred thousand jobs of one second take their time, and people theirs. What was missed is let in at a pace,
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
/** Claims on their way to the store at once while nobody writes: they share its commits. */
const BEGINNING_MAX = 4;

export function createJobSlots(
  { clock, closed }: Pick<Kernel, "clock" | "closed">,
  options: {
    /** Both may change while it runs. */
    readonly slots: () => number;
    readonly catchUpPerSecond: () => number;
    /** Nobody has written for a while. */
    readonly isQuiet: () => boolean;
    readonly grant: (id: string) => void;
  },
): JobSlots {
  const { slots, catchUpPerSecond, isQuiet, grant } = options;
  const running = new Set<string>();
  const onTime = new Set<string>();
  const missed = new Set<string>();
  let mayCatchUpMs = Number.NEGATIVE_INFINITY;
  /** They were granted their slots and have not begun; since when. */
  const beginning = new Map<string, number>();
  /** The loop has to come round before the next. */
  let isResting = false;
  let restMs = 0;
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
      if (beginning.size >= (isQuiet() ? BEGINNING_MAX : 1) || isResting || running.size >= slots()) return;
      const id = next();
      if (id === undefined) return wakeForMissed();
      running.add(id);
      beginning.set(id, clock.monotonic());
      grant(id);
      if (onTime.size + missed.size > 0) rest(0);
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
    const fromMs = beginning.get(id);
    if (fromMs === undefined) return;
    beginning.delete(id);
    if (isQuiet() || onTime.size + missed.size === 0) pump();
    else rest(clock.monotonic() - fromMs);
  };

  /** The next begins once the loop has come round, and not before `atLeastMs`. */
  const rest = (atLeastMs: number): void => {
    restMs = Math.max(restMs, atLeastMs);
    if (isResting) return;
    isResting = true;
    const over = (): void => {
      isResting = false;
      pump();
    };
    const fromMs = clock.monotonic();
    clock.soon(() => {
      const tookMs = clock.monotonic() - fromMs;
      const waitMs = Math.min(REST_MAX_MS, Math.max(restMs, tookMs < BEHIND_MS ? 0 : 2 * tookMs));
      restMs = 0;
      if (waitMs < 1) over();
      else clock.setTimer(waitMs, over);
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
