/** What people and programs do with jobs: add, pause, run by hand, look. */
import { describe, expect, it } from "vitest";
import type { CronJobInput } from "../../src/runtime/job-api.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf, slowAgent } from "./rig.ts";

describe("adding a job", () => {
  it.each<readonly [Partial<CronJobInput>, string, string]>([
    [{ id: "a\nb" }, "BAD_CHAT_KEY", "id"],
    [{ message: "" }, "BAD_CONTENT", "message"],
    [{ schedule: { cron: "61 * * * *" } }, "BAD_SCHEDULE", "schedule"],
    [{ schedule: { cron: "* * * * *", timezone: "Mars/Base" } }, "BAD_SCHEDULE", "schedule"],
    [{ schedule: { every: "10ms" } }, "BAD_SCHEDULE", "schedule"],
    [{ schedule: { at: "2020-01-01T00:00:00Z" } }, "BAD_SCHEDULE", "schedule"],
    [{ schedule: { cron: "0 0 0 1 1 * 2020" } }, "BAD_SCHEDULE", "schedule"],
    [{ until: "2020-01-01T00:00:00Z" }, "BAD_SCHEDULE", "schedule"],
    [{ until: "soon" }, "BAD_SCHEDULE", "until"],
    [{ session: "chat" }, "BAD_REQUEST", "session"],
    [{ deliver: { chat: "nonsense" } }, "BAD_CHAT_KEY", "deliver.chat"],
    [{ deliver: { chats: Array.from({ length: 21 }, (_, n) => `api:${n}`) } }, "BAD_REQUEST", "deliver.chats"],
    [{ missed: "never" as never }, "BAD_REQUEST", "missed"],
    [{ overlap: "maybe" as never }, "BAD_REQUEST", "overlap"],
    [{ missedMax: 0 }, "BAD_REQUEST", "missedMax"],
    [{ retry: { attempts: 1.5 } }, "BAD_REQUEST", "retry.attempts"],
    [{ timeout: "3d" }, "BAD_REQUEST", "timeout"],
    [{ stagger: "-1s" }, "BAD_DURATION", "stagger"],
    [{ maxRuns: 0 }, "BAD_REQUEST", "maxRuns"],
    [{ name: "n".repeat(201) }, "BAD_REQUEST", "name"],
  ])("refuses %j with its place, and stores nothing", async (input, code, path) => {
    const { loop, settled, store } = await openLife();
    const job = { id: "job", message: "tick", schedule: { every: "1h" }, ...input };
    await expect(settled(loop.addCronJob(job))).rejects.toMatchObject({ code, path });
    expect((await store.jobs.list({ limit: 10 })).items).toEqual([]);
  });

  it("replaces one of the same id, unless it is to be new", async () => {
    const rig = await openLife();
    await addJob(rig, { message: "first" });
    await expect(addJob(rig, { message: "second" })).resolves.toBeDefined();
    const third = { id: "job", message: "third", schedule: { every: "1h" } };
    await expect(rig.settled(rig.loop.addCronJob(third, { isNew: true }))).rejects.toMatchObject({ code: "JOB_EXISTS", path: "id" });
    expect((await rig.settled(rig.loop.job("job"))).message).toBe("second");
  });

  it("is limited per chat", async () => {
    const rig = await openLife({ limits: { jobsPerChat: 2 } });
    for (const id of ["a", "b"]) await addJob(rig, { id, owner: "api:me" });
    await expect(addJob(rig, { id: "c", owner: "api:me" })).rejects.toMatchObject({ code: "JOBS_FULL" });
    await addJob(rig, { id: "c", owner: "api:you" });
    await rig.settled(rig.loop.removeCronJob("a"));
    await addJob(rig, { id: "d", owner: "api:me" });
    const own = await rig.settled(rig.loop.jobs({ limit: 10 }, { owner: "api:me" }));
    expect(own.items.map((job) => job.id)).toEqual(["b", "d"]);
  });
});

describe("looking at a job", () => {
  it("tells its next three instants, its zone and its last run, and moves nothing", async () => {
    const rig = await openLife();
    await addJob(rig, { schedule: { cron: "0 9 * * *", timezone: "Europe/Paris" }, stagger: "10m" });
    await rig.clock.advance(DAY_MS);
    const before = await rig.store.jobs.get("job");
    const view = await rig.settled(rig.loop.job("job"));
    expect(view).toMatchObject({ state: "scheduled", timezone: "Europe/Paris", lastRun: { status: "succeeded" } });
    expect(view.next.map(({ atMs }) => new Date(atMs).toISOString())).toEqual([
      "2026-01-02T08:00:00.000Z",
      "2026-01-03T08:00:00.000Z",
      "2026-01-04T08:00:00.000Z",
    ]);
    for (const { atMs, startAtMs } of view.next) expect(startAtMs - atMs).toBe(view.staggerByMs);
    expect(view.why).toMatch(/^Waits for its next instant, which starts in .*\.$/);
    for (let count = 0; count < 3; count += 1) await rig.settled(rig.loop.jobs());
    await rig.settled(rig.loop.planJob("job"));
    expect(await rig.store.jobs.get("job")).toEqual(before);
  });

  it("says what is wrong with an id that no job has", async () => {
    const { loop, settled } = await openLife();
    for (const ask of [loop.job, loop.pauseJob, loop.resumeJob, loop.runJob, loop.planJob])
      await expect(settled<unknown>(ask("nobody"))).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
    expect(await settled(loop.removeCronJob("nobody"))).toBe(false);
    expect(await settled(loop.jobRuns("nobody"))).toEqual({ items: [], next: undefined });
  });
});

describe("a paused job", () => {
  it("runs nothing, records what passed once it goes on, and keeps its pause over a restart", async () => {
    const store = createMemoryStore();
    const first = await openLife({ store });
    const fromMs = await addJob(first);
    expect(await first.settled(first.loop.pauseJob("job"))).toMatchObject({ status: "paused", state: "paused", next: [], why: "Paused." });
    await first.clock.advance(90 * MINUTE_MS);
    store.crash();
    const second = await openLife({ store, atMs: fromMs + 2.5 * HOUR_MS });
    await second.clock.advance(HOUR_MS);
    expect(await runsOf(second)).toEqual([]);
    const resumed = await second.settled(second.loop.resumeJob("job"));
    expect(resumed).toMatchObject({ status: "active", next: [{ atMs: fromMs + 4 * HOUR_MS }, {}, {}] });
    await second.clock.advance(HOUR_MS);
    expect(await linesOf(second, fromMs)).toEqual(["skipped 3 × +60m…+180m", "succeeded +240m"]);
    expect((await runsOf(second))[0]?.error?.code).toBe("JOB_PAUSED");
  });

  it("that is resumed before its instant has lost nothing", async () => {
    const rig = await openLife();
    const fromMs = await addJob(rig);
    await rig.settled(rig.loop.pauseJob("job"));
    await rig.settled(rig.loop.pauseJob("job"));
    await rig.clock.advance(30 * MINUTE_MS);
    await rig.settled(rig.loop.resumeJob("job"));
    await rig.settled(rig.loop.resumeJob("job"));
    await rig.clock.advance(HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m"]);
  });

  it("is completed when its only instant passed meanwhile", async () => {
    const rig = await openLife();
    const fromMs = await addJob(rig, { schedule: { at: "in 1h" } });
    await rig.settled(rig.loop.pauseJob("job"));
    await rig.clock.advance(2 * HOUR_MS);
    expect(await rig.settled(rig.loop.resumeJob("job"))).toMatchObject({ status: "completed", state: "completed" });
    expect(await linesOf(rig, fromMs)).toEqual(["skipped +60m"]);
  });

  it("lets the run under way come to its end", async () => {
    const { agent, finish } = slowAgent();
    const rig = await openLife({ agent });
    const fromMs = await addJob(rig);
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await rig.settled(rig.loop.pauseJob("job"))).toMatchObject({ status: "paused", state: "running" });
    finish();
    await rig.clock.advance(SECOND_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m"]);
    expect((await rig.settled(rig.loop.job("job"))).state).toBe("paused");
  });
});

describe("a run by hand", () => {
  it("runs now, at an instant of its own, and leaves the schedule where it is", async () => {
    const rig = await openLife();
    await addJob(rig, { deliver: { chat: "api:me" } });
    await rig.clock.advance(10 * MINUTE_MS);
    const before = await rig.store.jobs.get("job");
    const plan = await rig.settled(rig.loop.planJob("job"));
    expect(plan).toMatchObject({ would: "run", chat: "cron:job", message: "tick", deliverTo: ["api:me"] });
    const nowMs = rig.clock.now();
    const run = await rig.settled(rig.loop.runJob("job"));
    expect(run).toMatchObject({ trigger: "hand", status: "running", instantMs: nowMs });
    await rig.clock.advance(SECOND_MS);
    expect(await rig.said("api:me")).toEqual(["re tick"]);
    expect(await runsOf(rig)).toMatchObject([{ trigger: "hand", status: "succeeded", delivery: "delivered" }]);
    expect(await rig.store.jobs.get("job")).toEqual(before);
    expect((await rig.settled(rig.loop.job("job"))).state).toBe("scheduled");
  });

  it("is possible for a paused and for a completed job", async () => {
    const rig = await openLife();
    await addJob(rig, { schedule: { at: "in 1m" } });
    await rig.clock.advance(2 * MINUTE_MS);
    await rig.settled(rig.loop.runJob("job"));
    await addJob(rig, { id: "other" });
    await rig.settled(rig.loop.pauseJob("other"));
    await rig.settled(rig.loop.runJob("other"));
    await rig.clock.advance(SECOND_MS);
    expect((await runsOf(rig)).map((run) => run.status)).toEqual(["succeeded", "succeeded"]);
    expect((await runsOf(rig, "other")).map((run) => run.status)).toEqual(["succeeded"]);
    expect((await rig.settled(rig.loop.job("other"))).state).toBe("paused");
  });

  it("keeps to the overlap policy", async () => {
    const { agent } = slowAgent();
    const rig = await openLife({ agent });
    await addJob(rig, { overlap: "skip" });
    await rig.settled(rig.loop.runJob("job"));
    await rig.clock.advance(SECOND_MS);
    expect(await rig.settled(rig.loop.planJob("job"))).toMatchObject({ would: "skip", job: { state: "running" } });
    expect(await rig.settled(rig.loop.runJob("job"))).toMatchObject({ status: "skipped", error: { code: "RUN_OVERLAPS" } });
  });
});

it("names the next instants of any schedule", async () => {
  const { loop } = await openLife();
  const fromMs = Date.UTC(2026, 0, 1);
  expect(loop.nextInstants({ every: "10m" }, fromMs, 2)).toEqual([fromMs + 10 * MINUTE_MS, fromMs + 20 * MINUTE_MS]);
  expect(loop.nextInstants({ cron: "@daily", timezone: "UTC" }, fromMs, 2)).toEqual([fromMs + DAY_MS, fromMs + 2 * DAY_MS]);
  expect(loop.nextInstants({ kind: "at", atMs: fromMs + 1 }, fromMs, 9)).toEqual([fromMs + 1]);
  expect(loop.nextInstants({ cron: "* * * * * *", timezone: "UTC" }, fromMs, 5_000)).toHaveLength(1_000);
  expect(() => loop.nextInstants({ cron: "nonsense" }, fromMs, 1)).toThrow(expect.objectContaining({ code: "BAD_SCHEDULE" }) as Error);
});
