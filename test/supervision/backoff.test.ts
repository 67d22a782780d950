/** How often, and after how long, a machine that crashes is started again. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { openRuntime } from "../runtime/rig.ts";
import { poison } from "./poison.ts";

afterEach(() => vi.restoreAllMocks());

/** Instants of the crashes of `api:bad`, relative to the first. */
async function crashesOf(seed: number, everyMs = 0) {
  const atMs: number[] = [];
  poison("api:bad", (type) => {
    if (type !== "turn.done") return false;
    atMs.push(rig.clock.now());
    return true;
  });
  const rig = await openRuntime({
    alter: (parts) => ({ ...parts, random: createSeededRandom(seed) }),
    agent: async function* () {
      if (everyMs > 0) await new Promise<void>((resolve) => void rig.clock.setTimer(everyMs, resolve));
      yield "x";
    },
  });
  await rig.say("1", "api:bad");
  await rig.clock.advance(600_000);
  vi.restoreAllMocks();
  return { rig, delays: atMs.slice(1).map((at, place) => at - (atMs[place] ?? 0)) };
}

describe("a machine that crashes", () => {
  it("is started again after 100, 200 and 400 ms, less up to half of that by chance, and then put aside", async () => {
    const found: (readonly number[])[] = [];
    for (let seed = 1; seed <= 25; seed += 1) {
      const { rig, delays } = await crashesOf(seed);
      expect(delays).toHaveLength(3);
      found.push(delays);
      expect(await rig.loop.chat("api:bad")).toMatchObject({ state: "quarantined", waiting: 1, error: { code: "CHAT_CRASHED" } });
    }
    for (const [place, fullMs] of [100, 200, 400].entries()) {
      const delays = found.map((each) => each[place] ?? 0);
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(fullMs / 2);
      expect(Math.max(...delays)).toBeLessThanOrEqual(fullMs + 2);
      // Chance spreads them over the half that it may.
      expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(fullMs / 4);
    }
  });

  it("is put aside after four crashes, however long each of its turns is, when it stores nothing in between", async () => {
    const { rig, delays } = await crashesOf(1, 50_000);
    expect(delays).toHaveLength(3);
    expect((await rig.loop.chat("api:bad")).state).toBe("quarantined");
  });

  it("goes on from what it stored last, and is forgiven what lies further back than a minute", async () => {
    const states: string[] = [];
    const bug = { isOn: false };
    poison("api:bad", (type, state) => {
      if (type === "rows.found" && bug.isOn) states.push(state);
      return type === "message.claimed";
    });
    const rig = await openRuntime();
    await rig.say("0", "api:bad");
    await rig.clock.advance(1_000);
    const { revision } = await rig.loop.chat("api:bad");
    for (let round = 1; round <= 10; round += 1) {
      bug.isOn = true;
      await rig.say(String(round), "api:bad");
      await rig.clock.advance(30_000);
    }
    // Two a minute, and each time something was answered.
    expect(states).toHaveLength(10);
    expect(new Set(states)).toEqual(new Set(["idle"]));
    expect(await rig.loop.chat("api:bad")).toMatchObject({ state: "idle", waiting: 0, revision: revision + 10 });
    expect(await rig.said("api:bad")).toEqual(Array.from({ length: 11 }, (_, round) => `re ${round}`));
  });
});
