/** The system clock is set while the runtime works, or was wrong when it started. */
import { expect, it } from "vitest";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { openRuntime } from "./rig.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;

type Runtime = Awaited<ReturnType<typeof openRuntime>>;

async function runsOf({ loop }: Runtime, id = "job"): Promise<readonly number[]> {
  return (await loop.jobRuns(id, { limit: 1_000 })).items.map((run) => run.instantMs).reverse();
}

it("runs a job at its new instants after a step forward, and each instant once after a step back", async () => {
  const rig = await openRuntime();
  const { loop, clock, settled } = rig;
  const { nextAtMs = 0 } = await settled(loop.addCronJob({ id: "job", message: "tick", schedule: { every: "10m" } }));
  await clock.advance(25 * 60_000);
  clock.step(HOUR_MS);
  await clock.advance(12 * 60_000);
  const before = await runsOf(rig);
  expect(before.length).toBeGreaterThanOrEqual(4);
  clock.step(-30 * 60_000);
  await clock.advance(90 * 60_000);
  const after = await runsOf(rig);
  expect(new Set(after).size).toBe(after.length);
  expect(after.every((instant) => (instant - nextAtMs) % (10 * 60_000) === 0)).toBe(true);
  // It has caught up with the clock.
  expect(clock.now() - (after.at(-1) ?? 0)).toBeLessThan(11 * 60_000);
});

it("mends a job whose next instant a clock in 2099 computed", async () => {
  const store = createMemoryStore();
  const wrong = await openRuntime({ store });
  wrong.clock.step(70 * YEAR_MS);
  await wrong.settled(wrong.loop.addCronJob({ id: "job", message: "tick", schedule: { every: "1m" } }));
  await wrong.settled(wrong.loop.shutdown());
  const right = await openRuntime({ store });
  await right.clock.advance(5 * 60_000);
  expect((await runsOf(right)).length).toBeGreaterThanOrEqual(4);
  expect(right.lines.join("\n")).toContain("computed by a clock far ahead");
});

it("neither ends a turn early nor keeps one longer when the clock is set", async () => {
  for (const byMs of [-2 * HOUR_MS, 2 * HOUR_MS]) {
    const rig = await openRuntime({
      limits: { turnTimeoutMs: 10 * 60_000, maxAttempts: 1 },
      agent: async function* (_turn, { signal }) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        yield "";
      },
    });
    await rig.say("hang");
    await rig.clock.advance(60_000);
    rig.clock.step(byMs);
    await rig.clock.advance(8 * 60_000);
    expect((await rig.settled(rig.loop.chat("api:a"))).state).toBe("responding");
    await rig.clock.advance(2 * 60_000);
    expect((await rig.settled(rig.loop.chat("api:a"))).state).not.toBe("responding");
  }
});

it("deletes nothing on the word of a clock that was set ten years ahead, until a day has passed", async () => {
  const rig = await openRuntime();
  await rig.say("keep me");
  await rig.clock.advance(60_000);
  rig.clock.step(10 * YEAR_MS);
  await rig.clock.advance(HOUR_MS);
  expect((await rig.settled(rig.loop.chat("api:a"))).history).toHaveLength(2);
  await rig.clock.advance(DAY_MS);
  expect((await rig.settled(rig.loop.chat("api:a"))).history).toHaveLength(0);
});

it("notices a store that stopped committing although the clock went back", async () => {
  const store = createMemoryStore();
  let isBroken = false;
  const rig = await openRuntime({ store: { ...store, ping: () => (isBroken ? Promise.reject(new Error("disk full")) : store.ping()) } });
  expect(await rig.settled(rig.loop.health())).toMatchObject({ healthy: true });
  isBroken = true;
  rig.clock.step(-HOUR_MS);
  await rig.clock.advance(11_000);
  expect(await rig.settled(rig.loop.health())).toMatchObject({ healthy: false });
});
