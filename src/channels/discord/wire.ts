/** The parts of Discord's objects that are read here. Everything may be missing: what an object lacks must never stop those that come after it. */

export interface WireUser {
  readonly id?: string;
  readonly username?: string;
  readonly global_name?: string | null;
  readonly bot?: boolean;
}

export interface WireMember {
  readonly user?: WireUser;
  readonly nick?: string | null;
}

export interface WireAttachment {
  readonly id?: string;
  readonly filename?: string;
  readonly content_type?: string;
  readonly size?: number;
  readonly url?: string;
}

/** @see https://discord.com/developers/docs/resources/message#message-object */
export interface WireMessage {
  readonly id?: string;
  readonly channel_id?: string;
  /** Only over the gateway. */
  readonly guild_id?: string;
  readonly author?: WireUser;
  /** Only over the gateway. */
  readonly member?: WireMember;
  readonly webhook_id?: string;
  readonly type?: number;
  readonly flags?: number;
  readonly content?: string;
  readonly edited_timestamp?: string | null;
  readonly mentions?: readonly WireUser[];
  readonly mention_roles?: readonly string[];
  readonly referenced_message?: WireMessage | null;
  readonly attachments?: readonly WireAttachment[];
  readonly sticker_items?: readonly { readonly name?: string }[];
  /** Of a forwarded message. */
  readonly message_snapshots?: readonly { readonly message?: WireMessage }[];
}

/** @see https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object */
export interface WireInteraction {
  readonly id?: string;
  readonly application_id?: string;
  readonly token?: string;
  readonly type?: number;
  readonly channel_id?: string;
  readonly channel?: { readonly parent_id?: string | null; readonly type?: number };
  readonly guild_id?: string;
  /** In a server. */
  readonly member?: WireMember;
  /** In a direct chat. */
  readonly user?: WireUser;
  readonly data?: {
    readonly name?: string;
    readonly custom_id?: string;
    readonly options?: readonly { readonly name?: string; readonly value?: unknown }[];
  };
}

/** @see https://discord.com/developers/docs/events/gateway-events#ready */
export interface WireReady {
  readonly user?: WireUser;
  readonly application?: { readonly id?: string };
}

/** @see https://discord.com/developers/docs/events/gateway-events#guild-create */
export interface WireGuild {
  readonly id?: string;
  readonly unavailable?: boolean;
  readonly roles?: readonly { readonly id?: string; readonly tags?: { readonly bot_id?: string } }[];
  readonly channels?: readonly WireChannel[];
  readonly threads?: readonly WireThread[];
}

export interface WireChannel {
  readonly id?: string;
  readonly last_message_id?: string | null;
}

export interface WireThread extends WireChannel {
  readonly parent_id?: string | null;
}
