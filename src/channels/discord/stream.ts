/**
 * What people do in one channel, on its way to the store, strictly in order.
 *
 *   live events ─▶ queue ─┐
 *                         ├─▶ host.accept (one commit) ─▶ cursor
 *   read back after the cursor, while the stream is behind ─┘
 * Discord tells a bot each thing once and waits for nobody. So what a full queue cannot hold is dropped and the stream is marked as behind:
 * it then asks for everything after its cursor, and live events wait until that is stored.
 */
import type { AcceptOutcome, ChannelHost, InboundMessage } from "../../ports/channel.ts";
import type { DiscordCounters } from "./counters.ts";
import type { Entry, Ledger } from "./ledger.ts";
import type { RecentIds } from "./recent-ids.ts";
import { before, earlier, isLater, timeOf } from "./snowflake.ts";
import { untilStored } from "./store-retry.ts";
import type { StoreContext } from "./store-retry.ts";

export interface StreamItem {
  /** As its `externalId`. */
  readonly id: string;
  /** The message id that is done with once this is; absent for what no reading back brings again. */
  readonly cursor?: string;
  /** Absent for what is passed over. */
  readonly message?: InboundMessage;
  readonly onOutcome?: (outcome: AcceptOutcome) => void;
}

/** Messages of one channel, oldest first. `gone`: there is nothing to read, now or ever. */
export type Page = readonly StreamItem[] | "gone" | "hidden" | "aborted";

export interface StreamContext extends StoreContext {
  readonly host: Pick<ChannelHost, "accept">;
  readonly ledger: Ledger;
  readonly recent: RecentIds;
  readonly counters: DiscordCounters;
  readonly backfillMax: number;
  /** At most 100 messages after an id, or the newest. Waits and repeats by itself; `isUrgent`: somebody waits for it. */
  readonly read: (entry: Entry, after: string | undefined, isUrgent: () => boolean) => Promise<Page>;
  /** Nothing was said in a channel after its cursor. */
  readonly isQuiet: (entry: Entry) => Promise<boolean>;
  /** How many events wait over all streams. */
  readonly room: { used: number };
  /** A commit took too long at the end: what it does later must not move a cursor. */
  readonly isAbandoned: () => boolean;
}

export interface Stream {
  readonly entry: Entry;
  readonly push: (item: StreamItem) => void;
  /** Everything after the cursor is read back before anything else; `isAway`: after a time that may have been long. */
  readonly mark: (isAway: boolean) => void;
  readonly isIdle: () => boolean;
  /** Stores a cursor that has moved over what was passed over only. */
  readonly flush: () => Promise<void>;
  /** Resolves when nothing is left to do, or the channel stops. */
  readonly settled: () => Promise<void>;
}

export const PAGE_MESSAGES = 100;
/** Most live events that wait in one channel. */
const QUEUE_MAX = 500;
/** Most live events that wait over all channels. */
const QUEUES_MAX = 20_000;
const BATCH_MAX = 100;
/** Messages passed over before the cursor is stored for their sake. */
const UNSAVED_MAX = 50;
/** Two messages of the same moment may arrive in the wrong order; so a little before the cursor is read again, while the store still knows them. */
const OVERLAP_MS = 5_000;
const OVERLAP_AGE_MS = 600_000;

/** @param isNew - the channel is not in the store yet; it is put there before its first message is handed over */
export function createStream(context: StreamContext, entry: Entry, isNew: boolean): Stream {
  const { host, ledger, recent, counters, room, backfillMax, read, clock, signal, name, log } = context;
  let queue: StreamItem[] = [];
  let marks = 0;
  let isBehind = false;
  let isAway = false;
  let awayUntilMs = 0;
  let hasDropped = false;
  let isStored = !isNew;
  let unsaved = 0;
  let running: Promise<void> | undefined;

  const saveCursor = async (): Promise<boolean> => {
    if (context.isAbandoned()) return false;
    const moved = unsaved;
    if (!(await untilStored(context, "cursor", () => ledger.save(entry)))) return false;
    unsaved -= moved;
    isStored = true;
    return true;
  };

  /** Stores a batch, then the cursor. False: stopped before. */
  const commit = async (items: readonly StreamItem[]): Promise<boolean> => {
    const batch = new Map(items.filter(({ id, message }) => message !== undefined && !recent.has(id)).map((item) => [item.id, item]));
    const fresh = [...batch.values()];
    if (fresh.length > 0) {
      const inbound = fresh.map(({ message }) => message).filter((message) => message !== undefined);
      const outcomes = await untilStored(context, "messages", () => host.accept(inbound));
      if (!outcomes) return false;
      for (const [at, { id, onOutcome }] of fresh.entries()) {
        const outcome = outcomes.value[at] ?? "accepted";
        recent.add(id);
        counters[outcome === "forbidden" ? "forbidden" : "accepted"] += 1;
        onOutcome?.(outcome);
      }
    }
    for (const { cursor } of items) {
      if (cursor === undefined || !isLater(cursor, entry.after)) continue;
      entry.after = cursor;
      unsaved += 1;
    }
    return unsaved > 0 && (fresh.length > 0 || unsaved >= UNSAVED_MAX) ? saveCursor() : true;
  };

  const isUrgent = (): boolean => queue.length > 0;

  /** Reads on from the newest page: what lies between is too much. */
  const jump = async (count: number): Promise<boolean> => {
    counters.cutShort += 1;
    log?.warn(
      { channel: name, chat: entry.channelId, read: count, limit: backfillMax },
      "too much was said while the bot was away; only the oldest and the newest messages are answered",
    );
    const newest = await read(entry, undefined, isUrgent);
    return typeof newest === "string" ? newest !== "aborted" : commit(newest);
  };

  /** Whether something was said after the cursor, and before the login: what is said since counts against nothing. */
  const wasMissed =
    (from: string) =>
    ({ cursor }: StreamItem): boolean =>
      cursor !== undefined && isLater(cursor, from) && timeOf(cursor) <= awayUntilMs;

  const catchUp = async (): Promise<boolean> => {
    const marksBefore = marks;
    const from = entry.after;
    const isRecent = clock.now() - timeOf(from) < OVERLAP_AGE_MS;
    let after = isRecent ? earlier(from, OVERLAP_MS) : from;
    const done = (): void => {
      if (marks === marksBefore) isBehind = isAway = hasDropped = false;
    };
    // What Discord said at the login covers what came before it, not what was dropped since.
    if (!isRecent && !hasDropped && (await context.isQuiet(entry))) {
      done();
      return !signal.aborted;
    }
    for (let count = 0; ;) {
      const page = await read(entry, after, isUrgent);
      if (page === "aborted") return false;
      if (page === "gone") await untilStored(context, "removal", () => ledger.remove(entry));
      if (typeof page === "string" || page.length === 0) break;
      if (!(await commit(page))) return false;
      after = page.at(-1)?.cursor ?? after;
      count += page.filter(wasMissed(from)).length;
      if (page.length < PAGE_MESSAGES) break;
      if (isAway && count >= backfillMax) {
        if (!(await jump(count))) return false;
        break;
      }
    }
    done();
    return unsaved > 0 ? saveCursor() : true;
  };

  const run = async (): Promise<void> => {
    // Known before its first message is handed over: if the process ends in between, the message is read back.
    if (!isStored && !(await saveCursor())) return;
    while (!signal.aborted) {
      if (isBehind) {
        if (!(await catchUp())) return;
        continue;
      }
      const batch = queue.splice(0, BATCH_MAX);
      room.used -= batch.length;
      if (batch.length === 0 || !(await commit(batch))) return;
    }
  };

  const wake = (): void => {
    if (running || signal.aborted) return;
    let hasFailed = false;
    running = run()
      .catch((error: unknown) => {
        // A throw from here on is a bug: the channel goes on from its cursor with the next event.
        hasFailed = true;
        isBehind = true;
        log?.error({ channel: name, chat: entry.channelId, error: String(error).slice(0, 200) }, "a channel's intake failed");
      })
      .finally(() => {
        running = undefined;
        // Something came between the last look and the end.
        if (!hasFailed && (queue.length > 0 || isBehind)) wake();
      });
  };

  const isFull = (): boolean => queue.length >= QUEUE_MAX || room.used >= QUEUES_MAX;

  const overflow = (): void => {
    const kept = queue.filter(({ cursor }) => cursor === undefined);
    log?.warn({ channel: name, chat: entry.channelId, waiting: queue.length }, "more events wait than are kept; they will be read back");
    room.used -= queue.length - kept.length;
    queue = kept;
    hasDropped = true;
    marks += 1;
    isBehind = true;
  };

  return {
    entry,
    push: (item) => {
      if (isFull()) overflow();
      if (!isFull()) {
        queue.push(item);
        room.used += 1;
      } else if (item.cursor === undefined) counters.dropped += 1;
      // A message needs no place: the mark of the overflow makes sure that it is read back after this moment.
      wake();
    },
    mark: (away) => {
      marks += 1;
      isBehind = true;
      isAway ||= away;
      if (away) awayUntilMs = clock.now();
      wake();
    },
    isIdle: () => running === undefined && queue.length === 0,
    flush: async () => {
      if (unsaved === 0 || !isStored || context.isAbandoned()) return;
      await ledger.save(entry);
      unsaved = 0;
    },
    settled: async () => {
      while (running) await running;
    },
  };
}

/** The entry of a channel in which the first thing has just been said. */
export function firstEntry(place: Omit<Entry, "after">, { id, cursor }: StreamItem): Entry {
  return { ...place, after: cursor === undefined ? (id.split(":")[0] ?? id) : before(cursor) };
}
