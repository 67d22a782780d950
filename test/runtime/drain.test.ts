import { describe, expect, it } from "vitest";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { openRuntime, type RigOptions } from "./rig.ts";

interface TimerClock {
  readonly setTimer: (ms: number, run: () => void) => unknown;
}

const slow =
  (ms: number) =>
  (clock: () => TimerClock): NonNullable<RigOptions["agent"]> =>
    async function* (turn) {
      await new Promise<void>((resolve) => void clock().setTimer(ms, resolve));
      yield `re ${turn.messages[0]?.text}`;
    };

async function openSlow(ms: number, options: RigOptions = {}) {
  const held: { clock?: TimerClock } = {};
  const rig = await openRuntime({ agent: slow(ms)(() => held.clock!), ...options });
  held.clock = rig.clock;
  return rig;
}

describe("a drain", () => {
  it("lets running turns finish, claims nothing new, and keeps what waits", async () => {
    const store = createMemoryStore();
    const { loop, clock, say, settled } = await openSlow(2_000, { store, limits: { concurrentTurns: 1 } });
    await say("running");
    await say("waiting", "api:b");
    await clock.advance(10);
    await settled(loop.shutdown());
    await store.start();
    expect(await store.chats.open("api:a")).toMatchObject({ waiting: 0, openTurn: undefined });
    expect(await store.chats.open("api:b")).toMatchObject({ waiting: 1, openTurn: undefined });
    const next = await openRuntime({ store });
    await next.clock.advance(100);
    expect(await next.said("api:b")).toEqual(["re waiting"]);
  });

  it("aborts turns that do not finish in time; they run again and were not counted as failures", async () => {
    const store = createMemoryStore();
    const { loop, clock, say, settled } = await openSlow(60_000, { store, limits: { drainTimeoutMs: 5_000 } });
    await say("long");
    await clock.advance(10);
    const startedMs = clock.monotonic();
    await settled(loop.shutdown());
    expect(clock.monotonic() - startedMs).toBeLessThanOrEqual(6_000);
    await store.start();
    expect(await store.chats.open("api:a")).toMatchObject({ waiting: 1, openTurn: { status: "waiting", failures: 0 } });
    const next = await openRuntime({ store });
    await next.clock.advance(100);
    expect(await next.said()).toEqual(["re long"]);
  });

  it("answers new requests with DRAINING, and resolves run()", async () => {
    const { loop, clock, say, settled } = await openSlow(1_000);
    const run = loop.run();
    await say("x");
    await clock.advance(10);
    const down = loop.shutdown();
    await clock.advance(1);
    await expect(loop.addChatMessage("api:a", "late")).rejects.toMatchObject({ code: "DRAINING", retryAfterMs: 2_000 });
    expect(loop.isReady()).toBe(false);
    await settled(down);
    await settled(run);
    expect((await openRuntime()).loop.isReady()).toBe(true);
  });

  it("sends what waits to the platform before it ends", async () => {
    const { post, platform, clock, loop, settled } = await openSlow(500);
    post("hello", "1");
    await clock.advance(100);
    await settled(loop.shutdown());
    expect(platform.takenCount()).toBe(1);
  });
});

describe("after an unclean end", () => {
  it("a turn that kills its process is found alone, its chat put aside and told once, the innocent answered", async () => {
    const store = createMemoryStore();
    let deaths = 0;
    for (let life = 0; life < 12; life += 1) {
      const held: { clock?: TimerClock; isDead: boolean } = { isDead: false };
      const rig = await openRuntime({
        store,
        limits: { maxAttempts: 3, concurrentTurns: 8 },
        agent: async function* (turn) {
          if (turn.messages[0]?.text === "kill") {
            held.isDead = true;
            store.crash();
            await new Promise(() => undefined);
          }
          // Under way whenever the killer strikes.
          await new Promise<void>((resolve) => void held.clock!.setTimer(5_000, resolve));
          yield `re ${turn.messages[0]?.text}`;
        },
      });
      held.clock = rig.clock;
      if (life === 0) {
        for (const name of ["a", "b", "c"]) await rig.say("innocent", `api:${name}`);
        // Its answer may be cut off by the death that it causes.
        void rig.loop.addChatMessage("api:bad", "kill").catch(() => undefined);
      }
      for (let second = 0; second < 90 && !held.isDead; second += 1) await rig.clock.advance(1_000);
      if (!held.isDead) break;
      deaths += 1;
    }
    expect(deaths).toBeLessThanOrEqual(4);
    const after = await openRuntime({ store, limits: { maxAttempts: 3 } });
    expect((await after.loop.chat("api:bad")).state).toBe("quarantined");
    expect((await after.said("api:bad")).filter((text) => text.includes("put it aside"))).toHaveLength(1);
    for (const name of ["a", "b", "c"]) expect(await after.said(`api:${name}`)).toEqual(["re innocent"]);
    expect((await after.loop.status()).chats.quarantined).toBe(1);
    expect((await after.loop.why("api:bad")).sentence).toContain("TURN_KILLED_PROCESS");
  });

  it("tells the person of a quarantine once, also when the process ends right after its commit", async () => {
    let dies = true;
    const store = createMemoryStore({
      after: async (call) => {
        if (!dies || call !== "turns.fail") return;
        dies = false;
        store.crash();
        await new Promise(() => undefined);
      },
    });
    for (let life = 0; life < 4; life += 1) {
      const rig = await openRuntime({
        store,
        limits: { maxAttempts: 1 },
        agent: async function* () {
          store.crash();
          await new Promise(() => undefined);
          yield "";
        },
      });
      if (life === 0) void rig.loop.addChatMessage("api:bad", "kill").catch(() => undefined);
      await rig.clock.advance(30_000);
    }
    const after = await openRuntime({ store, limits: { maxAttempts: 1 } });
    expect(dies).toBe(false);
    expect((await after.loop.chat("api:bad")).state).toBe("quarantined");
    expect((await after.said("api:bad")).filter((text) => text.includes("put it aside"))).toHaveLength(1);
  });
});
