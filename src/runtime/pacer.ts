/**
 * When a send may begin. A platform declares where its pace starts; what it answers slows it down, and what it takes lets it come back.
 * Places on a connection are given out in the order in which they are asked for, so that a thousand chats that wait wake once each.
 */
import type { ChatKey } from "../core/chat-key.ts";
import type { TransientError } from "../core/errors.ts";
import type { Channel } from "../ports/channel.ts";
import type { Kernel } from "./kernel.ts";

export interface Pacer {
  /** Takes the next place if it is now; otherwise nothing changes. */
  readonly tryNow: (channel: Channel, chat: ChatKey) => boolean;
  /** Takes the next place and answers in how many milliseconds it comes. A place after a pause that began meanwhile is void: ask again. */
  readonly place: (channel: Channel, chat: ChatKey) => { readonly delayMs: number; readonly isTaken: boolean };
  /** Milliseconds for which the whole connection was told to wait; 0 when it was not. */
  readonly pausedMs: (channel: string) => number;
  readonly took: (channel: Channel, chat: ChatKey) => void;
  /** The platform asked for a wait. */
  readonly refused: (channel: Channel, chat: ChatKey, error: TransientError) => void;
  /** Pauses of connections that were told before the last process ended; at boot. */
  readonly load: (channels: readonly Channel[]) => Promise<void>;
}

interface Lane {
  /** Earliest next place, by the monotonic clock. */
  nextMs: number;
  intervalMs: number;
}

interface Connection extends Lane {
  pausedUntilMs: number;
  /** The chat that was refused last without a word on what must wait, and until when. */
  suspect: { readonly chat: ChatKey; readonly untilMs: number } | undefined;
  successes: number;
  readonly chats: Map<ChatKey, Lane>;
}

const NAMESPACE = "retry_after";
/** Pauses shorter than this are not worth a row. */
const KEPT_FROM_MS = 5_000;
/** What a refusal makes of an interval: doubled, within these. */
const LEARNED = { channel: { minMs: 20, maxMs: 1_000 }, chat: { minMs: 500, maxMs: 60_000 } } as const;
/** A connection gets faster after so many sends that were taken. */
const SUCCESSES = 50;
/** Chats remembered with a pace of their own; those whose place has come are forgotten beyond it. */
const CHATS_MAX = 10_000;

export function createPacer({ store, clock, log }: Pick<Kernel, "store" | "clock" | "log">): Pacer {
  const connections = new Map<string, Connection>();

  const connectionOf = (channel: Channel): Connection => {
    const known = connections.get(channel.name);
    if (known) return known;
    const intervalMs = channel.limits.pace?.channelMs ?? 0;
    const made: Connection = { nextMs: 0, intervalMs, pausedUntilMs: 0, suspect: undefined, successes: 0, chats: new Map() };
    connections.set(channel.name, made);
    return made;
  };

  const advance = (connection: Connection, channel: Channel, chat: ChatKey, atMs: number): void => {
    if (connection.intervalMs > 0) connection.nextMs = atMs + connection.intervalMs;
    const lane = connection.chats.get(chat);
    const intervalMs = lane?.intervalMs ?? channel.limits.pace?.chatMs ?? 0;
    if (lane) lane.nextMs = atMs + intervalMs;
    else if (intervalMs > 0) remember(connection, chat, { nextMs: atMs + intervalMs, intervalMs });
  };

  const remember = (connection: Connection, chat: ChatKey, lane: Lane): void => {
    connection.chats.set(chat, lane);
    if (connection.chats.size <= CHATS_MAX) return;
    const nowMs = clock.monotonic();
    for (const [key, { nextMs }] of connection.chats) if (nextMs < nowMs) connection.chats.delete(key);
  };

  const freeAt = (connection: Connection, nowMs: number): number => Math.max(nowMs, connection.nextMs, connection.pausedUntilMs);

  const slowDown = (lane: Lane, { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number }): void => {
    lane.intervalMs = Math.min(maxMs, Math.max(minMs, lane.intervalMs * 2));
  };

  const pauseConnection = (connection: Connection, name: string, delayMs: number): void => {
    connection.pausedUntilMs = Math.max(connection.pausedUntilMs, clock.monotonic() + delayMs);
    slowDown(connection, LEARNED.channel);
    connection.successes = 0;
    if (delayMs < KEPT_FROM_MS) return;
    log.warn({ channel: name, delayMs }, "the platform told the whole connection to wait");
    store.kv
      .set(NAMESPACE, name, { untilMs: clock.now() + delayMs })
      .catch((error: unknown) => log.warn({ channel: name, err: error }, "how long the platform wants to be left alone was not stored"));
  };

  return {
    tryNow: (channel, chat) => {
      const connection = connectionOf(channel);
      const nowMs = clock.monotonic();
      if (freeAt(connection, nowMs) > nowMs || (connection.chats.get(chat)?.nextMs ?? 0) > nowMs) return false;
      advance(connection, channel, chat, nowMs);
      return true;
    },
    place: (channel, chat) => {
      const connection = connectionOf(channel);
      const nowMs = clock.monotonic();
      const atMs = freeAt(connection, nowMs);
      const chatMs = connection.chats.get(chat)?.nextMs ?? 0;
      if (chatMs > atMs) return { delayMs: chatMs - nowMs, isTaken: false };
      advance(connection, channel, chat, atMs);
      return { delayMs: atMs - nowMs, isTaken: true };
    },
    pausedMs: (name) => Math.max(0, (connections.get(name)?.pausedUntilMs ?? 0) - clock.monotonic()),
    took: (channel, chat) => {
      const connection = connections.get(channel.name);
      if (!connection) return;
      const base = channel.limits.pace;
      const lane = connection.chats.get(chat);
      if (lane) {
        lane.intervalMs = Math.floor(lane.intervalMs / 2);
        if (lane.intervalMs <= (base?.chatMs ?? 0)) connection.chats.delete(chat);
        if (base?.chatMs) remember(connection, chat, { nextMs: lane.nextMs, intervalMs: base.chatMs });
      }
      connection.successes += 1;
      if (connection.successes < SUCCESSES) return;
      connection.successes = 0;
      connection.intervalMs = Math.max(base?.channelMs ?? 0, Math.floor(connection.intervalMs * 0.9));
    },
    refused: (channel, chat, { retryAfterMs, scope }) => {
      if (retryAfterMs === undefined) return;
      const connection = connectionOf(channel);
      if (scope === "channel") return pauseConnection(connection, channel.name, retryAfterMs);
      const nowMs = clock.monotonic();
      const untilMs = nowMs + retryAfterMs;
      const { suspect } = connection;
      if (scope === undefined) connection.suspect = { chat, untilMs };
      // Two chats at once: it is the connection that is too fast, for as long as both were told. The rest may be the matter of one chat.
      if (scope === undefined && suspect && suspect.chat !== chat && suspect.untilMs > nowMs)
        pauseConnection(connection, channel.name, Math.min(retryAfterMs, suspect.untilMs - nowMs));
      const lane = connection.chats.get(chat) ?? { nextMs: 0, intervalMs: channel.limits.pace?.chatMs ?? 0 };
      slowDown(lane, LEARNED.chat);
      lane.nextMs = untilMs;
      remember(connection, chat, lane);
    },
    load: async (channels) => {
      for (const channel of channels) {
        const kept = (await store.kv.get(NAMESPACE, channel.name)) as { readonly untilMs?: unknown } | undefined;
        const leftMs = typeof kept?.untilMs === "number" ? kept.untilMs - clock.now() : 0;
        if (leftMs > 0) connectionOf(channel).pausedUntilMs = clock.monotonic() + leftMs;
        else if (kept !== undefined) await store.kv.remove(NAMESPACE, channel.name);
      }
    },
  };
}
