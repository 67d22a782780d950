/**
 * The misses table of docs/cron.md, made by running what it says: a daemon that is down over 1, 3 and 100 instants, with each policy and
 * each kind of schedule. `node --import tsx test/cron/misses-table.ts --write` puts it into the page.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { CronJobInput } from "../../src/runtime/job-api.ts";
import type { RunRecord } from "../../src/ports/store/job-records.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { HOUR_MS, MINUTE_MS, addJob, openLife, runsOf } from "./rig.ts";

const PAGE = fileURLToPath(new URL("../../docs/cron.md", import.meta.url));
const BEGIN = "<!-- misses table: written by test/cron/misses-table.ts -->";
const END = "<!-- end of the misses table -->";

const KINDS: readonly (readonly [name: string, schedule: (fromMs: number) => CronJobInput["schedule"], downOver: readonly number[]])[] = [
  ["`at`", (fromMs) => ({ at: fromMs + HOUR_MS }), [1]],
  ["`every: 1h`", (fromMs) => ({ every: "1h", anchor: fromMs }), [1, 3, 100]],
  ['`cron: "0 * * * *"`', () => ({ cron: "0 * * * *", timezone: "UTC" }), [1, 3, 100]],
];

const POLICIES: readonly (readonly [name: string, policy: Partial<CronJobInput>])[] = [
  ["`skip`", { missed: "skip" }],
  ["`skip`, `grace: 1h`", { missed: "skip", grace: "1h" }],
  ["`once`", { missed: "once" }],
  ["`once`, `grace: 10m`", { missed: "once", grace: "10m" }],
  ["`all`", { missed: "all" }],
  ["`all`, `missedMax: 2`", { missed: "all", missedMax: 2 }],
];

/** Full hours of `every` and `cron` are the same: the virtual clock begins at midnight. */
async function runsAfterDowntime(input: Partial<CronJobInput>, schedule: (fromMs: number) => CronJobInput["schedule"], downOver: number) {
  const store = createMemoryStore();
  const first = await openLife({ store });
  const fromMs = Math.ceil(first.clock.now() / HOUR_MS) * HOUR_MS;
  await first.clock.advance(fromMs - first.clock.now());
  await addJob(first, { ...input, schedule: schedule(fromMs) });
  await first.clock.advance(fromMs + 30 * MINUTE_MS - first.clock.now());
  store.crash();
  const second = await openLife({ store, atMs: fromMs + downOver * HOUR_MS + 30 * MINUTE_MS });
  await second.clock.advance(20 * MINUTE_MS);
  return { fromMs, runs: await runsOf({ store }) };
}

function hours(atMs: number): string {
  return `+${atMs / HOUR_MS} h`;
}

function said(runs: readonly RunRecord[], fromMs: number): { readonly ran: string; readonly missed: string } {
  const ran = runs.filter((run) => run.status === "succeeded");
  const missed = runs.filter((run) => run.status === "missed");
  const [first, last] = [ran[0], ran.at(-1)];
  const ranSpan =
    first === undefined || last === undefined
      ? "none"
      : ran.length === 1
        ? hours(first.instantMs - fromMs)
        : `${ran.length}: ${hours(first.instantMs - fromMs)} to ${hours(last.instantMs - fromMs)}`;
  const missedSpans = missed.map((run) =>
    run.count === 1
      ? hours(run.instantMs - fromMs)
      : `${run.count} in one row: ${hours(run.firstMs - fromMs)} to ${hours(run.instantMs - fromMs)}`,
  );
  return { ran: ranSpan, missed: missedSpans.length === 0 ? "none" : missedSpans.join("; ") };
}

export async function missesTable(): Promise<string> {
  const lines = ["| schedule | down over | `missed` | runs after the start | recorded as missed |", "| --- | --- | --- | --- | --- |"];
  for (const [kind, schedule, downOvers] of KINDS) {
    for (const downOver of downOvers) {
      for (const [policy, input] of POLICIES) {
        const { fromMs, runs } = await runsAfterDowntime(input, schedule, downOver);
        const { ran, missed } = said(runs, fromMs);
        lines.push(`| ${kind} | ${downOver === 1 ? "1 instant" : `${downOver} instants`} | ${policy} | ${ran} | ${missed} |`);
      }
    }
  }
  return lines.join("\n");
}

/** The table as the page has it. */
export function tableOfPage(): string {
  const page = readFileSync(PAGE, "utf8");
  return page.slice(page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END)).trim();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const table = await missesTable();
  if (!process.argv.includes("--write")) process.stdout.write(`${table}\n`);
  else {
    const page = readFileSync(PAGE, "utf8");
    writeFileSync(PAGE, `${page.slice(0, page.indexOf(BEGIN) + BEGIN.length)}\n\n${table}\n\n${page.slice(page.indexOf(END))}`);
  }
}
