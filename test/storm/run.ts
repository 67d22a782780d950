/** `npm run storm -- [--seconds 60] [--seed 1]`: every platform by its real client library, each disturbed at random; nothing may be lost. */
import { parseArgs } from "node:util";
import { storm } from "./storm.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    verbose: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const startedMs = performance.now();
const progress = setInterval(() => console.log(`${Math.round((performance.now() - startedMs) / 1_000)} of ${seconds} s`), 10_000);
const result = await storm({
  seconds,
  seed: Number(values.seed),
  ...(values.verbose ? { onTick: (line: string) => console.log(line) } : {}),
});
clearInterval(progress);
console.log(
  [
    `${result.said} messages (${Object.entries(result.byPlatform)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")}) in ${seconds} s, ${result.disturbances} disturbances, seed ${values.seed}`,
    `${result.repeated} answers came twice, all of them marked as ambiguous; loop delay p99 ${result.loopDelayP99Ms.toFixed(1)} ms`,
    `${result.violations.length} violations`,
    ...result.violations.slice(0, 20),
  ].join("\n"),
);
process.exitCode = result.violations.length > 0 ? 1 : 0;
