/**
 * Runs the benches one after the other, each in a process of its own, on compiled code: `npm run bench`, `npm run bench -- turns timers`.
 * `--quick` takes smaller counts; `--profile` says where the time of a bench went.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { printProfile } from "./profile.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "..");
const known = readdirSync(here)
  .filter((file) => file.endsWith(".bench.ts"))
  .map((file) => file.replace(".bench.ts", ""));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, profile: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no bench is called ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exit(64);
}

// Below the root, so that packages are found.
const build = mkdtempSync(join(root, ".bench-build-"));
process.on("exit", () => rmSync(build, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
console.log("compiling…");
const compiler = join(root, "node_modules/typescript/bin/tsc");
// Types are checked elsewhere.
const compiled = spawnSync(process.execPath, [compiler, "-p", join(here, "tsconfig.json"), "--noCheck", "--outDir", build], {
  stdio: "inherit",
});
if (compiled.status !== 0) process.exit(1);

const names = positionals.length > 0 ? positionals : known;
let failed = 0;
for (const [place, name] of names.entries()) {
  console.log(`\n── ${name} (${place + 1} of ${names.length}) ──`);
  const startMs = performance.now();
  const profiles = join(build, `profiles-${name}`);
  const args = ["--expose-gc"];
  const env: NodeJS.ProcessEnv = { ...process.env, BENCH_QUICK: values.quick ? "1" : "0" };
  if (values.profile) {
    mkdirSync(profiles);
    args.push("--cpu-prof", `--cpu-prof-dir=${profiles}/main`);
    env.BENCH_PROFILE = profiles;
  }
  const { status } = spawnSync(process.execPath, [...args, join(build, "bench", `${name}.bench.js`)], { stdio: "inherit", env, cwd: root });
  if (status !== 0) failed += 1;
  if (values.profile)
    for (const thread of readdirSync(profiles)) printProfile(`profile of ${name}, ${thread} thread`, join(profiles, thread));
  console.log(`(${((performance.now() - startMs) / 1_000).toFixed(0)} s${status === 0 ? "" : `, FAILED with ${status ?? "a signal"}`})`);
}
process.exitCode = failed > 0 ? 1 : 0;
