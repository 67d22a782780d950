import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { createBatcher, type Batcher, type CallOptions } from "../../src/stores/sqlite/batcher.ts";
import type { Answers, Operation, ToWorker } from "../../src/stores/sqlite/protocol.ts";
import type { StartThread, ThreadEvents } from "../../src/stores/sqlite/thread.ts";
import { createVirtualClock, settle, type VirtualClock } from "../../src/testing/virtual-clock.ts";

/** A worker that answers when it is told to, with the names that it was given. */
interface FakeWorker {
  readonly batches: (readonly Operation[])[];
  readonly events: ThreadEvents;
  isClosed: boolean;
  readonly answer: (answers?: Partial<Answers>) => Promise<void>;
}

interface Rig {
  readonly batcher: Batcher;
  readonly clock: VirtualClock;
  readonly workers: FakeWorker[];
  readonly worker: () => FakeWorker;
  /** Calls, and notes the name once it is answered. */
  readonly call: (name: string, options?: CallOptions) => Promise<void>;
  readonly answered: string[];
  readonly names: () => string[][];
}

async function openRig(options: { readonly isDeaf?: boolean } = {}): Promise<Rig> {
  const clock = createVirtualClock();
  const workers: FakeWorker[] = [];
  const startThread: StartThread = (_data, events) => {
    const batches: (readonly Operation[])[] = [];
    let answered = 0;
    const worker: FakeWorker = {
      batches,
      events,
      isClosed: false,
      answer: async (answers = {}) => {
        const batch = batches[answered++] ?? [];
        events.onMessage({ results: batch.map(([name]) => name), failures: [], ...answers });
        await clock.advance(0);
      },
    };
    workers.push(worker);
    return {
      post: (message: ToWorker) => {
        if (message === "open") {
          if (workers.length === 1 || !options.isDeaf) clock.soon(() => events.onMessage("ready"));
        } else if (message === "close") {
          worker.isClosed = true;
          events.onExit(new Error("closed"));
        } else batches.push(message);
      },
      kill: () => events.onExit(new Error("killed")),
    };
  };
  const batcher = createBatcher({ data: { role: "writer", file: "store.db" }, clock, startThread });
  const started = batcher.start();
  await clock.advance(0);
  await started;
  const answered: string[] = [];
  return {
    batcher,
    clock,
    workers,
    worker: () => workers.at(-1)!,
    call: (name, callOptions) =>
      batcher.call([name, []], callOptions).then(
        () => void answered.push(name),
        (error: { code: string }) => void answered.push(`${name} ${error.code}`),
      ),
    answered,
    names: () => workers.flatMap((worker) => worker.batches.map((batch) => batch.map(([name]) => name))),
  };
}

describe("the batcher", () => {
  it("sends what is called together as one batch, and what comes meanwhile as the next", async () => {
    const { clock, call, names, worker, answered } = await openRig();
    void call("a");
    void call("b");
    await clock.advance(0);
    void call("c");
    void call("d");
    await clock.advance(0);
    expect(names()).toEqual([["a", "b"]]);
    await worker().answer();
    expect(names()).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(answered).toEqual(["a", "b"]);
    await worker().answer();
    expect(answered).toEqual(["a", "b", "c", "d"]);
  });

  it("keeps both threads busy when much waits: two halves are with the worker at once", async () => {
    const { clock, call, worker } = await openRig();
    for (let place = 0; place < 600; place += 1) void call(`op${place}`);
    await clock.advance(0);
    expect(worker().batches.map((batch) => batch.length)).toEqual([300, 300]);
    expect(
      worker()
        .batches.flat()
        .map(([name]) => name),
    ).toEqual(Array.from({ length: 600 }, (_, place) => `op${place}`));
  });

  it("bounds a batch by calls and by bytes", async () => {
    const { clock, call, worker } = await openRig();
    void call("first");
    await clock.advance(0);
    for (let place = 0; place < 5_000; place += 1) void call(`op${place}`);
    await worker().answer();
    expect(
      worker()
        .batches.slice(1)
        .map((batch) => batch.length),
    ).toEqual([2_000, 2_000]);
    const bytes = await openRig();
    for (let place = 0; place < 5; place += 1) void bytes.call(`op${place}`, { bytes: 5 * 1024 * 1024 });
    await bytes.clock.advance(0);
    expect(bytes.names()).toEqual([["op0", "op1"]]);
  });

  it("rejects what failed and resolves the rest, in the order of the calls", async () => {
    const { clock, call, worker, answered } = await openRig();
    for (const name of ["a", "b", "c"]) void call(name);
    await clock.advance(0);
    await worker().answer({ failures: [[1, { name: "TransientError", code: "STORE_UNAVAILABLE", message: "full" }]] });
    expect(answered).toEqual(["a", "b STORE_UNAVAILABLE", "c"]);
  });

  it("refuses beyond what may wait, at once", async () => {
    const { batcher, call, answered } = await openRig();
    for (let place = 0; place < 200_000; place += 1) batcher.call(["op", []]).catch(() => undefined);
    await expect(batcher.call(["late", []])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryAfterMs: 1_000 });
    const bytes = await openRig();
    void bytes.call("big", { bytes: 200 * 1024 * 1024 });
    await bytes.call("bigger", { bytes: 100 * 1024 * 1024 });
    expect(bytes.answered).toEqual(["bigger STORE_UNAVAILABLE"]);
    void call("x");
    expect(answered).toEqual([]);
  });
});

describe("a lazy call", () => {
  const lazy = { keys: ["chat"], isLazy: true } as const;

  it("waits for company, at most 50 ms", async () => {
    const { clock, call, names } = await openRig();
    void call("settle", lazy);
    await clock.advance(49);
    expect(names()).toEqual([]);
    await clock.advance(1);
    expect(names()).toEqual([["settle"]]);
  });

  it("goes behind the others of the next batch", async () => {
    const { clock, call, names } = await openRig();
    void call("settle", lazy);
    void call("append", { keys: ["chat"], mayOvertake: true });
    void call("other", { keys: ["another chat"] });
    await clock.advance(0);
    expect(names()).toEqual([["append", "other", "settle"]]);
  });

  it("goes before a later call that touches what it touches", async () => {
    const { clock, call, names } = await openRig();
    void call("settle", lazy);
    void call("append", { keys: ["chat"], mayOvertake: true });
    void call("take", { keys: ["chat"] });
    await clock.advance(0);
    expect(names()).toEqual([["append", "settle", "take"]]);
  });

  it("goes at once when enough of them wait", async () => {
    const { clock, call, worker } = await openRig();
    for (let place = 0; place < 128; place += 1) void call("settle", { keys: [`chat ${place}`], isLazy: true });
    await clock.advance(0);
    expect(worker().batches.map((batch) => batch.length)).toEqual([128]);
  });
});

describe("a reading", () => {
  it("waits for the writes on its key that were called before it, and for no other", async () => {
    const { batcher, clock, call, worker } = await openRig();
    const seen: string[] = [];
    void call("append", { keys: ["chat"] });
    void batcher.quiet("another chat").then(() => seen.push("another chat"));
    void batcher.quiet("chat").then(() => seen.push("chat"));
    await clock.advance(0);
    expect(seen).toEqual(["another chat"]);
    await worker().answer();
    expect(seen).toEqual(["another chat", "chat"]);
  });
});

describe("the death of the worker", () => {
  it("rejects what was with it and what waited, and starts another", async () => {
    const { clock, call, worker, workers, answered, names } = await openRig();
    void call("sent");
    await clock.advance(0);
    void call("waiting");
    worker().events.onExit(new Error("out of memory"));
    await clock.advance(0);
    expect(answered).toEqual(["sent STORE_UNAVAILABLE", "waiting STORE_UNAVAILABLE"]);
    expect(workers).toHaveLength(2);
    void call("after");
    await clock.advance(0);
    await worker().answer();
    expect(names()).toEqual([["sent"], ["after"]]);
    expect(answered.at(-1)).toBe("after");
  });

  it("says of a write that was with it that it may be there", async () => {
    const { batcher, clock, worker } = await openRig();
    const sent = batcher.call(["sent", []]);
    sent.catch(() => undefined);
    await clock.advance(0);
    const waiting = batcher.call(["waiting", []]);
    waiting.catch(() => undefined);
    worker().events.onExit(new Error("out of memory"));
    await expect(sent).rejects.toMatchObject({ name: "AmbiguousError", code: "STORE_UNAVAILABLE" });
    await expect(waiting).rejects.toMatchObject({ name: "TransientError", code: "STORE_UNAVAILABLE" });
  });

  it("is followed by at most five starts a minute, and by another later", async () => {
    const { clock, call, worker, workers, answered } = await openRig();
    for (let death = 0; death < 8; death += 1) {
      worker().events.onExit(new Error("again"));
      await clock.advance(0);
    }
    expect(workers).toHaveLength(5);
    await call("refused");
    expect(answered).toEqual(["refused STORE_UNAVAILABLE"]);
    await clock.advance(60_000);
    void call("later");
    await clock.advance(0);
    expect(workers).toHaveLength(6);
    await worker().answer();
    expect(answered.at(-1)).toBe("later");
  });
});

describe("stopping", () => {
  it("finishes what was called, lazy calls too, and refuses what comes after", async () => {
    const { batcher, clock, call, worker, answered } = await openRig();
    void call("append");
    await clock.advance(0);
    void call("settle", { keys: ["chat"], isLazy: true });
    const stopped = batcher.stop();
    await call("late");
    await worker().answer();
    await worker().answer();
    await stopped;
    expect(answered).toEqual(["late STORE_UNAVAILABLE", "append", "settle"]);
    expect(worker().isClosed).toBe(true);
    await settle();
    await call("later still");
    expect(answered.at(-1)).toBe("later still STORE_UNAVAILABLE");
  });

  it("tells the answers of a large batch in slices, in order, and takes new calls in between", async () => {
    const { clock, call, worker, answered } = await openRig();
    for (let place = 0; place < 100; place += 1) void call(`c${place}`);
    await clock.advance(0);
    const batch = worker().batches[0] ?? [];
    worker().events.onMessage({ results: batch.map(([name]) => name), failures: [] });
    await settle();
    expect(answered.length).toBeLessThan(100);
    void call("later");
    await clock.advance(0);
    expect(answered).toEqual(Array.from({ length: 100 }, (_, place) => `c${place}`));
    expect(worker().batches.flat().at(-1)?.[0]).toBe("later");
  });

  it("tells what the worker answered before it died, and only then what was lost", async () => {
    const { clock, call, worker, answered } = await openRig();
    for (let place = 0; place < 50; place += 1) void call(`c${place}`);
    await clock.advance(0);
    for (let place = 0; place < 5; place += 1) void call(`d${place}`);
    worker().events.onMessage({ results: (worker().batches[0] ?? []).map(([name]) => name), failures: [] });
    worker().events.onExit(new Error("killed"));
    await settle();
    expect(answered.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, place) => `c${place}`));
    expect(answered.slice(50)).toEqual(Array.from({ length: 5 }, (_, place) => `d${place} STORE_UNAVAILABLE`));
  });

  it("keeps nothing of what it has told while the load never ends", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const { batcher, clock, worker } = await openRig();
    let first: WeakRef<object> | undefined;
    const load = (): void => {
      for (let place = 0; place < 1_000; place += 1) void batcher.call(["x", []]).catch(() => undefined);
    };
    load();
    await clock.advance(0);
    for (let round = 0; round < 16; round += 1) {
      load();
      const results = (worker().batches[round] ?? []).map(() => ({}));
      if (round === 0) first = new WeakRef(results[0] ?? {});
      worker().events.onMessage({ results, failures: [] });
      // Told in part only: the next answers come before all are.
      for (let step = 0; step < 12; step += 1) {
        clock.runNext();
        await settle(5);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(first?.deref()).toBeUndefined();
  });
});
