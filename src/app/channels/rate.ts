import { formatDuration, parseDuration } from "../../core/duration.ts";
import { RequestError } from "../../core/errors.ts";
import type { Rate } from "../../ports/channel.ts";

const COUNT_MAX = 100_000;
const PER_MS_MIN = 1_000;
const PER_MS_MAX = 24 * 60 * 60 * 1_000;

/** What to write in place of a rate that is none. */
export const RATE_ADVICE = 'must be messages in a time such as "20/1m": 1 to 100000 of them, in 1s to 24h';

/** `"20/1m"` as a rate; undefined for anything else. */
export function parseRate(text: string): Rate | undefined {
  const [, digits, time] = /^\s*(\d{1,6})\s*\/\s*(\S.*)$/.exec(text) ?? [];
  if (digits === undefined || time === undefined) return undefined;
  try {
    // `20/m` is what people write.
    return checkRate({ count: Number(digits), perMs: parseDuration(/^[a-z]+$/.test(time.trim()) ? `1${time.trim()}` : time) });
  } catch (error) {
    if (error instanceof RequestError) return undefined;
    throw error;
  }
}

/** The rate itself when it is within bounds; undefined otherwise. */
export function checkRate({ count, perMs }: Rate): Rate | undefined {
  const isGood = Number.isInteger(count) && count >= 1 && count <= COUNT_MAX && perMs >= PER_MS_MIN && perMs <= PER_MS_MAX;
  return isGood ? { count, perMs } : undefined;
}

/** For people: `20 in 1 min`. */
export function formatRate({ count, perMs }: Rate): string {
  return `${count} in ${formatDuration(perMs)}`;
}
