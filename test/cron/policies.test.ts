/** What a job does when its instants meet a run that is not over, fail, last too long, or come to an end. */
import { describe, expect, it } from "vitest";
import { TerminalError } from "../../src/core/errors.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf, slowAgent } from "./rig.ts";

describe("an instant that comes while a run is under way", () => {
  it("is recorded as skipped", async () => {
    const { agent, finish, begun } = slowAgent();
    const rig = await openLife({ agent, limits: { turnTimeoutMs: 10 * HOUR_MS } });
    const fromMs = await addJob(rig, { overlap: "skip" });
    await rig.clock.advance(2.5 * HOUR_MS);
    expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ state: "running", lastRun: { status: "skipped" } });
    finish();
    await rig.clock.advance(HOUR_MS);
    finish();
    await rig.clock.advance(MINUTE_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m", "skipped +120m", "succeeded +180m"]);
    expect(begun()).toBe(2);
    expect((await runsOf(rig))[1]?.error?.code).toBe("RUN_OVERLAPS");
  });

  it("waits in the inbox of the job", async () => {
    const { agent, finish } = slowAgent();
    const rig = await openLife({ agent, limits: { turnTimeoutMs: 10 * HOUR_MS } });
    const fromMs = await addJob(rig, { overlap: "queue" });
    await rig.clock.advance(3.5 * HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["running +60m", "running +120m", "running +180m"]);
    for (let count = 0; count < 3; count += 1) {
      finish();
      await rig.clock.advance(SECOND_MS);
    }
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m", "succeeded +120m", "succeeded +180m"]);
    expect((await rig.settled(rig.loop.job("job"))).state).toBe("scheduled");
  });

  it("takes its place", async () => {
    const { agent, finish, begun } = slowAgent();
    const rig = await openLife({ agent, limits: { turnTimeoutMs: 10 * HOUR_MS } });
    const fromMs = await addJob(rig, { overlap: "replace", deliver: { chat: "api:me" } });
    await rig.clock.advance(2.5 * HOUR_MS);
    finish("the newest");
    await rig.clock.advance(SECOND_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["replaced +60m", "succeeded +120m"]);
    expect(begun()).toBe(2);
    expect(await rig.said("api:me")).toEqual(["the newest"]);
  });

  it("is skipped when the inbox of the job is full", async () => {
    const { agent } = slowAgent();
    const rig = await openLife({ agent, limits: { turnTimeoutMs: 100 * HOUR_MS, inboxPerChat: 2 } });
    const fromMs = await addJob(rig, { overlap: "queue" });
    await rig.clock.advance(3.5 * HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["running +60m", "running +120m", "skipped +180m"]);
    expect((await runsOf(rig))[2]?.error?.code).toBe("INBOX_FULL");
  });
});

describe("a run that fails", () => {
  it("is tried as often as its job says, after the waits that its job says", async () => {
    const starts: number[] = [];
    const rig = await openLife({
      agent: async function* () {
        starts.push(rig.clock.now());
        yield "";
        throw new Error("no");
      },
    });
    const fromMs = await addJob(rig, { schedule: { every: "1d" }, retry: { attempts: 3, backoff: "10m" } });
    await rig.clock.advance(24 * HOUR_MS + 5 * MINUTE_MS);
    expect((await rig.settled(rig.loop.job("job"))).state).toBe("retrying");
    await rig.clock.advance(HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["failed +1440m"]);
    expect(starts).toHaveLength(3);
    // Between half and the whole of 10 and 20 minutes.
    expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThanOrEqual(5 * MINUTE_MS);
    expect((starts[2] ?? 0) - (starts[1] ?? 0)).toBeGreaterThanOrEqual(10 * MINUTE_MS);
    expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ state: "scheduled", failures: 1 });
  });

  it("is not tried again when no repetition can help", async () => {
    const rig = await openLife({
      agent: async function* () {
        yield "";
        throw new TerminalError("AGENT_FAILED", "never");
      },
    });
    const fromMs = await addJob(rig, { retry: { attempts: 5 } });
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["failed +60m"]);
  });

  it("ends an attempt at the timeout of the job, shorter or longer than that of other turns", async () => {
    for (const timeoutMs of [MINUTE_MS, 20 * MINUTE_MS]) {
      const { agent } = slowAgent();
      const rig = await openLife({ agent, limits: { turnTimeoutMs: 5 * MINUTE_MS } });
      const fromMs = await addJob(rig, { timeout: timeoutMs, retry: { attempts: 1 } });
      await rig.clock.advance(HOUR_MS + timeoutMs - SECOND_MS);
      expect(await linesOf(rig, fromMs)).toEqual(["running +60m"]);
      await rig.clock.advance(2 * SECOND_MS);
      expect(await runsOf(rig)).toMatchObject([{ status: "failed", error: { code: "AGENT_TIMEOUT" } }]);
    }
  });

  it("ends an attempt of a job without a timeout like any other turn", async () => {
    const { agent } = slowAgent();
    const rig = await openLife({ agent, limits: { turnTimeoutMs: 5 * MINUTE_MS } });
    await addJob(rig, { retry: { attempts: 1 } });
    await rig.clock.advance(HOUR_MS + 5 * MINUTE_MS + SECOND_MS);
    expect(await runsOf(rig)).toMatchObject([{ status: "failed", error: { code: "AGENT_TIMEOUT" } }]);
  });
});

describe("a job that keeps failing", () => {
  const broken = async function* (): AsyncGenerator<string> {
    yield "";
    throw new TerminalError("AGENT_FAILED", "the key is gone");
  };

  it("is switched off with one alert, and goes on once a person says so", async () => {
    let isBroken = true;
    const rig = await openLife({
      agent: async function* () {
        if (isBroken) yield* broken();
        yield "well";
      },
    });
    const fromMs = await addJob(rig, { disableAfter: 3, deliver: { chat: "api:me" } });
    await rig.clock.advance(10 * HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["failed +60m", "failed +120m", "failed +180m"]);
    const said = await rig.said("api:me");
    expect(said).toHaveLength(3);
    expect(said[1]).toContain('The cron job "job" failed: the key is gone');
    expect(said[2]).toContain("switched off after 3 failed runs in a row");
    expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ status: "disabled", state: "disabled", next: [], failures: 3 });
    isBroken = false;
    const resumed = await rig.settled(rig.loop.resumeJob("job"));
    expect(resumed).toMatchObject({ status: "active", failures: 0, next: [{ atMs: fromMs + 11 * HOUR_MS }, {}, {}] });
    await rig.clock.advance(HOUR_MS);
    expect((await linesOf(rig, fromMs)).slice(3)).toEqual(["skipped 7 × +240m…+600m", "succeeded +660m"]);
  });

  it("tells its owner when nobody else would hear", async () => {
    const rig = await openLife({ agent: broken });
    await addJob(rig, { disableAfter: 2, owner: "api:owner", origin: "chat" });
    await rig.clock.advance(5 * HOUR_MS);
    const said = await rig.said("api:owner");
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("switched off");
  });

  it("is never switched off with disableAfter 0", async () => {
    const rig = await openLife({ agent: broken });
    await addJob(rig, { disableAfter: 0 });
    await rig.clock.advance(15.5 * HOUR_MS);
    expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ status: "active", failures: 15 });
  });

  it("goes on counting from nought after a success", async () => {
    let runs = 0;
    const rig = await openLife({
      agent: async function* () {
        runs += 1;
        if (runs % 2 === 1) yield* broken();
        yield "well";
      },
    });
    await addJob(rig, { disableAfter: 2 });
    await rig.clock.advance(9.5 * HOUR_MS);
    expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ status: "active", failures: 1 });
  });
});

describe("the start of an instant", () => {
  it("is later by a part of the stagger that follows from the id, and shown", async () => {
    const rig = await openLife();
    const offsets: number[] = [];
    for (const id of ["a", "b", "c", "d"]) {
      const job = await rig.settled(
        rig.loop.addCronJob({ id, message: "tick", schedule: { cron: "0 * * * *", timezone: "UTC" }, stagger: "30m" }),
      );
      offsets.push(job.staggerByMs);
      expect(job.next[0]!.startAtMs - job.next[0]!.atMs).toBe(job.staggerByMs);
    }
    expect(new Set(offsets).size).toBe(4);
    for (const offset of offsets) expect(offset).toBeLessThan(30 * MINUTE_MS);
    await rig.clock.advance(2 * HOUR_MS);
    for (const [place, id] of ["a", "b", "c", "d"].entries()) {
      const [run] = await runsOf(rig, id);
      expect((run?.instantMs ?? 1) % HOUR_MS).toBe(0);
      expect((run?.startedAtMs ?? 0) - (run?.instantMs ?? 0)).toBe(offsets[place]);
    }
  });

  it("is later by a jitter that is drawn anew, and survives the process", async () => {
    const store = createMemoryStore();
    const rig = await openLife({ store });
    await addJob(rig, { jitter: "10m" });
    const delays: number[] = [];
    for (let hour = 0; hour < 6; hour += 1) await rig.clock.advance(HOUR_MS);
    for (const run of await runsOf(rig)) delays.push(run.startedAtMs - run.instantMs);
    expect(new Set(delays).size).toBeGreaterThan(3);
    expect(Math.max(...delays)).toBeLessThan(10 * MINUTE_MS);
    const before = await rig.settled(rig.loop.job("job"));
    store.crash();
    const next = await openLife({ store, atMs: before.nextAtMs! + 1 });
    expect((await next.settled(next.loop.job("job"))).startAtMs).toBe(before.startAtMs);
    await next.clock.advance(10 * MINUTE_MS);
    expect((await runsOf(next)).at(-1)).toMatchObject({ instantMs: before.nextAtMs, startedAtMs: before.startAtMs, trigger: "schedule" });
  });
});

describe("a job that ends", () => {
  it("runs as often as it may, and is completed", async () => {
    const rig = await openLife();
    const fromMs = await addJob(rig, { maxRuns: 2 });
    expect((await rig.settled(rig.loop.job("job"))).next).toHaveLength(2);
    await rig.clock.advance(5 * HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m", "succeeded +120m"]);
    expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ status: "completed", state: "completed", runs: 2, next: [] });
  });

  it("does not count what was skipped towards the runs it may have", async () => {
    const { agent, finish } = slowAgent();
    const rig = await openLife({ agent, limits: { turnTimeoutMs: 10 * HOUR_MS } });
    const fromMs = await addJob(rig, { maxRuns: 2, overlap: "skip" });
    await rig.clock.advance(2.5 * HOUR_MS);
    finish();
    await rig.clock.advance(HOUR_MS);
    finish();
    await rig.clock.advance(2 * HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m", "skipped +120m", "succeeded +180m"]);
  });

  it("has no instant after until", async () => {
    const rig = await openLife();
    const fromMs = await addJob(rig, { until: rig.clock.now() + 2 * HOUR_MS });
    expect((await rig.settled(rig.loop.job("job"))).next).toHaveLength(2);
    await rig.clock.advance(5 * HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m", "succeeded +120m"]);
    expect((await rig.settled(rig.loop.job("job"))).status).toBe("completed");
  });

  it("runs once at an instant, or so long from now", async () => {
    const rig = await openLife();
    const fromMs = await addJob(rig, { schedule: { at: "in 20m" } });
    await rig.clock.advance(HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +20m"]);
    await expect(rig.settled(rig.loop.pauseJob("job"))).rejects.toMatchObject({ code: "WRONG_STATE" });
    await expect(rig.settled(rig.loop.resumeJob("job"))).rejects.toMatchObject({ code: "WRONG_STATE" });
  });
});
