/** `npm run power-cut -- --cuts 500 [--seed N] [--rounds 60]`: the power goes, at any write. */
import { parseArgs } from "node:util";
import { adapter } from "./adapters.ts";
import { cutPower } from "./power-cut.ts";
import { whyNotRecorded } from "./recording.ts";

const { values } = parseArgs({
  options: { cuts: { type: "string", default: "500" }, seed: { type: "string" }, rounds: { type: "string", default: "60" } },
});
const cuts = Number(values.cuts);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const reason = whyNotRecorded();
if (reason !== undefined) {
  console.error(reason);
  process.exit(69);
}
const worker = adapter();
try {
  const startedMs = performance.now();
  const result = await cutPower({
    sources: worker.folder,
    cuts,
    seed,
    rounds: Number(values.rounds),
    onCut: (done) => {
      if (done % 100 === 0) console.log(`${done} of ${cuts} cuts`);
    },
  });
  console.log(
    [
      `${result.writes} writes, ${result.syncs} syncs, ${result.acknowledged} acknowledgements; seed ${seed}`,
      `${result.cuts} power cuts in ${((performance.now() - startedMs) / 1_000).toFixed(0)} s, ${result.torn} of them with torn writes`,
      `acknowledged and lost, half a commit, damaged: ${result.faults.length}`,
      ...result.faults.map((fault) => `  ${fault}`),
    ].join("\n"),
  );
  process.exitCode = result.faults.length > 0 ? 1 : 0;
} finally {
  worker.remove();
}
