/**
 * The Chat SDK's state on the store of satibot. Values, lists, queues and subscriptions are durable and bounded; locks live in memory,
 * since this process alone owns the channel. Within a webhook request changes wait for its end (request-scope.ts).
 */
import type { Lock, QueueEntry, StateAdapter } from "chat";
import { TerminalError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Cells, Change, Entry } from "./cells.ts";
import type { RequestScopes } from "./request-scope.ts";

export interface StateOptions {
  /** Values, lists and queues. */
  readonly values: Cells;
  /** Threads in which everything said is for the bot. */
  readonly threads: Cells;
  readonly scopes: RequestScopes;
  readonly clock: Pick<Clock, "now">;
  /** A token that no other lock has. */
  readonly nextToken: () => string;
  /** Keys whose `get` fails at once. */
  readonly unwanted: RegExp | undefined;
}

export interface BridgeState extends StateAdapter {
  /** Subscribes, at most one write a day; resolves to true for a thread that was not subscribed. */
  readonly follow: (threadId: string) => Promise<boolean>;
}

/** Longest value as JSON, in UTF-16 units. */
const VALUE_UNITS_MAX = 256 * 1024;
const KEY_UNITS_MAX = 1_024;
const LIST_MAX = 1_000;
const LOCKS_MAX = 10_000;
const DAY_MS = 24 * 60 * 60_000;
/** A thread in which the bot has said nothing for so long is forgotten. */
const THREAD_MS = 365 * DAY_MS;

function listOf(entry: Entry | undefined): readonly unknown[] {
  return Array.isArray(entry?.value) ? (entry.value as unknown[]) : [];
}

/** A copy as JSON gives it, which is what comes back after a restart. */
function jsonOf(key: string, value: unknown): unknown {
  const text = JSON.stringify(value) ?? "null";
  if (text.length > VALUE_UNITS_MAX || key.length > KEY_UNITS_MAX)
    throw new TerminalError("TOO_LARGE", `state ${key.slice(0, 60)}: keys take ${KEY_UNITS_MAX} and values ${VALUE_UNITS_MAX} characters`);
  return JSON.parse(text);
}

function createLocks(
  clock: Pick<Clock, "now">,
  nextToken: () => string,
): Pick<StateAdapter, "acquireLock" | "extendLock" | "forceReleaseLock" | "releaseLock"> {
  const locks = new Map<string, Lock>();
  const held = (threadId: string): Lock | undefined => {
    const lock = locks.get(threadId);
    return lock && lock.expiresAt > clock.now() ? lock : undefined;
  };
  return {
    acquireLock: async (threadId, ttlMs) => {
      if (held(threadId)) return null;
      if (locks.size >= LOCKS_MAX) for (const key of locks.keys()) if (!held(key)) locks.delete(key);
      if (locks.size >= LOCKS_MAX) return null;
      const lock = { threadId, token: nextToken(), expiresAt: clock.now() + ttlMs };
      locks.set(threadId, lock);
      return { ...lock };
    },
    extendLock: async ({ threadId, token }, ttlMs) => {
      const lock = held(threadId);
      if (lock?.token !== token) return false;
      locks.set(threadId, { ...lock, expiresAt: clock.now() + ttlMs });
      return true;
    },
    forceReleaseLock: async (threadId) => {
      locks.delete(threadId);
    },
    releaseLock: async ({ threadId, token }) => {
      if (locks.get(threadId)?.token === token) locks.delete(threadId);
    },
  };
}

/** The state that adapters get from `getState()`. */
export function createState({ values, threads, scopes, clock, nextToken, unwanted }: StateOptions): BridgeState {
  const live = (entry: Entry | undefined): Entry | undefined =>
    entry?.expiresAtMs !== undefined && entry.expiresAtMs <= clock.now() ? undefined : entry;
  const read = async (cells: Cells, key: string): Promise<Entry | undefined> => {
    const scope = scopes.current();
    const entry = await cells.get(key);
    return scope ? live(scope.fold(cells, key, entry)) : entry;
  };
  /** Noted in the same instant, so that no refusal of the request can come between. */
  const write = async (cells: Cells, key: string, how: Change): Promise<void> => {
    const scope = scopes.current();
    if (scope) await scope.note(cells, key, how);
    else await cells.change(key, how);
  };
  /** As `write`, and resolves to the entry before. */
  const exchange = async (cells: Cells, key: string, how: Change): Promise<Entry | undefined> => {
    const scope = scopes.current();
    if (!scope) return cells.change(key, how);
    const entry = await cells.get(key);
    const before = live(scope.fold(cells, key, entry));
    await scope.note(cells, key, how);
    return before;
  };
  const entryOf = (key: string, value: unknown, ttlMs: number | undefined): Entry => {
    const kept = jsonOf(key, value);
    return ttlMs === undefined ? { value: kept } : { value: kept, expiresAtMs: clock.now() + ttlMs };
  };
  const listKey = (key: string): string => `list:${key}`;
  const queueKey = (threadId: string): string => `queue:${threadId}`;
  const valueKey = (key: string): string => `value:${key}`;
  const follow = async (threadId: string): Promise<boolean> => {
    const entry = await read(threads, threadId);
    const expiresAtMs = clock.now() + THREAD_MS;
    if (entry && (entry.expiresAtMs ?? 0) > expiresAtMs - DAY_MS) return false;
    await write(threads, threadId, () => ({ value: true, expiresAtMs }));
    return entry === undefined;
  };

  return {
    ...createLocks(clock, nextToken),
    connect: async () => undefined,
    disconnect: async () => undefined,
    get: async <T>(key: string) => {
      if (unwanted?.test(key)) throw new TerminalError("CHANNEL_REFUSED", "this value is not kept; go on without it");
      return ((await read(values, valueKey(key)))?.value ?? null) as T | null;
    },
    set: async (key, value, ttlMs) => {
      const entry = entryOf(key, value, ttlMs);
      await write(values, valueKey(key), () => entry);
    },
    setIfNotExists: async (key, value, ttlMs) => {
      const entry = entryOf(key, value, ttlMs);
      return (await exchange(values, valueKey(key), (before) => before ?? entry)) === undefined;
    },
    delete: async (key) => {
      await write(values, valueKey(key), () => undefined);
      await write(values, listKey(key), () => undefined);
    },
    appendToList: async (key, value, { maxLength = LIST_MAX, ttlMs } = {}) => {
      const { value: kept, expiresAtMs } = entryOf(key, value, ttlMs);
      const length = Math.max(1, Math.min(maxLength, LIST_MAX));
      await write(values, listKey(key), (before) => {
        const expiry = expiresAtMs ?? before?.expiresAtMs;
        return { value: [...listOf(before), kept].slice(-length), ...(expiry === undefined ? {} : { expiresAtMs: expiry }) };
      });
    },
    getList: async <T>(key: string) => [...listOf(await read(values, listKey(key)))] as T[],
    enqueue: async (threadId, entry, maxSize) => {
      const kept = jsonOf(threadId, entry);
      const length = Math.max(1, Math.min(maxSize, LIST_MAX));
      const before = await exchange(values, queueKey(threadId), (queue) => ({ value: [...listOf(queue), kept].slice(-length) }));
      return Math.min(listOf(before).length + 1, length);
    },
    dequeue: async (threadId) => {
      const before = await exchange(values, queueKey(threadId), (queue) => {
        const [, ...rest] = listOf(queue);
        return rest.length === 0 ? undefined : { value: rest };
      });
      return (listOf(before)[0] as QueueEntry | undefined) ?? null;
    },
    queueDepth: async (threadId) => listOf(await read(values, queueKey(threadId))).length,
    isSubscribed: async (threadId) => (await read(threads, threadId)) !== undefined,
    subscribe: async (threadId) => {
      await follow(threadId);
    },
    unsubscribe: async (threadId) => {
      await write(threads, threadId, () => undefined);
    },
    follow,
  };
}
