/** What the fake Discord knows: people, servers, channels, direct chats, threads and their messages. */
import type { Clock } from "../../ports/clock.ts";

export type Json = Record<string, unknown>;

export interface Attachment {
  readonly name: string;
  readonly mime: string;
  readonly bytes: Uint8Array;
}

export interface StoredMessage {
  readonly id: string;
  readonly channelId: string;
  readonly authorId: string;
  /** As the API shows it, without its attachments' addresses. */
  raw: Json;
  readonly attachments: readonly (Attachment & { readonly id: string })[];
}

/** 0: text channel, 1: direct chat, 11: public thread. */
export type PlaceType = 0 | 1 | 11;

export interface Place {
  readonly id: string;
  readonly type: PlaceType;
  readonly guildId: string | undefined;
  readonly parentId: string | undefined;
  /** The person of a direct chat. */
  readonly recipientId: string | undefined;
  /** By id, which is the order of time. */
  readonly messages: StoredMessage[];
  /** How the API answers about it; `gone` is an unknown channel, `hidden` one without access, `closed` a direct chat that takes nothing. */
  state: "open" | "hidden" | "closed" | "gone";
}

export interface World {
  readonly bot: { readonly id: string; readonly username: string; readonly applicationId: string; readonly roleId: string };
  readonly guildId: string;
  /** The channel that exists from the start in the one server. */
  readonly generalId: string;
  readonly nextId: () => string;
  readonly place: (id: string) => Place | undefined;
  readonly places: () => readonly Place[];
  /** The direct chat with a person, made when there is none. */
  readonly direct: (userId: string) => Place;
  readonly open: (type: PlaceType, guildId: string | undefined, parentId?: string) => Place;
  readonly userJson: (userId: string, username?: string) => Json;
  readonly botJson: () => Json;
  readonly placeJson: (place: Place) => Json;
  readonly add: (place: Place, authorId: string, fields: Json, attachments?: readonly Attachment[]) => StoredMessage;
  readonly find: (place: Place, messageId: string) => StoredMessage | undefined;
  /** With addresses of attachments that are good until `expireUrls`. */
  readonly messageJson: (message: StoredMessage) => Json;
  /** The attachment that an address means, unless the address is old. */
  readonly attachmentAt: (attachmentId: string, issue: string | null) => Attachment | undefined;
  readonly expireUrls: () => void;
}

/** Milliseconds of 2015-01-01. @see https://discord.com/developers/docs/reference#snowflakes */
const EPOCH_MS = 1_420_070_400_000;
/** Most messages kept in one channel; more is a mistake of the test. */
const KEPT_MAX = 1_000_000;

function createSnowflakes(clock: Clock): () => string {
  let lastMs = 0;
  let step = 0n;
  return () => {
    const nowMs = Math.max(lastMs, clock.now() - EPOCH_MS);
    // 4,096 ids fit a millisecond; a burst borrows from the next.
    step = nowMs === lastMs ? step + 1n : 0n;
    lastMs = step > 4_095n ? nowMs + 1 : nowMs;
    if (step > 4_095n) step = 0n;
    return String((BigInt(lastMs) << 22n) | step);
  };
}

/** @param origin - asked for when an address of an attachment is written */
export function createWorld(clock: Clock, origin: () => string): World {
  const nextId = createSnowflakes(clock);
  const places = new Map<string, Place>();
  const directs = new Map<string, Place>();
  const names = new Map<string, string>();
  const attachments = new Map<string, Attachment>();
  let issue = 1;
  const bot = { id: nextId(), username: "sati-test-bot", applicationId: nextId(), roleId: nextId() };
  const guildId = nextId();

  const open: World["open"] = (type, guild, parentId) => {
    const id = nextId();
    const place: Place = { id, type, guildId: guild, parentId, recipientId: undefined, messages: [], state: "open" };
    places.set(id, place);
    return place;
  };
  const general = open(0, guildId);

  const userJson: World["userJson"] = (userId, username) => {
    if (username !== undefined) names.set(userId, username);
    const name = names.get(userId) ?? `person${userId}`;
    return { id: userId, username: name, global_name: "Person", discriminator: "0", avatar: null };
  };
  const botJson = (): Json => ({
    id: bot.id,
    username: bot.username,
    global_name: null,
    discriminator: "0",
    avatar: null,
    bot: true,
  });

  const messageJson: World["messageJson"] = (message) => ({
    ...message.raw,
    attachments: message.attachments.map(({ id, name, mime, bytes }) => ({
      id,
      filename: name,
      content_type: mime,
      size: bytes.length,
      url: `${origin()}/attachments/${id}/${encodeURIComponent(name)}?ex=${issue}`,
      proxy_url: `${origin()}/attachments/${id}/${encodeURIComponent(name)}?ex=${issue}`,
    })),
  });

  return {
    bot,
    guildId,
    generalId: general.id,
    nextId,
    place: (id) => places.get(id),
    places: () => [...places.values()],
    direct: (userId) => {
      const known = directs.get(userId);
      if (known) return known;
      const id = nextId();
      const place: Place = { id, type: 1, guildId: undefined, parentId: undefined, recipientId: userId, messages: [], state: "open" };
      places.set(id, place);
      directs.set(userId, place);
      return place;
    },
    open,
    userJson,
    botJson,
    placeJson: ({ id, type, guildId: guild, parentId, recipientId, messages }) => ({
      id,
      type,
      last_message_id: messages.at(-1)?.id ?? null,
      ...(guild === undefined ? {} : { guild_id: guild, name: `channel-${id}`, position: 0, permission_overwrites: [] }),
      ...(parentId === undefined ? {} : { parent_id: parentId }),
      ...(recipientId === undefined ? {} : { recipients: [userJson(recipientId)] }),
    }),
    add: (place, authorId, fields, files = []) => {
      if (place.messages.length >= KEPT_MAX) throw new Error(`more than ${KEPT_MAX} messages in channel ${place.id}; use several`);
      const id = nextId();
      const stored = files.map((file) => ({ ...file, id: nextId() }));
      for (const file of stored) attachments.set(file.id, file);
      const raw: Json = {
        id,
        channel_id: place.id,
        author: authorId === bot.id ? botJson() : userJson(authorId),
        content: "",
        timestamp: new Date(clock.now()).toISOString(),
        edited_timestamp: null,
        tts: false,
        mention_everyone: false,
        mentions: [],
        mention_roles: [],
        embeds: [],
        pinned: false,
        type: 0,
        flags: 0,
        components: [],
        ...fields,
      };
      const message: StoredMessage = { id, channelId: place.id, authorId, raw, attachments: stored };
      place.messages.push(message);
      return message;
    },
    find: (place, messageId) => place.messages.findLast((message) => message.id === messageId),
    messageJson,
    attachmentAt: (attachmentId, given) => (given === String(issue) ? attachments.get(attachmentId) : undefined),
    expireUrls: () => {
      issue += 1;
    },
  };
}
