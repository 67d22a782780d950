import type { Clock } from "../../ports/clock.ts";

/** What Discord's answers say about how much more a route takes. */
export interface Allowance {
  /** How long the route takes nothing more, in milliseconds; 0 when it does. */
  readonly waitMs: (route: string) => number;
  /** Reads the headers of an answer. */
  readonly learn: (route: string, headers: Headers) => void;
}

/** Most routes remembered; the oldest are forgotten, which costs at most a 429. */
const ROUTES_MAX = 2_000;

/**
 * Remembers which routes are used up, so that a send which Discord would refuse with 429 is not made at all: refusals count, and 10,000 of
 * them in ten minutes ban the address.
 * @see https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
 */
export function createAllowance(clock: Clock): Allowance {
  const emptyUntilMs = new Map<string, number>();
  return {
    waitMs: (route) => {
      const untilMs = emptyUntilMs.get(route);
      if (untilMs === undefined) return 0;
      const leftMs = Math.ceil(untilMs - clock.monotonic());
      if (leftMs > 0) return leftMs;
      emptyUntilMs.delete(route);
      return 0;
    },
    learn: (route, headers) => {
      if (headers.get("x-ratelimit-remaining") !== "0") return;
      const resetS = Number(headers.get("x-ratelimit-reset-after") ?? Number.NaN);
      if (!Number.isFinite(resetS) || resetS <= 0) return;
      emptyUntilMs.set(route, clock.monotonic() + resetS * 1_000);
      const oldest = emptyUntilMs.size > ROUTES_MAX ? emptyUntilMs.keys().next().value : undefined;
      if (oldest !== undefined) emptyUntilMs.delete(oldest);
    },
  };
}
