/**
 * One connection to a platform: strictly closed before it is opened again. What it is follows from what came over it, not from an object
 * that exists: a connected platform that falls silent is `stalled`, and taken down when it stays so.
 *
 *   offline ── channel.start ──▶ connecting ── connection.opened ──▶ online ── traffic.ceased ──▶ stalled ── traffic.seen ──▶ online
 *      ▲                            │   ▲  └─ connection.lost ─┐        │ connection.lost            │ stallGrace
 *      │ connection.closed          │   │ reconnectDelay       ▼        ▼                            │
 *   draining ◀── channel.drain ─────┘  backingOff ◀──────── closing ◀───┴────────────────────────────┘
 *                                           connection.closed
 *   connection.conflicted ▶ conflict ── traffic.seen ▶ online           connection.refused ▶ refusing ── connection.closed ▶ loggedOut
 */
import { assign, setup } from "xstate";
import type { ErrorNote } from "../src/core/errors.ts";
import { unprovided } from "../src/core/unprovided.ts";

export const CHANNEL_SCHEMA_VERSION = 1;

export interface ChannelInput {
  readonly name: string;
  /** Silence that makes a connection `stalled`, and that ends it when it lasts so long again; null where silence says nothing. */
  readonly silenceMaxMs: number | null;
}

export interface ChannelContext extends ChannelInput {
  readonly schemaVersion: number;
  /** Losses since the last traffic. */
  readonly failures: number;
  readonly delayMs: number;
  readonly reason: ErrorNote | null;
}

export type ChannelEvent =
  | { readonly type: "channel.start" }
  | { readonly type: "channel.drain" }
  | { readonly type: "connection.opened" }
  | { readonly type: "traffic.seen" }
  /** Nothing has come for longer than a living platform is silent. */
  | { readonly type: "traffic.ceased"; readonly error: ErrorNote }
  /** `delayMs`: how long to wait before the next try, jitter included. */
  | { readonly type: "connection.lost"; readonly error: ErrorNote; readonly delayMs: number }
  | { readonly type: "connection.conflicted"; readonly error: ErrorNote }
  | { readonly type: "connection.refused"; readonly error: ErrorNote }
  | { readonly type: "connection.closed" };

/** `online`: parts may be sent. `down`: not connected. */
export type ChannelTag = "online" | "down";

export const channelMachine = setup({
  types: { input: {} as ChannelInput, context: {} as ChannelContext, events: {} as ChannelEvent, tags: {} as ChannelTag },
  actions: {
    /** Starts the channel; its fate arrives as connection.* events. */
    openConnection: () => unprovided("openConnection")(),
    /** Stops the channel; answers connection.closed when the old connection is gone. */
    closeConnection: () => unprovided("closeConnection")(),
    /** Looks when something came last; answers traffic.ceased when that is too long ago. */
    checkSilence: () => unprovided("checkSilence")(),
    /** The stalled connection is given up: answers connection.lost with the delay before the next. */
    giveUpSilent: () => unprovided("giveUpSilent")(),
    keepLoss: assign(({ context }, loss: { error: ErrorNote; delayMs: number }) => ({
      failures: context.failures + 1,
      delayMs: loss.delayMs,
      reason: loss.error,
    })),
    keepReason: assign({ reason: (_, error: ErrorNote) => error }),
    forgetLosses: assign({ failures: 0, reason: null }),
  },
  guards: { mayFallSilent: ({ context }) => context.silenceMaxMs !== null },
  delays: {
    reconnectDelay: ({ context }) => context.delayMs,
    silenceCheck: ({ context }) => (context.silenceMaxMs ?? 0) / 2,
    stallGrace: ({ context }) => context.silenceMaxMs ?? 0,
  },
}).createMachine({
  id: "channel",
  context: ({ input }) => ({
    schemaVersion: CHANNEL_SCHEMA_VERSION,
    name: input.name,
    silenceMaxMs: input.silenceMaxMs,
    failures: 0,
    delayMs: 0,
    reason: null,
  }),
  initial: "offline",
  states: {
    offline: {
      description: "Not started, or ended.",
      tags: "down",
      on: { "channel.start": "connecting" },
    },
    connecting: {
      description: "The connection is being opened.",
      tags: "down",
      entry: "openConnection",
      on: {
        "connection.opened": "online",
        "connection.lost": { target: "closing", actions: { type: "keepLoss", params: ({ event }) => event } },
        "connection.conflicted": { target: "conflict", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "connection.refused": { target: "refusing", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "channel.drain": "draining",
      },
    },
    online: {
      description: "Connected, and heard of lately.",
      tags: "online",
      after: { silenceCheck: { guard: "mayFallSilent", target: "online", reenter: true, actions: "checkSilence" } },
      on: {
        "traffic.ceased": { target: "stalled", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "traffic.seen": { actions: "forgetLosses" },
        "connection.lost": { target: "closing", actions: { type: "keepLoss", params: ({ event }) => event } },
        "connection.conflicted": { target: "conflict", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "connection.refused": { target: "refusing", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "channel.drain": "draining",
      },
    },
    stalled: {
      description: "Connected, but nothing has come for longer than a living platform is silent; it is taken down when that goes on.",
      tags: "online",
      after: { stallGrace: { actions: "giveUpSilent" } },
      on: {
        "traffic.seen": { target: "online", actions: "forgetLosses" },
        "connection.opened": { target: "online", actions: "forgetLosses" },
        "connection.lost": { target: "closing", actions: { type: "keepLoss", params: ({ event }) => event } },
        "connection.conflicted": { target: "conflict", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "connection.refused": { target: "refusing", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "channel.drain": "draining",
      },
    },
    conflict: {
      description: "Another program uses the same token; it waits until that one stops.",
      tags: "online",
      on: {
        "traffic.seen": { target: "online", actions: "forgetLosses" },
        "connection.lost": { target: "closing", actions: { type: "keepLoss", params: ({ event }) => event } },
        "connection.refused": { target: "refusing", actions: { type: "keepReason", params: ({ event }) => event.error } },
        "channel.drain": "draining",
      },
    },
    closing: {
      description: "The lost connection is being closed before another is opened.",
      tags: "down",
      entry: "closeConnection",
      on: { "connection.closed": "backingOff", "channel.drain": "draining" },
    },
    backingOff: {
      description: "Waits before it connects again.",
      tags: "down",
      after: { reconnectDelay: "connecting" },
      on: { "channel.drain": "offline", "channel.start": "connecting" },
    },
    refusing: {
      description: "The platform refused the token; the connection is being closed.",
      tags: "down",
      entry: "closeConnection",
      on: { "connection.closed": "loggedOut", "channel.drain": "draining" },
    },
    loggedOut: {
      description: "The platform refuses the token; only a person can mend it.",
      tags: "down",
      on: { "channel.drain": "offline", "channel.start": "connecting" },
    },
    draining: {
      description: "Being closed for the end of the process.",
      tags: "down",
      entry: "closeConnection",
      on: { "connection.closed": "offline" },
    },
  },
});
