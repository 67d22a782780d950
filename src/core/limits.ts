/** Limits of a runtime. Durations in milliseconds. Defaults are those of the daemon. */
export interface Limits {
  /** Turns running at once over all chats. */
  readonly concurrentTurns: number;
  /** Message rows waiting in one chat before a further one is refused. */
  readonly inboxPerChat: number;
  /** Longest one attempt of a turn may run. */
  readonly turnTimeoutMs: number;
  /** Counted attempts before a turn is given up. */
  readonly maxAttempts: number;
  /** Idle time before a chat's actor is passivated. */
  readonly idleTimeoutMs: number;
  /** Time from the first signal to exit 0. */
  readonly drainTimeoutMs: number;
  /** Age at which an unsent part expires. */
  readonly outboxMaxAgeMs: number;
  readonly eventRetentionMs: number;
  readonly dedupeRetentionMs: number;
  readonly inboxRetentionMs: number;
  readonly historyRetentionMs: number;
  /** How long the runs of cron jobs are kept, and completed jobs. */
  readonly runRetentionMs: number;
  /** Cron jobs of one chat that are not completed. */
  readonly jobsPerChat: number;
  /** Missed runs begun in a second. */
  readonly catchUpPerSecond: number;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

export const DEFAULT_LIMITS: Limits = {
  concurrentTurns: 16,
  inboxPerChat: 100,
  turnTimeoutMs: 5 * MINUTE,
  maxAttempts: 5,
  idleTimeoutMs: 10 * MINUTE,
  drainTimeoutMs: 25_000,
  outboxMaxAgeMs: DAY,
  eventRetentionMs: 7 * DAY,
  dedupeRetentionMs: 8 * DAY,
  inboxRetentionMs: 7 * DAY,
  historyRetentionMs: 365 * DAY,
  runRetentionMs: 90 * DAY,
  jobsPerChat: 50,
  catchUpPerSecond: 10,
};
