/** What is done from time to time, and once at boot: take up what waits, refill the heap, passivate, delete what is too old. */
import type { ChatRecord } from "../ports/store/records.ts";
import type { Chats } from "./chats.ts";
import type { Commands } from "./commands.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Jobs } from "./jobs.ts";
import { TIMER_HORIZON_MS, pause, type Kernel } from "./kernel.ts";

export interface Maintenance {
  /** Opens the chats that have work, a bounded number at a time. Runs beside normal work; at boot, and then as a net. */
  readonly recover: () => Promise<void>;
  /** The same in a moment, once for all who ask meanwhile. */
  readonly lookSoon: () => void;
  readonly refill: () => Promise<void>;
  readonly maintain: () => Promise<void>;
  /** The system clock was set. */
  readonly clockStepped: (byMs: number) => Promise<void>;
  /** True when the store has committed within `freshMs`; tries a commit otherwise. */
  readonly commits: (freshMs: number) => Promise<boolean>;
  readonly lastCommitAtMs: () => number | undefined;
}

const PAGE = 500;
const LOOK_AFTER_MS = 1_000;
/** Chats waiting for a slot beyond which recovery lets them go first. */
const BACKLOG_MAX = 5_000;
const PASSIVATE_BATCH = 500;
const REFILL_MAX = 50_000;
const SWEEP_ROUNDS_MAX = 100;
const PING_TIMEOUT_MS = 5_000;
/** A clock that was set forward is believed after it has stayed so for a day: nothing is deleted on the word of a wrong one. */
const BELIEVED_AFTER_MS = 86_400_000;

/** Milliseconds between two rounds: half of the idle time, within reason. */
export function maintenancePeriodMs({ idleTimeoutMs }: Pick<Kernel["limits"], "idleTimeoutMs">): number {
  return Math.max(1_000, Math.min(30_000, idleTimeoutMs / 2));
}

export function createMaintenance(
  kernel: Kernel,
  parts: { readonly chats: Chats; readonly deliveries: Deliveries; readonly jobs: Jobs; readonly commands: Commands },
): Maintenance {
  const { store, clock, limits, log, turnQueue } = kernel;
  const { chats, deliveries, jobs, commands } = parts;
  let lastCommitAtMs: number | undefined;
  let lastCommitMs = Number.NEGATIVE_INFINITY;
  /** What retention is measured by; after a step forward it trails the system clock until that is believed. */
  let believedAheadMs = 0;
  let steppedMs = Number.NEGATIVE_INFINITY;
  let isAtWork = false;
  let isLookDue = false;

  const refill = async (): Promise<void> => {
    for (const { chat, timer } of await store.timers.dueBefore(clock.now() + TIMER_HORIZON_MS, REFILL_MAX)) {
      if (!chats.get(chat)) chats.wakeAt(chat, timer.dueAtMs);
    }
    await jobs.refill();
  };

  const takeUp = (record: ChatRecord): void => {
    const entry = chats.get(record.key);
    if (!entry && (record.waiting > 0 || record.openTurn)) chats.open(chats.prepare(record.key), record);
    // A net: rows that wait beside an actor at rest. Either it is about to hear of them, or a wake-up was lost.
    else if (entry?.actor && record.waiting > 0 && entry.state === "idle" && !entry.mail && entry.pins === 0) chats.discard(entry);
  };

  /** Commands come before the messages that wait: what somebody stopped before a crash is not answered after it. */
  const catchUp = async (record: ChatRecord): Promise<void> => {
    try {
      await commands.catchUp(record.key);
    } catch (error) {
      log.error({ chat: record.key, err: error }, "stored command failed");
    }
    if ((record.waiting > 0 || record.openTurn) && !chats.get(record.key) && !kernel.closed.aborted) chats.wake(record.key);
  };

  const recover = async (): Promise<void> => {
    let cursor: string | undefined;
    try {
      while (!kernel.closed.aborted) {
        const page = await store.chats.needingWork({ limit: PAGE, cursor });
        for (const record of page.items) {
          if (record.unsettledParts > 0) deliveries.wake(record.key);
          if (record.waitingCommands > 0) void catchUp(record);
          else takeUp(record);
        }
        cursor = page.next;
        if (cursor === undefined) return turnQueue.recovered();
        while (turnQueue.facts().waiting > BACKLOG_MAX && !kernel.closed.aborted) await pause(kernel, 20);
        await new Promise<void>((resolve) => clock.soon(resolve));
      }
    } catch (error) {
      log.error({ err: error }, "chats with waiting messages could not be listed; trying again");
      await pause(kernel, 1_000);
      if (!kernel.closed.aborted) await recover();
    }
  };

  const passivateIdle = async (): Promise<void> => {
    const beforeMs = clock.monotonic() - limits.idleTimeoutMs;
    for (;;) {
      const idle = chats.idleSince(beforeMs, PASSIVATE_BATCH);
      const done = await Promise.all(idle.map(chats.passivate));
      if (idle.length < PASSIVATE_BATCH || !done.includes(true)) return;
    }
  };

  const sweep = async (): Promise<void> => {
    if (clock.monotonic() - steppedMs > BELIEVED_AFTER_MS) believedAheadMs = 0;
    const now = clock.now() - believedAheadMs;
    const retention = {
      eventsBeforeMs: now - limits.eventRetentionMs,
      dedupeBeforeMs: now - limits.dedupeRetentionMs,
      inboxBeforeMs: now - limits.inboxRetentionMs,
      historyBeforeMs: now - limits.historyRetentionMs,
      outboxBeforeMs: now - limits.inboxRetentionMs,
      runsBeforeMs: now - limits.runRetentionMs,
    };
    for (let round = 0; round < SWEEP_ROUNDS_MAX && (await store.sweep(retention)); round += 1) await pause(kernel, 10);
  };

  const committed = (): void => {
    lastCommitAtMs = clock.now();
    lastCommitMs = clock.monotonic();
  };

  return {
    recover,
    lookSoon: () => {
      if (isLookDue) return;
      isLookDue = true;
      void pause(kernel, LOOK_AFTER_MS).then(() => {
        isLookDue = false;
        return recover();
      });
    },
    refill,
    clockStepped: async (byMs) => {
      log.warn({ byMs }, "the system clock was set; waits go on as they were, instants follow the new time");
      believedAheadMs = Math.max(0, believedAheadMs + byMs);
      steppedMs = clock.monotonic();
      await jobs.realign();
      await refill();
    },
    maintain: async () => {
      if (isAtWork) return;
      isAtWork = true;
      try {
        await refill();
        await passivateIdle();
        await sweep();
        if (turnQueue.facts().waiting < BACKLOG_MAX) await recover();
        committed();
      } catch (error) {
        log.warn({ err: error }, "maintenance was cut short; it comes again");
      } finally {
        isAtWork = false;
      }
    },
    commits: async (freshMs) => {
      if (clock.monotonic() - lastCommitMs < freshMs) return true;
      const inTime = await Promise.race([
        store.ping().then(
          () => true,
          () => false,
        ),
        pause(kernel, PING_TIMEOUT_MS).then(() => false),
      ]);
      if (inTime) committed();
      return inTime;
    },
    lastCommitAtMs: () => lastCommitAtMs,
  };
}
