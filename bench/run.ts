/** Runs the benches one after the other, each in a process of its own: `npm run bench`, `npm run bench -- turns timers`. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const known = readdirSync(folder)
  .filter((file) => file.endsWith(".bench.ts"))
  .map((file) => file.replace(".bench.ts", ""));
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no bench is called ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exit(64);
}
const names = asked.length > 0 ? asked : known;
let failed = 0;
for (const [place, name] of names.entries()) {
  console.log(`\n── ${name} (${place + 1} of ${names.length}) ──`);
  const { status } = spawnSync(process.execPath, ["--expose-gc", "--import", "tsx", `${folder}${name}.bench.ts`], { stdio: "inherit" });
  if (status !== 0) failed += 1;
}
process.exitCode = failed > 0 ? 1 : 0;
