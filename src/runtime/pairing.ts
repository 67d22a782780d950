/**
 * Who was let in on one channel beside its allow list: people, the code that is out, and strangers who asked.
 * People are in the store; the code and the requests are in memory only, so that a code never outlives its process.
 */
import { createPairingCode, formatPairingCode, isSameCode, readPairingCode } from "../core/pairing-code.ts";
import { textOf } from "../core/content.ts";
import { RequestError } from "../core/errors.ts";
import type { ChannelAccount, InboundMessage } from "../ports/channel.ts";
import type { AccessRequest, PairedPerson, PairingCode, PairingStatus } from "./api.ts";
import type { Kernel } from "./kernel.ts";

const NAMESPACE = "pairing";
const CODE_LIFE_MS = 3_600_000;
/** Wrong codes before a sender is no longer heard, and before the code itself is withdrawn. */
const WRONG_OF_SENDER_MAX = 5;
const WRONG_MAX = 20;
const REQUESTS_MAX = 50;
const PEOPLE_MAX = 1_000;
const ID = /^[^\s\p{Cc}]{1,128}$/u;

interface StoredPairing {
  readonly schemaVersion: 1;
  readonly people: readonly PairedPerson[];
  /** Known again when the message that brought it is delivered a second time. */
  readonly usedCode?: string;
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
  /** True for the text of the message that paired its sender, which may be delivered again. */
  readonly isUsedCode: (text: string) => boolean;
  /** @throws TransientError when the person could not be stored; the code is then still good */
  readonly redeem: (message: InboundMessage) => Promise<Redeemed>;
  /** Keeps a stranger in the list. */
  readonly asked: (message: InboundMessage) => void;
  readonly hasPeople: () => boolean;
  readonly hasCode: () => boolean;
  readonly issue: () => PairingCode;
  readonly approve: (id: string) => Promise<PairedPerson>;
  /** False when nobody of that id was paired. */
  readonly revoke: (id: string) => Promise<boolean>;
  readonly status: () => Omit<PairingStatus, "allow">;
}

export function createPairing(kernel: Pick<Kernel, "store" | "clock" | "random" | "log">, channel: string): Pairing {
  const { store, clock, random, log } = kernel;
  let people: readonly PairedPerson[] = [];
  let usedCode: string | undefined;
  let code: OpenCode | undefined;
  let account: ChannelAccount | undefined;
  let loading: Promise<void> | undefined;
  const requests = new Map<string, AccessRequest>();

  const save = (next: { readonly people: readonly PairedPerson[]; readonly usedCode: string | undefined }): Promise<void> =>
    store.kv.set(NAMESPACE, channel, { schemaVersion: 1, ...next } satisfies StoredPairing);

  /** In the store first: who is told to be let in stays so. */
  const replace = async (next: readonly PairedPerson[], nextCode = usedCode): Promise<void> => {
    await save({ people: next, usedCode: nextCode });
    people = next;
    usedCode = nextCode;
  };

  const openCode = (): OpenCode | undefined => {
    if (code && code.expiresAtMs <= clock.now()) code = undefined;
    return code;
  };

  const personOf = (id: string, name: string | undefined, role: PairedPerson["role"]): PairedPerson => ({
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
    knows: (identities) => people.some(({ id }) => identities.includes(id)),
    isUsedCode: (text) => {
      const given = readPairingCode(text);
      return given !== undefined && usedCode !== undefined && isSameCode(given, usedCode);
    },
    redeem: async ({ content, sender }) => {
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
      try {
        await replace([...people, personOf(sender.id, sender.name, "owner")], given);
      } catch (error) {
        code = open;
        throw error;
      }
      requests.delete(sender.id);
      log.info({ channel, id: sender.id }, "paired: this person is an owner now");
      return "paired";
    },
    asked: ({ sender }) => {
      const before = requests.get(sender.id);
      requests.delete(sender.id);
      const { id, name } = sender;
      requests.set(id, { id, ...(name === undefined ? {} : { name }), lastAtMs: clock.now(), count: (before?.count ?? 0) + 1 });
      const [oldest] = requests.keys();
      if (requests.size > REQUESTS_MAX && oldest !== undefined) requests.delete(oldest);
    },
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
    approve: async (text) => {
      const id = text.trim().toLowerCase();
      if (!ID.test(id)) {
        throw new RequestError("BAD_REQUEST", `${JSON.stringify(id.slice(0, 40))} is no id; write one as \`satibot pair list\` shows it`, {
          path: "body.id",
        });
      }
      const known = people.find((person) => person.id === id);
      if (known) return known;
      if (people.length >= PEOPLE_MAX) {
        throw new RequestError("WRONG_STATE", `${PEOPLE_MAX} people are paired with ${channel}; write the others into its allow list`);
      }
      const person = personOf(id, requests.get(id)?.name, "guest");
      await replace([...people, person]);
      requests.delete(id);
      log.info({ channel, id }, "paired: this person may write now");
      return person;
    },
    revoke: async (text) => {
      const id = text.trim().toLowerCase();
      const rest = people.filter((person) => person.id !== id);
      if (rest.length === people.length) return false;
      await replace(rest);
      log.info({ channel, id }, "no longer paired");
      return true;
    },
    status: () => ({ channel, people, requests: [...requests.values()].reverse(), codeExpiresAtMs: openCode()?.expiresAtMs }),
  };
}

function isStoredPairing(value: unknown): value is StoredPairing {
  return typeof value === "object" && value !== null && "people" in value && Array.isArray(value.people);
}
