/**
 * The registry of cron jobs. A job is a row; it has an actor only while it is due, runs or delivers. The heap holds the starts of the next
 * minute, the store all others. What is due is read from its row each time, so that nothing depends on what an actor remembers.
 */
import type { AnyActorRef, SnapshotFrom } from "xstate";
import { cronJobMachine, type CronJobEvent, type JobRest } from "../../machines/cron-job.machine.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { noteOf } from "../core/errors.ts";
import type { JobRecord } from "../ports/store/job-records.ts";
import type { JobPosition, PassedInstants } from "../ports/store/job-store.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { Chats } from "./chats.ts";
import type { Intake } from "./intake.ts";
import { createClaims, type Claims, type Prepared } from "./jobs/claims.ts";
import { mendFarAhead } from "./jobs/far-ahead.ts";
import { ON_TIME_MS } from "./jobs/definition.ts";
import { dueOf, missedInstants, positionAfter, skippedInstants, type Due } from "./jobs/instants.ts";
import { createRunWatch } from "./jobs/run-watch.ts";
import { createJobSlots } from "./jobs/slots.ts";
import { TIMER_HORIZON_MS, type Kernel } from "./kernel.ts";
import { createRegistry, type Child, type Registry } from "./registry.ts";
import type { Outgoing, RunObserver } from "./turn-commit.ts";
import type { TurnRunner } from "./turn-runner.ts";

type JobSnapshot = SnapshotFrom<typeof cronJobMachine>;

export interface Jobs {
  readonly logic: Registry<CronJobEvent, JobSnapshot>["logic"];
  /** The row was put: arms its next start when that is near, and tells its actor. */
  readonly changed: (job: JobRecord) => void;
  /** The row is gone. */
  readonly removed: (id: string) => void;
  /** Arms what starts soon; called at boot and by the maintenance tick. */
  readonly refill: () => Promise<void>;
  /** The clock was set, or a process begins: starts are of the calendar. */
  readonly realign: () => Promise<void>;
  readonly claims: Claims;
  /** A run by hand was claimed. */
  readonly began: (id: string, replaced: number) => void;
  readonly runs: RunObserver;
  readonly partSettled: (part: OutboxPart, isLast: boolean) => void;
  /** State of its machine while it has an actor, and since when. */
  readonly stateOf: (id: string) => { readonly state: string; readonly sinceMs: number } | undefined;
  readonly close: () => void;
}

/** Starts read from the store in one go, and most that are armed at once; the rest follow when those are done. */
const PAGE = 1_000;
const ARMED_MAX = 200_000;
/** Actors of jobs that are due and wait, and of those that wait to catch up; further ones stay rows, in the order in which they came. */
const DUE_MAX = 100;
/** Actors beyond which none waits for a delivery: the run tells how that went. */
const LIVE_MAX = 2_000;
const DUE_STATES: ReadonlySet<string> = new Set(["due", "waitingForSlot", "claiming", "backingOff"]);
const RETRY_MS = 1_000;
/** Jobs hurry once nobody has written for so long. */
const QUIET_AFTER_MS = 5_000;
/** An actor whose run has been under way for so long is compared with the store. */
const COMPARE_AFTER_MS = 60_000;

interface LiveJob {
  readonly actor: Child<CronJobEvent, JobSnapshot> & AnyActorRef;
  /** By the system clock, and by the monotonic one. */
  sinceMs: number;
  enteredMs: number;
}

export function createJobs(
  kernel: Kernel,
  intake: Intake,
  parts: {
    readonly outgoing: Outgoing;
    readonly aliasOf: (key: ChatKey) => ChatKey;
    readonly prepare: (job: JobRecord) => Promise<Prepared | undefined>;
    readonly chats: Chats;
    readonly runner: TurnRunner;
  },
): Jobs {
  const { store, clock, random, log, queue, limits } = kernel;
  const live = new Map<string, LiveJob>();
  /** Those that are due and wait; and apart from them, since they wait for long, those that were missed. */
  const dueNow = new Set<string>();
  const catchingUp = new Set<string>();
  /** Start of each job that is in the heap. */
  const armed = new Map<string, number>();
  /** When the start of a job was noticed; a wait for a slot makes nothing late. */
  const seen = new Map<string, number>();
  /** Due, and without an actor yet; and those that were missed. */
  const backlog = new Set<string>();
  const late = new Set<string>();
  /** Missed instants that wait for the end of the run under way. */
  const deferred = new Set<string>();
  /** Jobs whose rows were found unreadable. */
  const unreadable = new Set<string>();
  let isClosed = false;

  const tell = (id: string, event: CronJobEvent): void => live.get(id)?.actor.send(event);
  const claims = createClaims(kernel, intake, parts);
  // Some wait in the turn queue, so that none of its slots stays free.
  const slots = createJobSlots(kernel, {
    slots: () => 2 * limits.concurrentTurns,
    catchUpPerSecond: () => limits.catchUpPerSecond,
    isQuiet: () => clock.monotonic() - intake.lastPersonMs() > QUIET_AFTER_MS,
    grant: (id) => tell(id, { type: "slot.granted" }),
  });

  const arm = ({ id, status, startAtMs }: Pick<JobRecord, "id" | "status" | "startAtMs">): void => {
    if (status !== "active" || startAtMs === undefined || isClosed || startAtMs - clock.now() > TIMER_HORIZON_MS) return disarm(id);
    armed.set(id, startAtMs);
    registry.wakeAt(id, startAtMs);
  };

  const disarm = (id: string): void => {
    if (armed.delete(id)) registry.cancelWake(id);
  };

  /** Looks at the row again, now or after a delay. */
  const lookAgain = (id: string, delayMs = 0): void => {
    if (isClosed) return;
    const atMs = clock.now() + delayMs;
    armed.set(id, atMs);
    registry.wakeAt(id, atMs);
  };

  const chance = (job: JobRecord): number => (job.jitterMs === 0 ? 0 : random.next());

  /** Reads the row; what is not to be run is settled here. Answers what is. */
  const examine = async (id: string): Promise<{ readonly job: JobRecord; readonly due: Due & { readonly type: "run" } } | undefined> => {
    const job = await store.jobs.get(id);
    if (!job || isClosed) return undefined;
    if (job.isUnreadable) sayUnreadable(id, "its row holds what no satibot wrote");
    if (job.status !== "active") {
      tell(id, { type: "job.changed", rest: job.status });
      return undefined;
    }
    const due = dueSafely(job);
    if (due?.type === "run") return { job, due };
    seen.delete(id);
    if (due?.type === "wait") arm(job);
    if (due?.type === "pass") {
      const to = positionAfter(job, due.passed.lastMs, { status: "active", runs: job.runs, chance: chance(job), nowMs: clock.now() });
      log.warn({ job: id, ...due.passed }, "instants of a cron job were missed; none of them runs");
      await advance(job, to, missedInstants(due.passed, random.id()));
    }
    return undefined;
  };

  /** A row whose schedule cannot be computed concerns that job alone: it never fires, and the log says so once. */
  const dueSafely = (job: JobRecord): Due | undefined => {
    try {
      return dueOf(job, Math.min(seen.get(job.id) ?? clock.now(), clock.now()));
    } catch (error) {
      sayUnreadable(job.id, error);
      return undefined;
    }
  };

  const sayUnreadable = (id: string, err: unknown): void => {
    if (!unreadable.has(id)) log.error({ job: id, err }, "a cron job cannot be read, and never runs; add it again or remove it");
    unreadable.add(id);
  };

  const advance = async (job: JobRecord, to: JobPosition, passed: PassedInstants | undefined): Promise<void> => {
    if (await store.jobs.advance({ jobId: job.id, fromMs: job.nextAtMs, to, passed, atMs: clock.now() })) moved(job.id, to);
    else lookAgain(job.id);
  };

  const moved = (id: string, to: JobPosition): void => {
    seen.delete(id);
    if (to.status !== "active") tell(id, { type: "job.changed", rest: to.status });
    arm({ id, ...to });
  };

  const look = async (id: string): Promise<void> => {
    try {
      const found = await examine(id);
      if (found?.due.isCatchUp && catchingUp.size >= DUE_MAX && !catchingUp.has(id)) {
        late.add(id);
        return tell(id, { type: "instant.gone" });
      }
      tell(id, found ? { type: "instant.ready", isCatchUp: found.due.isCatchUp } : { type: "instant.gone" });
    } catch (error) {
      failed(id, error);
    }
  };

  const failed = (id: string, error: unknown): void => {
    log.error({ job: id, err: error }, "a due cron job could not be read or claimed; trying again");
    if (isUnderWay(id)) lookAgain(id, RETRY_MS);
    tell(id, { type: "store.failed", delayMs: RETRY_MS });
  };

  const isUnderWay = (id: string): boolean => live.get(id)?.actor.getSnapshot().hasTag("running") === true;

  const claim = async (id: string): Promise<void> => {
    try {
      const found = await examine(id);
      if (!found) return tell(id, { type: "instant.gone" });
      const { job, due } = found;
      // What was missed runs one after the other.
      if (due.isCatchUp && job.missed === "all" && isUnderWay(id)) {
        seen.delete(id);
        return void deferred.add(id);
      }
      const { instantMs, isCatchUp } = due;
      const drawn = { status: "active", chance: chance(job), nowMs: clock.now() } as const;
      const to = positionAfter(job, instantMs, { ...drawn, runs: job.runs + 1 });
      const toSkipped = positionAfter(job, instantMs, { ...drawn, runs: job.runs });
      const passed = due.passed && missedInstants(due.passed, random.id());
      const prepared = await claims.prepare(job);
      if (prepared.type === "skip") {
        await advance(job, toSkipped, skippedInstants(due, prepared.why, random.id()));
        return tell(id, { type: "instant.gone" });
      }
      const claimed = await claims.claim(prepared.job, {
        fromMs: job.nextAtMs,
        passed,
        instantMs,
        to,
        toSkipped,
        trigger: isCatchUp ? "catchUp" : "schedule",
      });
      const hasBegun = claimed.status === "claimed" && claimed.appended.status === "accepted";
      if (claimed.status === "gone") await passOver(id, instantMs);
      else moved(id, hasBegun ? to : toSkipped);
      tell(id, hasBegun ? { type: "instant.claimed", replaced: claimed.replaced.length } : { type: "instant.gone" });
    } catch (error) {
      failed(id, error);
    } finally {
      slots.begun(id);
    }
  };

  /** An instant that a run has had already, before the clock was set back: the job goes on with the one after it. */
  const passOver = async (id: string, instantMs: number): Promise<void> => {
    const job = await store.jobs.get(id);
    if (job?.status !== "active" || job.nextAtMs === undefined || job.nextAtMs > instantMs) return job && moved(id, job);
    await advance(job, positionAfter(job, instantMs, { status: "active", runs: job.runs, chance: chance(job) }), undefined);
  };

  const machine = cronJobMachine.provide({
    actions: {
      lookAtInstant: ({ context }) => void look(context.id),
      requestSlot: ({ context }, { isCatchUp }) => slots.request(context.id, isCatchUp),
      releaseSlot: ({ context }) => slots.release(context.id),
      claimInstant: ({ context }) => void claim(context.id),
    },
  });
  const childLogic = Object.create(machine, {
    transition: {
      value: (before: JobSnapshot, event: CronJobEvent, scope: Parameters<typeof machine.transition>[2]) => {
        const after = machine.transition(before, event, scope);
        if (after.value !== before.value) scope.defer(() => entered(scope.self.id));
        return after;
      },
    },
  }) as typeof machine;

  const registry = createRegistry<CronJobEvent, JobSnapshot>({
    childLogic,
    queue,
    onCrash: (id, error) => {
      log.error({ job: id, error: noteOf(error) }, "the actor of a cron job crashed; its row is looked at again");
      forget(id);
      lookAgain(id, RETRY_MS);
    },
    onWake: (id) => {
      const lateMs = clock.now() - (armed.get(id) ?? clock.now());
      armed.delete(id);
      if (isClosed) return;
      if (!seen.has(id)) seen.set(id, clock.now());
      wake(id, lateMs > ON_TIME_MS);
    },
  });

  const wake = (id: string, isLate: boolean): void => {
    const isFull = dueNow.size >= DUE_MAX || (isLate && catchingUp.size >= DUE_MAX);
    if (!live.has(id) && isFull) (isLate ? late : backlog).add(id);
    else open(id).send({ type: "cron.due" });
  };

  const open = (id: string, rest: JobRest = "active"): LiveJob["actor"] => {
    const known = live.get(id);
    if (known) return known.actor;
    const actor = registry.create(id, { input: { id, rest } });
    live.set(id, { actor, sinceMs: clock.now(), enteredMs: clock.monotonic() });
    return actor;
  };

  const entered = (id: string): void => {
    const job = live.get(id);
    if (!job) return;
    Object.assign(job, { sinceMs: clock.now(), enteredMs: clock.monotonic() } satisfies Partial<LiveJob>);
    const snapshot = job.actor.getSnapshot();
    const isCatchUp = catchingUp.has(id) || (snapshot.value === "waitingForSlot" && snapshot.context.isCatchUp);
    const isDue = DUE_STATES.has(snapshot.value);
    if (isDue && !isCatchUp) return void dueNow.add(id);
    dueNow.delete(id);
    if (isDue) catchingUp.add(id);
    else catchingUp.delete(id);
    const isDelivering = snapshot.value === "delivering";
    const isResting = snapshot.hasTag("evictable");
    if ((isDelivering || isResting) && deferred.delete(id)) lookAgain(id);
    if (isResting || (isDelivering && live.size > LIVE_MAX)) {
      forget(id);
      if (!armed.has(id) && !late.has(id)) seen.delete(id);
      registry.stop(job.actor);
    }
    nextOfBacklog();
  };

  const forget = (id: string): void => {
    live.delete(id);
    dueNow.delete(id);
    catchingUp.delete(id);
    slots.release(id);
    runs.forget(id);
  };

  const nextOfBacklog = (): void => {
    for (const waiting of [backlog, late]) {
      const [id] = waiting;
      if (id === undefined || isClosed || dueNow.size >= DUE_MAX) continue;
      if (waiting === late && catchingUp.size >= DUE_MAX) continue;
      waiting.delete(id);
      wake(id, waiting === late);
    }
  };

  const runs = createRunWatch(kernel, {
    ...parts,
    tell,
    disabled: (id) => {
      disarm(id);
      tell(id, { type: "job.changed", rest: "disabled" });
    },
  });

  /** A run may have been ended by a person: actors that wait for one are compared with the store. */
  const compare = async (): Promise<void> => {
    const beforeMs = clock.monotonic() - COMPARE_AFTER_MS;
    const waiting = [...live].filter(([id, job]) => job.enteredMs <= beforeMs && isUnderWay(id)).map(([id]) => id);
    if (waiting.length === 0) return;
    const found = new Map((await store.jobs.underWay(waiting)).map(({ jobId, count }) => [jobId, count]));
    for (const id of waiting) {
      const job = live.get(id);
      if (job && job.enteredMs <= beforeMs) job.actor.send({ type: "runs.found", count: found.get(id) ?? 0 });
    }
  };

  const refill = async (): Promise<void> => {
    let after: { readonly id: string; readonly startAtMs: number } | undefined;
    do {
      const page = await store.jobs.due(clock.now() + TIMER_HORIZON_MS, PAGE, after);
      for (const { id, startAtMs } of page) {
        if (armed.has(id) || backlog.has(id) || late.has(id) || unreadable.has(id)) continue;
        arm({ id, status: "active", startAtMs });
      }
      after = page.length === PAGE ? page.at(-1) : undefined;
    } while (after && armed.size + backlog.size + late.size < ARMED_MAX && !isClosed);
    await compare();
  };

  return {
    logic: registry.logic,
    changed: (job) => {
      unreadable.delete(job.id);
      // One that waits for its place is no later for being renamed.
      const isDue = job.status === "active" && (job.startAtMs ?? Number.POSITIVE_INFINITY) <= (seen.get(job.id) ?? 0);
      if (!isDue) seen.delete(job.id);
      arm(job);
      tell(job.id, { type: "job.changed", rest: job.status });
    },
    removed: (id) => {
      disarm(id);
      backlog.delete(id);
      late.delete(id);
      seen.delete(id);
      unreadable.delete(id);
    },
    refill,
    realign: async () => {
      for (const [id, startAtMs] of armed) registry.wakeAt(id, startAtMs);
      await mendFarAhead(kernel, async (job, to) => {
        if (!isClosed) await advance(job, to, undefined);
      });
    },
    claims,
    began: (id, replaced) => open(id).send({ type: "instant.claimed", replaced }),
    runs,
    partSettled: runs.partSettled,
    stateOf: (id) => {
      const job = live.get(id);
      return job && { state: String(job.actor.getSnapshot().value), sinceMs: job.sinceMs };
    },
    close: () => {
      isClosed = true;
    },
  };
}
