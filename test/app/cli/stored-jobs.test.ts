import { describe, expect, it } from "vitest";
import { createStoredJobs, type JobRows } from "../../../src/app/cli/stored-jobs.ts";
import type { JobRecord, RunRecord } from "../../../src/ports/store/job-records.ts";
import { createMemoryStore } from "../../../src/stores/memory/store.ts";

const HOUR = 3_600_000;
const AT = Date.UTC(2026, 0, 1, 9);

function record(id: string, changes: Partial<JobRecord> = {}): JobRecord {
  return {
    id,
    name: id,
    message: "hi",
    schedule: { kind: "cron", expression: "0 9 * * *", timezone: "UTC" },
    chat: `cron:${id}`,
    deliverTo: [],
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
    origin: "api",
    owner: undefined,
    status: "active",
    nextAtMs: AT,
    startAtMs: AT,
    runs: 0,
    failures: 0,
    createdAtMs: AT - HOUR,
    changedAtMs: AT - HOUR,
    ...changes,
  };
}
const lastRun: RunRecord = {
  runId: "r1",
  jobId: "a",
  instantMs: AT - 24 * HOUR,
  count: 1,
  firstMs: AT - 24 * HOUR,
  trigger: "schedule",
  startedAtMs: AT - 24 * HOUR,
  endedAtMs: AT - 24 * HOUR + 5,
  status: "succeeded",
  delivery: "none",
  error: undefined,
};

describe("jobs of a stopped daemon", () => {
  it("have the next instants that their rows name, also when those have passed, and their last run", async () => {
    const rows: JobRows = {
      get: () => Promise.resolve(record("a")),
      list: () => Promise.resolve({ items: [record("a"), record("b", { status: "paused" })], next: "b" }),
      runs: () => Promise.resolve({ items: [lastRun], next: undefined }),
      newestRuns: () => Promise.resolve([lastRun]),
    };
    const jobs = createStoredJobs(rows);
    const page = await jobs.jobs({ limit: 2 });
    expect(page.next).toBe("b");
    expect(page.items[0]).toMatchObject({
      id: "a",
      state: "scheduled",
      nextInstants: [AT, AT + 24 * HOUR, AT + 48 * HOUR],
      lastRun: { runId: "r1" },
    });
    expect(page.items[1]).toMatchObject({ id: "b", state: "paused", paused: true, nextInstants: [] });
    expect((await jobs.runs("a", {})).items).toMatchObject([{ runId: "r1", instant: AT - 24 * HOUR }]);
  });

  it("end with the last instant of their schedule, and show what cannot be computed as far as it goes", async () => {
    const kinds = [
      record("once", { schedule: { kind: "at", atMs: AT } }),
      record("until", { untilMs: AT + 30 * HOUR }),
      record("broken", { schedule: { kind: "cron", expression: "not cron", timezone: "UTC" } }),
    ];
    const rows = {
      ...createMemoryStore().jobs,
      list: () => Promise.resolve({ items: kinds, next: undefined }),
      newestRuns: () => Promise.resolve([]),
    };
    const { items } = await createStoredJobs(rows).jobs({});
    expect(items.map(({ nextInstants }) => nextInstants.length)).toEqual([1, 2, 1]);
  });

  it("are not moved by reading, however often", async () => {
    const store = createMemoryStore();
    await store.start();
    await store.jobs.put(record("a", { nextAtMs: AT - 1_000 * HOUR, startAtMs: AT - 1_000 * HOUR }));
    const before = await store.jobs.get("a");
    const jobs = createStoredJobs(store.jobs);
    for (let times = 0; times < 3; times += 1) {
      await jobs.jobs({});
      await jobs.job("a");
      await jobs.runs("a", {});
    }
    expect(await store.jobs.get("a")).toEqual(before);
    await store.stop();
  });

  it("are told from those that nobody knows", async () => {
    const store = createMemoryStore();
    await store.start();
    const jobs = createStoredJobs(store.jobs);
    await expect(jobs.job("x")).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
    await expect(jobs.runs("x", {})).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
    await store.stop();
  });
});
