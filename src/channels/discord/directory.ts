/** What the gateway tells of servers: the bot's own role in each, which channel a thread hangs on, and where nothing new was said. */
import type { Clock } from "../../ports/clock.ts";
import { settlesWithin } from "./pause.ts";
import type { GroupMode } from "./settings.ts";
import { isLater, isSnowflake } from "./snowflake.ts";
import type { Whereabouts } from "./translate.ts";
import type { WireChannel, WireGuild, WireThread } from "./wire.ts";

export interface Directory {
  /** The bot has logged in again: servers are described anew. */
  readonly forgetGuilds: () => void;
  /**
   * `isKnown`: whether somebody has spoken to the bot in a channel; the last messages of others are not remembered.
   * True when the server comes back: since this login nobody waited for it any more.
   */
  readonly learnGuild: (guild: WireGuild, botId: string, isKnown: (channelId: string) => boolean) => boolean;
  readonly learnThread: (thread: WireThread) => void;
  readonly parentOf: (channelId: string) => string | undefined;
  readonly botRoleOf: (guildId: string | undefined) => string | undefined;
  /** At this login nothing was said in a channel after that message. False also when it is not known. */
  readonly isQuietSince: (channelId: string, messageId: string) => boolean;
  /** The setting of the nearest: thread, channel, server, `*`; without any `mention`. */
  readonly modeOf: (place: Whereabouts) => GroupMode;
  /** Resolves once the server is described, or after 10 s, once a login: some are down for long. */
  readonly settled: (guildId: string, signal: AbortSignal) => Promise<void>;
}

/** Most threads remembered; of a forgotten one only its own setting and the server's count. */
const THREADS_MAX = 20_000;
const GUILD_MS_MAX = 10_000;

export function createDirectory(groups: ReadonlyMap<string, GroupMode>, clock: Clock): Directory {
  const botRoles = new Map<string, string>();
  /** Servers that nobody waits for any more. */
  const settledGuilds = new Set<string>();
  const lastMessages = new Map<string, string>();
  const parents = new Map<string, string>();
  const waiting = new Map<string, Set<() => void>>();

  const learnThread = ({ id, parent_id: parentId }: WireThread): void => {
    if (!isSnowflake(id) || !isSnowflake(parentId)) return;
    parents.set(id, parentId);
    const oldest = parents.size > THREADS_MAX ? parents.keys().next().value : undefined;
    if (oldest !== undefined) parents.delete(oldest);
  };

  return {
    forgetGuilds: () => {
      settledGuilds.clear();
      lastMessages.clear();
    },
    learnGuild: ({ id, unavailable, roles = [], channels = [], threads = [] }, botId, isKnown) => {
      if (!isSnowflake(id) || unavailable === true) return false;
      const role = roles.find(({ tags }) => tags?.bot_id === botId)?.id;
      if (role === undefined) botRoles.delete(id);
      else botRoles.set(id, role);
      for (const thread of threads) learnThread(thread);
      for (const { id: channelId, last_message_id: last } of [...channels, ...threads] satisfies WireChannel[])
        if (isSnowflake(channelId) && isKnown(channelId) && last !== undefined) lastMessages.set(channelId, last ?? "0");
      const isBack = settledGuilds.has(id);
      settledGuilds.add(id);
      for (const wake of waiting.get(id) ?? []) wake();
      waiting.delete(id);
      return isBack;
    },
    learnThread,
    parentOf: (channelId) => parents.get(channelId),
    botRoleOf: (guildId) => (guildId === undefined ? undefined : botRoles.get(guildId)),
    isQuietSince: (channelId, messageId) => {
      const last = lastMessages.get(channelId);
      return last !== undefined && !isLater(last, messageId);
    },
    modeOf: ({ channelId, parentId, guildId }) => {
      for (const id of [channelId, parentId, guildId, "*"]) {
        const mode = id === undefined ? undefined : groups.get(id);
        if (mode !== undefined) return mode;
      }
      return "mention";
    },
    settled: async (guildId, signal) => {
      if (settledGuilds.has(guildId) || signal.aborted) return;
      const wakers = waiting.get(guildId) ?? new Set();
      waiting.set(guildId, wakers);
      let wake = (): void => undefined;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      wakers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      await settlesWithin(clock, GUILD_MS_MAX, woken);
      signal.removeEventListener("abort", wake);
      wakers.delete(wake);
      settledGuilds.add(guildId);
    },
  };
}
