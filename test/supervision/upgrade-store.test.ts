/**
 * A file of the first version of the store, as its daemon left it when it was killed: with conversations, rows that wait, jobs of every
 * kind, runs under way and one whose delivery waits. The daemon of this version goes on with all of it.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import type { WireJob, WireRun } from "../../src/http/wire-jobs.ts";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import { MIGRATIONS } from "../../src/stores/sqlite/migrations.ts";
import { migrate } from "../../src/stores/sqlite/schema.ts";
import { openTelegramServer, type TelegramServer } from "../../src/testing/telegram-server.ts";
import { readLedger } from "../e2e/account.ts";
import { openRig, until, type Daemon, type Rig } from "../e2e/rig.ts";

type Row = Readonly<Record<string, string | number | null>>;
const TABLES = ["chats", "dedupe", "inbox", "jobs", "kv", "ledger", "outbox", "runs"] as const;
/** When the daemon of the file was killed. */
const LEFT_AT_MS = 1_795_871_329_571;
const MINUTE_MS = 60_000;
const PATIENCE_MS = 15_000;

/** The rows as if they had been left within the last minute: every instant is later by whole minutes, so that those of the calendar stay. */
function leftJustNow(): string {
  const text = readFileSync(new URL("fixtures/store-v1.sql", import.meta.url), "utf8");
  const byMs = Math.floor((createSystemClock().now() - LEFT_AT_MS) / MINUTE_MS) * MINUTE_MS;
  // Turns that slept until they were killed would sleep again in the rows behind them.
  const awake = text.replaceAll("stumble 1 60000", "stumble 1 10");
  return awake.replace(/\b1[78]\d{11}\b/g, (instant) => String(Number(instant) + byMs));
}

async function query<T = Row>(file: string, sql: string): Promise<readonly T[]> {
  const db = await openDatabase(file, { readOnly: true });
  const rows = db.prepare(sql).all() as T[];
  db.close();
  return rows;
}

/** Rows of the file as it was left, by table. */
const stored = new Map<string, readonly Row[]>();
const rowsOf = (table: (typeof TABLES)[number]): readonly Row[] => stored.get(table) ?? [];

let rig: Rig;
let telegram: TelegramServer;
let daemon: Daemon;
let store: string;
beforeAll(async () => {
  rig = await openRig();
  telegram = await openTelegramServer({ clock: createSystemClock() });
  store = join(rig.dir, "ledger.db");
  const db = await openDatabase(store);
  db.exec("PRAGMA journal_mode = WAL");
  migrate(db, MIGRATIONS.slice(0, 1));
  db.exec(leftJustNow());
  db.close();
  for (const table of TABLES) stored.set(table, await query(store, `SELECT * FROM ${table}`));
  await rig.setFlag("mended");
  daemon = rig.startLedger({ telegram: { token: telegram.token, apiRoot: telegram.apiRoot, allow: ["*"] } });
  await daemon.ready();
}, 60_000);
afterAll(async () => {
  await telegram.close();
  await rig.close();
});

const runsOf = async (id: string): Promise<readonly WireRun[]> => (await rig.api.runs(id, { limit: 1_000 })).items;
const hasEnded = (run: WireRun): boolean => run.status !== "running" && run.delivery !== "waiting";
const everyRunOf = (id: string) => async (): Promise<boolean> => {
  const known = rowsOf("runs")
    .filter((run) => run.job === id)
    .map((run) => run.run_id);
  const runs = await runsOf(id);
  return runs.length > 0 && runs.filter((run) => known.includes(run.runId)).every(hasEnded);
};

/** The beginnings of what the bot said in a chat, oldest first. */
async function saidIn(chat: string): Promise<readonly string[]> {
  const { history } = await rig.api.chat(chat);
  return history.filter((entry) => entry.role === "assistant").map((entry) => entry.text.split(" ").slice(0, 2).join(" "));
}

describe("a file of the first version", () => {
  it("goes on with every conversation, in order, with nothing lost and nothing said twice", { timeout: 30_000 }, async () => {
    await until(
      "all is answered",
      async () => {
        const { items } = await rig.api.chats({ limit: 100 });
        return items.filter(({ key }) => !key.startsWith("cron:")).every((chat) => chat.waiting === 0) && telegram.sends().length === 5;
      },
      PATIENCE_MS,
    );
    expect(await saidIn("api:waiting")).toEqual(["1 1/1", "2 1/1"]);
    expect(await saidIn("api:running")).toEqual(["1 1/1", "2 1/1"]);
    expect(telegram.sends().map((send) => send.text.split(" ").slice(0, 2).join(" "))).toEqual([
      "1 1/3",
      "1 2/3",
      "1 3/3",
      "7 1/2",
      "7 2/2",
    ]);
  });

  it("ends the runs that were under way, delivers what waited, and changes none that had ended", { timeout: 30_000 }, async () => {
    for (const id of ["slow", "broken", "report"]) await until(`the runs of ${id} have ended`, everyRunOf(id), PATIENCE_MS);
    const anytime: unknown = expect.any(Number);
    for (const run of rowsOf("runs")) {
      const found = (await runsOf(String(run.job))).find((other) => other.runId === run.run_id);
      const was = { instant: run.instant, startedAt: run.started_at, endedAt: run.ended_at ?? anytime, status: "succeeded" };
      // It delivers to nobody, or whoever gets it has it.
      expect(found).toMatchObject({ ...was, delivery: run.deliver_to === null ? "none" : "delivered" });
    }
    const lines = readLedger(await readFile(rig.ledgerFile, "utf8"));
    const turns = rowsOf("inbox").filter((row) => row.status === "consumed");
    // What had its answer is not asked again; what was under way goes on as the turn that it was.
    expect(lines.filter(({ turnId }) => turns.some((row) => row.turn_id === turnId))).toEqual([]);
    const held = rowsOf("inbox").filter((row) => row.status === "held");
    expect(held.length).toBeGreaterThan(2);
    for (const row of held) expect(lines.some(({ turnId }) => turnId === row.turn_id)).toBe(true);
  });

  it("goes on with every job at its own instants, each of which is in one row", { timeout: 30_000 }, async () => {
    await until("the job that was to come has run", async () => (await runsOf("later"))[0]?.delivery === "delivered", PATIENCE_MS);
    const before = new Map(rowsOf("jobs").map((row) => [String(row.id), row]));
    const jobs = new Map((await rig.api.jobs({ limit: 100 })).items.map((job) => [job.id, job]));
    expect([...jobs.keys()]).toEqual([...before.keys()].sort());
    const nextOf = (id: string): number => Number(before.get(id)?.next_at);
    const policies = { missed: "once", overlap: "skip", disableAfter: 10, origin: "library" };
    for (const [id, job] of jobs) expect(job).toMatchObject({ ...policies, name: `Job ${id}`, chat: `cron:${id}` });
    for (const id of ["done", "broken", "report", "later"]) {
      expect(jobs.get(id)).toMatchObject({ status: "completed", nextInstants: [] });
      expect(await runsOf(id)).toHaveLength(1);
    }
    expect((await runsOf("later"))[0]).toMatchObject({ instant: nextOf("later"), status: "succeeded" });
    expect(jobs.get("hourly")).toMatchObject({ status: "active", deliver: { chat: "api:idle" } });
    expect(jobs.get("hourly")?.nextInstants[0]).toBe(nextOf("hourly"));
    expect(jobs.get("paused")).toMatchObject({ status: "paused", nextInstants: [] });
    expect((await rig.api.resumeJob("paused")).nextInstants[0]).toBe(nextOf("paused"));
    expect(jobs.get("minutely")).toMatchObject({ schedule: { cron: "* * * * *", timezone: "Europe/Paris" } });
    expect((jobs.get("minutely")?.nextInstants[0] ?? 1) % MINUTE_MS).toBe(0);

    for (const id of ["ticks", "slow"]) {
      const { runs: had } = jobs.get(id) as WireJob;
      await until(`${id} goes on`, async () => (await rig.api.job(id)).runs >= had + 2, PATIENCE_MS);
      const runs = [...(await runsOf(id))].reverse();
      const covered = runs.flatMap(({ instant, count = 1 }) =>
        Array.from({ length: count }, (_, place) => instant - (count - 1 - place) * 1_000),
      );
      const [first = 0] = covered;
      expect(first).toBe(Number(rowsOf("runs").find((run) => run.job === id)?.instant));
      expect(covered).toEqual(covered.map((_, place) => first + place * 1_000));
    }
  });

  it("is kept as it was beside the new one", async () => {
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
    expect(await query(store, "PRAGMA user_version")).toEqual([{ user_version: MIGRATIONS.length }]);
    for (const file of [store, `${store}.v1`]) expect(await query(file, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
    expect(await query(`${store}.v1`, "PRAGMA user_version")).toEqual([{ user_version: 1 }]);
    for (const table of TABLES) expect(await query(`${store}.v1`, `SELECT * FROM ${table}`)).toEqual(rowsOf(table));
  });
});
