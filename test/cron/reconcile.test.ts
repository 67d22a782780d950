/** Jobs of the configuration: what a start or a reload makes of those that are stored. */
import { expect, it } from "vitest";
import type { CronJobInput } from "../../src/runtime/job-api.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf, slowAgent } from "./rig.ts";

const job = (id: string, overrides: Partial<CronJobInput> = {}): CronJobInput => ({
  id,
  message: "tick",
  schedule: { every: "1h" },
  ...overrides,
});

it("adds, changes and removes what is the configuration's, and leaves the rest alone", async () => {
  const rig = await openLife();
  await addJob(rig, { id: "mine" });
  expect(await rig.settled(rig.loop.reconcileJobs([job("a"), job("b"), job("c")]))).toEqual({
    added: ["a", "b", "c"],
    changed: [],
    removed: [],
    unchanged: [],
  });
  expect(await rig.settled(rig.loop.reconcileJobs([job("b", { message: "tock" }), job("c"), job("d")]))).toEqual({
    added: ["d"],
    changed: ["b"],
    removed: ["a"],
    unchanged: ["c"],
  });
  const { items } = await rig.settled(rig.loop.jobs());
  expect(items.map(({ id, origin, message }) => `${id} ${origin} ${message}`)).toEqual([
    "b config tock",
    "c config tick",
    "d config tick",
    "mine library tick",
  ]);
});

it("keeps anchor, pause, counts and history of a job over restarts", async () => {
  const store = createMemoryStore();
  const first = await openLife({ store });
  await first.settled(first.loop.reconcileJobs([job("job")]));
  await first.clock.advance(2.5 * HOUR_MS);
  const before = await store.jobs.get("job");
  store.crash();
  const second = await openLife({ store, atMs: before!.nextAtMs! - 10 * MINUTE_MS });
  expect(await second.settled(second.loop.reconcileJobs([job("job")]))).toMatchObject({ unchanged: ["job"] });
  expect(await store.jobs.get("job")).toEqual(before);
  await second.settled(second.loop.pauseJob("job"));
  expect(await second.settled(second.loop.reconcileJobs([job("job", { message: "tock" })]))).toMatchObject({ changed: ["job"] });
  expect(await second.settled(second.loop.job("job"))).toMatchObject({
    status: "paused",
    message: "tock",
    runs: 2,
    nextAtMs: before!.nextAtMs,
    schedule: before!.schedule,
  });
  expect(await runsOf(second)).toHaveLength(2);
});

it("computes a new instant for a changed schedule, from now", async () => {
  const rig = await openLife();
  await rig.settled(rig.loop.reconcileJobs([job("job")]));
  await rig.clock.advance(30 * MINUTE_MS);
  await rig.settled(rig.loop.reconcileJobs([job("job", { schedule: { cron: "45 * * * *", timezone: "UTC" } })]));
  const [next] = (await rig.settled(rig.loop.job("job"))).next;
  expect(new Date(next!.atMs).toISOString()).toBe("2026-01-01T00:45:00.000Z");
  await rig.clock.advance(20 * MINUTE_MS);
  expect(await runsOf(rig)).toMatchObject([{ instantMs: next!.atMs, status: "succeeded" }]);
});

it("changes nothing when one of them is wrong", async () => {
  const rig = await openLife();
  await rig.settled(rig.loop.reconcileJobs([job("a")]));
  for (const [wrong, code] of [
    [job("b", { schedule: { cron: "61 * * * *" } }), "BAD_SCHEDULE"],
    [job("b", { schedule: { at: "in 20m" } }), "BAD_SCHEDULE"],
    [job("a2\u0000"), "BAD_CHAT_KEY"],
    [job("c"), "BAD_REQUEST"],
  ] as const)
    await expect(rig.settled(rig.loop.reconcileJobs([job("c"), wrong]))).rejects.toMatchObject({ code });
  expect((await rig.settled(rig.loop.jobs())).items.map(({ id }) => id)).toEqual(["a"]);
});

it("takes an instant that has passed as done, not as a mistake", async () => {
  const store = createMemoryStore();
  const first = await openLife({ store });
  const at = first.clock.now() + HOUR_MS;
  await first.settled(first.loop.reconcileJobs([job("job", { schedule: { at } })]));
  await first.clock.advance(2 * HOUR_MS);
  store.crash();
  const second = await openLife({ store, atMs: at + 5 * HOUR_MS });
  expect(
    await second.settled(second.loop.reconcileJobs([job("job", { schedule: { at } }), job("late", { schedule: { at } })])),
  ).toMatchObject({ unchanged: ["job"], added: ["late"] });
  await second.clock.advance(HOUR_MS);
  expect(await runsOf(second)).toHaveLength(1);
  expect(await second.settled(second.loop.job("late"))).toMatchObject({ status: "completed", next: [] });
  expect(second.lines.join("\n")).toContain("has no instant left");
});

it("lets a run go on whose job is removed, and tells its chats as it was to", async () => {
  const { agent, finish } = slowAgent();
  const rig = await openLife({ agent });
  await rig.settled(rig.loop.reconcileJobs([job("job", { deliver: { chat: "api:me" } })]));
  const fromMs = rig.clock.now();
  await rig.clock.advance(HOUR_MS + SECOND_MS);
  expect(await rig.settled(rig.loop.reconcileJobs([]))).toMatchObject({ removed: ["job"] });
  finish("the last word");
  await rig.clock.advance(3 * HOUR_MS);
  expect(await rig.said("api:me")).toEqual(["the last word"]);
  expect(await linesOf(rig, fromMs)).toHaveLength(1);
  expect(await runsOf(rig)).toMatchObject([{ status: "succeeded", delivery: "delivered" }]);
});
