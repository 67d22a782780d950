import { ConfigError } from "../../core/errors.ts";
import type { Channel, ChannelAccess, Rate } from "../../ports/channel.ts";
import type { AccessOptions, GroupMode, GroupOptions } from "./options.ts";
import { RATE_ADVICE, checkRate, parseRate } from "./rate.ts";

function rateOf(given: string | Rate | undefined, path: string): Rate | undefined {
  if (given === undefined) return undefined;
  const rate = typeof given === "string" ? parseRate(given) : checkRate(given);
  if (rate) return rate;
  throw new ConfigError("CONFIG_INVALID", `${path} ${RATE_ADVICE}`, { path });
}

/**
 * Administrators and rates in the form that the runtime takes.
 * @throws ConfigError CONFIG_INVALID naming the option
 */
export function readAccess({ admins, rate }: AccessOptions): Pick<ChannelAccess, "admins" | "rate"> {
  for (const [place, admin] of (admins ?? []).entries()) {
    const path = `admins[${place}]`;
    if (typeof admin !== "string" || !/^[^\s@*]/.test(admin.trim()))
      throw new ConfigError(
        "CONFIG_INVALID",
        `${path} is ${JSON.stringify(admin)}; write the id of one person, which nobody else can take`,
        { path },
      );
  }
  const [perUser, perChat] = [rateOf(rate?.perUser, "rate.perUser"), rateOf(rate?.perChat, "rate.perChat")];
  return {
    ...(admins ? { admins: admins.map((admin) => admin.trim().toLowerCase()) } : {}),
    ...(perUser || perChat ? { rate: { ...(perUser ? { perUser } : {}), ...(perChat ? { perChat } : {}) } } : {}),
  };
}

/** The channel with these administrators and rates beside the allow list of its own. */
export function withAccess(channel: Channel, options: AccessOptions): Channel {
  const extra = readAccess(options);
  return Object.keys(extra).length === 0 ? channel : { ...channel, access: { allow: undefined, ...channel.access, ...extra } };
}

/** One mode for all as the map that adapters take. */
export function groupMap(groups: GroupOptions | undefined): Readonly<Record<string, GroupMode>> | undefined {
  return typeof groups === "string" ? { "*": groups } : groups;
}
