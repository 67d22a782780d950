/**
 * One conversation.
 *
 *            message.received              slot.granted               turn.done     (message.claimed: idle ▶ responding)
 *   idle ──────────────────────▶ queued ───────────────▶ responding ───────────▶ committing ── turn.committed ──▶ idle
 *     └─▶ collecting ── debounce ──▲  ▲                       │ turn.failed, turn.abort,   ├── turn.deferred ──▶ backingOff ─┐
 *                                  │  └───────────────────────│──── turnTimeout ──────────▶├── turn.released ─▶ queued      │
 *                                  │                          │                            ├── question.asked ▶ asking ─────┤
 *                                  └──────────────────────────│────────────────────────────│────────────────────────────────┘
 *                                                             └── chat.stopped ▶ idle      └── chat.quarantined ▶ quarantined
 *
 * Message bodies are never here: the inbox table is the only queue, and the context counts its rows. In `committing` the runtime
 * stores the pure successor of the event that it will send on success; what arrives meanwhile waits in the registry.
 */
import { assign, fromCallback, setup } from "xstate";
import type { ChatKey } from "../src/core/chat-key.ts";
import type { ErrorNote } from "../src/core/errors.ts";
import type { TurnClass } from "../src/core/turn-class.ts";
import { unprovided } from "../src/core/unprovided.ts";

/** Version of what is stored of a chat. Raised, with a migration, when the context, the states or their timers change (docs/snapshots.md). */
export const CHAT_SCHEMA_VERSION = 1;

export interface ChatInput {
  readonly key: ChatKey;
  /** Quiet time before what waits becomes a turn; 0 starts at once. */
  readonly debounceMs: number;
  readonly turnTimeoutMs: number;
}

export interface ChatContext extends ChatInput {
  readonly schemaVersion: number;
  /** Rows of kind message that wait, the ones held by a turn included. */
  readonly waiting: number;
  readonly turnClass: TurnClass;
  /** Its open turn was found running after an unclean end: it runs in the suspect slot. */
  readonly suspect: boolean;
  /** Counted failures of the open turn. */
  readonly failures: number;
  readonly delayMs: number;
  readonly questionId: string | null;
  readonly error: ErrorNote | null;
}

export type ChatEvent =
  | { readonly type: "message.received"; readonly turnClass: TurnClass }
  /** The same, and its append has claimed it for a slot that was reserved. */
  | { readonly type: "message.claimed"; readonly turnClass: TurnClass }
  /** After a restore: what the store says. */
  | { readonly type: "rows.found"; readonly waiting: number; readonly turnClass: TurnClass; readonly suspect: boolean }
  /** The claim found nothing: so many of the counted rows have ended already. */
  | { readonly type: "rows.missing"; readonly count: number }
  | { readonly type: "slot.granted" }
  | { readonly type: "turn.done" }
  | { readonly type: "turn.failed" }
  | { readonly type: "turn.abort" }
  | { readonly type: "turn.committed"; readonly consumed: number }
  | { readonly type: "turn.deferred"; readonly failures: number; readonly delayMs: number; readonly error: ErrorNote }
  /** The store could not claim anything: nothing was tried, nothing counts. */
  | { readonly type: "turn.unclaimed"; readonly delayMs: number; readonly error: ErrorNote }
  | { readonly type: "turn.givenUp"; readonly ended: number; readonly error: ErrorNote }
  | { readonly type: "turn.released" }
  | { readonly type: "question.asked"; readonly questionId: string; readonly timeoutMs: number }
  | { readonly type: "question.answered" }
  | { readonly type: "chat.quarantined"; readonly error: ErrorNote }
  | { readonly type: "chat.stopped"; readonly dropped: number }
  | { readonly type: "chat.retried"; readonly waiting: number };

/** `evictable`: may be passivated. `busy`: a turn runs or its result is being stored. `settled`: nothing invoked, may be stored. */
export type ChatTag = "evictable" | "busy" | "settled";

export interface TurnInput {
  readonly key: ChatKey;
  /** Rows counted when the claim was made. */
  readonly waiting: number;
  readonly suspect: boolean;
}

export const chatMachine = setup({
  types: { input: {} as ChatInput, context: {} as ChatContext, events: {} as ChatEvent, tags: {} as ChatTag },
  actors: {
    /** Claims the chat's rows and runs the agent on them; sends turn.done, turn.failed or rows.missing; aborts when stopped. Never restored. */
    runTurn: fromCallback<ChatEvent, TurnInput>(unprovided("runTurn")),
  },
  actions: {
    requestSlot: (_, _params: { turnClass: TurnClass; suspect: boolean }) => unprovided("requestSlot")(),
    releaseSlot: () => unprovided("releaseSlot")(),
    /** Stores what the turn came to; its event leaves `committing`. */
    commitTurn: () => unprovided("commitTurn")(),
    countMessage: assign({
      waiting: ({ context }) => context.waiting + 1,
      turnClass: ({ context }, params: { turnClass: TurnClass }) => (context.waiting === 0 ? params.turnClass : context.turnClass),
    }),
    adoptRows: assign((_, rows: { waiting: number; turnClass: TurnClass; suspect: boolean }) => ({
      waiting: rows.waiting,
      turnClass: rows.turnClass,
      suspect: rows.suspect,
    })),
    endRows: assign(({ context }, ended: number) => ({
      waiting: Math.max(0, context.waiting - ended),
      suspect: false,
      failures: 0,
      delayMs: 0,
      questionId: null,
      error: null,
    })),
    countFailure: assign((_, event: { failures: number; delayMs: number; error: ErrorNote }) => ({
      failures: event.failures,
      delayMs: event.delayMs,
      error: event.error,
      suspect: false,
    })),
    keepDelay: assign((_, event: { delayMs: number; error: ErrorNote }) => ({ delayMs: event.delayMs, error: event.error })),
    dropRows: assign({ waiting: ({ context }, dropped: number) => Math.max(0, context.waiting - dropped) }),
    keepError: assign({ error: (_, error: ErrorNote) => error }),
    keepQuestion: assign((_, question: { questionId: string; timeoutMs: number }) => ({
      questionId: question.questionId,
      delayMs: question.timeoutMs,
      suspect: false,
    })),
    forgetQuestion: assign({ questionId: null, delayMs: 0 }),
    startAfresh: assign((_, waiting: number) => ({ waiting, suspect: false, failures: 0, delayMs: 0, questionId: null, error: null })),
  },
  guards: {
    hasMessages: ({ context }) => context.waiting > 0,
    hasMessagesToCollect: ({ context }) => context.waiting > 0 && context.debounceMs > 0,
  },
  delays: {
    debounce: ({ context }) => context.debounceMs,
    turnTimeout: ({ context }) => context.turnTimeoutMs,
    retryDelay: ({ context }) => context.delayMs,
    questionTimeout: ({ context }) => context.delayMs,
  },
}).createMachine({
  id: "chat",
  context: ({ input }) => ({
    schemaVersion: CHAT_SCHEMA_VERSION,
    key: input.key,
    debounceMs: input.debounceMs,
    turnTimeoutMs: input.turnTimeoutMs,
    waiting: 0,
    turnClass: "interactive",
    suspect: false,
    failures: 0,
    delayMs: 0,
    questionId: null,
    error: null,
  }),
  on: {
    "message.received": { actions: { type: "countMessage", params: ({ event }) => event } },
    "message.claimed": { actions: { type: "countMessage", params: ({ event }) => event } },
    "rows.found": { actions: { type: "adoptRows", params: ({ event }) => event } },
    "chat.stopped": { target: ".idle", actions: { type: "endRows", params: ({ event }) => event.dropped } },
    "chat.quarantined": { target: ".quarantined", actions: { type: "keepError", params: ({ event }) => event.error } },
  },
  initial: "idle",
  states: {
    idle: {
      description: "Nothing to answer; the registry may passivate it.",
      tags: ["evictable", "settled"],
      always: [
        { guard: "hasMessagesToCollect", target: "collecting" },
        { guard: "hasMessages", target: "queued" },
      ],
      on: { "message.claimed": { target: "responding", actions: { type: "countMessage", params: ({ event }) => event } } },
    },
    collecting: {
      description: "Waits for the person to finish writing; the quiet time starts again with each message.",
      tags: ["settled"],
      on: {
        "message.received": { target: "collecting", reenter: true, actions: { type: "countMessage", params: ({ event }) => event } },
      },
      after: { debounce: "queued" },
    },
    queued: {
      description: "Has messages and waits for a turn slot.",
      tags: ["settled"],
      entry: { type: "requestSlot", params: ({ context }) => ({ turnClass: context.turnClass, suspect: context.suspect }) },
      on: {
        "slot.granted": "responding",
        "chat.stopped": { target: "idle", actions: [{ type: "endRows", params: ({ event }) => event.dropped }, "releaseSlot"] },
        "chat.quarantined": { target: "quarantined", actions: [{ type: "keepError", params: ({ event }) => event.error }, "releaseSlot"] },
      },
    },
    responding: {
      description: "The agent answers; leaving the state aborts it and frees the slot.",
      tags: ["busy"],
      invoke: {
        id: "turn",
        src: "runTurn",
        input: ({ context }) => ({ key: context.key, waiting: context.waiting, suspect: context.suspect }),
      },
      exit: "releaseSlot",
      on: {
        "turn.done": "committing",
        "turn.failed": "committing",
        "turn.abort": "committing",
        // The count was ahead of the store; what was received since the claim is not in it.
        "rows.missing": { target: "idle", actions: { type: "endRows", params: ({ event }) => event.count } },
      },
      after: { turnTimeout: "committing" },
    },
    committing: {
      description: "What the turn came to is on its way to the store; the event that was stored leaves this state.",
      tags: ["busy"],
      entry: "commitTurn",
      on: {
        "turn.committed": { target: "idle", actions: { type: "endRows", params: ({ event }) => event.consumed } },
        "turn.deferred": { target: "backingOff", actions: { type: "countFailure", params: ({ event }) => event } },
        "turn.unclaimed": { target: "backingOff", actions: { type: "keepDelay", params: ({ event }) => event } },
        "turn.givenUp": { target: "idle", actions: { type: "endRows", params: ({ event }) => event.ended } },
        "turn.released": "queued",
        "question.asked": { target: "asking", actions: { type: "keepQuestion", params: ({ event }) => event } },
      },
    },
    backingOff: {
      description: "The turn failed and is tried again after a delay; later messages wait behind it.",
      tags: ["settled"],
      after: { retryDelay: "queued" },
      on: {
        "chat.retried": { target: "queued", actions: { type: "startAfresh", params: ({ event }) => event.waiting } },
      },
    },
    asking: {
      description: "The agent asked the person something; the answer or the timeout resumes the same turn.",
      tags: ["evictable", "settled"],
      on: { "question.answered": { target: "queued", actions: "forgetQuestion" } },
      after: { questionTimeout: { target: "queued", actions: "forgetQuestion" } },
    },
    quarantined: {
      description: "Put aside because its machine, its snapshot or its turn broke; a person retries or resets it.",
      tags: ["evictable", "settled"],
      on: {
        "chat.stopped": { actions: { type: "dropRows", params: ({ event }) => event.dropped } },
        "chat.retried": { target: "idle", actions: { type: "startAfresh", params: ({ event }) => event.waiting } },
      },
    },
  },
});
