/**
 * The registry of delivery actors: one per chat that has something to send, each sending its parts in order, one at a time.
 */
import { deliveryMachine, type DeliveryEvent } from "../../machines/delivery.machine.ts";
import type { AnyActorRef, SnapshotFrom } from "xstate";
import { backoffMs } from "../core/backoff.ts";
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { Orphan, SendOutcome, TakeResult } from "../ports/store/outbox-store.ts";
import type { ChannelDirectory } from "./channels.ts";
import { pause, type Kernel } from "./kernel.ts";
import type { Pacer } from "./pacer.ts";
import { createRegistry, type Child, type Registry } from "./registry.ts";
import { createSender } from "./sender.ts";
import type { Outgoing } from "./turn-commit.ts";

type DeliverySnapshot = SnapshotFrom<typeof deliveryMachine>;

interface DeliveryEntry {
  readonly key: ChatKey;
  readonly actor: Child<DeliveryEvent, DeliverySnapshot> & AnyActorRef;
  part: OutboxPart | undefined;
  outcome: SendOutcome | undefined;
  /** A turn commit is about to store the next part as sending. */
  isReserved: boolean;
  /** Told meanwhile. */
  hasMail: boolean;
  /** What a part found `sending` is: the answer that handed it out was lost, or the actor before this one broke off. */
  orphan: Orphan | undefined;
  /** The next try: by the system clock, and by the one that nobody sets. */
  nextTry: { readonly atMs: number; readonly monotonicMs: number } | undefined;
  /** Its place on the connection, by the monotonic clock. */
  placeMs: number | undefined;
  /** Told when nothing of the chat is on its way. */
  readonly resting: (() => void)[];
}

export interface Deliveries extends Outgoing {
  readonly logic: Registry<DeliveryEvent, DeliverySnapshot>["logic"];
  /** Looks for unsettled parts of a chat. */
  readonly wake: (key: ChatKey) => void;
  /** Parts of the chat were removed or brought back by hand. */
  readonly changed: (key: ChatKey) => void;
  /** The connection of a channel came or went. */
  readonly channelChanged: (name: string, isOnline: boolean) => void;
  readonly stateOf: (key: ChatKey) => { readonly state: string; readonly part: OutboxPart | undefined } | undefined;
  /** Deliveries that could still send: neither idle nor offline nor waiting for a time after `beforeMs`. */
  readonly active: (beforeMs: number) => number;
  /** Resolves when no part of the chat is on its way, and none is about to be. */
  readonly atRest: (key: ChatKey) => Promise<void>;
  /** Starts no further send. */
  readonly close: () => void;
  readonly counters: { sent: number; ambiguous: number; retried: number; dead: number };
}

const STORE_BACKOFF = { baseMs: 50, maxMs: 2_000 };
/** States in which a part is on its way, or about to be. */
const MOVING: ReadonlySet<string> = new Set(["deciding", "taking", "sending", "settling"]);
/** A place on a connection is missed when it was not used this long after it came. */
const MISSED_MS = 1_000;
/** An actor with nothing to send is kept this long for the next reply. */
const LINGER_MS = 5_000;

export function createDeliveries(
  kernel: Kernel,
  channels: ChannelDirectory,
  parts: {
    readonly addressOf: (key: ChatKey) => Promise<string>;
    readonly pacer: Pacer;
    readonly onSettled: (part: OutboxPart, isDelivered: boolean) => void;
    /** The send of a draft has ended, which settles nothing. */
    readonly onDraft: (part: OutboxPart, platformId: string | undefined) => void;
  },
): Deliveries {
  const { pacer, onSettled } = parts;
  const sendPart = createSender(kernel, { channels, pacer, addressOf: parts.addressOf });
  const { store, clock, random, log, limits, queue } = kernel;
  const entries = new Map<ChatKey, DeliveryEntry>();
  /** Chats whose actor crashed, perhaps with a part on its way. */
  const broken = new Set<ChatKey>();
  /** Idle deliveries in the order in which they came to rest. */
  const resting = new Map<ChatKey, number>();
  const counters = { sent: 0, ambiguous: 0, retried: 0, dead: 0 };
  let isClosed = false;

  const tell = (key: ChatKey, event: DeliveryEvent): void => entries.get(key)?.actor.send(event);

  const adopt = (entry: DeliveryEntry, taken: TakeResult): void => {
    entry.part = taken.type === "taken" ? taken.part : undefined;
    entry.nextTry = undefined;
    if (taken.type === "taken") entry.actor.send({ type: "part.taken", partId: taken.part.id, attempt: taken.part.attempts });
    else if (taken.type === "later") waitUntil(entry, taken.atMs);
    else entry.actor.send({ type: "parts.none" });
  };

  const waitUntil = (entry: DeliveryEntry, atMs: number): void => {
    const delayMs = Math.max(1, atMs - clock.now());
    entry.nextTry = { atMs, monotonicMs: clock.monotonic() + delayMs };
    entry.actor.send({ type: "part.later", delayMs });
  };

  /** Now, or the instant that was waited for when the system clock has been set back meanwhile. */
  const takenAtMs = ({ nextTry }: DeliveryEntry): number =>
    nextTry && clock.monotonic() >= nextTry.monotonicMs ? Math.max(clock.now(), nextTry.atMs) : clock.now();

  const take = async (key: ChatKey): Promise<void> => {
    const entry = entries.get(key);
    if (!entry || isClosed) return;
    const delayMs = placeDelay(entry);
    if (delayMs > 0) return entry.actor.send({ type: "part.later", delayMs });
    try {
      const taken = await store.outbox.take(key, { atMs: takenAtMs(entry), maxAgeMs: limits.outboxMaxAgeMs, orphan: entry.orphan });
      entry.orphan = undefined;
      entry.placeMs = undefined;
      adopt(entry, taken);
    } catch (error) {
      entry.orphan ??= "unsent";
      log.warn({ chat: key, err: error }, "outbox could not be read; trying again");
      tell(key, { type: "store.failed", delayMs: backoffMs(STORE_BACKOFF, 4, random.next()) });
    }
  };

  /** Milliseconds until the chat's place on its connection comes; 0 when it has. */
  const placeDelay = (entry: DeliveryEntry): number => {
    const channel = channels.find(channelOf(entry.key));
    if (!channel) return 0;
    const nowMs = clock.monotonic();
    // Whoever missed a place, such as while there was no connection, gets another: all who did would send at once.
    const isKept = entry.placeMs !== undefined && entry.placeMs > nowMs - MISSED_MS && pacer.pausedMs(channel.name) === 0;
    if (entry.placeMs !== undefined && isKept) return Math.max(0, entry.placeMs - nowMs);
    const { delayMs, isTaken } = pacer.place(channel, entry.key);
    entry.placeMs = isTaken ? nowMs + delayMs : undefined;
    return delayMs;
  };

  const mayTakeNow = (key: ChatKey): boolean => {
    const channel = channels.find(channelOf(key));
    return channel !== undefined && channels.isOnline(channel.name) && pacer.tryNow(channel, key);
  };

  const send = async (key: ChatKey): Promise<void> => {
    const entry = entries.get(key);
    if (!entry?.part) return;
    entry.outcome = await sendPart(entry.part);
    entry.actor.send({ type: "send.ended" });
  };

  const settle = async (key: ChatKey): Promise<void> => {
    const entry = entries.get(key);
    const part = entry?.part;
    const outcome = entry?.outcome;
    if (!entry || !part || !outcome) return;
    const mayTake = !isClosed && mayTakeNow(key);
    const isLast = part.part === part.of && !entry.hasMail;
    for (let failures = 1; !kernel.closed.aborted; failures += 1) {
      try {
        const settled = {
          chat: key,
          id: part.id,
          attempt: part.attempts,
          outcome,
          lazy: isLast && outcome.type === "sent",
          atMs: clock.now(),
        };
        // A repetition takes nothing along: the call whose answer was lost may have taken the next part already.
        const next = await store.outbox.settle(settled, mayTake && failures === 1 ? { maxAgeMs: limits.outboxMaxAgeMs } : undefined);
        count(part, outcome);
        entry.part = undefined;
        entry.outcome = undefined;
        // Online, and only its place on the connection has not come: one is asked for only by who has something left to send.
        const isPaced = !mayTake && !isClosed && channels.isOnline(channelOf(key));
        if (failures === 1) return adopt(entry, mayTake || isPaced ? next : { type: "none" });
        entry.orphan = "unsent";
        return entry.actor.send({ type: "part.later", delayMs: 1 });
      } catch (error) {
        log.error({ chat: key, part: part.id, failures, err: error }, "what a send came to could not be stored; trying again");
        await pause(kernel, backoffMs(STORE_BACKOFF, failures, random.next()));
      }
    }
  };

  const count = (part: OutboxPart, outcome: SendOutcome): void => {
    if (outcome.type === "sent") counters.sent += 1;
    else if (outcome.type === "refused") counters.dead += 1;
    else counters.retried += 1;
    if (outcome.type === "retry" && outcome.ambiguous) counters.ambiguous += 1;
    if (part.isDraft) parts.onDraft(part, outcome.type === "sent" ? outcome.platformId : undefined);
    else if (outcome.type !== "retry") onSettled(part, outcome.type === "sent");
  };

  const machine = deliveryMachine.provide({
    actions: {
      takePart: ({ context }) => void take(context.key),
      sendPart: ({ context }) => void send(context.key),
      settlePart: ({ context }) => void settle(context.key),
      expireParts: ({ context }) =>
        void store.outbox
          .expire(context.key, clock.now() - limits.outboxMaxAgeMs)
          .catch((error: unknown) => log.warn({ chat: context.key, err: error }, "old parts could not be expired")),
    },
  });

  const childLogic = Object.create(machine, {
    transition: {
      value: (before: DeliverySnapshot, event: DeliveryEvent, scope: Parameters<typeof machine.transition>[2]) => {
        const after = machine.transition(before, event, scope);
        if (after.value !== before.value) {
          const key = scope.self.id as ChatKey;
          resting.delete(key);
          if (after.hasTag("evictable")) resting.set(key, clock.monotonic());
          if (!MOVING.has(after.value)) for (const rested of entries.get(key)?.resting.splice(0) ?? []) rested();
        }
        return after;
      },
    },
  }) as typeof machine;

  const registry = createRegistry<DeliveryEvent, DeliverySnapshot>({
    childLogic,
    queue,
    onCrash: (key, error) => {
      log.error({ chat: key, err: error }, "delivery crashed; starting again");
      for (const rested of entries.get(key as ChatKey)?.resting ?? []) rested();
      entries.delete(key as ChatKey);
      broken.add(key as ChatKey);
      registry.wakeAt(key, clock.now() + 1_000);
    },
    onWake: (key) => {
      if (key === SWEEP) sweep();
      else wake(key as ChatKey);
    },
  });

  const ensure = (key: ChatKey): DeliveryEntry => {
    const known = entries.get(key);
    if (known) return known;
    const actor = registry.create(key, { input: { key, isOnline: channels.isOnline(channelOf(key)) } });
    const entry: DeliveryEntry = {
      key,
      actor,
      part: undefined,
      outcome: undefined,
      isReserved: false,
      hasMail: false,
      orphan: broken.delete(key) ? "unknown" : undefined,
      nextTry: undefined,
      placeMs: undefined,
      resting: [],
    };
    entries.set(key, entry);
    resting.set(key, clock.monotonic());
    if (entries.size === 1) registry.wakeAt(SWEEP, clock.now() + LINGER_MS);
    return entry;
  };

  const wake = (key: ChatKey): void => {
    if (channels.isDirect(channelOf(key))) return;
    const entry = ensure(key);
    if (entry.isReserved) entry.hasMail = true;
    else entry.actor.send({ type: "parts.stored" });
  };

  const changed = (key: ChatKey): void => {
    const entry = entries.get(key);
    if (entry && !entry.isReserved) entry.actor.send({ type: "parts.changed" });
    else wake(key);
  };

  const release = (entry: DeliveryEntry): void => {
    entry.isReserved = false;
    if (!entry.hasMail) return;
    entry.hasMail = false;
    entry.actor.send({ type: "parts.stored" });
  };

  /** Stops the actors that have had nothing to send for a while. */
  const sweep = (): void => {
    const beforeMs = clock.monotonic() - LINGER_MS;
    for (const [key, sinceMs] of resting) {
      if (sinceMs > beforeMs) break;
      const entry = entries.get(key);
      if (entry?.isReserved) continue;
      resting.delete(key);
      entries.delete(key);
      if (entry) registry.stop(entry.actor);
    }
    if (entries.size > 0) registry.wakeAt(SWEEP, clock.now() + LINGER_MS);
  };

  return {
    logic: registry.logic,
    counters,
    wayOf: (key) => ({
      isDelivered: channels.isDirect(channelOf(key)),
      maxUnits: channels.find(channelOf(key))?.limits.textUnits ?? Number.MAX_SAFE_INTEGER,
    }),
    reserve: (key) => {
      if (isClosed || !channels.isOnline(channelOf(key))) return false;
      const entry = ensure(key);
      if (entry.isReserved || entry.actor.getSnapshot().value !== "idle" || !mayTakeNow(key)) return false;
      entry.isReserved = true;
      return true;
    },
    cancel: (key) => {
      const entry = entries.get(key);
      if (entry) release(entry);
    },
    stored: (key, parts, isReserved = false) => {
      const entry = entries.get(key);
      const first = parts[0];
      // Only the commit that made a reservation ends it; others leave word.
      if (!isReserved || !entry) return wake(key);
      if (first?.status !== "sending") {
        release(entry);
        return wake(key);
      }
      entry.isReserved = false;
      entry.part = first;
      entry.actor.send({ type: "part.taken", partId: first.id, attempt: first.attempts });
      if (entry.hasMail) release(entry);
    },
    wake,
    changed,
    channelChanged: (name, isOnline) => {
      for (const entry of entries.values()) {
        if (channelOf(entry.key) === name) entry.actor.send({ type: isOnline ? "channel.online" : "channel.offline" });
      }
    },
    stateOf: (key) => {
      const entry = entries.get(key);
      return entry && { state: entry.actor.getSnapshot().value, part: entry.part };
    },
    active: (beforeMs) => {
      let active = 0;
      for (const entry of entries.values()) {
        const { value } = entry.actor.getSnapshot();
        const isWaiting = value === "backingOff" && queue.entriesOf(entry.actor).every((timer) => timer.dueAtMs > beforeMs);
        if (value !== "idle" && value !== "offline" && !isWaiting) active += 1;
      }
      return active;
    },
    atRest: (key) =>
      new Promise((resolve) => {
        const entry = entries.get(key);
        if (entry && MOVING.has(entry.actor.getSnapshot().value)) entry.resting.push(resolve);
        else resolve();
      }),
    close: () => {
      isClosed = true;
    },
  };
}

/** Wake key of the sweep; no chat key has this form. */
const SWEEP = "sweep";
