/**
 * Rows of cron jobs and their runs that hold what no satibot wrote, in a real file under a real daemon: it starts, every other job and chat
 * goes on, each damaged job can be listed, looked at, replaced and removed, and the log does not fill with it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import type { WireJob } from "../../src/http/wire-jobs.ts";
import { freePort, openRig, until, type Daemon, type Rig } from "../e2e/rig.ts";

const inBody = (path: string, value: string): [string, string] => ["body", `json_set(body, '$.${path}', json('${value}'))`];

/** The column of a job, and what is written over it. */
const JOBS: readonly [column: string, sql: string][] = [
  ["body", "'not JSON'"],
  ["body", "'{}'"],
  ["body", "'null'"],
  ["body", "'[]'"],
  ["body", "hex(randomblob(1000000))"],
  inBody("id", '"another"'),
  inBody("name", "5"),
  inBody("name", "null"),
  inBody("message", "5"),
  inBody("message", '""'),
  inBody("schedule", '"x"'),
  inBody("schedule", "null"),
  inBody("schedule", '{"kind":"never"}'),
  inBody("schedule", '{"kind":"every","everyMs":0,"anchorMs":0}'),
  inBody("schedule", '{"kind":"every","everyMs":-5,"anchorMs":0}'),
  inBody("schedule", '{"kind":"every","everyMs":"x","anchorMs":0}'),
  inBody("schedule", '{"kind":"every","everyMs":1000}'),
  inBody("schedule", '{"kind":"every","everyMs":1000,"anchorMs":0,"within":{}}'),
  inBody("schedule", '{"kind":"at","atMs":"x"}'),
  inBody("schedule", '{"kind":"cron","expression":"nonsense","timezone":"UTC"}'),
  inBody("schedule", '{"kind":"cron","expression":"* * * * *","timezone":"Nowhere/City"}'),
  inBody("schedule", '{"kind":"cron","expression":7}'),
  inBody("chat", '"no key"'),
  inBody("chat", "5"),
  inBody("deliverTo", "5"),
  inBody("deliverTo", "[5]"),
  inBody("deliverTo", '["no key"]'),
  inBody("deliverTo", '{"a":1}'),
  inBody("deliverWhen", '"x"'),
  inBody("silence", "5"),
  inBody("missed", '"x"'),
  inBody("graceMs", '"x"'),
  inBody("missedMax", "-1"),
  inBody("overlap", '"x"'),
  inBody("attempts", '"x"'),
  inBody("backoffMs", '"x"'),
  inBody("timeoutMs", '"x"'),
  inBody("staggerMs", '"x"'),
  inBody("jitterMs", '"x"'),
  inBody("untilMs", '"x"'),
  inBody("maxRuns", '"x"'),
  inBody("disableAfter", '"x"'),
  inBody("turnClass", '"x"'),
  inBody("origin", "5"),
  inBody("owner", "5"),
  ["origin", "'x'"],
  ["owner", "'no key'"],
  ["disable_after", "'x'"],
  ["status", "'x'"],
  ["status", "''"],
  ["next_at", "'x'"],
  ["next_at", "-1"],
  ["next_at", "9e15"],
  ["next_at", "1.5"],
  ["next_at", "NULL"],
  ["start_at", "'x'"],
  ["start_at", "0"],
  ["start_at", "9e15"],
  ["start_at", "NULL"],
  ["runs", "'x'"],
  ["runs", "-1"],
  ["failures", "'x'"],
  ["created_at", "'x'"],
  ["changed_at", "9e15"],
];
/** The column of a run under way, and what is written over it. */
const RUNS: readonly [column: string, sql: string][] = [
  ["policy", "'not JSON'"],
  ["policy", "'null'"],
  ["policy", "'{}'"],
  ["policy", "'[]'"],
  ["policy", "NULL"],
  ["policy", "json_set(policy, '$.deliverTo', 5)"],
  ["policy", "json_set(policy, '$.deliverTo', json('[\"no key\"]'))"],
  ["policy", "json_set(policy, '$.alertTo', 'x')"],
  ["policy", "json_set(policy, '$.runId', 'another')"],
  ["policy", "json_set(policy, '$.jobId', 'another')"],
  ["policy", "json_set(policy, '$.chat', 'no key')"],
  ["policy", "json_set(policy, '$.attempts', 'x', '$.backoffMs', 'x', '$.timeoutMs', 'x')"],
  ["status", "'x'"],
  ["status", "'succeeded'"],
  ["delivery", "'x'"],
  ["trigger", "'x'"],
  ["error", "'not JSON'"],
  ["instant", "'x'"],
  ["started_at", "'x'"],
  ["ended_at", "5"],
  ["count", "'x'"],
  ["unsettled", "'x'"],
  ["undelivered", "-5"],
  ["job", "'another'"],
];
const nameOf = (kind: string, place: number): string => `${kind}-${String(place).padStart(2, "0")}`;
const BAD_JOBS = JOBS.map((_, place) => nameOf("job", place));
const BAD_RUNS = RUNS.map((_, place) => nameOf("run", place));
const BAD = [...BAD_JOBS, ...BAD_RUNS];
/** One before, one between and one behind them in every order by name. */
const GOOD = ["good", "job-00x", "zebra"];

let rig: Rig;
let daemon: Daemon;
beforeAll(async () => {
  rig = await openRig();
}, 60_000);
afterAll(() => rig.close());

const start = async (): Promise<Daemon> => {
  const next = rig.startLedger({ limits: { concurrentTurns: 64, drainTimeout: "1s" } });
  await next.ready();
  return next;
};

async function sql(...statements: readonly string[]): Promise<void> {
  const db = await openDatabase(join(rig.dir, "ledger.db"));
  for (const statement of statements) db.exec(statement);
  db.close();
}

/** How often the agent was asked, by job. */
function asked(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const line of (existsSync(rig.ledgerFile) ? readFileSync(rig.ledgerFile, "utf8") : "").split("\n")) {
    const id = /^cron:(\S+)/.exec(line)?.[1];
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** The good ones run on, and a person is answered. */
async function expectGoesOn(): Promise<void> {
  const before = asked();
  await rig.api.sendMessage("api:ann", { text: "say 1" });
  await until("the others go on", () => GOOD.every((id) => (asked().get(id) ?? 0) >= (before.get(id) ?? 0) + 2), 8_000);
  expect((await rig.api.chat("api:ann")).waiting).toBe(0);
  expect(daemon.hasEnded()).toBe(false);
}

/** The warning or error that the log says most often of one job or chat, and how often. */
function loudest(): readonly [what: string, times: number] {
  const counts = new Map<string, number>();
  for (const line of daemon.output().split("\n")) {
    if (!line.startsWith("{") || !line.endsWith("}")) continue;
    const { level, job, chat, msg } = JSON.parse(line) as Readonly<Record<string, string>>;
    if (level === "info") continue;
    const what = `${job ?? chat}: ${msg}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].sort(([, one], [, other]) => other - one)[0] ?? ["nothing", 0];
}

/** Every job in the order of its name, by pages. */
async function listed(): Promise<readonly WireJob[]> {
  const items: WireJob[] = [];
  let cursor: string | undefined;
  do {
    const page = await rig.api.jobs({ limit: 40, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return items;
}

/** Damage that leaves a job which can be: an expression is read when its instant is computed, and some columns say nothing that could be wrong. */
const HARMLESS = [
  "nonsense",
  "origin 'x'",
  "owner 'no key'",
  "disable_after",
  "next_at -1",
  "next_at 9e15",
  "start_at 0",
  "start_at 9e15",
  "changed_at",
];

describe("rows of jobs that hold what nobody wrote", () => {
  it("stop neither the start nor any other job or chat, and fill no log", { timeout: 60_000 }, async () => {
    daemon = await start();
    const add = (id: string, message: string) => rig.api.addJob({ id, message, schedule: { every: "1s" } });
    for (const id of GOOD) await add(id, "say 1");
    for (const id of BAD_RUNS) await add(id, "stumble 1 60000");
    await until("runs are under way", () => BAD_RUNS.every((id) => asked().has(id)), 15_000);
    for (const id of BAD_JOBS) await add(id, "say 1");
    await daemon.kill();
    await sql(
      ...JOBS.map(([column, value], place) => `UPDATE jobs SET ${column} = ${value} WHERE id = '${BAD_JOBS[place]}'`),
      ...RUNS.map(
        ([column, value], place) => `UPDATE runs SET ${column} = ${value} WHERE job = '${BAD_RUNS[place]}' AND status = 'running'`,
      ),
    );
    daemon = await start();
    await expectGoesOn();
    // The first attempt slept through the death of its daemon, the second fails, the third answers, and the fourth is of the next run.
    await until("the runs under way end, and their jobs go on", () => BAD_RUNS.every((id) => (asked().get(id) ?? 0) >= 4), 15_000);
    await expectGoesOn();
    const [what, times] = loudest();
    expect([what, times]).toEqual([what, Math.min(times, 4)]);
  });

  it("can be listed, looked at, removed and added again", { timeout: 60_000 }, async () => {
    const jobs = await listed();
    expect(jobs.map((job) => job.id)).toEqual([...BAD, ...GOOD].sort());
    const readable = jobs.filter((job) => job.id.startsWith("job-") && !job.name.includes("its row cannot be read"));
    const harmless = JOBS.flatMap(([column, value], place) =>
      HARMLESS.some((what) => `${column} ${value}`.includes(what)) ? [nameOf("job", place)] : [],
    );
    expect(readable.map((job) => job.id)).toEqual([...harmless, "job-00x"].sort());
    for (const id of BAD) {
      await rig.api.job(id);
      await rig.api.runs(id);
    }
    for (const args of [
      ["cron", "list"],
      ["cron", "list", "--json"],
      ["cron", "show", "job-00"],
      ["cron", "runs", "run-17"],
    ])
      expect(await rig.cli(args)).toMatchObject({ code: 0, stderr: "" });
    await expect(rig.api.resumeJob("job-00")).rejects.toThrow(/no instant left; add it again/);
    for (const [place, id] of BAD_JOBS.entries()) {
      await rig.api.removeJob(id);
      if (place % 2 === 1) await rig.api.addJob({ id, message: "say 2", schedule: { every: "1s" } });
    }
    const before = asked();
    const kept = BAD_JOBS.filter((_, place) => place % 2 === 1);
    await until("those that were added again run", () => kept.every((id) => (asked().get(id) ?? 0) > (before.get(id) ?? 0)), 15_000);
    for (const id of BAD_RUNS) expect(await rig.api.removeJob(id)).toEqual({ id });
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
    const away = { SATIBOT_STORE: "sqlite:ledger.db", SATIBOT_PORT: String(await freePort()) };
    const { code, stdout } = await rig.cli(["cron", "list", "--json"], away);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { items: { id: string }[] }).items.map((job) => job.id)).toEqual([...kept, ...GOOD].sort());
  });
});
