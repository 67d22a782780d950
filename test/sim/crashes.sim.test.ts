import { describe, expect, it } from "vitest";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { digestOf, simulate } from "../../src/testing/simulator.ts";

const only = process.env.SIM_SEED === undefined ? undefined : Number(process.env.SIM_SEED);
const seeds = only === undefined ? Array.from({ length: 100 }, (_, place) => place + 1) : [only];
const run = (seed: number) => simulate({ seed, openStore: createMemoryStore });

describe("the runtime in virtual time", () => {
  it("keeps its promises through crashes, failures and lost answers, whatever the seed", { timeout: 120_000 }, async () => {
    let crashes = 0;
    for (const seed of seeds) {
      const result = await run(seed);
      crashes += result.crashes;
      expect(
        result.violations,
        `SIM_SEED=${seed} npx vitest run test/sim replays it; its log ends:\n${result.log.slice(-40).join("\n")}`,
      ).toEqual([]);
    }
    expect(crashes).toBeGreaterThanOrEqual(only === undefined ? 100 : 0);
  });

  it("replays a seed to the same log", async () => {
    const [first, second] = [await run(seeds[0]!), await run(seeds[0]!)];
    expect(digestOf(second)).toBe(digestOf(first));
    expect(second.log).toEqual(first.log);
  });
});
