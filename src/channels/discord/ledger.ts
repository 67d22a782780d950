/**
 * Which channels the bot has been spoken to in, and up to which message each is stored: one durable cell per channel, so that a commit
 * writes one small cell however many channels there are. The cell `channels` holds how many such cells there may be.
 */
import type { ChannelHost } from "../../ports/channel.ts";
import type { Log } from "../../ports/log.ts";
import { isLater, isSnowflake } from "./snowflake.ts";
import type { Whereabouts } from "./translate.ts";

/** What is kept of one channel. */
export interface Entry extends Whereabouts {
  /** The last message whose fate is decided: stored, or knowingly passed over. */
  after: string;
}

export interface Ledger {
  readonly entries: () => Iterable<Entry>;
  readonly get: (channelId: string) => Entry | undefined;
  /** Takes a channel in, in memory; the one with the oldest message of those that are `free` makes room when 5,000 are known. */
  readonly add: (entry: Entry, isFree: (entry: Entry) => boolean) => void;
  /** Stores an entry. Rejects as `host.save` does. */
  readonly save: (entry: Entry) => Promise<void>;
  /** Forgets a channel that is gone. */
  readonly remove: (entry: Entry) => Promise<void>;
}

/** Most channels and direct chats that are remembered. */
export const CHANNELS_MAX = 5_000;
const COUNT_CELL = "channels";
const LOADS_AT_ONCE = 100;

/** The durable cell with this number. */
function cellOf(slot: number): string {
  return `channel:${slot}`;
}

function entryOf(value: unknown): Entry | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, guild, parent, after } = value as Record<string, unknown>;
  if (!isSnowflake(id) || !isSnowflake(after)) return undefined;
  return { channelId: id, guildId: isSnowflake(guild) ? guild : undefined, parentId: isSnowflake(parent) ? parent : undefined, after };
}

/** Reads all cells. Rejects as `host.load` does. */
export async function loadLedger(host: Pick<ChannelHost, "load" | "save" | "remove">, name: string, log: Log | undefined): Promise<Ledger> {
  const slots = new Map<string, number>();
  const entries = new Map<string, Entry>();
  const freeSlots: number[] = [];
  const stored = await host.load(COUNT_CELL);
  let count = typeof stored === "number" && Number.isSafeInteger(stored) && stored > 0 ? Math.min(stored, CHANNELS_MAX) : 0;
  let storedCount = count;
  let evicted = 0;
  for (let first = 0; first < count; first += LOADS_AT_ONCE) {
    const numbers = Array.from({ length: Math.min(LOADS_AT_ONCE, count - first) }, (_, at) => first + at);
    const values = await Promise.all(numbers.map((slot) => host.load(cellOf(slot))));
    for (const [at, value] of values.entries()) {
      const slot = first + at;
      const entry = entryOf(value);
      if (entry && !entries.has(entry.channelId)) {
        entries.set(entry.channelId, entry);
        slots.set(entry.channelId, slot);
      } else freeSlots.push(slot);
    }
  }

  const forget = (entry: Entry): number | undefined => {
    const slot = slots.get(entry.channelId);
    slots.delete(entry.channelId);
    entries.delete(entry.channelId);
    return slot;
  };
  const makeRoom = (isFree: (entry: Entry) => boolean): void => {
    let oldest: Entry | undefined;
    for (const entry of entries.values()) if (isFree(entry) && (!oldest || isLater(oldest.after, entry.after))) oldest = entry;
    const slot = oldest && forget(oldest);
    if (slot === undefined) return;
    freeSlots.push(slot);
    evicted += 1;
    log?.warn(
      { channel: name, evicted, limit: CHANNELS_MAX },
      "too many channels are known; the quietest is no longer read back after a time away",
    );
  };

  return {
    entries: () => entries.values(),
    get: (channelId) => entries.get(channelId),
    add: (entry, isFree) => {
      if (count - freeSlots.length >= CHANNELS_MAX) makeRoom(isFree);
      const slot = freeSlots.pop() ?? (count < CHANNELS_MAX ? count++ : undefined);
      entries.set(entry.channelId, entry);
      // Without a slot it is known until the end of the process only: every other channel is busy.
      if (slot !== undefined) slots.set(entry.channelId, slot);
    },
    save: async (entry) => {
      const slot = slots.get(entry.channelId);
      if (slot === undefined) return;
      const { channelId: id, guildId, parentId, after } = entry;
      // The count first: a cell beyond it would not be found again.
      if (slot >= storedCount) {
        const next = count;
        await host.save(COUNT_CELL, next);
        storedCount = Math.max(storedCount, next);
      }
      const place = { ...(guildId === undefined ? {} : { guild: guildId }), ...(parentId === undefined ? {} : { parent: parentId }) };
      await host.save(cellOf(slot), { id, after, ...place });
    },
    remove: async (entry) => {
      const slot = forget(entry);
      if (slot === undefined) return;
      await host.remove(cellOf(slot));
      freeSlots.push(slot);
    },
  };
}
