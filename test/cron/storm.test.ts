/** Very many jobs due at the same second: what people notice, and what it costs. In counts, since time is the machine's. */
import { expect, it } from "vitest";
import type { JobRecord } from "../../src/ports/store/job-records.ts";
import type { Schedule } from "../../src/ports/store/records.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { job } from "../../src/testing/store-rows.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS, openLife } from "./rig.ts";

const JOBS = 3_000;

it("never makes a person wait for a job, and runs each job once", async () => {
  const slots = 8;
  let running = 0;
  let jobsBegun = 0;
  let mostJobs = 0;
  /** Turns of jobs that began between the arrival of a message and the beginning of its turn. */
  const ahead: number[] = [];
  const arrivals = new Map<string, number>();
  const rig = await openLife({
    limits: { concurrentTurns: slots },
    agent: async function* (turn) {
      if (turn.trigger === "interactive") ahead.push(jobsBegun - (arrivals.get(turn.messages[0]?.text ?? "") ?? Number.NaN));
      else {
        jobsBegun += 1;
        running += 1;
        mostJobs = Math.max(mostJobs, running);
      }
      await new Promise<void>((resolve) => void rig.clock.setTimer(200, resolve));
      if (turn.trigger !== "interactive") running -= 1;
      yield "done";
    },
  });
  const at = rig.clock.now() + MINUTE_MS;
  for (let place = 0; place < JOBS; place += 1) await rig.store.jobs.put(once(`job-${place}`, at));
  await rig.clock.advance(MINUTE_MS + SECOND_MS);
  expect(jobsBegun).toBeGreaterThan(10);
  for (let place = 0; place < 50; place += 1) {
    arrivals.set(`m${place}`, jobsBegun);
    rig.post(`m${place}`, `u${place}`, `sim:${place}`);
    await rig.clock.advance(100);
    // What waits costs no row, no turn and no actor beyond a bounded number.
    const status = await rig.settled(rig.loop.status());
    expect(status.queue.running).toBeLessThanOrEqual(slots);
    expect(status.chats.live).toBeLessThanOrEqual(50 + 2 * slots + JOBS);
    const { items } = await rig.store.jobs.list({ limit: 1_000 });
    const underWay = await rig.store.jobs.underWay(items.map((job) => job.id));
    expect(underWay.length).toBeLessThanOrEqual(2 * slots);
  }
  expect(ahead).toHaveLength(50);
  // Nobody: the slots that are kept for people were free.
  expect(Math.max(...ahead)).toBeLessThanOrEqual(1);
  expect(mostJobs).toBe(6);
  await rig.clock.advance(10 * MINUTE_MS);
  expect(jobsBegun).toBe(JOBS);
  const all = await Promise.all(Array.from({ length: JOBS }, (_, place) => rig.store.jobs.runs(`job-${place}`, { limit: 5 })));
  for (const { items } of all) expect(items).toMatchObject([{ status: "succeeded", trigger: "schedule", instantMs: at }]);
}, 120_000);

it("keeps a bounded number of actors, however many jobs are due", async () => {
  const rig = await openLife({
    limits: { concurrentTurns: 2 },
    agent: async function* () {
      await new Promise<void>((resolve) => void rig.clock.setTimer(HOUR_MS, resolve));
      yield "done";
    },
  });
  const at = rig.clock.now() + MINUTE_MS;
  for (let place = 0; place < JOBS; place += 1) await rig.store.jobs.put(once(`job-${place}`, at));
  await rig.clock.advance(2 * MINUTE_MS);
  let live = 0;
  let cursor: string | undefined;
  do {
    const page = await rig.settled(rig.loop.jobs({ limit: 500, cursor }));
    live += page.items.filter((job) => job.state !== "scheduled").length;
    cursor = page.next;
  } while (cursor !== undefined);
  expect(live).toBeLessThanOrEqual(100 + 4);
  expect(live).toBeGreaterThan(50);
});

it("is not held up by a job whose schedule nobody can read", async () => {
  const store = createMemoryStore();
  const rig = await openLife({ store });
  const at = rig.clock.now() + MINUTE_MS;
  await store.jobs.put(once("broken", at, { kind: "cron", expression: "nonsense", timezone: "UTC" }));
  await store.jobs.put(once("sound", at));
  await rig.clock.advance(5 * MINUTE_MS);
  expect((await store.jobs.runs("sound", { limit: 5 })).items).toMatchObject([{ status: "succeeded" }]);
  expect((await store.jobs.runs("broken", { limit: 5 })).items).toEqual([]);
  expect(rig.lines.filter((line) => line.includes("cannot be read"))).toHaveLength(1);
});

/** A job that runs once. */
function once(id: string, at: number, schedule: Schedule = { kind: "at", atMs: at }): JobRecord {
  return job({ id, chat: `cron:${id}`, schedule, nextAtMs: at, startAtMs: at });
}
