import { parseDuration } from "../core/duration.ts";
import { DEFAULT_LIMITS, type Limits } from "../core/limits.ts";

/** Durations as text ("5m") or milliseconds, by the names of the configuration. */
export type LimitOptions = Partial<
  Record<"concurrentTurns" | "inboxPerChat" | "maxAttempts" | "jobsPerChat" | "catchUpPerSecond", number>
> &
  Partial<
    Record<
      | "turnTimeout"
      | "idleTimeout"
      | "drainTimeout"
      | "outboxMaxAge"
      | "eventRetention"
      | "dedupeRetention"
      | "inboxRetention"
      | "historyRetention"
      | "runRetention",
      string | number
    >
  >;

/** Limits in milliseconds, the defaults where nothing is said. @throws RequestError BAD_DURATION */
export function limitsOf(limits: LimitOptions = {}): Limits {
  const duration = (value: string | number | undefined, fallback: number): number =>
    value === undefined ? fallback : parseDuration(value);
  return {
    concurrentTurns: limits.concurrentTurns ?? DEFAULT_LIMITS.concurrentTurns,
    inboxPerChat: limits.inboxPerChat ?? DEFAULT_LIMITS.inboxPerChat,
    maxAttempts: limits.maxAttempts ?? DEFAULT_LIMITS.maxAttempts,
    jobsPerChat: limits.jobsPerChat ?? DEFAULT_LIMITS.jobsPerChat,
    catchUpPerSecond: limits.catchUpPerSecond ?? DEFAULT_LIMITS.catchUpPerSecond,
    turnTimeoutMs: duration(limits.turnTimeout, DEFAULT_LIMITS.turnTimeoutMs),
    idleTimeoutMs: duration(limits.idleTimeout, DEFAULT_LIMITS.idleTimeoutMs),
    drainTimeoutMs: duration(limits.drainTimeout, DEFAULT_LIMITS.drainTimeoutMs),
    outboxMaxAgeMs: duration(limits.outboxMaxAge, DEFAULT_LIMITS.outboxMaxAgeMs),
    eventRetentionMs: duration(limits.eventRetention, DEFAULT_LIMITS.eventRetentionMs),
    dedupeRetentionMs: duration(limits.dedupeRetention, DEFAULT_LIMITS.dedupeRetentionMs),
    inboxRetentionMs: duration(limits.inboxRetention, DEFAULT_LIMITS.inboxRetentionMs),
    historyRetentionMs: duration(limits.historyRetention, DEFAULT_LIMITS.historyRetentionMs),
    runRetentionMs: duration(limits.runRetention, DEFAULT_LIMITS.runRetentionMs),
  };
}
