/**
 * One cron job while it is due, runs or delivers. Between instants it is a row and one entry of the scheduling queue.
 *
 *                cron.due        instant.ready            slot.granted            instant.claimed            run.ended
 *   scheduled ──────────▶ due ───────────────▶ waitingForSlot ──────▶ claiming ─────────────▶ running ─────────────▶ delivering
 *       ▲                  │ instant.gone                                 │ instant.gone      ▲    │ run.deferred         │
 *       │◀─────────────────┴──────────────────────────────────────────────┘                   └─ retrying                │
 *       ├◀───────────────────────────────────── nothing to deliver ────────────────────────────────┘     run.delivered   │
 *       └◀───────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *   paused, disabled, completed: in the place of scheduled, as the row says.      backingOff: the store could not be reached.
 *
 * The row, its runs and the inbox of the job's chat are the truth: an actor that is lost takes nothing with it. A later instant never waits
 * for an earlier run; whether it runs beside, after or instead of it is decided where it is claimed.
 */
import { assign, setup } from "xstate";
import { unprovided } from "../src/core/unprovided.ts";

export const CRON_JOB_SCHEMA_VERSION = 2;

/** What its row says: where the job rests. */
export type JobRest = "active" | "paused" | "disabled" | "completed";

export interface CronJobInput {
  readonly id: string;
  readonly rest: JobRest;
}

export interface CronJobContext extends CronJobInput {
  readonly schemaVersion: number;
  /** The instant it is at was not seen in time: it waits its turn among others like it. */
  readonly isCatchUp: boolean;
  /** Runs under way: one that its agent answers, and those that wait behind it. */
  readonly runs: number;
  readonly delayMs: number;
}

export type CronJobEvent =
  /** The start of an instant has come. */
  | { readonly type: "cron.due" }
  /** There is one to run. */
  | { readonly type: "instant.ready"; readonly isCatchUp: boolean }
  /** There is none: claimed by someone else, recorded as missed or skipped, or the job has changed. */
  | { readonly type: "instant.gone" }
  | { readonly type: "slot.granted" }
  /** `replaced`: runs that ended for this one. */
  | { readonly type: "instant.claimed"; readonly replaced: number }
  | { readonly type: "store.failed"; readonly delayMs: number }
  /** An attempt failed and is made again. */
  | { readonly type: "run.deferred"; readonly delayMs: number }
  /** `delivers`: its result is on its way to a chat. */
  | { readonly type: "run.ended"; readonly delivers: boolean }
  | { readonly type: "run.delivered" }
  /** What the store says is under way: a run may have been ended by a person. */
  | { readonly type: "runs.found"; readonly count: number }
  | { readonly type: "job.changed"; readonly rest: JobRest };

/** `evictable`: the row says it all. `running`: has runs under way. */
export type CronJobTag = "evictable" | "running";

/** Longest that the actor waits for a delivery; the run goes on to tell how it went. Milliseconds. */
const DELIVERY_PATIENCE_MS = 600_000;
/** Longest that a run keeps others from beginning: how many turns run at once is limited elsewhere. */
const SLOT_PATIENCE_MS = 300_000;

export const cronJobMachine = setup({
  types: { input: {} as CronJobInput, context: {} as CronJobContext, events: {} as CronJobEvent, tags: {} as CronJobTag },
  actions: {
    /** Reads the row and decides about what is due; answers instant.ready, instant.gone or store.failed. */
    lookAtInstant: () => unprovided("lookAtInstant")(),
    requestSlot: (_, _params: { isCatchUp: boolean }) => unprovided("requestSlot")(),
    releaseSlot: () => unprovided("releaseSlot")(),
    /** Claims what is due; answers instant.claimed, instant.gone or store.failed. */
    claimInstant: () => unprovided("claimInstant")(),
    keepKind: assign({ isCatchUp: (_, isCatchUp: boolean) => isCatchUp }),
    countRun: assign({ runs: ({ context }, replaced: number) => Math.max(0, context.runs - replaced) + 1 }),
    endRun: assign({ runs: ({ context }) => Math.max(0, context.runs - 1) }),
    keepCount: assign({ runs: (_, count: number) => count }),
    keepDelay: assign({ delayMs: (_, delayMs: number) => delayMs }),
    keepRest: assign({ rest: (_, rest: JobRest) => rest }),
    forgetRuns: assign({ runs: 0, delayMs: 0 }),
  },
  guards: {
    isPaused: ({ context }) => context.rest === "paused",
    isDisabled: ({ context }) => context.rest === "disabled",
    isCompleted: ({ context }) => context.rest === "completed",
    hasMoreRuns: ({ context }) => context.runs > 1,
  },
  delays: { retryDelay: ({ context }) => context.delayMs, deliveryPatience: DELIVERY_PATIENCE_MS, slotPatience: SLOT_PATIENCE_MS },
}).createMachine({
  id: "cron-job",
  context: ({ input }) => ({ schemaVersion: CRON_JOB_SCHEMA_VERSION, ...input, isCatchUp: false, runs: 0, delayMs: 0 }),
  on: { "job.changed": { actions: { type: "keepRest", params: ({ event }) => event.rest } } },
  initial: "resting",
  states: {
    resting: {
      description: "Goes to where its row says that it rests.",
      entry: ["releaseSlot", "forgetRuns"],
      always: [
        { guard: "isPaused", target: "paused" },
        { guard: "isDisabled", target: "disabled" },
        { guard: "isCompleted", target: "completed" },
        { target: "scheduled" },
      ],
    },
    scheduled: {
      description: "Waits for its next instant.",
      tags: "evictable",
      on: {
        "cron.due": "due",
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "job.changed": { target: "resting", actions: { type: "keepRest", params: ({ event }) => event.rest } },
      },
    },
    due: {
      description: "The start of an instant has come; its row is read, and what was missed is told from what is on time.",
      entry: "lookAtInstant",
      on: {
        "instant.ready": { target: "waitingForSlot", actions: { type: "keepKind", params: ({ event }) => event.isCatchUp } },
        "instant.gone": "resting",
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "store.failed": { target: "backingOff", actions: { type: "keepDelay", params: ({ event }) => event.delayMs } },
      },
    },
    waitingForSlot: {
      description: "Has an instant to run and waits until fewer jobs run; what was missed also waits for its place in the catch-up.",
      entry: { type: "requestSlot", params: ({ context }) => ({ isCatchUp: context.isCatchUp }) },
      on: {
        "slot.granted": "claiming",
        "instant.claimed": {
          target: "running",
          actions: ["releaseSlot", { type: "countRun", params: ({ event }) => event.replaced }, "claimInstant"],
        },
        "job.changed": { target: "resting", actions: { type: "keepRest", params: ({ event }) => event.rest } },
      },
    },
    claiming: {
      description: "Its instant is being claimed: in one commit the job moves on, the run begins and its message waits in the chat.",
      entry: "claimInstant",
      on: {
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "instant.gone": "resting",
        "store.failed": { target: "backingOff", actions: { type: "keepDelay", params: ({ event }) => event.delayMs } },
      },
    },
    backingOff: {
      description: "The store could not be reached; the instant is looked at again after a delay.",
      entry: "releaseSlot",
      after: { retryDelay: "due" },
      on: {
        "instant.claimed": {
          target: "running",
          actions: [{ type: "countRun", params: ({ event }) => event.replaced }, "claimInstant"],
        },
      },
    },
    running: {
      description: "Its turn waits or runs in the chat of the job.",
      tags: "running",
      // Its chat may be put aside, or busy for long: others need not wait for that.
      after: { slotPatience: { actions: "releaseSlot" } },
      on: {
        "cron.due": { actions: "claimInstant" },
        // Looked for before a run by hand began.
        "instant.ready": { actions: "claimInstant" },
        "instant.claimed": { actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "run.deferred": { target: "retrying", actions: { type: "keepDelay", params: ({ event }) => event.delayMs } },
        "run.ended": [
          { guard: "hasMoreRuns", actions: "endRun" },
          { guard: ({ event }) => event.delivers, target: "delivering" },
          { target: "resting" },
        ],
        "runs.found": [
          { guard: ({ event }) => event.count > 0, actions: { type: "keepCount", params: ({ event }) => event.count } },
          { target: "resting" },
        ],
      },
    },
    retrying: {
      description: "An attempt of its run failed and is made again after a delay; meanwhile others run.",
      tags: "running",
      entry: "releaseSlot",
      after: { retryDelay: "running" },
      on: {
        "cron.due": { actions: "claimInstant" },
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "run.ended": [
          { guard: "hasMoreRuns", target: "running", actions: "endRun" },
          { guard: ({ event }) => event.delivers, target: "delivering" },
          { target: "resting" },
        ],
        "runs.found": [
          { guard: ({ event }) => event.count > 0, actions: { type: "keepCount", params: ({ event }) => event.count } },
          { target: "resting" },
        ],
      },
    },
    delivering: {
      description: "Its result is on the way to the chats that get it.",
      entry: ["releaseSlot", "forgetRuns"],
      after: { deliveryPatience: "resting" },
      on: {
        "cron.due": "due",
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "run.delivered": "resting",
      },
    },
    paused: {
      description: "Paused by a person; a run by hand is possible.",
      tags: "evictable",
      on: {
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "job.changed": { target: "resting", actions: { type: "keepRest", params: ({ event }) => event.rest } },
      },
    },
    disabled: {
      description: "Too many runs in a row failed; a person resumes it.",
      tags: "evictable",
      on: {
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "job.changed": { target: "resting", actions: { type: "keepRest", params: ({ event }) => event.rest } },
      },
    },
    completed: {
      description: "No instant is left.",
      tags: "evictable",
      on: {
        "instant.claimed": { target: "running", actions: { type: "countRun", params: ({ event }) => event.replaced } },
        "job.changed": { target: "resting", actions: { type: "keepRest", params: ({ event }) => event.rest } },
      },
    },
  },
});
