/**
 * The outgoing side of one chat: its parts, in order, one at a time.
 *
 *   idle ── parts.stored ──▶ deciding ──▶ taking ── part.taken ──▶ sending ── send.ended ──▶ settling ── part.taken ──▶ sending
 *    ▲                          │           │ parts.none ──▶ idle                               │ parts.none ──▶ idle
 *    │                          ▼           │ part.later                                        │ part.later
 *    │                       offline        └───────────────▶ backingOff ◀──────────────────────┘
 *    │                          │ channel.online ──▶ taking        │ retryDelay ──▶ deciding
 *
 * `sending (attempt n)` is committed before the call (that is what `taking` and `settling` wait for), so a crash leaves at most one
 * ambiguous part a chat. Contents are never here; the context names the part.
 */
import { assign, setup } from "xstate";
import type { ChatKey } from "../src/core/chat-key.ts";
import { unprovided } from "../src/core/unprovided.ts";

export const DELIVERY_SCHEMA_VERSION = 1;

export interface DeliveryInput {
  readonly key: ChatKey;
  readonly isOnline: boolean;
}

export interface DeliveryContext extends DeliveryInput {
  readonly schemaVersion: number;
  readonly partId: string | null;
  readonly attempt: number;
  /** Parts were stored since the last look. */
  readonly hasMore: boolean;
  readonly delayMs: number;
}

export type DeliveryEvent =
  | { readonly type: "parts.stored" }
  /** Somebody removed a part, or brought one back: what comes first may be another. */
  | { readonly type: "parts.changed" }
  | { readonly type: "part.taken"; readonly partId: string; readonly attempt: number }
  | { readonly type: "part.later"; readonly delayMs: number }
  | { readonly type: "parts.none" }
  | { readonly type: "send.ended" }
  /** The store could not answer: ask again after a delay. */
  | { readonly type: "store.failed"; readonly delayMs: number }
  | { readonly type: "channel.online" }
  | { readonly type: "channel.offline" };

export type DeliveryTag = "evictable" | "sending";

export const deliveryMachine = setup({
  types: { input: {} as DeliveryInput, context: {} as DeliveryContext, events: {} as DeliveryEvent, tags: {} as DeliveryTag },
  actions: {
    /** Commits `sending` for the first unsettled part; answers part.taken, part.later, parts.none or store.failed. */
    takePart: () => unprovided("takePart")(),
    /** Hands the taken part to the channel; answers send.ended. */
    sendPart: () => unprovided("sendPart")(),
    /** Ends parts that have waited longer than the outbox keeps them. */
    expireParts: () => unprovided("expireParts")(),
    /** Commits what the send came to, again until it is stored, and takes the next part in the same commit. */
    settlePart: () => unprovided("settlePart")(),
    keepPart: assign((_, part: { partId: string; attempt: number }) => ({ partId: part.partId, attempt: part.attempt })),
    forgetPart: assign({ partId: null, attempt: 0 }),
    noteMore: assign({ hasMore: true }),
    noteNone: assign({ hasMore: false }),
    keepDelay: assign({ delayMs: (_, delayMs: number) => delayMs }),
    goOnline: assign({ isOnline: true }),
    goOffline: assign({ isOnline: false }),
  },
  guards: {
    hasMore: ({ context }) => context.hasMore,
    isOffline: ({ context }) => !context.isOnline,
  },
  delays: { retryDelay: ({ context }) => context.delayMs, expiryCheck: 60_000 },
}).createMachine({
  id: "delivery",
  context: ({ input }) => ({
    schemaVersion: DELIVERY_SCHEMA_VERSION,
    key: input.key,
    isOnline: input.isOnline,
    partId: null,
    attempt: 0,
    hasMore: false,
    delayMs: 0,
  }),
  on: {
    "parts.stored": { actions: "noteMore" },
    "parts.changed": { actions: "noteMore" },
    "channel.online": { actions: "goOnline" },
    "channel.offline": { actions: "goOffline" },
  },
  initial: "idle",
  states: {
    idle: {
      description: "Everything said to this chat is settled.",
      tags: "evictable",
      on: {
        "parts.stored": "deciding",
        "parts.changed": "deciding",
        "part.taken": { target: "sending", actions: { type: "keepPart", params: ({ event }) => event } },
      },
    },
    deciding: {
      description: "Looks whether its channel is connected.",
      always: [{ guard: "isOffline", target: "offline" }, { target: "taking" }],
    },
    taking: {
      description: "The next part is being marked as sending, before its call.",
      entry: ["noteNone", "takePart"],
      on: {
        "part.taken": { target: "sending", actions: { type: "keepPart", params: ({ event }) => event } },
        "part.later": { target: "backingOff", actions: { type: "keepDelay", params: ({ event }) => event.delayMs } },
        "parts.none": [{ guard: "hasMore", target: "deciding" }, { target: "idle" }],
        "store.failed": { target: "backingOff", actions: { type: "keepDelay", params: ({ event }) => event.delayMs } },
      },
    },
    offline: {
      description: "Its channel is not connected; parts wait until it is, or expire.",
      on: { "channel.online": { target: "taking", actions: "goOnline" } },
      after: { expiryCheck: { target: "offline", reenter: true, actions: "expireParts" } },
    },
    sending: {
      description: "A part is with the platform.",
      tags: "sending",
      entry: "sendPart",
      on: { "send.ended": "settling" },
    },
    settling: {
      description: "What the send came to is being stored.",
      entry: ["noteNone", "settlePart"],
      exit: "forgetPart",
      on: {
        // It was offline when the next part could have been asked for.
        "channel.online": { actions: ["goOnline", "noteMore"] },
        "part.taken": { target: "sending", actions: { type: "keepPart", params: ({ event }) => event } },
        "part.later": { target: "backingOff", actions: { type: "keepDelay", params: ({ event }) => event.delayMs } },
        "parts.none": [{ guard: "isOffline", target: "offline" }, { guard: "hasMore", target: "taking" }, { target: "idle" }],
      },
    },
    backingOff: {
      description: "The next try waits for its time.",
      after: { retryDelay: "deciding" },
      on: { "parts.changed": "deciding", "channel.online": { target: "taking", actions: "goOnline" } },
    },
  },
});
