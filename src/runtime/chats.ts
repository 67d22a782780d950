/**
 * The registry of chats: who is live, what reaches them, and what is stored of them.
 *
 * A chat is live while it has an actor; all others are rows. Mail for a chat that is being opened, restored or committed waits here and
 * is handed over in order. Everything a machine gets is noted, so that each stored revision carries the events since the last one.
 */
import { chatMachine, type ChatEvent, type ChatInput } from "../../machines/chat.machine.ts";
import { backoffMs } from "../core/backoff.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { AmbiguousError, invariant, noteOf, type ErrorNote } from "../core/errors.ts";
import type { ChatRecord, StoredTimer } from "../ports/store/records.ts";
import type { SnapshotWrite } from "../ports/store/store.ts";
import { adopt, newEntry, NO_EVENTS, type ChatEntry, type ChatSnapshot } from "./chat-entry.ts";
import { createSnapshotReader, restore, stateOf, timersAfter, type SnapshotReader } from "./chat-snapshot.ts";
import { JOB_TIMEOUT_MAX_MS, isJobChat } from "./jobs/definition.ts";
import { TIMER_HORIZON_MS, type Kernel } from "./kernel.ts";
import { createPureStep } from "./pure-step.ts";
import { createRegistry, type Registry } from "./registry.ts";

/** Events kept of one revision; older ones give way, and the log says so. */
const EVENTS_MAX = 256;
/** A machine that crashes more often within the period, or without storing anything in between, is quarantined. */
const CRASH_INTENSITY = 3;
const CRASH_PERIOD_MS = 60_000;
const CRASH_BACKOFF = { baseMs: 100, maxMs: 10_000 };

/** What the registry needs from the turns of its chats. */
export interface ChatEffects {
  /** Side effects of the machine, bound to a chat by its key. */
  readonly implementations: Parameters<typeof chatMachine.provide>[0];
  /** The actor is gone: end what it ran and free what it held. */
  readonly forget: (key: ChatKey) => void;
  /** Crashed too often, or its snapshot cannot be read: store it as quarantined and tell the person. */
  readonly quarantine: (key: ChatKey, error: ErrorNote) => void;
}

export interface Chats {
  readonly logic: Registry<ChatEvent, ChatSnapshot>["logic"];
  readonly get: (key: ChatKey) => ChatEntry | undefined;
  readonly live: () => IterableIterator<ChatEntry>;
  readonly liveCount: () => number;
  /** Makes the place for a chat that is about to be opened; its mail waits. */
  readonly prepare: (key: ChatKey) => ChatEntry;
  /** Starts the actor from its row and hands over its mail. */
  readonly open: (entry: ChatEntry, record: ChatRecord) => void;
  /** Opens a chat by reading its row, unless it is live already. */
  readonly wake: (key: ChatKey) => void;
  readonly wakeAt: (key: ChatKey, atMs: number) => void;
  /** Delivers now, or when its mail is handed over. Nothing for a chat that is not live. */
  readonly send: (key: ChatKey, event: ChatEvent) => void;
  readonly hold: (entry: ChatEntry) => void;
  readonly handOver: (entry: ChatEntry) => void;
  /** What a commit stores: the state that `event` will lead to, its timers, and the events since the last revision. */
  readonly successor: (entry: ChatEntry, event: ChatEvent) => SnapshotWrite;
  /** A revision was stored, which ends with `event`: the events in it are done with. */
  readonly stored: (entry: ChatEntry, write: SnapshotWrite, revision: number, event: ChatEvent | undefined) => void;
  /** Another writer owns the chat: drop the actor and start again from the store. */
  readonly discard: (entry: ChatEntry) => void;
  /** The same for a fault of its own: counted, with backoff, and quarantined when it goes on. */
  readonly crash: (entry: ChatEntry, error: unknown) => void;
  /** Drops the entry of a chat that has no actor. */
  readonly drop: (entry: ChatEntry) => void;
  /** Stores an evictable chat and stops its actor; false when it is not evictable. */
  readonly passivate: (entry: ChatEntry) => Promise<boolean>;
  /** Stores what a settled chat has not stored yet; true when it is stored. */
  readonly park: (entry: ChatEntry) => Promise<boolean>;
  /** Chats that have been evictable since before an instant of the monotonic clock, longest first. */
  readonly idleSince: (beforeMs: number, limit: number) => readonly ChatEntry[];
}

export function createChats(
  kernel: Kernel,
  settings: { readonly debounceMs: number; readonly snapshots?: SnapshotReader },
  effects: ChatEffects,
): Chats {
  const { store, clock, queue, log, limits, hub } = kernel;
  const { snapshots = createSnapshotReader() } = settings;
  const entries = new Map<ChatKey, ChatEntry>();
  /** Evictable chats in the order in which they came to rest. */
  const resting = new Map<ChatKey, number>();
  // The limit as it is when the attempt begins, not when the chat was opened.
  /** A job has a limit of its own, which its turn keeps (turn-runner.ts). */
  const turnTimeoutOf = (key: ChatKey): number => (isJobChat(key) ? JOB_TIMEOUT_MAX_MS : limits.turnTimeoutMs);
  const machine = chatMachine.provide({ ...effects.implementations, delays: { turnTimeout: ({ context }) => turnTimeoutOf(context.key) } });
  const inputOf = (key: ChatKey): ChatInput => ({
    key,
    debounceMs: settings.debounceMs,
    turnTimeoutMs: turnTimeoutOf(key),
  });

  const step = createPureStep(chatMachine, inputOf("system:step"));

  const note = (entry: ChatEntry, event: ChatEvent, before: ChatSnapshot, after: ChatSnapshot): void => {
    // The event whose successor was stored stands in that revision already.
    if (event === entry.storedEvent) entry.storedEvent = undefined;
    else if (entry.events === NO_EVENTS) entry.events = [event];
    else (entry.events as ChatEvent[]).push(event);
    if (entry.events.length > EVENTS_MAX) (entry.events as ChatEvent[]).shift();
    if (after.value !== before.value) enter(entry, after);
  };

  const enter = (entry: ChatEntry, snapshot: ChatSnapshot): void => {
    entry.state = stateOf(snapshot.value);
    entry.sinceMs = clock.now();
    resting.delete(entry.key);
    if (snapshot.hasTag("evictable")) resting.set(entry.key, clock.monotonic());
    if (hub.isWatched(entry.key)) hub.publish(entry.key, { type: "state", state: entry.state, since: entry.sinceMs });
  };

  // The machine, with an ear on each event: replay and the event log stand on what really arrived, timers included.
  const childLogic = Object.create(machine, {
    transition: {
      value: (before: ChatSnapshot, event: ChatEvent, scope: Parameters<typeof machine.transition>[2]) => {
        const after = machine.transition(before, event, scope);
        const entry = entries.get(scope.self.id as ChatKey);
        if (entry?.actor === scope.self && !event.type.startsWith("xstate.stop")) note(entry, event, before, after);
        return after;
      },
    },
  }) as typeof machine;

  const registry = createRegistry<ChatEvent, ChatSnapshot>({
    childLogic,
    queue,
    onCrash: (key, error) => crashed(key as ChatKey, error),
    onWake: (key) => wake(key as ChatKey),
  });

  const crashed = (key: ChatKey, cause: unknown): void => {
    const entry = entries.get(key);
    if (!entry) return;
    effects.forget(key);
    entry.actor = undefined;
    entry.events = NO_EVENTS;
    entry.mail = [];
    resting.delete(key);
    const now = clock.now();
    // A machine that breaks at the end of each long turn is no better than one that breaks at once.
    const isOld = !entry.crashes || (now - entry.crashes.sinceMs > CRASH_PERIOD_MS && entry.revision > entry.crashes.revision);
    entry.crashes = isOld ? { count: 1, sinceMs: now, revision: entry.revision } : { ...entry.crashes!, count: entry.crashes!.count + 1 };
    log.error({ chat: key, crashes: entry.crashes.count, err: cause }, "chat machine crashed");
    // Put aside already: its row says so, and whoever writes or retries opens it again.
    if (entry.storedState === "quarantined") return drop(entry);
    if (entry.crashes.count > CRASH_INTENSITY) effects.quarantine(key, { ...noteOf(cause), code: "CHAT_CRASHED" });
    else registry.wakeAt(key, now + backoffMs(CRASH_BACKOFF, entry.crashes.count, kernel.random.next()));
  };

  const prepare = (key: ChatKey): ChatEntry => {
    const entry = newEntry(key, clock.now());
    entries.set(key, entry);
    return entry;
  };

  const open = (entry: ChatEntry, record: ChatRecord): void => {
    invariant(!entry.actor, `chat ${entry.key} was opened twice`);
    adopt(entry, record);
    try {
      begin(entry, record);
    } catch (error) {
      stop(entry);
      crashed(entry.key, error);
    }
  };

  const begin = (entry: ChatEntry, record: ChatRecord): void => {
    const reading = snapshots.read(record);
    entry.isFrozen = reading.type === "unreadable";
    const isSuspect = record.openTurn?.status === "suspect";
    if (isSuspect && !entry.isFrozen && record.openTurn.failures >= limits.maxAttempts) {
      entry.mail ??= [];
      const message = `its turn ${record.openTurn.turnId} was running each time the process died (${record.openTurn.failures} times alone)`;
      return effects.quarantine(entry.key, { code: "TURN_KILLED_PROCESS", message });
    }
    const restored = restore(record, reading, inputOf(entry.key));
    const actor = registry.create(entry.key, restored ? { snapshot: restored.snapshot } : { input: inputOf(entry.key) });
    entry.actor = actor;
    if (reading.type === "unreadable") {
      // Before its rows are known: no turn may run and store over what cannot be read.
      actor.send({ type: "chat.quarantined", error: reading.error });
      effects.quarantine(entry.key, reading.error);
    }
    for (const timer of restored?.timers ?? []) queue.scheduleAt(actor, actor, timer.event, timer.dueAtMs, timer.id);
    // A satibot that can read it again: the row is not of a chat put aside any more, and its next commit says so.
    if (restored && restored.value !== "quarantined" && record.state === "quarantined")
      actor.send({ type: "chat.retried", waiting: record.waiting });
    enter(entry, actor.getSnapshot());
    if (restored) entry.sinceMs = record.sinceMs;
    // Timers that only its row still has would wake it again and again: it is stored without them when it rests.
    const isOutdated = restored !== undefined && restored.timers.length < record.timers.length;
    if (record.waiting > 0 || isSuspect || isOutdated) {
      actor.send({ type: "rows.found", waiting: record.waiting, turnClass: record.waitingClass ?? "interactive", suspect: isSuspect });
    }
    handOver(entry);
  };

  const wake = (key: ChatKey): void => {
    const known = entries.get(key);
    if (known?.actor) return;
    const entry = known ?? prepare(key);
    // What waited so far was committed before this reading, so the row counts it; an earlier one does not.
    entry.mail = [];
    entry.readings += 1;
    const reading = entry.readings;
    store.chats.open(key).then(
      (record) => {
        if (entry.actor || entries.get(key) !== entry || entry.readings !== reading) return;
        if (record) open(entry, record);
        else drop(entry);
      },
      (error: unknown) => {
        log.error({ chat: key, err: error }, "chat could not be opened; trying again");
        registry.wakeAt(key, clock.now() + 1_000);
      },
    );
  };

  const send = (key: ChatKey, event: ChatEvent): void => {
    const entry = entries.get(key);
    if (entry?.mail) entry.mail.push(event);
    else entry?.actor?.send(event);
  };

  const handOver = (entry: ChatEntry): void => {
    // Without an actor the mail is for the one that is being opened.
    if (!entry.actor) return;
    const mail = entry.mail ?? [];
    entry.mail = undefined;
    for (const [place, event] of mail.entries()) {
      if (entry.mail) return void (entry.mail as ChatEvent[]).push(...mail.slice(place));
      entry.actor?.send(event);
    }
  };

  const drop = (entry: ChatEntry): void => {
    entries.delete(entry.key);
    resting.delete(entry.key);
    registry.cancelWake(entry.key);
  };

  const writeOf = (
    entry: ChatEntry,
    snapshot: ChatSnapshot,
    timers: readonly StoredTimer[],
    last: ChatEvent | undefined,
  ): SnapshotWrite => {
    const state = stateOf(snapshot.value);
    return {
      snapshot: { value: snapshot.value, context: snapshot.context },
      state,
      sinceMs: state === entry.state ? entry.sinceMs : clock.now(),
      timers,
      events: last ? [...entry.events, last] : entry.events,
      stateBefore: entry.storedState,
      error: snapshot.value === "quarantined" ? (snapshot.context.error ?? undefined) : undefined,
      atMs: clock.now(),
    };
  };

  const stored: Chats["stored"] = (entry, write, revision, event) => {
    entry.revision = revision;
    entry.storedEvent = event;
    entry.storedState = write.state;
    entry.events = NO_EVENTS;
  };

  const park = async (entry: ChatEntry): Promise<boolean> => {
    const actor = entry.actor;
    const snapshot = actor?.getSnapshot();
    if (!actor || !snapshot || entry.mail || !snapshot.hasTag("settled")) return false;
    if (entry.events.length === 0 || entry.isFrozen) return true;
    entry.mail = [];
    const write = writeOf(entry, snapshot, queue.entriesOf(actor), undefined);
    try {
      if ((await store.chats.park(entry.key, entry.fence, write)) === "fenced") {
        discard(entry);
        return false;
      }
      stored(entry, write, entry.revision + 1, undefined);
      return true;
    } catch (error) {
      log.warn({ chat: entry.key, err: error }, "chat could not be stored; it stays live");
      // Perhaps stored after all: what its row says now is where it goes on.
      if (error instanceof AmbiguousError) discard(entry);
      return false;
    } finally {
      if (entry.actor === actor) handOver(entry);
    }
  };

  const stop = (entry: ChatEntry): void => {
    const { actor } = entry;
    entry.actor = undefined;
    effects.forget(entry.key);
    if (actor) registry.stop(actor);
  };

  const discard = (entry: ChatEntry): void => {
    stop(entry);
    entry.events = NO_EVENTS;
    entry.mail = [];
    wake(entry.key);
  };

  return {
    logic: registry.logic,
    get: (key) => entries.get(key),
    live: () => entries.values(),
    liveCount: () => entries.size,
    prepare,
    open,
    wake,
    wakeAt: registry.wakeAt,
    send,
    hold: (entry) => {
      entry.mail ??= [];
    },
    handOver,
    successor: (entry, event) => {
      invariant(entry.actor, `chat ${entry.key} has no actor to store`);
      const [next, actions] = step(entry.actor.getSnapshot(), event);
      const timers = timersAfter(queue.entriesOf(entry.actor), actions, clock.now());
      return writeOf(entry, next, timers, event);
    },
    stored,
    discard,
    crash: (entry, error) => {
      stop(entry);
      crashed(entry.key, error);
    },
    drop,
    passivate: async (entry) => {
      const isAtRest = (): boolean => resting.has(entry.key) && !entry.mail && entry.pins === 0;
      if (!isAtRest() || !(await park(entry)) || !isAtRest() || (entry.events.length > 0 && !entry.isFrozen)) return false;
      const timers = entry.actor ? queue.entriesOf(entry.actor) : [];
      stop(entry);
      drop(entry);
      const first = Math.min(...timers.map((timer) => timer.dueAtMs));
      // Later ones are read from the store when their time comes near.
      if (first - clock.now() < TIMER_HORIZON_MS) registry.wakeAt(entry.key, first);
      return true;
    },
    park,
    idleSince: (beforeMs, limit) => {
      const found: ChatEntry[] = [];
      for (const [key, sinceMs] of resting) {
        if (sinceMs > beforeMs || found.length >= limit) break;
        const entry = entries.get(key);
        if (entry) found.push(entry);
      }
      return found;
    },
  };
}
