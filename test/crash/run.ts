/** `npm run crash -- --cycles 300 [--seed N] [--no-poison]`: real processes, real files, `kill -9`. */
import { parseArgs } from "node:util";
import { runCrashes } from "./crash.ts";
import { runPoison } from "./poison.ts";

const { values } = parseArgs({
  options: { cycles: { type: "string", default: "100" }, seed: { type: "string" }, "no-poison": { type: "boolean", default: false } },
});
const cycles = Number(values.cycles);
const seed = Number(values.seed ?? Date.now() % 1_000_000);

console.log(`${cycles} cycles, seed ${seed}: 6 people over HTTP, 6 on Telegram, 16 slow turns in flight`);
const startedMs = performance.now();
const result = await runCrashes({
  cycles,
  seed,
  onCycle: (cycle, phase, people) => {
    if (cycle % 10 > 0 && cycle < cycles) return;
    const accepted = people.reduce((sum, person) => sum + person.accepted(), 0);
    const leftS = Math.round(((performance.now() - startedMs) / cycle) * (cycles - cycle)) / 1_000;
    console.log(`cycle ${cycle} of ${cycles} (${phase}): ${accepted} messages accepted, about ${Math.round(leftS)} s left`);
  },
});
const deaths = Object.entries(result.deaths).map(([phase, times]) => `${times} ${phase}`);
console.log(
  [
    "",
    `${Object.values(result.deaths).reduce((sum, times) => sum + times, 0)} deaths in ${result.seconds.toFixed(0)} s: ${deaths.join(", ")}`,
    `${result.accepted} messages accepted, ${result.attempts} attempts; a slow turn took ${result.slowAttempts} at most, a slow chat had ${result.slowTurns.join(" to ")} turns`,
    `${result.telegramSends} sends to Telegram, ${result.repeated} of them repetitions; ${result.ambiguous} parts marked ambiguous`,
    `chats quarantined: ${result.quarantined.join(", ") || "none"}`,
    `lost, reordered, committed twice or repeated without a mark: ${result.faults.length}`,
    ...result.faults.slice(0, 20).map((fault) => `  ${fault}`),
  ].join("\n"),
);
if (result.faults.length > 0) console.log(`the store is kept in ${result.dir}; the same instants: --seed ${seed}`);
let isSound = result.faults.length === 0;
if (!values["no-poison"]) {
  const poison = await runPoison(5);
  console.log(
    [
      `a turn that kills its process: put aside alone after ${poison.deaths} deaths (maxAttempts ${poison.maxAttempts}), its person told ${poison.told} time`,
      ...poison.faults.map((fault) => `  ${fault}`),
    ].join("\n"),
  );
  isSound &&= poison.faults.length === 0;
}
process.exit(isSound ? 0 : 1);
