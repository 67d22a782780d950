import { describe, expect, it } from "vitest";
import { TerminalError, TransientError } from "../../src/core/errors.ts";
import type { Agent } from "../../src/ports/agent.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { collect, openRuntime } from "./rig.ts";

/** Answers `slow` after a minute, fails as told, and echoes the rest. */
function moody(clockOf: () => { setTimer: (ms: number, run: () => void) => unknown }): Agent {
  return async function* (turn) {
    const text = turn.messages[0]?.text ?? "";
    if (text === "slow") await new Promise<void>((resolve) => void clockOf().setTimer(60_000, resolve));
    if (text === "never") throw new TerminalError("AGENT_FAILED", "not that");
    if (text.startsWith("flaky") && turn.attempt < 3) throw new TransientError("AGENT_FAILED", "not now");
    if (text === "always") throw new Error("boom");
    yield `re ${text}`;
  };
}

async function openMoody(limits = {}) {
  const held: { clock?: { setTimer: (ms: number, run: () => void) => unknown } } = {};
  const rig = await openRuntime({ agent: moody(() => held.clock!), limits });
  held.clock = rig.clock;
  return rig;
}

describe("turns", () => {
  it("answer each message in order, one at a time", async () => {
    const { say, said, clock } = await openRuntime();
    await Promise.all(["1", "2", "3"].map((text) => say(text)));
    await clock.advance(10);
    expect(await said()).toEqual(["re 1", "re 2", "re 3"]);
  });

  it("are tried again after a transient failure, and later messages wait behind", async () => {
    const { say, said, clock, loop } = await openMoody();
    await say("flaky");
    await say("next");
    await clock.advance(10);
    expect((await loop.why("api:a")).sentence).toMatch(/^Backing off after AGENT_FAILED: not now; attempt 1 of 5 failed, next try in/);
    expect(await said()).toEqual([]);
    await clock.advance(10_000);
    expect(await said()).toEqual(["re flaky", "re next"]);
  });

  it("are given up at once on a terminal error, with one apology, and the next message runs", async () => {
    const { say, said, clock } = await openMoody();
    await say("never");
    await say("fine");
    await clock.advance(10);
    expect(await said()).toEqual([expect.stringContaining("Sorry, I could not answer that: not that"), "re fine"]);
  });

  it("are given up after maxAttempts, and `retry` runs them again", async () => {
    let isBroken = true;
    const { say, said, clock, loop, settled } = await openRuntime({
      limits: { maxAttempts: 3 },
      agent: async function* (turn) {
        if (isBroken) throw new Error("boom");
        yield `re ${turn.messages[0]?.text}`;
      },
    });
    await say("always");
    await clock.advance(60_000);
    expect(await said()).toEqual([expect.stringMatching(/^Sorry.*boom/)]);
    isBroken = false;
    await settled(loop.retry("api:a"));
    await clock.advance(10);
    expect((await said()).at(-1)).toBe("re always");
    await expect(settled(loop.retry("api:a"))).rejects.toMatchObject({ code: "WRONG_STATE" });
  });

  it("time out, are aborted and tried again without leaking their slot", async () => {
    const signals: AbortSignal[] = [];
    const { say, said, clock, loop } = await openRuntime({
      limits: { turnTimeoutMs: 1_000, concurrentTurns: 1, maxAttempts: 2 },
      agent: async function* (turn, { signal }) {
        signals.push(signal);
        if (turn.messages[0]?.text === "hang") await new Promise(() => undefined);
        yield "fine";
      },
    });
    await say("hang");
    await say("hello", "api:b");
    await clock.advance(1_100);
    expect(signals[0]?.aborted).toBe(true);
    expect(await said("api:b")).toEqual(["fine"]);
    await clock.advance(10_000);
    expect(await said()).toEqual([expect.stringContaining("no answer within 1000 ms (limits.turnTimeout)")]);
    expect((await loop.status()).queue).toMatchObject({ running: 0, waiting: 0 });
  });

  it("stop when told to: aborted, older messages dropped and counted, the slot free", async () => {
    const { say, said, clock, loop } = await openMoody({ concurrentTurns: 1 });
    const events = collect(loop.stream("api:a"));
    await clock.advance(1);
    await say("slow");
    await say("waits");
    await say("/stop");
    await say("after");
    await clock.advance(10);
    expect(await said()).toEqual(["Stopped; messages dropped: 2.", "re after"]);
    expect(events.filter((event) => event.type === "turn").map((event) => event.status)).toEqual(["started", "aborted", "started", "done"]);
    await clock.advance(120_000);
    expect(await said()).toHaveLength(2);
    expect(await loop.chat("api:a")).toMatchObject({ state: "idle", waiting: 0 });
  });

  it("begin a new conversation with /new: the history is archived", async () => {
    const { say, said, clock, loop } = await openRuntime();
    await say("before");
    await clock.advance(10);
    await say("/new");
    await clock.advance(10);
    expect((await loop.chat("api:a")).history).toEqual([]);
    expect((await said()).at(-1)).toBe("A new conversation begins; messages dropped: 0.");
  });

  it("run a journaled step once over attempts", async () => {
    let runs = 0;
    const { say, said, clock } = await openRuntime({
      agent: async function* (turn) {
        const value = await turn.step("count", () => ++runs);
        if (turn.attempt < 3) throw new Error("after the step");
        yield `step ${value} attempt ${turn.attempt}`;
      },
    });
    await say("go");
    await clock.advance(30_000);
    expect(await said()).toEqual(["step 1 attempt 3"]);
  });

  it("stream their text from the start to whoever connects in the middle", async () => {
    const { say, clock, loop } = await openRuntime({
      agent: async function* () {
        yield "one ";
        await new Promise<void>((resolve) => void clock.setTimer(1_000, resolve));
        yield "two";
      },
    });
    await say("go");
    await clock.advance(10);
    const events = collect(loop.stream("api:a"));
    await clock.advance(2_000);
    expect(events.filter((event) => event.type === "delta").map((event) => [event.offset, event.text])).toEqual([
      [0, "one "],
      [4, "two"],
    ]);
    expect(events.find((event) => event.type === "reply")).toMatchObject({ text: "one two", part: 1, of: 1, inReplyTo: [1] });
  });

  it("send missed replies again to a reader that comes back", async () => {
    const { say, clock, loop } = await openRuntime();
    for (const text of ["1", "2", "3"]) await say(text);
    await clock.advance(10);
    const all = collect(loop.stream("api:a", { after: "0" }));
    await clock.advance(1);
    const ids = all.flatMap((event) => (event.type === "reply" ? [event.id] : []));
    expect(ids).toHaveLength(3);
    const later = collect(loop.stream("api:a", { after: ids[0] }));
    await clock.advance(1);
    expect(later.flatMap((event) => (event.type === "reply" ? [event.text] : []))).toEqual(["re 2", "re 3"]);
  });

  it("refuse visibly when the inbox is full, and take the message later", async () => {
    const { say, clock, loop, settled } = await openMoody({ inboxPerChat: 2 });
    await say("slow");
    await say("2");
    await expect(settled(loop.addChatMessage("api:a", "3", { messageId: "m3" }))).rejects.toMatchObject({ code: "INBOX_FULL" });
    await clock.advance(61_000);
    expect(await settled(loop.addChatMessage("api:a", "3", { messageId: "m3" }))).toMatchObject({ duplicate: false });
    expect(await settled(loop.addChatMessage("api:a", "3", { messageId: "m3" }))).toMatchObject({ duplicate: true, seq: 3 });
    await expect(settled(loop.addChatMessage("api:a", "other", { messageId: "m3" }))).rejects.toMatchObject({ code: "MESSAGE_CONFLICT" });
  });
});

describe("a chat that breaks", () => {
  it("with a snapshot from a newer version is put aside untouched, told once, and comes back by a reset", async () => {
    const store = createMemoryStore();
    const first = await openRuntime({ store });
    await first.say("hello");
    await first.clock.advance(10);
    await first.settled(first.loop.shutdown());
    await store.start();
    const record = await store.chats.open("api:a");
    const newer = { value: "dreaming", context: { schemaVersion: 99 } };
    await store.chats.park("api:a", record!.fence, {
      snapshot: newer,
      state: "idle",
      sinceMs: 0,
      timers: [],
      events: [],
      stateBefore: "idle",
      error: undefined,
      atMs: 0,
    });
    const { say, said, clock, loop, settled } = await openRuntime({ store });
    await say("anybody?");
    await say("hello?");
    await clock.advance(1_000);
    expect((await loop.chat("api:a")).state).toBe("quarantined");
    expect((await said()).filter((text) => text.includes("put it aside"))).toHaveLength(1);
    expect((await loop.why("api:a")).sentence).toContain("SNAPSHOT_UNREADABLE");
    expect((await store.chats.open("api:a"))?.snapshot).toEqual(newer);
    await settled(loop.reset("api:a"));
    await say("again");
    await clock.advance(10);
    expect((await said()).at(-1)).toBe("re again");
  });
});

describe("the event log", () => {
  it("holds each event once, in the revision whose state it led to", async () => {
    const { say, clock, loop } = await openRuntime();
    await say("1");
    await clock.advance(10);
    await say("2");
    await clock.advance(10);
    const events = await loop.events("api:a", 0, 10);
    expect(events.map(({ revision, stateBefore, stateAfter }) => [revision, stateBefore, stateAfter])).toEqual([
      [1, "idle", "idle"],
      [2, "idle", "idle"],
    ]);
    const types = ["message.claimed", "turn.done", "turn.committed"];
    expect(events[1]?.events.map((event) => event.type)).toEqual(types);
  });
});

it("serves many streams without a warning of the host", async () => {
  const warnings: Error[] = [];
  const keep = (warning: Error): void => void warnings.push(warning);
  process.on("warning", keep);
  const { loop, say, clock } = await openRuntime();
  const streams = Array.from({ length: 30 }, () => collect(loop.stream("api:a", { after: "0" })));
  await clock.advance(10);
  await say("hi");
  await clock.advance(1_000);
  await new Promise((resolve) => process.nextTick(resolve));
  process.off("warning", keep);
  expect(warnings).toEqual([]);
  expect(streams.every((events) => events.some((event) => event.type === "reply"))).toBe(true);
});

it("names the chat whose agent held the event loop", async () => {
  let heldMs = 0;
  const { say, clock, lines } = await openRuntime({
    alter: (parts) => ({ ...parts, clock: { ...parts.clock, monotonic: () => parts.clock.monotonic() + heldMs } }),
    agent: async function* (turn) {
      if (turn.chat === "api:greedy") heldMs += 350;
      yield "done";
    },
  });
  await say("hi", "api:modest");
  await say("hi", "api:greedy");
  await clock.advance(1_000);
  const named = lines.filter((line) => line.includes("held the event loop"));
  expect(named).toHaveLength(1);
  expect(named[0]).toMatch(/api:greedy.*350/);
});
