/** All channels' streams of one connection: live events go to theirs, and at each login every known one is read back. */
import type { AcceptOutcome, ChannelHost, InboundMessage } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { DiscordCounters } from "./counters.ts";
import type { Directory } from "./directory.ts";
import type { Entry, Ledger } from "./ledger.ts";
import { settlesWithin } from "./pause.ts";
import type { Reader } from "./reader.ts";
import type { RecentIds } from "./recent-ids.ts";
import { isLater, isSnowflake } from "./snowflake.ts";
import { createStream, firstEntry } from "./stream.ts";
import type { Page, Stream, StreamContext, StreamItem } from "./stream.ts";
import { translate } from "./translate.ts";
import type { BotIdentity, Translation, Whereabouts } from "./translate.ts";
import type { WireMessage } from "./wire.ts";

export interface IntakeOptions {
  readonly host: Pick<ChannelHost, "accept">;
  readonly clock: Clock;
  readonly name: string;
  readonly log: Log | undefined;
  readonly signal: AbortSignal;
  readonly ledger: Ledger;
  readonly directory: Directory;
  readonly reader: Reader;
  readonly recent: RecentIds;
  readonly counters: DiscordCounters;
  readonly backfillMax: number;
}

export interface Intake {
  /** A login that is no resume: whatever was said before it is read back. Call before the first event. */
  readonly begin: (bot: BotIdentity) => void;
  /** A server is back after an outage, or the bot in it: its channels are read back. */
  readonly serverReturned: (guildId: string | undefined) => void;
  readonly messageSaid: (message: WireMessage, isEdit: boolean) => void;
  /** Something that no reading back brings again. `id`: a snowflake of now. */
  readonly pushed: (place: Whereabouts, id: string, message: InboundMessage, onOutcome: (outcome: AcceptOutcome) => void) => void;
  /** Resolves once nothing is handed over any more, at the latest after 10 s; call after the signal is aborted. */
  readonly ended: () => Promise<void>;
}

/** Longest that the end waits for commits under way. */
const END_MS_MAX = 10_000;
/** Longest that the end waits for cursors which moved over what was passed over. */
const FLUSH_MS_MAX = 2_000;

export function createIntake(options: IntakeOptions): Intake {
  const { host, clock, name, log, signal, ledger, directory, reader, recent, counters, backfillMax } = options;
  const streams = new Map<string, Stream>();
  let bot: BotIdentity | undefined;
  let isAbandoned = false;

  const translated = (message: WireMessage, place: Whereabouts, isEdit: boolean): Translation => {
    if (!bot) return { kind: "ignored" };
    const translation = translate(
      message,
      { name, bot, place, botRoleId: directory.botRoleOf(place.guildId), mode: directory.modeOf(place) },
      isEdit,
    );
    if (translation.kind !== "message") counters[translation.kind] += 1;
    return translation;
  };

  const itemOf = (message: WireMessage & { readonly id: string }, place: Whereabouts): StreamItem => {
    const translation = translated(message, place, false);
    return { id: message.id, cursor: message.id, ...(translation.kind === "message" ? { message: translation.message } : {}) };
  };

  const isQuiet = async ({ channelId, guildId, after }: Entry): Promise<boolean> => {
    if (guildId === undefined) return false;
    await directory.settled(guildId, signal);
    return directory.isQuietSince(channelId, after);
  };

  const read: StreamContext["read"] = async (entry, after, isUrgent): Promise<Page> => {
    // Without the server's description its threads and the bot's role in it are not known.
    if (entry.guildId !== undefined) await directory.settled(entry.guildId, signal);
    const result = await reader.read(entry.channelId, after, isUrgent);
    if (result === "gone") streams.delete(entry.channelId);
    if (typeof result === "string") return result;
    const parentId = entry.parentId ?? directory.parentOf(entry.channelId);
    return result.map((message) => itemOf(message, { ...entry, parentId }));
  };

  const context: StreamContext = {
    host,
    ledger,
    recent,
    counters,
    backfillMax,
    room: { used: 0 },
    read,
    isQuiet,
    clock,
    signal,
    name,
    log,
    isAbandoned: () => isAbandoned,
  };

  const streamFor = (entry: Entry, isNew: boolean): Stream => {
    const known = streams.get(entry.channelId);
    if (known) return known;
    const stream = createStream(context, entry, isNew);
    streams.set(entry.channelId, stream);
    return stream;
  };
  const isFree = ({ channelId }: Entry): boolean => {
    if (streams.get(channelId)?.isIdle() === false) return false;
    streams.delete(channelId);
    return true;
  };

  const push = (place: Whereabouts, item: StreamItem): void => {
    const known = streams.get(place.channelId) ?? knownStream(place.channelId);
    if (known) known.push(item);
    // A channel counts from the first time that somebody speaks to the bot there.
    else if (item.message) {
      const entry = firstEntry(place, item);
      ledger.add(entry, isFree);
      streamFor(entry, true).push(item);
    }
  };
  const knownStream = (channelId: string): Stream | undefined => {
    const entry = ledger.get(channelId);
    return entry && streamFor(entry, false);
  };

  return {
    begin: (identity) => {
      bot = identity;
      const entries = [...ledger.entries()].sort((a, b) => (isLater(a.after, b.after) ? -1 : 1));
      for (const entry of entries) streamFor(entry, false).mark(true);
      if (entries.length > 0) log?.info({ channel: name, channels: entries.length }, "reading back what was said before the login");
    },
    serverReturned: (guildId) => {
      for (const entry of ledger.entries()) if (entry.guildId === guildId) streamFor(entry, false).mark(true);
    },
    messageSaid: (message, isEdit) => {
      const { id, channel_id: channelId, guild_id: guildId } = message;
      if (signal.aborted || !isSnowflake(id) || !isSnowflake(channelId)) return;
      const place: Whereabouts = {
        channelId,
        guildId: isSnowflake(guildId) ? guildId : undefined,
        parentId: directory.parentOf(channelId),
      };
      if (!isEdit) {
        push(place, itemOf({ ...message, id }, place));
        return;
      }
      const translation = translated(message, place, true);
      if (translation.kind === "message") push(place, { id: translation.message.externalId, message: translation.message });
    },
    pushed: (place, id, message, onOutcome) => {
      if (!signal.aborted) push(place, { id, message, onOutcome });
    },
    ended: async () => {
      const all = [...streams.values()];
      if (!(await settlesWithin(clock, END_MS_MAX, Promise.all(all.map((stream) => stream.settled()))))) {
        isAbandoned = true;
        log?.error({ channel: name, limitMs: END_MS_MAX }, "a commit did not end in time; its messages will be read back");
        return;
      }
      const flushed = Promise.allSettled(all.map((stream) => stream.flush()));
      if (!(await settlesWithin(clock, FLUSH_MS_MAX, flushed))) isAbandoned = true;
    },
  };
}
