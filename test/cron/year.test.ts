import { expect, it } from "vitest";
import { simulateYear } from "./year.ts";

it("is the same year each time by its seed, with every instant accounted for", async () => {
  const first = await simulateYear({ seed: 3, jobs: 60, days: 40 });
  const second = await simulateYear({ seed: 3, jobs: 60, days: 40 });
  const other = await simulateYear({ seed: 4, jobs: 60, days: 40 });
  expect(first.lost).toBe(0);
  expect(first.instants).toBeGreaterThan(1_000);
  expect(first.runs).toBeGreaterThan(1_000);
  expect({ ...second, wallMs: 0 }).toEqual({ ...first, wallMs: 0 });
  expect(other.digest).not.toBe(first.digest);
}, 120_000);
