/** Cancels a timer; calling it again, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

/** The only source of time outside src/app. The system clock and the simulator's virtual clock implement it. */
export interface Clock {
  /** Epoch milliseconds; may step when the system clock is set. */
  readonly now: () => number;
  /** Milliseconds from an arbitrary start; never steps back. For durations. */
  readonly monotonic: () => number;
  /** Calls `wake` once, no earlier than `delayMs` from now. Delays over 2^31-1 ms are the caller's to split. */
  readonly setTimer: (delayMs: number, wake: () => void) => CancelTimer;
  /** Calls `run` soon, after other pending input has had its chance (a macrotask). */
  readonly soon: (run: () => void) => void;
}
