/** What `createGateway` is told of each channel: the options of its adapter, and who may write over it. */
import type { ChatSdkOptions } from "../../channels/chat-sdk/channel.ts";
import type { DiscordOptions } from "../../channels/discord/channel.ts";
import type { TelegramOptions } from "../../channels/telegram/channel.ts";
import type { WhatsAppOptions } from "../../channels/whatsapp/options.ts";
import type { Rate } from "../../ports/channel.ts";

/** What is answered in groups: what is said to the bot, or everything. */
export type GroupMode = "mention" | "all";

/** Who may administer a channel, and how much one may write over it. */
export interface AccessOptions {
  /** Ids of people who may write and who let others in. */
  readonly admins?: readonly string[];
  /** Messages beyond these are refused with one reply: `"20/1m"`. Absent: no limit. */
  readonly rate?: { readonly perUser?: string | Rate; readonly perChat?: string | Rate };
}

/** By chat id and `*` for the others, or one for all. */
export type GroupOptions = GroupMode | Readonly<Record<string, GroupMode>>;

type FromGateway = "name" | "clock" | "random" | "log" | "groups";

export interface TelegramGatewayOptions extends Omit<TelegramOptions, FromGateway>, AccessOptions {
  readonly kind?: "telegram";
  readonly groups?: GroupOptions;
}

export interface DiscordGatewayOptions extends Omit<DiscordOptions, FromGateway>, AccessOptions {
  readonly kind?: "discord";
  readonly groups?: GroupOptions;
}

export interface WhatsAppGatewayOptions extends Omit<WhatsAppOptions, FromGateway>, AccessOptions {
  readonly kind?: "whatsapp";
}

export interface ChatSdkGatewayOptions extends Omit<ChatSdkOptions, FromGateway | "adapter">, AccessOptions {
  readonly kind?: "chat-sdk" | "slack";
  /** Default for the kind `slack`: `@chat-adapter/slack`. */
  readonly adapter?: ChatSdkOptions["adapter"];
  readonly groups?: GroupMode;
}

export type ChannelOptions = TelegramGatewayOptions | DiscordGatewayOptions | WhatsAppGatewayOptions | ChatSdkGatewayOptions;

/** By instance name; the kind follows from the name (`telegram-2`), from `kind`, or from an `adapter`. `web` and `terminal` are switched on and off. */
export type NamedChannels = Readonly<Record<string, ChannelOptions | boolean>>;
