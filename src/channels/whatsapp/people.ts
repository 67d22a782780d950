/**
 * Who is behind a message. WhatsApp names people by phone number, by a user id of the business, or by both, and a number may vanish once
 * somebody takes a username. So the first name that a person came by is kept: it makes the chat's key, which never changes; the address is
 * whatever the last message showed.
 */
import { createHash } from "node:crypto";
import { CHAT_KEY_MAX, type ChatKey } from "../../core/chat-key.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { WireAuthor } from "./payload.ts";

export interface Person {
  /** The first number or user id that this person came by. */
  readonly id: string;
  readonly chat: ChatKey;
  /** A number where it is shown, else the user id. */
  readonly address: string;
  /** What an allow list may call them. */
  readonly identities: readonly string[];
}

export interface People {
  /** @throws TransientError when the store could not be asked */
  readonly meet: (author: WireAuthor) => Promise<Person>;
}

/** People remembered without asking the store. */
const KNOWN_MAX = 10_000;

/** The key of the chat with somebody of that id. */
export function chatOf(name: string, id: string): ChatKey {
  const key: ChatKey = `${name}:${id}`;
  return key.length <= CHAT_KEY_MAX ? key : `${name}:${createHash("sha256").update(id).digest("hex")}`;
}

/** For one connection of the channel `name`. */
export function createPeople(name: string, host: Pick<ChannelHost, "load" | "save">): People {
  const known = new Map<string, Promise<string>>();

  const remember = async (userId: string, first: string): Promise<string> => {
    const cell = `person:${userId}`;
    const stored = await host.load(cell);
    if (typeof stored === "string") return stored;
    await host.save(cell, first);
    return first;
  };

  const firstIdOf = ({ waId, userId }: WireAuthor): Promise<string> => {
    if (userId === undefined) return Promise.resolve(waId ?? "");
    const before = known.get(userId);
    if (before) return before;
    const found = remember(userId, waId ?? userId);
    known.set(userId, found);
    found.catch(() => known.delete(userId));
    for (const oldest of known.keys()) {
      if (known.size <= KNOWN_MAX) break;
      known.delete(oldest);
    }
    return found;
  };

  return {
    meet: async (author) => {
      const { waId, userId, username } = author;
      const id = await firstIdOf(author);
      const names = [id, waId, userId, username === undefined ? undefined : `@${username.replace(/^@/, "")}`];
      return {
        id,
        chat: chatOf(name, id),
        address: waId ?? userId ?? id,
        identities: [...new Set(names.flatMap((one) => one?.toLowerCase() ?? []))],
      };
    },
  };
}
