/**
 * A strict Discord over real HTTP and WebSockets on 127.0.0.1, as far as this project uses it: the gateway's protocol with sessions,
 * resumes and close codes, the REST API with its refusals and limits, slash commands and buttons. Faults are scripted per call; the
 * gateway is cut, closed or silenced at will.
 * @see https://discord.com/developers/docs/intro
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../ports/clock.ts";
import type { DiscordCall, DiscordFault, FaultScope } from "./faults.ts";
import { createFakeGateway, INTENT } from "./gateway.ts";
import type { FakeGateway } from "./gateway.ts";
import { createInteractionBook } from "./interactions.ts";
import type { Interaction } from "./interactions.ts";
import { createRestApi } from "./rest.ts";
import type { TakenSend } from "./rest.ts";
import { createWorld } from "./world.ts";
import type { Attachment, Json, Place, StoredMessage, World } from "./world.ts";

export interface DiscordServerOptions {
  readonly clock: Clock;
  /** Default `test-token.AAAA.secret-part`. */
  readonly token?: string;
  /** What HELLO asks for, in milliseconds. Default 41,250, as Discord's. */
  readonly heartbeatMs?: number;
}

export interface SayOptions {
  /** Default `7`. */
  readonly userId?: string;
  readonly username?: string;
  /** Default: the direct chat with that person. */
  readonly channelId?: string;
  /** Written before the text: the bot's name as a mention. */
  readonly mentions?: boolean;
  /** The message that it answers. */
  readonly replyTo?: string;
  readonly attachments?: readonly Attachment[];
  /** Laid over the message. */
  readonly extra?: Readonly<Json>;
}

export interface DiscordServer {
  /** For the channel's `apiRoot`. */
  readonly apiRoot: string;
  readonly token: string;
  readonly bot: World["bot"];
  readonly guildId: string;
  /** A text channel of that server. */
  readonly generalId: string;
  readonly gateway: Omit<FakeGateway, "upgrade" | "dispatch">;
  /** The direct chat with a person. */
  readonly directId: (userId: string) => string;
  readonly openThread: (parentId: string) => string;
  readonly openChannel: () => string;
  readonly setState: (channelId: string, state: Place["state"]) => void;
  /** A person writes; gives the message id. */
  readonly say: (text: string, options?: SayOptions) => string;
  /** A person changes a message of theirs. */
  readonly edit: (channelId: string, messageId: string, text: string) => void;
  /** Discord adds an embed to a message, which is an update but no edit. */
  readonly embed: (channelId: string, messageId: string) => void;
  /** A person uses a slash command. */
  readonly command: (
    name: string,
    options?: { readonly text?: string; readonly userId?: string; readonly channelId?: string },
  ) => Interaction;
  /** A person presses a button of a message that the bot sent. */
  readonly press: (channelId: string, messageId: string, customId: string, userId?: string) => Interaction;
  /** Any event for the bot. */
  readonly push: (t: string, d: Readonly<Json>) => void;
  readonly messages: (channelId: string) => readonly StoredMessage[];
  /** What the bot sent, in order. */
  readonly sends: () => readonly TakenSend[];
  readonly calls: (call: DiscordCall) => number;
  readonly lastPayload: (call: DiscordCall) => Readonly<Json> | undefined;
  readonly commands: () => readonly Json[];
  readonly limitSends: (count: number, perMs: number) => void;
  /** Addresses of attachments given until now are dead. */
  readonly expireUrls: () => void;
  readonly fail: (fault: DiscordFault, scope?: FaultScope) => void;
  /** Resolves as soon as the condition holds; it is looked at whenever something happens here. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Opens the server on 127.0.0.1, port 0. */
export async function openDiscordServer(options: DiscordServerOptions): Promise<DiscordServer> {
  const { clock, token = "test-token.AAAA.secret-part", heartbeatMs = 41_250 } = options;
  const waiters = new Set<{ readonly condition: () => boolean; readonly resolve: () => void }>();
  let port = 0;
  const origin = (): string => `http://127.0.0.1:${port}`;
  const changed = (): void => {
    for (const waiter of waiters) {
      if (!waiter.condition()) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };
  const world = createWorld(clock, origin);
  const interactions = createInteractionBook(clock, world);
  const gateway = createFakeGateway({ clock, world, token, heartbeatMs, origin, changed });

  /** Sends a message to the bot, with what the gateway adds and without what its intents hide. */
  const announce = (t: "MESSAGE_CREATE" | "MESSAGE_UPDATE", place: Place, message: StoredMessage): void => {
    const json = world.messageJson(message);
    const isDirect = place.guildId === undefined;
    const mentioned = (json.mentions as readonly Json[]).some(({ id }) => id === world.bot.id);
    gateway.dispatch(t, isDirect ? INTENT.directMessages : INTENT.guildMessages, (intents) => ({
      ...json,
      // Direct chats are known by nothing else.
      channel_type: place.type,
      ...(isDirect ? {} : { guild_id: place.guildId, member: { roles: [], nick: null } }),
      ...(isDirect || mentioned || message.authorId === world.bot.id || (intents & INTENT.messageContent) !== 0
        ? {}
        : { content: "", attachments: [], embeds: [], components: [] }),
    }));
    changed();
  };

  const rest = createRestApi({ clock, world, token, interactions, origin, changed, onMessage: announce });
  const server = createServer((request, response) => {
    // A request whose socket dies while it is read has nobody left to answer.
    rest.serve(request, response).catch(() => response.destroy());
  });
  server.on("upgrade", gateway.upgrade);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  ({ port } = server.address() as AddressInfo);

  const placeOf = (channelId: string): Place => {
    const place = world.place(channelId);
    if (!place) throw new Error(`the test server has no channel ${channelId}; open it first`);
    return place;
  };
  const messageOf = (channelId: string, messageId: string): StoredMessage => {
    const message = world.find(placeOf(channelId), messageId);
    if (!message) throw new Error(`channel ${channelId} has no message ${messageId}`);
    return message;
  };
  const openPlace = (type: 0 | 11, parentId?: string): string => {
    const place = world.open(type, world.guildId, parentId);
    gateway.dispatch(type === 0 ? "CHANNEL_CREATE" : "THREAD_CREATE", INTENT.guilds, () => world.placeJson(place));
    return place.id;
  };
  const interact = (kind: 2 | 3, place: Place, userId: string, fields: Json): Interaction => {
    const interaction = interactions.open(place.id);
    const user = world.userJson(userId);
    gateway.dispatch("INTERACTION_CREATE", 0, () => ({
      id: interaction.id,
      application_id: world.bot.applicationId,
      type: kind,
      token: interaction.token,
      version: 1,
      channel_id: place.id,
      channel: world.placeJson(place),
      ...(place.guildId === undefined ? { user } : { guild_id: place.guildId, member: { user, roles: [], nick: null } }),
      ...fields,
    }));
    changed();
    return interaction;
  };

  return {
    apiRoot: `${origin()}/api`,
    token,
    bot: world.bot,
    guildId: world.guildId,
    generalId: world.generalId,
    gateway,
    directId: (userId) => world.direct(userId).id,
    openThread: (parentId) => openPlace(11, parentId),
    openChannel: () => openPlace(0),
    setState: (channelId, state) => {
      placeOf(channelId).state = state;
    },
    say: (text, { userId = "7", username, channelId, mentions = false, replyTo, attachments = [], extra = {} } = {}) => {
      const place = channelId === undefined ? world.direct(userId) : placeOf(channelId);
      if (username !== undefined) world.userJson(userId, username);
      const answered = replyTo === undefined ? undefined : world.find(place, replyTo);
      const fields: Json = {
        content: mentions ? `<@${world.bot.id}> ${text}` : text,
        ...(mentions ? { mentions: [world.botJson()] } : {}),
        ...(answered
          ? { type: 19, message_reference: { message_id: answered.id, channel_id: place.id }, referenced_message: answered.raw }
          : {}),
        ...extra,
      };
      const message = world.add(place, userId, fields, attachments);
      announce("MESSAGE_CREATE", place, message);
      return message.id;
    },
    edit: (channelId, messageId, text) => {
      const message = messageOf(channelId, messageId);
      message.raw = { ...message.raw, content: text, edited_timestamp: new Date(clock.now()).toISOString() };
      announce("MESSAGE_UPDATE", placeOf(channelId), message);
    },
    embed: (channelId, messageId) => {
      const message = messageOf(channelId, messageId);
      message.raw = { ...message.raw, embeds: [{ type: "link", url: "https://example.com" }] };
      announce("MESSAGE_UPDATE", placeOf(channelId), message);
    },
    command: (name, { text, userId = "7", channelId } = {}) => {
      const place = channelId === undefined ? world.direct(userId) : placeOf(channelId);
      const given = text === undefined ? {} : { options: [{ name: "text", type: 3, value: text }] };
      return interact(2, place, userId, { data: { id: world.nextId(), name, type: 1, ...given } });
    },
    press: (channelId, messageId, customId, userId = "7") => {
      const message = world.messageJson(messageOf(channelId, messageId));
      return interact(3, placeOf(channelId), userId, { message, data: { custom_id: customId, component_type: 2 } });
    },
    push: (t, d) => gateway.dispatch(t, 0, () => d),
    messages: (channelId) => placeOf(channelId).messages,
    sends: rest.sends,
    calls: rest.calls,
    lastPayload: rest.lastPayload,
    commands: rest.commands,
    limitSends: rest.limitSends,
    expireUrls: world.expireUrls,
    fail: rest.fail,
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    close: async () => {
      gateway.cut();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
