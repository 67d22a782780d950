/**
 * Who wrote over a closed channel and was not let in: the newest in memory, and in the store those about whom an administrator was asked
 * or has decided, so that an answer finds its person after a restart. Of what they wrote nothing is kept.
 */
import type { ChatKey } from "../../core/chat-key.ts";
import type { InboundMessage } from "../../ports/channel.ts";
import type { AccessRequest } from "../api.ts";
import type { Kernel } from "../kernel.ts";
import { identityOf } from "./identity.ts";

export interface Stranger extends AccessRequest {
  /** Where only they read. */
  readonly chat?: ChatKey;
  readonly address?: string;
  /** When administrators were asked about them last. */
  readonly askedAtMs?: number;
  readonly deniedAtMs?: number;
}

export interface Strangers {
  /** Reads those in the store once; every other call needs it to have resolved. @throws TransientError STORE_UNAVAILABLE */
  readonly load: () => Promise<void>;
  /** Counts a message of a stranger and answers what is known of them. */
  readonly met: (message: InboundMessage) => Stranger;
  readonly find: (id: string) => Stranger | undefined;
  /** An administrator has been asked. @throws TransientError when that could not be stored */
  readonly asked: (id: string) => Promise<void>;
  /** Nobody is asked about them any more, for a month. @throws TransientError when that could not be stored */
  readonly deny: (id: string) => Promise<void>;
  /** They are no strangers any more. @throws TransientError when that could not be stored */
  readonly forget: (id: string) => Promise<void>;
  /** The newest first, without the denied. */
  readonly list: () => readonly AccessRequest[];
}

const NAMESPACE = "strangers";
const STRANGERS_MAX = 50;
const NAME_UNITS_MAX = 128;
const KEPT_MS = 30 * 86_400_000;

export function createStrangers({ store, clock }: Pick<Kernel, "store" | "clock">, channel: string): Strangers {
  /** The newest last. */
  const known = new Map<string, Stranger>();
  let loading: Promise<void> | undefined;
  let saving: Promise<unknown> = Promise.resolve();

  const put = (stranger: Stranger): void => {
    known.delete(stranger.id);
    known.set(stranger.id, stranger);
    if (known.size <= STRANGERS_MAX) return;
    // A crowd of newcomers drives out one of its own before those whose answer is awaited.
    const others = [...known.values()].slice(0, -1);
    const first = others.find(({ askedAtMs, deniedAtMs }) => askedAtMs === undefined && deniedAtMs === undefined) ?? others[0];
    if (first) known.delete(first.id);
  };

  /** One save follows the other, each with what is known when its turn comes. */
  const save = (): Promise<void> => {
    const next = saving.then(() => {
      const sinceMs = clock.now() - KEPT_MS;
      const strangers = [...known.values()].filter(({ askedAtMs = 0, deniedAtMs = 0 }) => Math.max(askedAtMs, deniedAtMs) > sinceMs);
      return store.kv.set(NAMESPACE, channel, { schemaVersion: 1, strangers });
    });
    saving = next.catch(() => undefined);
    return next;
  };

  /** Keeps a change only when it could be stored. */
  const change = async (id: string, facts: Partial<Stranger>): Promise<void> => {
    const before = known.get(id);
    put({ id, lastAtMs: clock.now(), count: 0, ...before, ...facts });
    try {
      await save();
    } catch (error) {
      known.delete(id);
      if (before) put(before);
      throw error;
    }
  };

  return {
    load: () => {
      loading ??= store.kv.get(NAMESPACE, channel).then(
        (stored) => {
          for (const stranger of storedIn(stored)) put(stranger);
        },
        (error: unknown) => {
          loading = undefined;
          throw error;
        },
      );
      return loading;
    },
    met: ({ sender, chat, address, isPrivate }) => {
      const id = identityOf(sender.id);
      const before = known.get(id);
      const now = clock.now();
      const isLong = before?.deniedAtMs !== undefined && now - before.deniedAtMs > KEPT_MS;
      const { name } = sender;
      const stranger: Stranger = {
        ...before,
        id,
        ...(name === undefined ? {} : { name: name.slice(0, NAME_UNITS_MAX) }),
        ...(isPrivate ? { chat, address } : {}),
        ...(isLong ? { deniedAtMs: undefined } : {}),
        lastAtMs: now,
        count: (before?.count ?? 0) + 1,
      };
      put(stranger);
      return stranger;
    },
    find: (id) => known.get(id),
    asked: (id) => change(id, { askedAtMs: clock.now() }),
    deny: (id) => change(id, { deniedAtMs: clock.now() }),
    forget: async (id) => {
      const stranger = known.get(id);
      if (!stranger) return;
      known.delete(id);
      if (stranger.askedAtMs === undefined && stranger.deniedAtMs === undefined) return;
      try {
        await save();
      } catch (error) {
        put(stranger);
        throw error;
      }
    },
    list: () =>
      [...known.values()]
        .filter(({ deniedAtMs }) => deniedAtMs === undefined)
        .reverse()
        .map(({ id, name, lastAtMs, count }) => ({ id, ...(name === undefined ? {} : { name }), lastAtMs, count })),
  };
}

/** What can be read of the cell. */
function storedIn(value: unknown): readonly Stranger[] {
  if (typeof value !== "object" || value === null || !("strangers" in value) || !Array.isArray(value.strangers)) return [];
  return value.strangers.slice(-STRANGERS_MAX).filter((one: Partial<Stranger> | null): one is Stranger => {
    return typeof one?.id === "string" && typeof one.lastAtMs === "number" && typeof one.count === "number";
  });
}
