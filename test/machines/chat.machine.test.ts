import { describe, expect, it } from "vitest";
import { initialTransition, transition } from "xstate";
import { chatMachine, type ChatEvent } from "../../machines/chat.machine.ts";

const input = { key: "api:a", debounceMs: 0, turnTimeoutMs: 60_000 } as const;
const received: ChatEvent = { type: "message.received", turnClass: "interactive" };
const granted: ChatEvent = { type: "slot.granted" };
const done: ChatEvent = { type: "turn.done" };
const committed: ChatEvent = { type: "turn.committed", consumed: 1 };
const error = { code: "AGENT_FAILED", message: "no" };

function after(events: readonly ChatEvent[], debounceMs = 0) {
  let [chat, actions] = initialTransition(chatMachine, { ...input, debounceMs });
  for (const event of events) [chat, actions] = transition(chatMachine, chat, event);
  return { chat, actions: actions.map((action) => action.type), all: actions };
}

describe("a chat", () => {
  it("keeps a message that arrives during a turn", () => {
    const { chat } = after([received, granted, received, done, committed]);
    expect(chat.value).toBe("queued");
    expect(chat.context.waiting).toBe(1);
  });

  it("asks for a slot of the class of its oldest message", () => {
    const { chat, all } = after([{ type: "message.received", turnClass: "cron" }]);
    expect(chat.value).toBe("queued");
    expect(all[0]).toMatchObject({ type: "requestSlot", params: { turnClass: "cron", suspect: false } });
  });

  it("frees its slot and stops the agent when it leaves responding", () => {
    const { actions } = after([received, granted, done]);
    expect(actions).toEqual(expect.arrayContaining(["releaseSlot", "xstate.stopChild", "commitTurn"]));
  });

  it("is idle after a stop while it responds, and asks nothing of the store", () => {
    const { chat, actions } = after([received, received, granted, { type: "chat.stopped", dropped: 2 }]);
    expect(chat.value).toBe("idle");
    expect(actions).toContain("releaseSlot");
    expect(actions).not.toContain("commitTurn");
  });

  it("waits for its retry delay after a failure and counts later messages", () => {
    const { chat, all } = after([received, granted, { type: "turn.failed" }, { type: "turn.deferred", failures: 1, delayMs: 700, error }]);
    expect(chat.value).toBe("backingOff");
    expect(all.at(-1)).toMatchObject({ type: "xstate.raise", params: { delay: 700 } });
    expect(transition(chatMachine, chat, received)[0].context.waiting).toBe(2);
  });

  it("goes idle when the claim finds nothing, and keeps what was received since", () => {
    expect(after([received, granted, { type: "rows.missing", count: 1 }]).chat.value).toBe("idle");
    const { chat } = after([received, granted, received, { type: "rows.missing", count: 1 }]);
    expect(chat.value).toBe("queued");
    expect(chat.context.waiting).toBe(1);
  });

  it("starts its quiet time again with each message when it debounces", () => {
    const { chat, all } = after([received, received], 300);
    expect(chat.value).toBe("collecting");
    expect(all.map((action) => action.type)).toEqual(["xstate.cancel", "xstate.raise"]);
  });

  it("stays quarantined whatever arrives, until it is retried", () => {
    const quarantined = after([received, { type: "chat.quarantined", error }, received, granted]);
    expect(quarantined.chat.value).toBe("quarantined");
    expect(quarantined.chat.context.waiting).toBe(2);
    expect(transition(chatMachine, quarantined.chat, { type: "chat.retried", waiting: 2 })[0].value).toBe("queued");
  });
});
