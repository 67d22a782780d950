/**
 * Who was let in on one channel beside its allow list, and the code that is out. People are in the store; the code is in memory only, so
 * that it never outlives its process.
 */
import type { ChatKey } from "../core/chat-key.ts";
import { createPairingCode, formatPairingCode, isSameCode, readPairingCode } from "../core/pairing-code.ts";
import { textOf } from "../core/content.ts";
import { RequestError } from "../core/errors.ts";
import type { ChannelAccount, InboundMessage } from "../ports/channel.ts";
import { identityOf } from "./access/identity.ts";
import type { PairedPerson, PairingCode, Role } from "./api.ts";
import type { Kernel } from "./kernel.ts";

const NAMESPACE = "pairing";
const CODE_LIFE_MS = 3_600_000;
/** Wrong codes before a sender is no longer heard, and before the code itself is withdrawn. */
const WRONG_OF_SENDER_MAX = 5;
const WRONG_MAX = 20;
const PEOPLE_MAX = 1_000;
/** Administrators whose chats are known. */
const CHATS_MAX = 100;
const ID = /^[^\s\p{Cc}]{1,128}$/u;

interface StoredPairing {
  readonly schemaVersion: 1;
  readonly people: readonly PairedPerson[];
  /** Known again when the message that brought it is delivered a second time. */
  readonly usedCode?: string;
  /** Where administrators are alone with the bot, by their ids. */
  readonly chats?: Readonly<Record<string, ChatKey>>;
}

/** What the cell says, as it is held in memory. */
interface Held {
  readonly people: readonly PairedPerson[];
  readonly chats: ReadonlyMap<string, ChatKey>;
  readonly usedCode: string | undefined;
}

interface OpenCode {
  readonly text: string;
  readonly expiresAtMs: number;
  readonly wrongBy: Map<string, number>;
  wrong: number;
}

/** What became of a code that somebody sent. */
export type Redeemed = "paired" | "wrong" | "ignored";

export interface Pairing {
  /** Reads the people once; every other call needs it to have resolved. @throws TransientError STORE_UNAVAILABLE */
  readonly load: () => Promise<void>;
  readonly opened: (account: ChannelAccount | undefined) => void;
  readonly knows: (identities: readonly string[]) => boolean;
  readonly find: (id: string) => PairedPerson | undefined;
  /** True for the text of the message that paired its sender, which may be delivered again. */
  readonly isUsedCode: (text: string) => boolean;
  /** @throws TransientError when the person could not be stored; the code is then still good */
  readonly redeem: (message: InboundMessage) => Promise<Redeemed>;
  /** Remembers where an administrator is alone with the bot. @throws TransientError when that could not be stored */
  readonly metAdmin: (id: string, chat: ChatKey) => Promise<void>;
  readonly chatOf: (id: string) => ChatKey | undefined;
  readonly hasPeople: () => boolean;
  readonly hasCode: () => boolean;
  readonly issue: () => PairingCode;
  /** Stored when it resolves. Whoever has a higher role keeps it. @throws RequestError BAD_REQUEST, WRONG_STATE */
  readonly approve: (
    id: string,
    person?: { readonly name?: string | undefined; readonly role?: "guest" | "admin" },
  ) => Promise<PairedPerson>;
  /** False when nobody of that id was paired. */
  readonly revoke: (id: string) => Promise<boolean>;
  readonly people: () => readonly PairedPerson[];
  readonly codeExpiresAtMs: () => number | undefined;
}

const RANK: Readonly<Record<Role, number>> = { guest: 0, admin: 1, owner: 2 };

export function createPairing(kernel: Pick<Kernel, "store" | "clock" | "random" | "log">, channel: string): Pairing {
  const { store, clock, random, log } = kernel;
  let people: readonly PairedPerson[] = [];
  let chats: ReadonlyMap<string, ChatKey> = new Map();
  let usedCode: string | undefined;
  let code: OpenCode | undefined;
  let account: ChannelAccount | undefined;
  let loading: Promise<void> | undefined;
  let changing: Promise<unknown> = Promise.resolve();

  /**
   * In the store first: who is told to be let in stays so. One change follows the other, so that none undoes another.
   * Without `to` nothing changes.
   */
  const change = <T>(make: () => { readonly value: T; readonly to?: Partial<Held> }): Promise<T> => {
    const done = changing.then(async () => {
      const { value, to } = make();
      if (!to) return value;
      const after: Held = { people, chats, usedCode, ...to };
      const stored: StoredPairing = {
        schemaVersion: 1,
        people: after.people,
        ...(after.usedCode === undefined ? {} : { usedCode: after.usedCode }),
        chats: Object.fromEntries(after.chats),
      };
      await store.kv.set(NAMESPACE, channel, stored);
      ({ people, chats, usedCode } = after);
      return value;
    });
    changing = done.catch(() => undefined);
    return done;
  };

  const openCode = (): OpenCode | undefined => {
    if (code && code.expiresAtMs <= clock.now()) code = undefined;
    return code;
  };

  const find = (id: string): PairedPerson | undefined => people.find((person) => identityOf(person.id) === id);

  const personOf = (id: string, name: string | undefined, role: Role): PairedPerson => ({
    id,
    ...(name === undefined ? {} : { name }),
    role,
    sinceMs: clock.now(),
  });

  return {
    load: () => {
      loading ??= store.kv.get(NAMESPACE, channel).then(
        (stored) => {
          if (!isStoredPairing(stored)) return;
          people = stored.people.filter((person) => typeof (person as Partial<PairedPerson> | null)?.id === "string");
          usedCode = typeof stored.usedCode === "string" ? stored.usedCode : undefined;
          chats = chatsIn(stored);
        },
        (error: unknown) => {
          loading = undefined;
          throw error;
        },
      );
      return loading;
    },
    opened: (opened) => {
      account = opened ?? account;
    },
    knows: (identities) => people.some(({ id }) => identities.includes(identityOf(id))),
    find,
    isUsedCode: (text) => {
      const given = readPairingCode(text);
      return given !== undefined && usedCode !== undefined && isSameCode(given, usedCode);
    },
    redeem: async ({ content, sender, chat, isPrivate }) => {
      const given = readPairingCode(textOf(content));
      const open = openCode();
      if (given === undefined || people.length >= PEOPLE_MAX) return "ignored";
      if (!open) return "wrong";
      const wrong = open.wrongBy.get(sender.id) ?? 0;
      if (wrong >= WRONG_OF_SENDER_MAX) return "ignored";
      if (!isSameCode(given, open.text)) {
        open.wrongBy.set(sender.id, wrong + 1);
        open.wrong += 1;
        if (open.wrong < WRONG_MAX) return "wrong";
        code = undefined;
        log.warn(
          { channel, wrong: open.wrong },
          `too many wrong pairing codes: it was withdrawn; \`satibot pair code ${channel}\` makes a new one`,
        );
        return "wrong";
      }
      // Taken before the commit, so that nobody else takes it meanwhile.
      code = undefined;
      const id = identityOf(sender.id);
      try {
        await change(() => ({
          value: undefined,
          to: {
            people: [...people.filter((person) => identityOf(person.id) !== id), personOf(id, sender.name, "owner")],
            usedCode: given,
            ...(isPrivate ? { chats: withChat(chats, id, chat) } : {}),
          },
        }));
      } catch (error) {
        code = open;
        throw error;
      }
      log.info({ channel, id }, "paired: this person is an owner now");
      return "paired";
    },
    metAdmin: async (id, chat) => {
      if (chats.get(id) === chat) return;
      await change(() => ({ value: undefined, to: { chats: withChat(chats, id, chat) } }));
    },
    chatOf: (id) => chats.get(id),
    hasPeople: () => people.length > 0,
    hasCode: () => openCode() !== undefined,
    issue: () => {
      code = { text: createPairingCode(random.id), expiresAtMs: clock.now() + CODE_LIFE_MS, wrongBy: new Map(), wrong: 0 };
      return {
        channel,
        code: formatPairingCode(code.text),
        account: account?.name,
        url: account?.startUrl === undefined ? undefined : account.startUrl + code.text,
        expiresAtMs: code.expiresAtMs,
      };
    },
    approve: async (text, { name, role = "guest" } = {}) => {
      const id = identityOf(text);
      if (!ID.test(id)) {
        throw new RequestError("BAD_REQUEST", `${JSON.stringify(id.slice(0, 40))} is no id; write one as \`satibot pair list\` shows it`, {
          path: "body.id",
        });
      }
      const { person, isNew } = await change(() => {
        const known = find(id);
        if (known && RANK[known.role] >= RANK[role]) return { value: { person: known, isNew: false } };
        if (people.length >= PEOPLE_MAX && !known) {
          throw new RequestError("WRONG_STATE", `${PEOPLE_MAX} people are paired with ${channel}; write the others into its allow list`);
        }
        const changed = known ? { ...known, role } : personOf(id, name, role);
        return { value: { person: changed, isNew: true }, to: { people: [...people.filter((other) => other !== known), changed] } };
      });
      if (isNew) log.info({ channel, id, role }, "paired: this person may write now");
      return person;
    },
    revoke: async (text) => {
      const id = identityOf(text);
      const isRevoked = await change(() => {
        const rest = people.filter((person) => identityOf(person.id) !== id);
        if (rest.length === people.length) return { value: false };
        return { value: true, to: { people: rest, chats: new Map([...chats].filter(([other]) => other !== id)) } };
      });
      if (isRevoked) log.info({ channel, id }, "no longer paired");
      return isRevoked;
    },
    people: () => people,
    codeExpiresAtMs: () => openCode()?.expiresAtMs,
  };
}

function withChat(chats: ReadonlyMap<string, ChatKey>, id: string, chat: ChatKey): ReadonlyMap<string, ChatKey> {
  const others = [...chats].filter(([other]) => other !== id);
  return new Map([...others, [id, chat] as const].slice(-CHATS_MAX));
}

/** What can be read of where administrators are. */
function chatsIn({ chats }: StoredPairing): ReadonlyMap<string, ChatKey> {
  if (typeof chats !== "object" || chats === null) return new Map();
  return new Map(Object.entries(chats).filter(([, chat]) => typeof chat === "string" && chat.includes(":")));
}

function isStoredPairing(value: unknown): value is StoredPairing {
  return typeof value === "object" && value !== null && "people" in value && Array.isArray(value.people);
}
