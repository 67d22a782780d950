import { expect, it } from "vitest";
import { report } from "../e2e/rig.ts";
import { runCrashes } from "./crash.ts";
import { runPoison } from "./poison.ts";

it("loses, reorders and doubles nothing while it is killed again and again", { timeout: 120_000 }, async () => {
  const seed = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);
  const { deaths, faults, accepted, repeated, ambiguous, slowAttempts, seconds } = await runCrashes({ cycles: 6, seed });
  expect(faults, `npm run crash -- --cycles 6 --seed ${seed}`).toEqual([]);
  expect(accepted).toBeGreaterThan(100);
  const died = Object.values(deaths).reduce((sum, times) => sum + times, 0);
  report("crashes", { seed, deaths: died, accepted, repeated, ambiguous, "slow attempts": slowAttempts, seconds: seconds.toFixed(0) });
});

it("finds the one turn that kills its process, and no other", { timeout: 120_000 }, async () => {
  const result = await runPoison(2);
  expect(result.faults).toEqual([]);
  expect(result.deaths).toBeGreaterThan(1);
  expect(result.deaths).toBeLessThanOrEqual(3);
  expect(result.told).toBe(1);
});
