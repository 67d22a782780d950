/**
 * Discord over discord.js, which keeps the gateway's connection, and the REST API over `fetch`. Translates, and holds no policy: no
 * retries of sends, no pacing, no reconnecting beyond a resume; those live in the runtime. Discord tells a bot each thing once and waits
 * for nobody, so what this channel does keep is a cursor per channel from which it reads back what was missed: see stream.ts.
 */
import { invariant } from "../../core/errors.ts";
import type { Channel } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { openConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import type { DiscordCounters } from "./counters.ts";
import { describe, redactor } from "./failure.ts";
import { createFiles } from "./files.ts";
import { createIdentifyPace } from "./identify-pace.ts";
import { createInteractionDesk } from "./interactions.ts";
import { createOutbound } from "./outbound.ts";
import { createRecentIds } from "./recent-ids.ts";
import { createRest } from "./rest.ts";
import { checkAllow, checkCount, checkGroups, checkName, checkRoot, checkToken } from "./settings.ts";
import type { GroupMode } from "./settings.ts";
import { isSnowflake } from "./snowflake.ts";

export interface DiscordOptions {
  /** Channel instance; the first part of its chat keys. Default `discord`. */
  readonly name?: string;
  /** From the developer portal, Bot › Token; never logged, never part of an error. */
  readonly token: string;
  /** Base of the REST API without its version; the gateway's address is asked for there. Default `https://discord.com/api`. */
  readonly apiRoot?: string;
  /** User, channel or server ids, `@usernames`, or `*` for everybody. Absent: whoever sends the pairing code first owns the bot; empty: only who is approved. */
  readonly allow?: readonly string[];
  /** What is answered in servers, by thread, channel or server id (the nearest counts), and by `*` for the others. Default `mention`, which is also replies and slash commands. */
  readonly groups?: Readonly<Record<string, GroupMode>>;
  /** Most messages read back in one channel after a time away, 100 to 100,000; of more only the oldest so many and the newest 100 are. Default 1,000. */
  readonly backfillMax?: number;
  /** Least time between two logins, in milliseconds. Default 5,000, as Discord asks. */
  readonly identifyMs?: number;
  readonly clock: Clock;
  readonly log?: Log;
}

export interface DiscordChannel extends Channel {
  /** What became of what people did since the channel was made. */
  readonly counters: () => Readonly<DiscordCounters>;
}

/** Longest text of one message. @see https://discord.com/developers/docs/resources/message#create-message */
const TEXT_UNITS_MAX = 2_000;
/** Discord shows "typing…" for ten seconds. */
const TYPING_MS = 9_000;
/** A heartbeat is answered every 41 s: silence over nearly three of them is no quiet night. */
const SILENCE_MS_MAX = 120_000;
/** Five edits of a channel's messages in five seconds, and some air. */
const EDIT_MS = 1_200;

/**
 * Makes the channel; discord.js is loaded and anything connected only by `start`. `deliver`, `edit`, `open` and `typing` work also before `start` and after `stop`.
 * @throws ConfigError TOKEN_REFUSED, CONFIG_INVALID with the path of the bad option
 * @see https://discord.com/developers/docs/reference
 */
export function createDiscordChannel(options: DiscordOptions): DiscordChannel {
  const { clock, log } = options;
  const name = checkName(options.name ?? "discord");
  const token = checkToken(options.token);
  const apiRoot = checkRoot(options.apiRoot ?? "https://discord.com/api");
  const allow = checkAllow(options.allow);
  const groups = checkGroups(options.groups);
  const backfillMax = checkCount("backfillMax", options.backfillMax ?? 1_000, 100, 100_000);
  const pace = createIdentifyPace(clock, checkCount("identifyMs", options.identifyMs ?? 5_000, 0, 60_000));
  const redact = redactor(token);
  const rest = createRest({ token, apiRoot, clock, redact });
  const desk = createInteractionDesk({ rest, clock, name, log });
  const recent = createRecentIds();
  const counters: DiscordCounters = { accepted: 0, forbidden: 0, ignored: 0, notUnderstood: 0, dropped: 0, cutShort: 0 };
  let connection: Connection | undefined;
  let stopping: Promise<void> | undefined;

  return {
    name,
    kind: "discord",
    access: { allow },
    limits: { textUnits: TEXT_UNITS_MAX, canEdit: true, typingMs: TYPING_MS, silenceMaxMs: SILENCE_MS_MAX, pace: { editMs: EDIT_MS } },
    counters: () => ({ ...counters }),
    start: async (host) => {
      invariant(connection === undefined, `channel ${name} was started twice; stop it first`);
      const shared = { token, apiRoot, clock, name, log, redact, rest, desk, pace, recent, counters, groups, backfillMax };
      connection = openConnection(shared, host);
    },
    stop: () => {
      stopping ??= (async () => {
        await connection?.stop();
        connection = undefined;
        stopping = undefined;
      })();
      return stopping;
    },
    ...createOutbound({ rest, clock, desk }),
    open: createFiles({ rest, clock, redact }),
    addressOf: (key) => {
      const address = key.slice(key.indexOf(":") + 1);
      return isSnowflake(address) ? address : undefined;
    },
    typing: async (address, signal) => {
      if (!isSnowflake(address)) return;
      const result = await rest.call({ method: "POST", path: `/channels/${address}/typing`, signal });
      // A missing "typing…" harms nobody; a send to the same chat will say what is wrong.
      if (result.kind !== "ok") log?.debug({ channel: name, reason: describe(result) }, "typing was not shown");
    },
  };
}
