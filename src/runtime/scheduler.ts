/**
 * The scheduling queue: one 4-ary heap of absolute due times in place of XState's `system.scheduler`.
 *
 * XState's own scheduler makes one host timer and one closure per delay, scans every pending timer each time any actor stops,
 * fires delays over 24.8 days at once and, when an id is used again, forgets the old timer without stopping it. Here an entry is one
 * plain object, found by actor and id; a single host timer wakes the heap; a long run of due entries yields to the event loop.
 *
 * Waits are measured by the monotonic clock, so that a step of the system clock neither ends nor prolongs one. What is meant by the
 * calendar (`scheduleAt`) is translated when it is scheduled; `onStep` lets its owner schedule it anew.
 */
import type { AnyActorRef, EventObject } from "xstate";
import type { CancelTimer, Clock } from "../ports/clock.ts";
import type { StoredTimer } from "../ports/store/records.ts";
import { createDueHeap } from "./due-heap.ts";

interface Entry {
  readonly source: AnyActorRef;
  readonly target: AnyActorRef;
  readonly event: EventObject;
  readonly id: string;
  /** By the system clock, for people and the store; the heap counts by the monotonic clock. */
  dueAtMs: number;
  /** In the heap. */
  slot: number;
}

/** One entry is held bare; a Map is made for the actor that has several. */
type EntriesOfActor = Entry | Map<string, Entry>;

export interface SchedulingQueue {
  /** Same source and id: replaces. `delayMs` may be any length; negative counts as 0. */
  readonly schedule: (source: AnyActorRef, target: AnyActorRef, event: EventObject, delayMs: number, id?: string) => void;
  /** The same for what is left until an instant of the system clock. */
  readonly scheduleAt: (source: AnyActorRef, target: AnyActorRef, event: EventObject, dueAtMs: number, id: string) => void;
  readonly cancel: (source: AnyActorRef, id: string) => void;
  readonly cancelAll: (source: AnyActorRef) => void;
  /** What an actor has pending, to be stored with its snapshot. */
  readonly entriesOf: (source: AnyActorRef) => readonly StoredTimer[];
  readonly size: () => number;
  /** Fires nothing any more. */
  readonly close: () => void;
}

/** Longest single host timer: also how late a step of the system clock can be noticed. */
const LONGEST_SLEEP_MS = 60_000;
/** The system clock has been set when it and the monotonic clock part by more than this; less is drift. */
const STEP_MS = 1_000;
/** Entries fired in one go before the event loop gets its turn. */
const BURST_MAX = 512;
/** Milliseconds that one go may take. */
const BURST_MS = 5;

/** @param onStep - the system clock was set forward (positive) or back by about so many milliseconds */
export function createSchedulingQueue(clock: Clock, onStep: (byMs: number) => void = () => undefined): SchedulingQueue {
  const heap = createDueHeap<Entry>();
  const byActor = new Map<AnyActorRef, EntriesOfActor>();
  let anonymous = 0;
  let cancelWake: CancelTimer | undefined;
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let isFiring = false;
  let isClosed = false;
  let offsetMs = clock.now() - clock.monotonic();

  const find = (source: AnyActorRef, id: string): Entry | undefined => {
    const held = byActor.get(source);
    if (held instanceof Map) return held.get(id);
    return held?.id === id ? held : undefined;
  };

  const index = (entry: Entry): void => {
    const held = byActor.get(entry.source);
    if (held === undefined) byActor.set(entry.source, entry);
    else if (held instanceof Map) held.set(entry.id, entry);
    else {
      byActor.set(
        entry.source,
        new Map([
          [held.id, held],
          [entry.id, entry],
        ]),
      );
    }
  };

  const unindex = (entry: Entry): void => {
    const held = byActor.get(entry.source);
    if (held === entry) byActor.delete(entry.source);
    else if (held instanceof Map) {
      held.delete(entry.id);
      if (held.size === 0) byActor.delete(entry.source);
    }
  };

  const arm = (): void => {
    if (isFiring || isClosed) return;
    const firstMs = heap.firstMs();
    if (firstMs >= wakeAtMs) return;
    cancelWake?.();
    wakeAtMs = firstMs;
    cancelWake = clock.setTimer(Math.min(LONGEST_SLEEP_MS, Math.max(0, firstMs - clock.monotonic())), fire);
  };

  const noticeStep = (): void => {
    const found = clock.now() - clock.monotonic();
    const byMs = found - offsetMs;
    offsetMs = found;
    if (Math.abs(byMs) < STEP_MS) return;
    heap.forEach((entry) => {
      entry.dueAtMs += Math.round(byMs);
    });
    onStep(Math.round(byMs));
  };

  const fire = (): void => {
    cancelWake = undefined;
    wakeAtMs = Number.POSITIVE_INFINITY;
    noticeStep();
    isFiring = true;
    const startedMs = clock.monotonic();
    let fired = 0;
    let isSpent = false;
    try {
      for (;;) {
        if (isClosed || heap.firstMs() > clock.monotonic()) break;
        // Reading the clock costs more than firing: look every 32 entries.
        if (fired >= BURST_MAX || (fired % 32 === 31 && clock.monotonic() - startedMs >= BURST_MS)) {
          isSpent = true;
          break;
        }
        const first = heap.takeFirst();
        if (!first) break;
        unindex(first);
        fired += 1;
        first.target.send(first.event);
      }
    } finally {
      isFiring = false;
      if (isSpent && !isClosed) {
        wakeAtMs = Number.NEGATIVE_INFINITY;
        clock.soon(fire);
      } else arm();
    }
  };

  const add = (source: AnyActorRef, target: AnyActorRef, event: EventObject, delayMs: number, dueAtMs: number, id: string): void => {
    if (isClosed) return;
    const old = find(source, id);
    if (old) {
      unindex(old);
      heap.remove(old.slot);
    }
    const entry: Entry = { source, target, event, id, dueAtMs, slot: 0 };
    entry.slot = heap.add(clock.monotonic() + delayMs, entry);
    index(entry);
    arm();
  };

  return {
    schedule: (source, target, event, delayMs, id = `anonymous.${anonymous++}`) => {
      // An instant by the clock as it is now must not be shifted again for a step that came before it.
      noticeStep();
      const waitMs = Math.max(0, delayMs);
      add(source, target, event, waitMs, clock.now() + waitMs, id);
    },
    scheduleAt: (source, target, event, dueAtMs, id) => {
      noticeStep();
      add(source, target, event, Math.max(0, dueAtMs - clock.now()), dueAtMs, id);
    },
    cancel: (source, id) => {
      const entry = find(source, id);
      if (!entry) return;
      unindex(entry);
      heap.remove(entry.slot);
    },
    cancelAll: (source) => {
      const held = byActor.get(source);
      if (held === undefined) return;
      byActor.delete(source);
      if (held instanceof Map) for (const entry of held.values()) heap.remove(entry.slot);
      else heap.remove(held.slot);
    },
    entriesOf: (source) => {
      const held = byActor.get(source);
      if (held === undefined) return NO_TIMERS;
      const entries = held instanceof Map ? [...held.values()] : [held];
      return entries.map(({ id, event, dueAtMs }) => ({ id, event, dueAtMs }));
    },
    size: heap.size,
    close: () => {
      isClosed = true;
      cancelWake?.();
      heap.clear();
      byActor.clear();
    },
  };
}

const NO_TIMERS: readonly StoredTimer[] = [];

/**
 * Puts the queue in the place of the scheduler of an actor system; call it before the root starts.
 * `system.scheduler` is public and mutable but undocumented: xstate is pinned, and test/runtime/scheduler.test.ts keeps watch.
 */
export function installScheduler(system: AnyActorRef["system"], queue: SchedulingQueue): void {
  Object.assign(system.scheduler, { schedule: queue.schedule, cancel: queue.cancel, cancelAll: queue.cancelAll });
}

/** Given to the root actor: any use of it would be a timer outside the queue. */
export const FORBIDDEN_CLOCK = {
  setTimeout: (): never => {
    throw new Error("a timer bypassed the scheduling queue; check installScheduler against this xstate version");
  },
  clearTimeout: (): never => {
    throw new Error("a timer bypassed the scheduling queue; check installScheduler against this xstate version");
  },
};
