import type { Clock } from "../../ports/clock.ts";
import { pause } from "./pause.ts";

/** Spaces the logins of one bot, also over restarts of its channel: Discord answers the second within five seconds with an invalid session. */
export interface IdentifyPace {
  /** Resolves when a login may be sent. Rejects when `signal` aborts before. */
  readonly wait: (signal: AbortSignal) => Promise<void>;
}

/** @param gapMs - least time between two logins, in milliseconds */
export function createIdentifyPace(clock: Clock, gapMs: number): IdentifyPace {
  let nextMs = Number.NEGATIVE_INFINITY;
  return {
    wait: async (signal) => {
      await pause(clock, nextMs - clock.monotonic(), signal);
      if (signal.aborted) throw new Error("the connection closed before its login");
      nextMs = clock.monotonic() + gapMs;
    },
  };
}
