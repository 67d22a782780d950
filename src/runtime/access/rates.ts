/**
 * How much one person, and one chat, may write. Token buckets in memory: a measure of `count` that fills up evenly within `perMs`. After a
 * restart all are full again; what was refused stays refused by its dedupe row.
 */
import { formatDuration } from "../../core/duration.ts";
import type { Rate } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";

/** A measure that was taken; `refund` gives it back for what turned out to be no new message. */
export type Taken =
  | { readonly isGranted: true; readonly refund: () => void }
  /** `waitMs`: until the next message would be taken. */
  | { readonly isGranted: false; readonly rate: Rate; readonly waitMs: number };

export interface Rates {
  /** Takes one from each bucket, or from none. A bucket without a rate has no limit. */
  readonly take: (buckets: readonly (readonly [name: string, rate: Rate | undefined])[]) => Taken;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Buckets kept; of more people and chats than these, whoever has been silent longest begins anew. */
const BUCKETS_MAX = 10_000;

export function createRates(clock: Pick<Clock, "monotonic">): Rates {
  /** In the order in which they were touched. */
  const buckets = new Map<string, Bucket>();

  const touch = (name: string, rate: Rate): Bucket => {
    const nowMs = clock.monotonic();
    const bucket = buckets.get(name) ?? { left: rate.count, atMs: nowMs };
    bucket.left = Math.min(rate.count, bucket.left + ((nowMs - bucket.atMs) * rate.count) / rate.perMs);
    bucket.atMs = nowMs;
    buckets.delete(name);
    buckets.set(name, bucket);
    const [oldest] = buckets.keys();
    if (buckets.size > BUCKETS_MAX && oldest !== undefined) buckets.delete(oldest);
    return bucket;
  };

  return {
    take: (wanted) => {
      const limited = wanted.flatMap(([name, rate]) => (rate ? [{ rate, bucket: touch(name, rate) }] : []));
      const empty = limited.find(({ bucket }) => bucket.left < 1);
      if (empty) {
        const { rate, bucket } = empty;
        return { isGranted: false, rate, waitMs: ((1 - bucket.left) * rate.perMs) / rate.count };
      }
      for (const { bucket } of limited) bucket.left -= 1;
      return {
        isGranted: true,
        refund: () => {
          for (const { bucket, rate } of limited) bucket.left = Math.min(rate.count, bucket.left + 1);
        },
      };
    },
  };
}

/** What the writer is told; the wait is rounded up to whole seconds. */
export function tooFast({ rate, waitMs }: Taken & { readonly isGranted: false }, what: "messages" | "commands"): string {
  const wait = formatDuration(Math.max(1_000, Math.ceil(waitMs / 1_000) * 1_000));
  const measure = `${rate.count} ${rate.count === 1 ? what.slice(0, -1) : what} in ${formatDuration(rate.perMs)}`;
  return `That is more than I take (${measure}), so I have not kept your last ${what}. Please send them again in ${wait}.`;
}
