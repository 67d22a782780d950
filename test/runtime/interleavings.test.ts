/** Orders of events that once lost, doubled or stuck something. Each was found by a review and failed before its fix. */
import { describe, expect, it } from "vitest";
import { TransientError } from "../../src/core/errors.ts";
import type { StoredSnapshot } from "../../src/ports/store/records.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { openRuntime, type RigOptions } from "./rig.ts";

const down = (): Error => new TransientError("STORE_UNAVAILABLE", "down");
/** A store whose `call` fails while `left` is positive. */
function failingStore(call: string, error = down): { readonly store: MemoryStore; left: number } {
  const rig = {
    left: 0,
    store: createMemoryStore({
      before: (name) => {
        if (name === call && rig.left-- > 0) throw error();
      },
    }),
  };
  return rig;
}
/** A store that waits in virtual time after a call, as told. */
function slowStore(delayOf: (call: string) => number) {
  let wait = (_: number): Promise<void> => Promise.resolve();
  const store = createMemoryStore({ after: (call) => wait(delayOf(call)) });
  const open = async (options: RigOptions = {}) => {
    const rig = await openRuntime({ store, ...options });
    wait = (ms) => (ms > 0 ? new Promise((resolve) => void rig.clock.setTimer(ms, resolve)) : Promise.resolve());
    return rig;
  };
  return { store, open };
}
const anotherLife = (seed: number): Pick<RigOptions, "alter"> => ({ alter: (parts) => ({ ...parts, random: createSeededRandom(seed) }) });

describe("deliveries", () => {
  it("keep a reservation for the commit that made it while the store is away", async () => {
    const failing = failingStore("turns.commit");
    const { post, clock, settled, loop } = await openRuntime({ store: failing.store });
    post("one", "1");
    await clock.advance(100);
    failing.left = 5;
    post("two", "2");
    await clock.advance(10);
    await settled(loop.send("sim:1", "note"));
    await clock.advance(3_600_000);
    const { items } = await failing.store.outbox.list({ chat: "sim:1" }, { limit: 9 });
    expect(items.map((part) => part.status)).toEqual(["sent", "sent", "sent"]);
  });

  it("go on when the channel comes back while a send is being settled", async () => {
    const { open } = slowStore((call) => (call === "outbox.settle" ? 20_000 : 0));
    const platform = createFakePlatform({ latencyMs: 1_000 });
    const { post, clock } = await open({
      platform,
      agent: async function* () {
        yield [{ type: "text", text: "a" }];
        yield [{ type: "text", text: "b" }];
      },
    });
    post("one", "1");
    await clock.advance(500);
    platform.setOnline(false);
    await clock.advance(1_000);
    platform.setOnline(true);
    await clock.advance(3_600_000);
    expect(platform.takenCount()).toBeGreaterThanOrEqual(2);
  });
});

describe("a cron job", () => {
  it("fires again after its turn was stopped", async () => {
    let calls = 0;
    const { loop, settled, clock } = await openRuntime({
      agent: async function* (_, { signal }) {
        calls += 1;
        if (calls === 1) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        yield "x";
      },
    });
    await settled(loop.addCronJob({ id: "j", message: "go", schedule: { every: "1m" } }));
    await clock.advance(61_000);
    await settled(loop.stop("cron:j"));
    await clock.advance(600_000);
    expect(calls).toBeGreaterThan(5);
  });

  it("fires though the chat that receives its results cannot be reached", async () => {
    let calls = 0;
    const { loop, settled, clock, platform, post } = await openRuntime({
      limits: { outboxMaxAgeMs: 120_000 },
      agent: async function* () {
        calls += 1;
        yield "x";
      },
    });
    post("hello", "1");
    await clock.advance(100);
    platform.setOnline(false);
    await settled(loop.addCronJob({ id: "j", message: "go", schedule: { every: "1m" }, deliver: { chat: "sim:1" } }));
    await clock.advance(605_000);
    expect(calls).toBe(11);
  });
});

describe("a snapshot that cannot be read", () => {
  it.each(["two", "/stop"])("is not stored over by what a person writes (%s), though the store stumbles", async (text) => {
    const failing = failingStore("chats.open");
    const first = await openRuntime({ store: failing.store });
    await first.say("one");
    await first.clock.advance(100);
    await first.settled(first.loop.shutdown());
    await failing.store.start();
    const record = await failing.store.chats.open("api:a");
    const snapshot: StoredSnapshot = { value: "future", context: { schemaVersion: 99 } };
    await failing.store.chats.park("api:a", record!.fence, {
      snapshot,
      state: "future",
      sinceMs: 0,
      timers: [],
      events: [],
      stateBefore: "idle",
      error: undefined,
      atMs: 0,
    });
    let calls = 0;
    const { say, clock, loop, settled } = await openRuntime({
      store: failing.store,
      ...anotherLife(2),
      agent: async function* () {
        calls += 1;
        yield "ran";
      },
    });
    failing.left = 1;
    await say(text);
    await say("more");
    await clock.advance(60_000);
    expect(calls).toBe(0);
    expect((await failing.store.chats.open("api:a"))?.snapshot).toEqual(snapshot);
    await settled(loop.retry("api:a"));
    await clock.advance(100);
    expect(calls).toBe(text === "two" ? 2 : 1);
  });
});

describe("a wake-up is not lost", () => {
  it("when a message comes while a retry reads the chat again", async () => {
    let isBroken = true;
    let isSlow = false;
    const { open } = slowStore((call) => (call === "chats.open" && isSlow ? 50 : 0));
    const { say, said, clock, loop, settled } = await open({
      agent: async function* (turn) {
        if (isBroken) throw new TransientError("AGENT_FAILED", "no", { retryAfterMs: 3_000_000 });
        yield `re ${turn.messages[0]?.text}`;
      },
    });
    await say("one");
    await clock.advance(10);
    isBroken = false;
    isSlow = true;
    const retried = loop.retry("api:a");
    await clock.advance(60);
    const sent = loop.addChatMessage("api:a", "two");
    await settled(retried);
    await settled(sent);
    await clock.advance(10_000);
    expect(await said()).toEqual(["re one", "re two"]);
  });

  it("when two resets read the chat at once and the older reading answers first", async () => {
    let readings = Number.NEGATIVE_INFINITY;
    const { open } = slowStore((call) => (call === "chats.open" && ++readings > 0 ? [0, 200, 20, 20, 1_000][Math.min(readings, 4)]! : 0));
    const { say, said, clock, loop, settled } = await open();
    await say("one");
    await clock.advance(100);
    readings = 0;
    const resets = [loop.reset("api:a"), loop.reset("api:a")];
    await clock.advance(10);
    const sent = loop.addChatMessage("api:a", "two");
    await settled(Promise.all([...resets, sent]));
    await clock.advance(60_000);
    expect(await said()).toEqual(["re one", "re two"]);
  });
});

describe("a store that fails", () => {
  it("for good at one commit costs counted attempts, not a loop", async () => {
    let calls = 0;
    const failing = failingStore("turns.commit", () => new Error("too big"));
    failing.left = 1_000_000;
    const { say, said, clock } = await openRuntime({
      store: failing.store,
      limits: { maxAttempts: 3 },
      agent: async function* () {
        calls += 1;
        yield "x";
      },
    });
    await say("one");
    await clock.advance(60_000);
    expect(calls).toBe(3);
    expect(await said()).toEqual([expect.stringContaining("Sorry")]);
  });

  it("once at a /stop does not put it off", async () => {
    const failing = failingStore("chats.command");
    const { say, said, clock } = await openRuntime({
      store: failing.store,
      agent: async function* () {
        await new Promise(() => undefined);
        yield "x";
      },
    });
    await say("hang");
    await clock.advance(10);
    failing.left = 1;
    await say("/stop");
    await clock.advance(5_000);
    expect(await said()).toEqual(["Stopped; messages dropped: 1."]);
  });

  it("at the claim of a suspect leaves it a suspect", async () => {
    const store = createMemoryStore();
    const first = await openRuntime({
      store,
      agent: async function* () {
        await new Promise(() => undefined);
        yield "x";
      },
    });
    await first.say("kill");
    await first.clock.advance(10);
    store.crash();
    const suspects: boolean[] = [];
    const { clock } = await openRuntime({
      store,
      alter: (parts) => ({
        ...parts,
        random: createSeededRandom(5),
        store: {
          ...parts.store,
          turns: {
            ...parts.store.turns,
            claim: async (request) => {
              suspects.push(request.suspect);
              if (suspects.length === 1) throw down();
              return parts.store.turns.claim(request);
            },
          },
        },
      }),
    });
    await clock.advance(10_000);
    expect(suspects).toEqual([true, true]);
  });
});

describe("a claim that nobody uses", () => {
  it("is not made for a quarantined chat, whose retry runs the agent once", async () => {
    const store = createMemoryStore();
    const first = await openRuntime({ store });
    await first.say("one");
    await first.clock.advance(100);
    await first.settled(first.loop.shutdown());
    await store.start();
    const record = (await store.chats.open("api:a"))!;
    const error = { code: "CHAT_CRASHED", message: "boom" };
    const snapshot = { value: "quarantined", context: { ...(record.snapshot?.context as object), error } };
    await store.chats.park("api:a", record.fence, {
      snapshot,
      state: "quarantined",
      sinceMs: 0,
      timers: [],
      events: [],
      stateBefore: "idle",
      error,
      atMs: 0,
    });
    let calls = 0;
    const { say, said, clock, loop, settled } = await openRuntime({
      store,
      ...anotherLife(3),
      agent: async function* () {
        calls += 1;
        yield "ran";
      },
    });
    await say("two");
    await clock.advance(1_000);
    expect([calls, (await store.chats.open("api:a"))?.openTurn]).toEqual([0, undefined]);
    await settled(loop.retry("api:a"));
    await clock.advance(10_000);
    expect(calls).toBe(1);
    expect((await said()).at(-1)).toBe("ran");
  });
});
