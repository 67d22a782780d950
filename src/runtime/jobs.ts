/**
 * The registry of cron jobs. A job is a row; it has an actor only while it is due, runs or delivers. The heap holds the instants of the
 * next minute, the store all others.
 */
import type { AnyActorRef, SnapshotFrom } from "xstate";
import { cronJobMachine, type CronJobEvent } from "../../machines/cron-job.machine.ts";
import { parseChatKey, type ChatKey } from "../core/chat-key.ts";
import { textContent } from "../core/content.ts";
import { invariant } from "../core/errors.ts";
import type { JobRecord } from "../ports/store/records.ts";
import type { Intake } from "./intake.ts";
import { TIMER_HORIZON_MS, type Kernel } from "./kernel.ts";
import { createRegistry, type Child, type Registry } from "./registry.ts";
import { nextTickAfter } from "./schedule.ts";

type JobSnapshot = SnapshotFrom<typeof cronJobMachine>;

export interface Jobs {
  readonly logic: Registry<CronJobEvent, JobSnapshot>["logic"];
  /** The row was put: arms its next instant when that is near. */
  readonly arm: (job: JobRecord) => void;
  readonly disarm: (id: string) => void;
  /** Arms what is due soon; called at boot and by the maintenance tick. */
  readonly refill: () => Promise<void>;
  /** Looks at every job again, at boot and after the system clock was set: instants are of the calendar. */
  readonly realign: () => Promise<void>;
  readonly runEnded: (jobId: string, turnId: string, delivers: boolean) => void;
  readonly partSettled: (turnId: string, isLast: boolean) => void;
  readonly close: () => void;
}

/** Most instants armed by one refill; the rest follow at the next. */
const REFILL_MAX = 10_000;

/** A next instant that lies further than this behind the one computed now was computed by a clock that was far ahead. */
const AHEAD_MAX_MS = 3_600_000;
/** Jobs looked at in one go. */
const PAGE = 500;

/** The chat in which the turns of a job run. */
export function chatOfJob(id: string): ChatKey {
  return parseChatKey(`cron:${id}`);
}

export function createJobs(kernel: Kernel, intake: Intake): Jobs {
  const { store, clock, random, log, queue } = kernel;
  const live = new Map<string, Child<CronJobEvent, JobSnapshot> & AnyActorRef>();
  const armed = new Map<string, number>();
  const delivering = new Map<string, string>();
  /** Jobs whose rows were found unreadable. */
  const unreadable = new Set<string>();
  let isClosed = false;

  const claimInstant = async (id: string, instantMs: number): Promise<void> => {
    const tell = (event: CronJobEvent): void => live.get(id)?.send(event);
    try {
      const job = await store.jobs.get(id);
      if (!job || job.paused || job.nextAtMs !== instantMs || isClosed) {
        if (job && !isClosed) arm(job);
        return tell({ type: "instant.gone" });
      }
      const nowMs = clock.now();
      const nextAtMs = nextTickAfter(job.schedule, Math.max(instantMs, nowMs));
      const runId = random.id();
      const plan = intake.plan([
        {
          chat: chatOfJob(id),
          address: "",
          content: textContent(job.message),
          sender: { id: `cron:${id}`, name: job.name },
          turnClass: job.turnClass,
          dedupe: undefined,
          repliesWhenFull: false,
        },
      ]);
      const claimed = await store.jobs
        .claimInstant({ jobId: id, instantMs, nextAtMs, runId, status: "running", append: plan.requests[0], atMs: nowMs })
        .catch((error: unknown) => {
          plan.cancel();
          throw error;
        });
      if (claimed === "gone" || !claimed.appended) {
        plan.cancel();
        tell({ type: "instant.gone" });
        return await passOver(id, instantMs);
      }
      tell(claimed.appended.status === "accepted" ? { type: "instant.claimed", runId } : { type: "instant.gone" });
      plan.finish([claimed.appended]);
      if (nextAtMs !== undefined) arm({ ...job, nextAtMs });
    } catch (error) {
      log.error({ job: id, err: error }, "instant could not be claimed; trying again");
      kernel.lookSoon();
      tell({ type: "store.failed", delayMs: 1_000 });
    }
  };

  /** An instant that a run has had already, before the clock was set back: the job goes on with the one after it. */
  const passOver = async (id: string, instantMs: number): Promise<void> => {
    const job = await store.jobs.get(id);
    if (job?.nextAtMs !== instantMs) return;
    const nextAtMs = nextTickAfter(job.schedule, instantMs);
    if (await store.jobs.reschedule(id, instantMs, nextAtMs)) arm({ ...job, nextAtMs });
  };

  const machine = cronJobMachine.provide({
    actions: { claimInstant: ({ context }) => void claimInstant(context.id, context.instantMs ?? 0) },
  });
  const childLogic = Object.create(machine, {
    transition: {
      value: (before: JobSnapshot, event: CronJobEvent, scope: Parameters<typeof machine.transition>[2]) => {
        const after = machine.transition(before, event, scope);
        if (after.value !== before.value && after.hasTag("evictable")) scope.defer(() => evict(scope.self.id));
        return after;
      },
    },
  }) as typeof machine;

  const registry = createRegistry<CronJobEvent, JobSnapshot>({
    childLogic,
    queue,
    onCrash: (id, error) => {
      log.error({ job: id, err: error }, "cron job crashed; it goes on at its next instant");
      live.delete(id);
    },
    onWake: (id) => {
      const instantMs = armed.get(id);
      armed.delete(id);
      if (instantMs === undefined || isClosed) return;
      const actor = live.get(id) ?? registry.create(id, { input: { id } });
      live.set(id, actor);
      actor.send({ type: "cron.due", instantMs });
      // Still busy with an earlier instant: look again soon; the row keeps this one.
      if (actor.getSnapshot().context.instantMs !== instantMs) {
        armed.set(id, instantMs);
        registry.wakeAt(id, clock.now() + 1_000);
      }
    },
  });

  const evict = (id: string): void => {
    const actor = live.get(id);
    live.delete(id);
    if (actor) registry.stop(actor);
  };

  const arm = (job: JobRecord): void => {
    if (job.paused || job.nextAtMs === undefined || isClosed) return disarm(job.id);
    if (job.nextAtMs - clock.now() > TIMER_HORIZON_MS || !isComputable(job)) return disarm(job.id);
    armed.set(job.id, job.nextAtMs);
    registry.wakeAt(job.id, job.nextAtMs);
  };

  /** A row whose schedule cannot be computed concerns that job alone: it never fires, and the log says so once. */
  const isComputable = (job: JobRecord): boolean => {
    try {
      const next = nextTickAfter(job.schedule, clock.now());
      invariant(next === undefined || Number.isFinite(next), `its next instant would be ${next}`);
      return true;
    } catch (error) {
      if (!unreadable.has(job.id))
        log.error({ job: job.id, err: error }, "the schedule of a cron job cannot be read; add the job again or remove it");
      unreadable.add(job.id);
      return false;
    }
  };

  const disarm = (id: string): void => {
    if (armed.delete(id)) registry.cancelWake(id);
  };

  return {
    logic: registry.logic,
    arm,
    disarm,
    refill: async () => {
      for (const job of await store.jobs.due(clock.now() + TIMER_HORIZON_MS, REFILL_MAX)) if (!armed.has(job.id)) arm(job);
    },
    realign: async () => {
      let cursor: string | undefined;
      do {
        const page = await store.jobs.list({ limit: PAGE, cursor });
        for (const job of page.items) {
          if (!isComputable(job)) continue;
          const next = job.nextAtMs === undefined ? undefined : nextTickAfter(job.schedule, clock.now());
          if (next === undefined || job.nextAtMs === undefined || job.nextAtMs - next <= AHEAD_MAX_MS) arm(job);
          else {
            log.warn(
              { job: job.id, nextAtMs: job.nextAtMs, correctedMs: next },
              "the next instant was computed by a clock far ahead; corrected",
            );
            if (await store.jobs.reschedule(job.id, job.nextAtMs, next)) arm({ ...job, nextAtMs: next });
          }
        }
        cursor = page.next;
      } while (cursor !== undefined && !kernel.closed.aborted);
    },
    runEnded: (jobId, turnId, delivers) => {
      if (delivers) delivering.set(turnId, jobId);
      live.get(jobId)?.send({ type: "run.ended", delivers });
    },
    partSettled: (turnId, isLast) => {
      const jobId = delivering.get(turnId);
      if (jobId === undefined || !isLast) return;
      delivering.delete(turnId);
      live.get(jobId)?.send({ type: "run.delivered" });
    },
    close: () => {
      isClosed = true;
    },
  };
}
