export interface BackoffPolicy {
  /** First delay in milliseconds. */
  readonly baseMs: number;
  /** Longest delay in milliseconds. */
  readonly maxMs: number;
}

/**
 * Exponential backoff with "equal jitter": between half and the whole of `base × 2^(failures − 1)`, capped.
 * @param failures - how many have happened, from 1
 * @param chance - in [0, 1), from the Random port
 */
export function backoffMs(policy: BackoffPolicy, failures: number, chance: number): number {
  const full = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return Math.round(full / 2 + (full / 2) * chance);
}
