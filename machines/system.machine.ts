/**
 * The supervisor: owns the scheduling queue, the turn queue and the registries of chats, deliveries, channels and jobs.
 *
 *   booting ── recovered ──▶ running ── shutdown.requested ──▶ draining ── drained or drainTimeout ──▶ stopped
 *      └── boot fails ──▶ failed
 */
import { assign, fromPromise, setup } from "xstate";
import type { AnyActorLogic } from "xstate";
import { unprovided } from "../src/core/unprovided.ts";

export const SYSTEM_SCHEMA_VERSION = 1;

export interface SystemInput {
  /** Time between two rounds of passivation, refill and clean-up. */
  readonly maintenancePeriodMs: number;
  readonly drainTimeoutMs: number;
}

export interface SystemContext extends SystemInput {
  readonly schemaVersion: number;
  /** Drained within its time. */
  readonly isClean: boolean;
}

export type SystemEvent = { readonly type: "shutdown.requested" };

/** `open`: intake accepts. `claiming`: turns may start. */
export type SystemTag = "open" | "claiming";

const registry = (name: string): AnyActorLogic => fromPromise(unprovided(name));

export const systemMachine = setup({
  types: { input: {} as SystemInput, context: {} as SystemContext, events: {} as SystemEvent, tags: {} as SystemTag },
  actors: {
    chats: registry("chats"),
    deliveries: registry("deliveries"),
    channels: registry("channels"),
    jobs: registry("jobs"),
    /** Opens the store, recovers what an earlier process left, activates what has work. */
    boot: fromPromise<void>(unprovided("boot")),
    /** Stops claiming, closes channels, lets turns end, sends, parks. Resolves when all is quiet. */
    drain: fromPromise<void>(unprovided("drain")),
  },
  actions: {
    /** Passivates, refills the heap, sweeps what is too old. */
    maintain: () => unprovided("maintain")(),
    noteClean: assign({ isClean: true }),
  },
  delays: { maintenancePeriod: ({ context }) => context.maintenancePeriodMs, drainTimeout: ({ context }) => context.drainTimeoutMs },
}).createMachine({
  id: "system",
  context: ({ input }) => ({
    schemaVersion: SYSTEM_SCHEMA_VERSION,
    drainTimeoutMs: input.drainTimeoutMs,
    maintenancePeriodMs: input.maintenancePeriodMs,
    isClean: false,
  }),
  invoke: [
    { id: "chats", src: "chats" },
    { id: "deliveries", src: "deliveries" },
    { id: "channels", src: "channels" },
    { id: "jobs", src: "jobs" },
  ],
  initial: "booting",
  states: {
    booting: {
      description: "Opens the store and recovers what an earlier process left.",
      invoke: { id: "boot", src: "boot", onDone: "running", onError: "failed" },
      on: { "shutdown.requested": "draining" },
    },
    running: {
      description: "Accepts messages and claims turns.",
      tags: ["open", "claiming"],
      after: { maintenancePeriod: { target: "running", reenter: true, actions: "maintain" } },
      on: { "shutdown.requested": "draining" },
    },
    draining: {
      description: "Claims nothing new, lets running turns finish, sends what waits, stores the rest.",
      invoke: { id: "drain", src: "drain", onDone: { target: "stopped", actions: "noteClean" }, onError: "stopped" },
      after: { drainTimeout: "stopped" },
    },
    stopped: { description: "Everything is stored; nothing runs.", type: "final" },
    failed: { description: "Could not start; the error says what to do.", type: "final" },
  },
});
