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

/** Buckets kept; of more people and chats than these, whoever has been silent longest begins anew. */
const BUCKETS_MAX = 10_000;
/** Sums of fractions come out a little wrong. */
const TOLERANCE_MS = 0.001;

export function createRates(clock: Pick<Clock, "monotonic">): Rates {
  /** When each bucket is full again, in the order in which they were touched. */
  const fullAtMs = new Map<string, number>();

  const touch = (name: string, atMs: number): void => {
    fullAtMs.delete(name);
    fullAtMs.set(name, atMs);
    const [oldest] = fullAtMs.keys();
    if (fullAtMs.size > BUCKETS_MAX && oldest !== undefined) fullAtMs.delete(oldest);
  };

  return {
    take: (wanted) => {
      const nowMs = clock.monotonic();
      const limited = wanted.flatMap(([name, rate]) => {
        if (!rate) return [];
        const full = Math.min(Math.max(nowMs, fullAtMs.get(name) ?? nowMs), nowMs + rate.perMs);
        const oneMs = rate.perMs / rate.count;
        // Full in time for all but one of the measure: then one is left.
        return [{ name, rate, full, oneMs, waitMs: full - nowMs - (rate.perMs - oneMs) }];
      });
      for (const { name, full } of limited) touch(name, full);
      const empty = limited.find(({ waitMs }) => waitMs > TOLERANCE_MS);
      if (empty) return { isGranted: false, rate: empty.rate, waitMs: empty.waitMs };
      for (const { name, full, oneMs } of limited) touch(name, full + oneMs);
      return {
        isGranted: true,
        refund: () => {
          for (const { name, oneMs } of limited) touch(name, (fullAtMs.get(name) ?? 0) - oneMs);
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
