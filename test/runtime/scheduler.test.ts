import { createActor, fromTransition, setup, sendTo, type AnyActorRef, type EventObject } from "xstate";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FORBIDDEN_CLOCK, createSchedulingQueue, installScheduler } from "../../src/runtime/scheduler.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";

function rig() {
  const clock = createVirtualClock({ startMs: 1_000_000 });
  const queue = createSchedulingQueue(clock);
  const fired: { type: string; atMs: number }[] = [];
  const sink = createActor(
    fromTransition((state: null, event: EventObject) => (fired.push({ type: event.type, atMs: clock.now() }), state), null),
  );
  sink.start();
  return { clock, queue, fired, sink: sink as AnyActorRef };
}

describe("the scheduling queue", () => {
  it("fires in order of due time, ties in order of scheduling, none early", async () => {
    const { clock, queue, fired, sink } = rig();
    queue.schedule(sink, sink, { type: "late" }, 50, "a");
    queue.schedule(sink, sink, { type: "soon" }, 10, "b");
    queue.schedule(sink, sink, { type: "tie" }, 10, "c");
    await clock.advance(9);
    expect(fired).toEqual([]);
    await clock.advance(100);
    expect(fired).toEqual([
      { type: "soon", atMs: 1_000_010 },
      { type: "tie", atMs: 1_000_010 },
      { type: "late", atMs: 1_000_050 },
    ]);
    expect(queue.size()).toBe(0);
  });

  it("replaces a timer when its id is used again", async () => {
    const { clock, queue, fired, sink } = rig();
    queue.schedule(sink, sink, { type: "old" }, 10, "a");
    queue.schedule(sink, sink, { type: "new" }, 20, "a");
    await clock.advance(100);
    expect(fired.map((event) => event.type)).toEqual(["new"]);
  });

  it("takes delays longer than a host timer can", async () => {
    const { clock, queue, fired, sink } = rig();
    const days = 40 * 86_400_000;
    queue.schedule(sink, sink, { type: "far" }, days, "a");
    await clock.advance(days - 1);
    expect(fired).toEqual([]);
    await clock.advance(1);
    expect(fired).toHaveLength(1);
  });

  it("cancels one, and all of an actor, and lists what is left", async () => {
    const { clock, queue, fired, sink } = rig();
    for (const id of ["a", "b", "c"]) queue.schedule(sink, sink, { type: id }, 10, id);
    queue.cancel(sink, "b");
    expect(queue.entriesOf(sink).map((timer) => timer.id)).toEqual(["a", "c"]);
    queue.cancelAll(sink);
    await clock.advance(100);
    expect(fired).toEqual([]);
    expect(queue.size()).toBe(0);
  });

  it("measures waits by the monotonic clock, whatever the system clock is set to", async () => {
    for (const byMs of [-3_600_000, 3_600_000]) {
      const { clock, queue, fired, sink } = rig();
      queue.schedule(sink, sink, { type: "a" }, 90_000, "a");
      clock.step(byMs);
      await clock.advance(89_999);
      expect(fired).toEqual([]);
      // What it says about when follows the system clock.
      expect(queue.entriesOf(sink)[0]?.dueAtMs).toBe(clock.now() + 1);
      await clock.advance(1);
      expect(fired).toHaveLength(1);
    }
  });

  it("shifts no wait for a step that came before it, noticed or not", async () => {
    const { clock, queue, sink } = rig();
    queue.schedule(sink, sink, { type: "before" }, 90_000, "before");
    clock.step(86_400_000);
    queue.schedule(sink, sink, { type: "after" }, 90_000, "after");
    await clock.advance(70_000);
    expect(queue.entriesOf(sink).map(({ id, dueAtMs }) => [id, dueAtMs - clock.now()])).toEqual([
      ["before", 20_000],
      ["after", 20_000],
    ]);
  });

  it("says within a minute that the system clock was set, and takes no drift for it", async () => {
    const steps: number[] = [];
    const clock = createVirtualClock();
    const queue = createSchedulingQueue(clock, (byMs) => void steps.push(byMs));
    const sink = createActor(fromTransition((state: null) => state, null)).start() as AnyActorRef;
    queue.schedule(sink, sink, { type: "far" }, 86_400_000, "a");
    clock.step(500);
    await clock.advance(60_000);
    clock.step(-7_200_000);
    await clock.advance(60_000);
    clock.step(3_600_000);
    await clock.advance(60_000);
    expect(steps).toEqual([-7_200_000, 3_600_000]);
  });

  it("yields between bursts when very many are due at once", async () => {
    const { clock, queue, fired, sink } = rig();
    for (let place = 0; place < 5_000; place += 1) queue.schedule(sink, sink, { type: "x" }, 10, `t${place}`);
    let turns = 0;
    const original = clock.soon;
    void original;
    await clock.advance(10);
    while (fired.length < 5_000 && turns < 100) {
      turns += 1;
      await clock.advance(0);
    }
    expect(fired).toHaveLength(5_000);
  });

  it("agrees with a sorted list under random schedule, replace and cancel", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 1_000 }), fc.boolean()), { maxLength: 200 }),
        (steps) => {
          const { clock, queue, fired, sink } = rig();
          const model = new Map<string, { dueMs: number; order: number }>();
          for (const [order, [id, delayMs, isCancel]] of steps.entries()) {
            if (isCancel) {
              queue.cancel(sink, `t${id}`);
              model.delete(`t${id}`);
            } else {
              queue.schedule(sink, sink, { type: `t${id}` }, delayMs, `t${id}`);
              model.set(`t${id}`, { dueMs: delayMs, order });
            }
          }
          expect(queue.size()).toBe(model.size);
          while (clock.runNext());
          const expected = [...model.entries()].sort(([, a], [, b]) => a.dueMs - b.dueMs || a.order - b.order).map(([id]) => id);
          expect(fired.map((event) => event.type)).toEqual(expected);
        },
      ),
    );
  });
});

describe("in place of XState's scheduler", () => {
  const machine = setup({ types: { events: {} as EventObject } }).createMachine({
    initial: "waiting",
    entry: sendTo(({ self }) => self, { type: "pinged" }, { id: "ping", delay: 5 }),
    states: { waiting: { after: { 20: "done" }, on: { restart: { target: "waiting", reenter: true } } }, done: {} },
  });

  it("carries every delay of an actor, and the root's clock is never used", async () => {
    const clock = createVirtualClock();
    const queue = createSchedulingQueue(clock);
    const actor = createActor(machine, { clock: FORBIDDEN_CLOCK });
    installScheduler((actor as AnyActorRef).system, queue);
    actor.start();
    expect(queue.entriesOf(actor as AnyActorRef)).toHaveLength(2);
    await clock.advance(15);
    actor.send({ type: "restart" });
    await clock.advance(15);
    expect(actor.getSnapshot().value).toBe("waiting");
    await clock.advance(5);
    expect(actor.getSnapshot().value).toBe("done");
  });

  it("forgets the timers of an actor that stops", () => {
    const clock = createVirtualClock();
    const queue = createSchedulingQueue(clock);
    const actor = createActor(machine, { clock: FORBIDDEN_CLOCK });
    installScheduler((actor as AnyActorRef).system, queue);
    actor.start();
    actor.stop();
    expect(queue.size()).toBe(0);
  });
});
