/** The channels that a gateway opens; the code of each loads only when it is configured. */
import { ConfigError } from "../core/errors.ts";
import type { Channel } from "../ports/channel.ts";
import type { Clock } from "../ports/clock.ts";
import { createWebChannel } from "../channels/web/channel.ts";

export interface TelegramGatewayOptions {
  readonly token: string;
  readonly apiRoot?: string;
  /** User ids, chat ids, @usernames or "*"; absent: whoever sends the pairing code first owns the bot. */
  readonly allow?: readonly string[];
}

/** By instance name; `web` is switched on and off. */
export type NamedChannels = Readonly<Record<string, TelegramGatewayOptions | boolean>>;

/** @throws ConfigError CONFIG_INVALID for a name that is no channel, and what the channels themselves throw */
export async function openChannels(
  channels: NamedChannels | readonly Channel[],
  { clock, hasPage }: { readonly clock: Clock; readonly hasPage: boolean },
): Promise<readonly Channel[]> {
  const given = isList(channels) ? channels : await openNamed(channels, clock);
  const isWebMissing = hasPage && !given.some(({ name }) => name === "web");
  return isWebMissing ? [...given, createWebChannel()] : given;
}

async function openNamed(channels: NamedChannels, clock: Clock): Promise<readonly Channel[]> {
  const opened: Channel[] = [];
  for (const [name, options] of Object.entries(channels)) {
    if (name === "web" || options === false) continue;
    if (options === true) {
      throw new ConfigError("CONFIG_INVALID", `channels.${name}: true is not enough; give its token`, { path: `channels.${name}` });
    }
    const { createTelegramChannel } = await import("../channels/telegram/channel.ts");
    opened.push(createTelegramChannel({ name, ...options, clock }));
  }
  return opened;
}

function isList(channels: NamedChannels | readonly Channel[]): channels is readonly Channel[] {
  return Array.isArray(channels);
}
