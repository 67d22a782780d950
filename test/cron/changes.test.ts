/** Jobs that are changed while they come, run or end. */
import { describe, expect, it } from "vitest";
import type { Agent } from "../../src/ports/agent.ts";
import type { CronJobInput } from "../../src/runtime/job-api.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf, slowAgent } from "./rig.ts";

const failing: Agent = async function* () {
  yield await Promise.reject(new Error("no model"));
};

/** A store whose jobs are put late: `before` is awaited first, once it is there. */
function lateStore(): { readonly store: MemoryStore; before?: () => Promise<void> } {
  const memory = createMemoryStore();
  const late: { readonly store: MemoryStore; before?: () => Promise<void> } = {
    store: {
      ...memory,
      jobs: {
        ...memory.jobs,
        put: async (...args) => {
          const { before } = late;
          late.before = undefined;
          await before?.();
          return memory.jobs.put(...args);
        },
      },
    },
  };
  return late;
}

describe("a change that is stored after the job moved on", () => {
  const input: CronJobInput = { id: "job", message: "tick", schedule: { every: "1h" }, disableAfter: 1, retry: { attempts: 1 } };

  it.each(["a reload", "a patch"])("by %s takes back neither its runs nor that it was switched off", async (how) => {
    const late = lateStore();
    const rig = await openLife({ store: late.store, agent: failing });
    await rig.settled(rig.loop.reconcileJobs([input]));
    late.before = () => new Promise((resolve) => void rig.clock.setTimer(90 * MINUTE_MS, resolve));
    const changed = { ...input, message: "tock" };
    const done = how === "a reload" ? rig.loop.reconcileJobs([changed]) : rig.loop.addCronJob(changed, { keepsState: true });
    await rig.clock.advance(4 * HOUR_MS);
    await done;
    expect(await rig.store.jobs.get("job")).toMatchObject({ message: "tock", status: "disabled", failures: 1, runs: 1 });
    expect(await runsOf(rig)).toHaveLength(1);
  });

  it("does not take back a pause", async () => {
    const late = lateStore();
    const rig = await openLife({ store: late.store });
    await rig.settled(rig.loop.reconcileJobs([input]));
    late.before = async () => void (await rig.loop.pauseJob("job"));
    await rig.settled(rig.loop.reconcileJobs([{ ...input, message: "tock" }]));
    expect(await rig.store.jobs.get("job")).toMatchObject({ message: "tock", status: "paused" });
  });
});

it("a completed job can be renamed, and stays completed", async () => {
  const rig = await openLife();
  const schedule = { at: rig.clock.now() + SECOND_MS };
  await addJob(rig, { schedule });
  await rig.clock.advance(MINUTE_MS);
  await rig.settled(rig.loop.addCronJob({ id: "job", message: "tick", name: "bread", schedule }, { keepsState: true }));
  expect(await rig.store.jobs.get("job")).toMatchObject({ name: "bread", status: "completed", runs: 1 });
});

it("an instant whose start is still to come is kept when the spread or the end of its job changes", async () => {
  const rig = await openLife();
  const base = { id: "job", message: "tick", schedule: { every: "1d", anchor: rig.clock.now() + HOUR_MS - 86_400_000 } };
  const atMs = rig.clock.now();
  await addJob(rig, { ...base, stagger: "10h" });
  const { startAtMs = 0 } = (await rig.store.jobs.get("job")) ?? {};
  await rig.clock.advance(HOUR_MS + MINUTE_MS);
  expect(startAtMs).toBeGreaterThan(rig.clock.now());
  await rig.settled(rig.loop.addCronJob({ ...base, stagger: "10h", maxRuns: 9 }, { keepsState: true }));
  await rig.clock.advance(12 * HOUR_MS);
  expect(await linesOf(rig, atMs)).toEqual(["succeeded +60m"]);
});

describe("an instant that begins no run", () => {
  it("counts as none of maxRuns when the inbox of the job is full", async () => {
    const slow = slowAgent();
    const rig = await openLife({ agent: slow.agent, limits: { inboxPerChat: 1, turnTimeoutMs: 20 * HOUR_MS } });
    await addJob(rig, { maxRuns: 2, overlap: "queue" });
    await rig.clock.advance(3 * HOUR_MS + SECOND_MS);
    expect((await runsOf(rig)).map(({ status }) => status)).toEqual(["running", "skipped", "skipped"]);
    expect(await rig.store.jobs.get("job")).toMatchObject({ status: "active", runs: 1 });
  });

  it("completes no job, not even when the process ends with its claim", async () => {
    const memory = createMemoryStore();
    const never = () => new Promise<never>(() => undefined);
    const store = { ...memory, jobs: { ...memory.jobs, advance: never } };
    const rig = await openLife({ store, agent: slowAgent().agent, limits: { turnTimeoutMs: 20 * HOUR_MS } });
    await addJob(rig, { maxRuns: 2 });
    await rig.clock.advance(2 * HOUR_MS + SECOND_MS);
    expect((await runsOf(rig)).map(({ status }) => status)).toEqual(["running", "skipped"]);
    expect(await rig.store.jobs.get("job")).toMatchObject({ status: "active", runs: 1 });
  });
});

it("a job that is resumed before the start of its instant has lost nothing", async () => {
  const rig = await openLife();
  const atMs = rig.clock.now();
  await addJob(rig, { stagger: "10h", schedule: { every: "1d", anchor: atMs + HOUR_MS - 86_400_000 } });
  await rig.settled(rig.loop.pauseJob("job"));
  await rig.clock.advance(HOUR_MS + MINUTE_MS);
  await rig.settled(rig.loop.resumeJob("job"));
  await rig.clock.advance(12 * HOUR_MS);
  expect(await linesOf(rig, atMs)).toEqual(["succeeded +60m"]);
});

it("a run by hand takes no instant of the schedule, not even in the same millisecond", async () => {
  const rig = await openLife();
  const atMs = await addJob(rig);
  await rig.settled(rig.loop.pauseJob("job"));
  await rig.clock.advance(atMs + 2 * HOUR_MS - rig.clock.now());
  await rig.loop.runJob("job");
  await rig.clock.advance(SECOND_MS);
  await rig.settled(rig.loop.resumeJob("job"));
  expect((await runsOf(rig)).map(({ status, trigger, count }) => [status, trigger, count])).toEqual([
    ["skipped", "schedule", 2],
    ["succeeded", "hand", 1],
  ]);
});

it("a jitter that is longer than the interval makes no instant late, and one that was missed is told", async () => {
  const store = createMemoryStore();
  const rig = await openLife({ store });
  const atMs = await addJob(rig, { schedule: { every: "1m" }, jitter: "10m" });
  await rig.clock.advance(HOUR_MS);
  const ran = await runsOf(rig);
  expect(ran.length).toBeGreaterThan(49);
  for (const [place, run] of ran.entries()) {
    expect(run).toMatchObject({ status: "succeeded", trigger: "schedule", instantMs: atMs + (place + 1) * MINUTE_MS });
    expect(run.startedAtMs).toBeGreaterThanOrEqual(run.instantMs);
  }
  await rig.settled(rig.loop.shutdown());
  const next = await openLife({ store, atMs: atMs + 3 * HOUR_MS });
  await next.clock.advance(MINUTE_MS);
  expect((await runsOf(next)).filter(({ status }) => status === "missed")).toHaveLength(1);
});

it("a job that is renamed while it waits for its place is not late for that", async () => {
  const slow = slowAgent();
  const rig = await openLife({ agent: slow.agent, limits: { concurrentTurns: 2, turnTimeoutMs: HOUR_MS } });
  const schedule = { at: rig.clock.now() + MINUTE_MS };
  for (let n = 0; n < 4; n += 1) await addJob(rig, { id: `first${n}`, schedule });
  const waits = { id: "job", message: "tick", schedule: { at: schedule.at + SECOND_MS }, missed: "skip" } as const;
  await addJob(rig, waits);
  await rig.clock.advance(4 * MINUTE_MS);
  expect((await rig.settled(rig.loop.job("job"))).state).toBe("waitingForSlot");
  await rig.settled(rig.loop.addCronJob({ ...waits, name: "bread" }, { keepsState: true }));
  await rig.clock.advance(MINUTE_MS);
  for (let n = 0; n < 5; n += 1) {
    slow.finish();
    await rig.clock.advance(MINUTE_MS);
  }
  expect(await runsOf(rig)).toMatchObject([{ status: "succeeded", trigger: "schedule" }]);
});

it("a job whose row cannot be read is not run by hand either", async () => {
  const rig = await openLife();
  await addJob(rig);
  const job = await rig.store.jobs.get("job");
  await rig.store.jobs.put({ ...job!, message: "", status: "completed", nextAtMs: undefined, startAtMs: undefined, isUnreadable: true });
  await expect(rig.settled(rig.loop.runJob("job"))).rejects.toMatchObject({ code: "WRONG_STATE" });
  expect(await runsOf(rig)).toEqual([]);
});
