import type { Channel } from "../../ports/channel.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { checkAllow, checkCount, checkGroups, checkName, checkRoot, checkToken } from "./settings.ts";
import type { GroupMode } from "./settings.ts";

export interface DiscordOptions {
  /** Channel instance; the first part of its chat keys. Default `discord`. */
  readonly name?: string;
  /** From the developer portal, Bot › Token; never logged, never part of an error. */
  readonly token: string;
  /** Base of the REST API without its version; the gateway's address is asked for there. Default `https://discord.com/api`. */
  readonly apiRoot?: string;
  /** User, channel or server ids, `@usernames`, or `*` for everybody. Absent: whoever sends the pairing code first owns the bot; empty: only who is approved. */
  readonly allow?: readonly string[];
  /** What is answered in servers, by thread, channel or server id (the nearest counts), and by `*` for the others. Default `mention`, which is also replies and commands. */
  readonly groups?: Readonly<Record<string, GroupMode>>;
  /** Most messages read back in one channel after a time away, 100 to 100,000; between them and the newest 100 lies what is passed over. Default 1,000. */
  readonly backfillMax?: number;
  /** Least time between two logins, in milliseconds. Default 5,000, as Discord asks. */
  readonly identifyMs?: number;
  readonly clock: Clock;
  readonly log?: Log;
}

/** Longest text of one message. @see https://discord.com/developers/docs/resources/message#create-message */
const TEXT_UNITS_MAX = 2_000;

/**
 * Makes the channel; discord.js is loaded and anything connected only by `start`. `deliver`, `edit`, `open` and `typing` work also before `start` and after `stop`.
 * @throws ConfigError TOKEN_REFUSED, CONFIG_INVALID with the path of the bad option
 * @see https://discord.com/developers/docs/reference
 */
export function createDiscordChannel(options: DiscordOptions): Channel {
  const name = checkName(options.name ?? "discord");
  checkToken(options.token);
  checkRoot(options.apiRoot ?? "https://discord.com/api");
  checkGroups(options.groups);
  checkCount("backfillMax", options.backfillMax ?? 1_000, 100, 100_000);
  checkCount("identifyMs", options.identifyMs ?? 5_000, 0, 60_000);
  const absent = (): never => {
    throw new ConfigError("CONFIG_UNSUPPORTED", "discord: this build has no connection to Discord yet; remove channels.discord");
  };
  return {
    name,
    kind: "discord",
    access: { allow: checkAllow(options.allow) },
    limits: { textUnits: TEXT_UNITS_MAX, canEdit: true, typingMs: 9_000, silenceMaxMs: 120_000, pace: { editMs: 1_200 } },
    start: async () => absent(),
    stop: () => Promise.resolve(),
    deliver: async () => absent(),
    edit: async () => absent(),
  };
}
