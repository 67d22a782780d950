import { describe, expect, it } from "vitest";
import type { AnyMachineSnapshot, AnyStateMachine } from "xstate";
import { channelMachine } from "../../machines/channel.machine.ts";
import { chatMachine, type ChatContext, type ChatEvent } from "../../machines/chat.machine.ts";
import { cronJobMachine, type CronJobContext, type CronJobEvent } from "../../machines/cron-job.machine.ts";
import { deliveryMachine, type DeliveryEvent } from "../../machines/delivery.machine.ts";
import { systemMachine } from "../../machines/system.machine.ts";
import { WHY } from "../../src/runtime/why.ts";
import { walk } from "./walk.ts";

const error = { code: "AGENT_FAILED", message: "no" };

const chatEvents: readonly ChatEvent[] = [
  { type: "message.received", turnClass: "interactive" },
  { type: "message.received", turnClass: "cron" },
  { type: "message.claimed", turnClass: "interactive" },
  { type: "rows.missing", count: 1 },
  { type: "rows.found", waiting: 2, turnClass: "cron", suspect: true },
  { type: "slot.granted" },
  { type: "turn.done" },
  { type: "turn.failed" },
  { type: "turn.abort" },
  { type: "turn.committed", consumed: 1 },
  { type: "turn.deferred", failures: 1, delayMs: 100, error },
  { type: "turn.unclaimed", delayMs: 100, error },
  { type: "turn.givenUp", ended: 1, error },
  { type: "turn.released" },
  { type: "question.asked", questionId: "q", timeoutMs: 1_000 },
  { type: "question.answered" },
  { type: "chat.quarantined", error },
  { type: "chat.stopped", dropped: 1 },
  { type: "chat.retried", waiting: 1 },
];

const chatInvariant = ({ value, context, tags }: AnyMachineSnapshot): void => {
  const chat = context as ChatContext;
  expect(chat.waiting).toBeGreaterThanOrEqual(0);
  expect(JSON.stringify(chat).length).toBeLessThan(600);
  if (value === "idle" || value === "responding") expect(tags.size).toBeGreaterThan(0);
  if (value === "idle") expect(chat.waiting).toBe(0);
  if (value === "asking") expect(chat.questionId).not.toBeNull();
  if (value === "quarantined") expect(chat.error).not.toBeNull();
};

function everyState(machine: AnyStateMachine): string[] {
  return Object.keys(machine.states).sort();
}

describe("machines, by generated paths", () => {
  it.each([0, 500])("reach every state and edge of a chat (debounce %i ms)", (debounceMs) => {
    const walked = walk(chatMachine, {
      input: { key: "api:a", debounceMs, turnTimeoutMs: 1_000 },
      events: chatEvents,
      within: (snapshot) => (snapshot.context as ChatContext).waiting <= 2,
      invariant: chatInvariant,
    });
    const expected = everyState(chatMachine).filter((state) => debounceMs > 0 || state !== "collecting");
    expect([...walked.states].sort()).toEqual(expected);
    expect(walked.missedEdges.filter((edge) => debounceMs > 0 || !edge.includes("collecting"))).toEqual([]);
  });

  it.each([true, false])("reach every state and edge of a delivery (online at first: %s)", (isOnline) => {
    const events: readonly DeliveryEvent[] = [
      { type: "parts.stored" },
      { type: "parts.changed" },
      { type: "part.taken", partId: "1", attempt: 1 },
      { type: "part.later", delayMs: 10 },
      { type: "parts.none" },
      { type: "send.ended" },
      { type: "store.failed", delayMs: 10 },
      { type: "channel.online" },
      { type: "channel.offline" },
    ];
    const walked = walk(deliveryMachine, {
      input: { key: "telegram:1", isOnline },
      events,
      within: () => true,
      invariant: ({ value, context }) => expect(context.partId !== null).toBe(value === "sending" || value === "settling"),
    });
    // `deciding` is left at once.
    expect([...walked.states].sort()).toEqual(everyState(deliveryMachine).filter((state) => state !== "deciding"));
    expect(walked.missedEdges).toEqual([]);
  });

  it.each([60_000, null])("reach every state and edge of a channel (silence: %s)", (silenceMaxMs) => {
    const walked = walk(channelMachine, {
      input: { name: "telegram", silenceMaxMs },
      events: [
        { type: "channel.start" },
        { type: "channel.drain" },
        { type: "connection.opened" },
        { type: "traffic.seen" },
        { type: "traffic.ceased", error } as never,
        { type: "connection.lost", error, delayMs: 10 } as never,
        { type: "connection.conflicted", error } as never,
        { type: "connection.refused", error } as never,
        { type: "connection.closed" },
      ],
      within: (snapshot) => snapshot.context.failures <= 2,
      invariant: ({ context }) => expect(context.failures).toBeGreaterThanOrEqual(0),
    });
    expect([...walked.states].sort()).toEqual(everyState(channelMachine));
    // Where silence says nothing, nobody looks for it.
    const never = silenceMaxMs === null ? ["channel.online xstate.after.silenceCheck.channel.online #0"] : [];
    expect(walked.missedEdges).toEqual(never);
  });

  it("reach every state and edge of a cron job", () => {
    const events: readonly CronJobEvent[] = [
      { type: "cron.due" },
      { type: "instant.ready", isCatchUp: true },
      { type: "instant.ready", isCatchUp: false },
      { type: "instant.gone" },
      { type: "slot.granted" },
      { type: "instant.claimed", replaced: 0 },
      { type: "instant.claimed", replaced: 1 },
      { type: "store.failed", delayMs: 10 },
      { type: "run.deferred", delayMs: 10 },
      { type: "run.ended", delivers: true },
      { type: "run.ended", delivers: false },
      { type: "run.delivered" },
      { type: "runs.found", count: 0 },
      { type: "runs.found", count: 1 },
      { type: "job.changed", rest: "active" },
      { type: "job.changed", rest: "paused" },
      { type: "job.changed", rest: "disabled" },
      { type: "job.changed", rest: "completed" },
    ];
    const walked = walk(cronJobMachine, {
      input: { id: "daily", rest: "active" },
      events,
      within: (snapshot) => (snapshot.context as CronJobContext).runs <= 2,
      invariant: ({ value, context, tags }) => {
        const { runs, rest } = context as CronJobContext;
        // Runs are under way exactly where the state says so, and a job rests where its row does.
        expect(runs > 0).toBe(tags.has("running"));
        expect(tags.has("evictable")).toBe(["scheduled", "paused", "disabled", "completed"].includes(String(value)));
        const resting = rest === "active" ? "scheduled" : rest;
        expect(tags.has("evictable") ? value : resting).toBe(resting);
      },
    });
    // `resting` is left at once.
    expect([...walked.states].sort()).toEqual(everyState(cronJobMachine).filter((state) => state !== "resting"));
    expect(walked.missedEdges).toEqual([]);
  });

  it("reach every state and edge of the system", () => {
    const walked = walk(systemMachine, {
      input: { drainTimeoutMs: 1_000, maintenancePeriodMs: 1_000 },
      events: [
        { type: "shutdown.requested" },
        { type: "xstate.done.actor.boot" },
        { type: "xstate.error.actor.boot" },
        { type: "xstate.done.actor.drain" },
        { type: "xstate.error.actor.drain" },
      ],
      within: () => true,
      invariant: ({ context }) => expect(context.schemaVersion).toBe(1),
    });
    expect([...walked.states].sort()).toEqual(everyState(systemMachine));
    expect(walked.missedEdges).toEqual([]);
  });

  it("know nothing in WHY that no machine has", () => {
    const machines = [chatMachine, deliveryMachine, channelMachine, cronJobMachine, systemMachine] as const;
    for (const machine of machines) {
      const extra = Object.keys(WHY[machine.id] ?? {}).filter((state) => !(state in machine.states));
      expect(extra).toEqual(machine.id === "chat" ? ["passivated"] : []);
    }
  });
});
