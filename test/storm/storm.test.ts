import { expect, it } from "vitest";
import { storm } from "./storm.ts";

it("loses, doubles and reorders nothing on any platform, whatever their connections do", { timeout: 240_000 }, async () => {
  const seed = Number(process.env.STORM_SEED ?? Math.floor(Math.random() * 1_000_000));
  const result = await storm({ seed, seconds: 10, pauseMs: 240 });
  expect(result.violations, `STORM_SEED=${seed} npx vitest run test/storm repeats what people do and what fails`).toEqual([]);
  expect(Object.values(result.byPlatform).every((count) => count > 20)).toBe(true);
  expect(result.disturbances).toBeGreaterThan(8);
});
