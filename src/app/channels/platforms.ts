/** Makes the channels of the platforms. The code of each loads only when it is configured. */
import { ConfigError } from "../../core/errors.ts";
import type { Channel } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import { groupMap, withAccess } from "./access.ts";
import { ADAPTERS, CHANNEL_KINDS, isChannelKind, kindOf } from "./kinds.ts";
import type {
  AccessOptions,
  ChannelOptions,
  ChatSdkGatewayOptions,
  DiscordGatewayOptions,
  TelegramGatewayOptions,
  WhatsAppGatewayOptions,
} from "./options.ts";

/** What every adapter is given besides its options. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Everything but what is ours: the kind, and who administers. */
function own<T extends AccessOptions & { readonly kind?: string }>({
  kind: _,
  admins: __,
  rate: ___,
  ...rest
}: T): Omit<T, "kind" | "admins" | "rate"> {
  return rest;
}

async function openTelegram(name: string, options: TelegramGatewayOptions, around: Surroundings): Promise<Channel> {
  const { createTelegramChannel } = await import("../../channels/telegram/channel.ts");
  return createTelegramChannel({ ...own(options), name, groups: groupMap(options.groups), clock: around.clock, log: around.log });
}

async function openDiscord(name: string, options: DiscordGatewayOptions, around: Surroundings): Promise<Channel> {
  const { createDiscordChannel } = await import("../../channels/discord/channel.ts");
  return createDiscordChannel({ ...own(options), name, groups: groupMap(options.groups), clock: around.clock, log: around.log });
}

async function openWhatsApp(name: string, options: WhatsAppGatewayOptions, around: Surroundings): Promise<Channel> {
  const { createWhatsAppChannel } = await import("../../channels/whatsapp/channel.ts");
  return createWhatsAppChannel({ ...own(options), name, clock: around.clock, log: around.log });
}

async function openChatSdk(
  name: string,
  options: ChatSdkGatewayOptions,
  usual: string | undefined,
  around: Surroundings,
): Promise<Channel> {
  const { createChatSdkChannel } = await import("../../channels/chat-sdk/channel.ts");
  const adapter = options.adapter ?? usual;
  if (adapter === undefined)
    throw new ConfigError("CONFIG_INVALID", "is missing; name a package such as @chat-adapter/slack", { path: "adapter" });
  return createChatSdkChannel({ ...own(options), name, adapter, ...around });
}

function opened(name: string, kind: string, options: ChannelOptions, around: Surroundings): Promise<Channel> {
  switch (kind) {
    case "telegram":
      return openTelegram(name, options as TelegramGatewayOptions, around);
    case "discord":
      return openDiscord(name, options as DiscordGatewayOptions, around);
    case "whatsapp":
      return openWhatsApp(name, options as WhatsAppGatewayOptions, around);
    default:
      return openChatSdk(name, options as ChatSdkGatewayOptions, ADAPTERS[kind], around);
  }
}

/**
 * The channel `name` of a platform; nothing is connected before it is started.
 * @throws ConfigError CONFIG_INVALID, TOKEN_REFUSED with the path of the bad option below `channels.<name>`
 */
export async function openPlatform(name: string, options: ChannelOptions | true, around: Surroundings): Promise<Channel> {
  const root = `channels.${name}`;
  const kind = kindOf(name, options);
  if (!isChannelKind(kind) || kind === "terminal" || kind === "web") {
    const kinds = CHANNEL_KINDS.slice(2).join(", ");
    throw new ConfigError("CONFIG_INVALID", `${root}: begin the name with a kind (${kinds}), or write kind or adapter`, { path: root });
  }
  if (options === true && ADAPTERS[kind] === undefined)
    throw new ConfigError("CONFIG_INVALID", `${root}: true is not enough; give its token`, { path: root });
  const given = options === true ? {} : options;
  try {
    return withAccess(await opened(name, kind, given, around), given);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    const path = `${root}${cause.path === undefined ? "" : `.${cause.path}`}`;
    throw new ConfigError(cause.code, `${path}: ${cause.message}`, { path, cause });
  }
}
