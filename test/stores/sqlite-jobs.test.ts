/** Jobs and runs of a file from before jobs had policies. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import { MIGRATIONS } from "../../src/stores/sqlite/migrations.ts";
import { migrate } from "../../src/stores/sqlite/schema.ts";
import { createSqliteStore } from "../../src/stores/sqlite/store.ts";

const AT = 1_700_000_000_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "satibot-jobs-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("go on as they were, with the defaults of what is new", async () => {
  const file = join(folder, "old.db");
  const db = await openDatabase(file);
  migrate(db, MIGRATIONS.slice(0, 2));
  const body = (id: string, overrides: object = {}): string =>
    JSON.stringify({
      id,
      name: id,
      message: "tick",
      schedule: { kind: "every", everyMs: 60_000, anchorMs: AT },
      turnClass: "cron",
      origin: "library",
      paused: false,
      nextAtMs: AT,
      createdAtMs: AT - 5,
      ...overrides,
    });
  const insert = db.prepare("INSERT INTO jobs (id, body, paused, next_at) VALUES (?, ?, ?, ?)");
  insert.run("active", body("active", { deliverTo: "telegram:1", origin: "config" }), 0, AT);
  insert.run("paused", body("paused", { paused: true }), 1, AT);
  insert.run("ended", body("ended"), 0, null);
  insert.run("damaged", "{", 0, AT);
  const run = db.prepare(
    "INSERT INTO runs (id, run_id, job, instant, started_at, ended_at, status, delivery, error, deliver_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
  );
  run.run(1, "r1", "active", AT - 60_000, AT - 60_000, AT - 59_000, "succeeded", "delivered", "telegram:1");
  run.run(2, "r2", "active", AT, AT, null, "running", "none", "telegram:1");
  db.close();

  const store = createSqliteStore({ file, clock: createSystemClock() });
  await store.start();
  expect(await store.jobs.get("active")).toEqual({
    id: "active",
    name: "active",
    message: "tick",
    schedule: { kind: "every", everyMs: 60_000, anchorMs: AT },
    chat: "cron:active",
    deliverTo: ["telegram:1"],
    deliverWhen: "always",
    silence: undefined,
    missed: "once",
    graceMs: undefined,
    missedMax: 10,
    overlap: "skip",
    attempts: undefined,
    backoffMs: undefined,
    timeoutMs: undefined,
    staggerMs: 0,
    jitterMs: 0,
    untilMs: undefined,
    maxRuns: undefined,
    disableAfter: 10,
    turnClass: "cron",
    origin: "config",
    owner: undefined,
    status: "active",
    nextAtMs: AT,
    startAtMs: AT,
    runs: 0,
    failures: 0,
    createdAtMs: AT - 5,
    changedAtMs: 0,
  });
  expect(await store.jobs.get("paused")).toMatchObject({ status: "paused", nextAtMs: AT, deliverTo: [] });
  expect(await store.jobs.get("ended")).toMatchObject({ status: "completed", nextAtMs: undefined });
  expect(await store.jobs.get("damaged")).toMatchObject({
    status: "completed",
    message: "",
    name: expect.stringContaining("cannot be read") as string,
  });
  expect((await store.jobs.list({ limit: 10 }, { origin: "config" })).items.map((job) => job.id)).toEqual(["active"]);
  expect(await store.jobs.due(AT + 1, 10)).toEqual([{ id: "active", startAtMs: AT }]);
  expect((await store.jobs.runs("active", { limit: 10 })).items).toMatchObject([
    { runId: "r2", status: "running", count: 1, firstMs: AT, trigger: "schedule" },
    { runId: "r1", status: "succeeded", delivery: "delivered" },
  ]);
  expect(await store.jobs.policy("r2")).toMatchObject({ runId: "r2", jobId: "active", chat: "cron:active", deliverTo: ["telegram:1"] });
  await store.stop();
});
