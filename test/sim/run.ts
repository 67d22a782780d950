/** `npm run sim -- --seeds 10000 [--from 1] [--seed N]`: many simulated worlds, with progress; a violation is made small and printed. */
import { parseArgs } from "node:util";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { simulate, type SimulationResult } from "../../src/testing/simulator/simulator.ts";
import { minimise } from "../../src/testing/simulator/minimise.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    log: { type: "boolean", default: false },
  },
});
const only = values.seed ?? process.env.SIM_SEED;
const first = only === undefined ? Number(values.from) : Number(only);
const count = only === undefined ? Number(values.seeds) : 1;
/** Failing seeds after which the run ends: the others will say the same. */
const FAILURES_MAX = 5;
const LINE_EVERY_MS = 10_000;

const startedMs = performance.now();
const totals = { virtualMs: 0, actions: 0, failures: 0 };
const ends = new Map<string, number>();
const faults = new Map<string, number>();

function add(into: Map<string, number>, name: string, by: number): void {
  into.set(name, (into.get(name) ?? 0) + by);
}

function listOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, times]) => `${times} ${name}`).join(", ");
}

async function explain(result: SimulationResult): Promise<void> {
  const options = { seed: result.seed, openStore: createMemoryStore };
  console.log(`\nseed ${result.seed}: ${result.violations.length} violations\n  ${result.violations.slice(0, 5).join("\n  ")}`);
  const small = await minimise(options, result);
  console.log(
    `made small: ${small.result.actions.length} of ${result.actions.length} actions, faults ${small.result.faults.join(", ") || "none"}`,
  );
  for (const line of small.trace) console.log(`  ${line}`);
  console.log(`again: SIM_SEED=${result.seed} npm run sim -- --log`);
}

let shownMs = startedMs;
for (let seed = first; seed < first + count && totals.failures < FAILURES_MAX; seed += 1) {
  const result = await simulate({ seed, openStore: createMemoryStore });
  totals.virtualMs += result.virtualMs;
  totals.actions += result.actions.length;
  for (const [name, times] of Object.entries(result.ends)) add(ends, name, times);
  for (const fault of result.faults) add(faults, fault, 1);
  if (values.log) for (const line of result.log) console.log(line);
  if (result.violations.length > 0) {
    totals.failures += 1;
    await explain(result);
  }
  const nowMs = performance.now();
  if (nowMs - shownMs > LINE_EVERY_MS) {
    shownMs = nowMs;
    const done = seed - first + 1;
    const leftS = Math.round(((nowMs - startedMs) / done) * (count - done)) / 1_000;
    console.log(`${done} of ${count} seeds, ${totals.failures} with violations, about ${Math.round(leftS)} s left`);
  }
}
console.log(
  [
    `${count} seeds from ${first} in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s: ${totals.failures} with violations`,
    `${totals.actions} actions over ${(totals.virtualMs / 3_600_000).toFixed(0)} virtual hours`,
    `processes that ended: ${listOf(ends)}`,
    `worlds with a fault: ${listOf(faults)}`,
  ].join("\n"),
);
process.exitCode = totals.failures > 0 ? 1 : 0;
