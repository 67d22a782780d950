/**
 * One cron job while it is due, runs or delivers. Between instants it is a row and one entry of the scheduling queue.
 *
 *   scheduled ── cron.due ──▶ claiming ── instant.claimed ──▶ running ── run.ended ──▶ delivering ── run.delivered ──▶ scheduled
 *       ▲                        │ instant.gone                  └─ run.ended (nothing to deliver) ──▶ scheduled
 *       └────────────────────────┘
 *
 * The row, the run and the queue of the job's chat hold what an earlier run still does, so a later instant never waits for it.
 * An instant is claimed in one transaction (advance + run row + inbox row), so it runs once whoever else tries.
 */
import { assign, setup } from "xstate";
import { unprovided } from "../src/core/unprovided.ts";

export const CRON_JOB_SCHEMA_VERSION = 1;

export interface CronJobInput {
  readonly id: string;
}

export interface CronJobContext extends CronJobInput {
  readonly schemaVersion: number;
  /** Nominal instant of the run under way, epoch ms. */
  readonly instantMs: number | null;
  readonly runId: string | null;
  readonly delayMs: number;
}

export type CronJobEvent =
  | { readonly type: "cron.due"; readonly instantMs: number }
  | { readonly type: "instant.claimed"; readonly runId: string }
  /** Claimed by someone else, or the job has changed. */
  | { readonly type: "instant.gone" }
  | { readonly type: "store.failed"; readonly delayMs: number }
  /** `delivers`: its reply is on its way to a chat. */
  | { readonly type: "run.ended"; readonly delivers: boolean }
  | { readonly type: "run.delivered" };

export type CronJobTag = "evictable";

export const cronJobMachine = setup({
  types: { input: {} as CronJobInput, context: {} as CronJobContext, events: {} as CronJobEvent, tags: {} as CronJobTag },
  actions: {
    /** Claims the instant; answers instant.claimed, instant.gone or store.failed. */
    claimInstant: () => unprovided("claimInstant")(),
    keepInstant: assign({ instantMs: (_, instantMs: number) => instantMs }),
    keepRun: assign({ runId: (_, runId: string) => runId }),
    keepDelay: assign({ delayMs: (_, delayMs: number) => delayMs }),
    forgetRun: assign({ instantMs: null, runId: null }),
  },
  delays: { retryDelay: ({ context }) => context.delayMs },
}).createMachine({
  id: "cron-job",
  context: ({ input }) => ({ schemaVersion: CRON_JOB_SCHEMA_VERSION, id: input.id, instantMs: null, runId: null, delayMs: 0 }),
  initial: "scheduled",
  states: {
    scheduled: {
      description: "Waits for its next instant.",
      tags: "evictable",
      entry: "forgetRun",
      on: { "cron.due": { target: "claiming", actions: { type: "keepInstant", params: ({ event }) => event.instantMs } } },
    },
    claiming: {
      description: "Its instant has come and is being claimed in the store.",
      entry: "claimInstant",
      on: {
        "instant.claimed": { target: "running", actions: { type: "keepRun", params: ({ event }) => event.runId } },
        "instant.gone": "scheduled",
        "store.failed": { target: "retrying", actions: { type: "keepDelay", params: ({ event }) => event.delayMs } },
      },
    },
    retrying: {
      description: "The store could not claim the instant; it is tried again after a delay.",
      after: { retryDelay: "claiming" },
    },
    running: {
      description: "Its turn waits or runs in the job's own chat.",
      on: {
        "cron.due": { target: "claiming", actions: { type: "keepInstant", params: ({ event }) => event.instantMs } },
        "run.ended": [{ guard: ({ event }) => event.delivers, target: "delivering" }, { target: "scheduled" }],
      },
    },
    delivering: {
      description: "Its result is on the way to the chat that receives it.",
      on: {
        "cron.due": { target: "claiming", actions: { type: "keepInstant", params: ({ event }) => event.instantMs } },
        "run.delivered": "scheduled",
      },
    },
  },
});
