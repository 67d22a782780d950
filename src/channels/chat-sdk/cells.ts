/**
 * A bounded map that outlives the process, on the durable cells of a channel: keys are spread over a fixed number of cells, and each
 * change rewrites one. The host cannot list cells, so nothing may need finding again; what has expired goes when its cell is next
 * written. One process owns it while the channel runs: cells are read once and then kept.
 */
import { bodyHash } from "../../core/body-hash.ts";
import { TerminalError } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";

export interface Entry {
  /** JSON-safe. */
  readonly value: unknown;
  /** Absent: it stays until it is removed. */
  readonly expiresAtMs?: number;
}

/** Pure, since it may run more than once: what becomes of an entry; undefined where there is none. */
export type Change = (entry: Entry | undefined) => Entry | undefined;

export interface Cells {
  readonly get: (key: string) => Promise<Entry | undefined>;
  /** Resolves once it is durable, to the entry before. @throws TerminalError TOO_LARGE when nothing that expires can make room @throws what the host throws, with nothing changed */
  readonly change: (key: string, change: Change) => Promise<Entry | undefined>;
  /** Reads again what another owner may have written meanwhile. */
  readonly forget: () => void;
}

export interface CellsOptions {
  /** First part of the cells' names. */
  readonly prefix: string;
  readonly cells: number;
  /** Most entries of one cell; beyond it the one that expires first goes. */
  readonly entriesMax: number;
}

type Bucket = ReadonlyMap<string, Entry>;

function readBucket(stored: unknown): Bucket {
  const rows = (stored as { readonly entries?: unknown } | undefined)?.entries;
  const bucket = new Map<string, Entry>();
  if (!Array.isArray(rows)) return bucket;
  for (const row of rows as unknown[]) {
    if (!Array.isArray(row) || typeof row[0] !== "string") continue;
    const [key, value, expiresAtMs] = row as [string, unknown, unknown];
    bucket.set(key, typeof expiresAtMs === "number" ? { value, expiresAtMs } : { value });
  }
  return bucket;
}

function writeBucket(bucket: Bucket): object {
  return { version: 1, entries: [...bucket].map(([key, { value, expiresAtMs }]) => [key, value, expiresAtMs ?? null]) };
}

export function createCells(host: Pick<ChannelHost, "load" | "save">, clock: Pick<Clock, "now">, options: CellsOptions): Cells {
  const { prefix, cells, entriesMax } = options;
  const buckets = new Map<number, Bucket>();
  /** The last change under way of each cell. */
  const tails = new Map<number, Promise<unknown>>();

  const placeOf = (key: string): number => Number.parseInt(bodyHash(key).slice(0, 8), 16) % cells;
  const isLive = (entry: Entry | undefined): entry is Entry =>
    entry !== undefined && (entry.expiresAtMs === undefined || entry.expiresAtMs > clock.now());

  const load = async (place: number): Promise<Bucket> => {
    const known = buckets.get(place);
    if (known) return known;
    const bucket = readBucket(await host.load(`${prefix}/${place}`));
    // Another load or change may have been quicker.
    const current = buckets.get(place) ?? bucket;
    buckets.set(place, current);
    return current;
  };

  const makeRoom = (bucket: Map<string, Entry>, kept: string): void => {
    for (const [key, entry] of bucket) if (!isLive(entry)) bucket.delete(key);
    while (bucket.size > entriesMax) {
      const mortal = [...bucket].filter(([key, { expiresAtMs }]) => key !== kept && expiresAtMs !== undefined);
      const first = mortal.sort(([, a], [, b]) => (a.expiresAtMs ?? 0) - (b.expiresAtMs ?? 0))[0];
      if (!first)
        throw new TerminalError("TOO_LARGE", `the adapter keeps more than ${entriesMax} lasting values in ${prefix}; let it delete some`);
      bucket.delete(first[0]);
    }
  };

  const apply = async (place: number, key: string, change: Change): Promise<Entry | undefined> => {
    const bucket = await load(place);
    const found = bucket.get(key);
    const before = isLive(found) ? found : undefined;
    const after = change(before);
    if (after === before) return before;
    const next = new Map(bucket);
    next.delete(key);
    if (after) next.set(key, after);
    makeRoom(next, key);
    await host.save(`${prefix}/${place}`, writeBucket(next));
    buckets.set(place, next);
    return before;
  };

  return {
    get: async (key) => {
      const entry = (await load(placeOf(key))).get(key);
      return isLive(entry) ? entry : undefined;
    },
    change: (key, change) => {
      const place = placeOf(key);
      const done = (tails.get(place) ?? Promise.resolve()).then(() => apply(place, key, change));
      // The next change waits for this one, whatever became of it.
      const tail = done
        .catch(() => undefined)
        .finally(() => {
          if (tails.get(place) === tail) tails.delete(place);
        });
      tails.set(place, tail);
      return done;
    },
    forget: () => buckets.clear(),
  };
}
