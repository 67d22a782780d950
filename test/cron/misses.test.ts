/** A daemon that was down: what runs, and what is recorded. */
import { expect, it } from "vitest";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { missesTable, tableOfPage } from "./misses-table.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf } from "./rig.ts";

it("stands in docs/cron.md as it is", async () => {
  expect(tableOfPage(), "run `node --import tsx test/cron/misses-table.ts --write`").toBe(await missesTable());
}, 60_000);

it("counts an instant as on time that the next process sees within a minute", async () => {
  const store = createMemoryStore();
  const first = await openLife({ store });
  const fromMs = await addJob(first, { missed: "skip" });
  await first.clock.advance(59 * MINUTE_MS);
  store.crash();
  await openLife({ store, atMs: fromMs + HOUR_MS + 40 * SECOND_MS });
  expect(await runsOf({ store })).toMatchObject([{ instantMs: fromMs + HOUR_MS, trigger: "schedule", status: "succeeded" }]);
});

it("keeps to the anchor of an interval, however long the process was down", async () => {
  const store = createMemoryStore();
  const first = await openLife({ store });
  const fromMs = await addJob(first, { schedule: { every: "7m" }, missed: "once" });
  store.crash();
  const second = await openLife({ store, atMs: fromMs + 10 * DAY_MS + 3 * MINUTE_MS });
  await second.clock.advance(30 * MINUTE_MS);
  const runs = await runsOf({ store });
  expect(runs.length).toBeGreaterThanOrEqual(5);
  for (const run of runs) expect((run.instantMs - fromMs) % (7 * MINUTE_MS)).toBe(0);
});

it("stops counting at a thousand instants, and begins no loop over them", async () => {
  const store = createMemoryStore();
  const first = await openLife({ store });
  const fromMs = await addJob(first, { schedule: { cron: "* * * * * *", timezone: "UTC" }, missed: "skip" });
  store.crash();
  const second = await openLife({ store, atMs: fromMs + 400 * DAY_MS });
  await second.clock.advance(500);
  const [missed] = await runsOf({ store });
  expect(missed).toMatchObject({ status: "missed", count: 1_000 });
  expect((missed?.instantMs ?? 0) - (missed?.firstMs ?? 0)).toBeGreaterThan(399 * DAY_MS);
});

it("runs missed instants of one job one after the other, whatever its overlap policy", async () => {
  for (const overlap of ["skip", "queue", "replace"] as const) {
    const store = createMemoryStore();
    const first = await openLife({ store });
    const fromMs = await addJob(first, { missed: "all", overlap });
    store.crash();
    let running = 0;
    const second = await openLife({
      store,
      atMs: fromMs + 3.5 * HOUR_MS,
      agent: async function* (turn) {
        running += 1;
        expect(running).toBe(1);
        await turn.history();
        running -= 1;
        yield "done";
      },
    });
    await second.clock.advance(5 * MINUTE_MS);
    expect(await linesOf({ store }, fromMs)).toEqual(["succeeded +60m", "succeeded +120m", "succeeded +180m"]);
  }
});

it("lets what was missed in at the pace that is set, and what is on time at once", async () => {
  const store = createMemoryStore();
  const first = await openLife({ store });
  const fromMs = first.clock.now();
  const ids = Array.from({ length: 30 }, (_, place) => `late-${place}`);
  for (const id of ids) await first.settled(first.loop.addCronJob({ id, message: "tick", schedule: { at: fromMs + HOUR_MS } }));
  await first.settled(first.loop.addCronJob({ id: "on-time", message: "tick", schedule: { at: fromMs + 5 * HOUR_MS } }));
  store.crash();
  const second = await openLife({ store, atMs: fromMs + 5 * HOUR_MS - 500, limits: { catchUpPerSecond: 2 } });
  const startedMs = fromMs + 5 * HOUR_MS - 500;
  await second.clock.advance(20_000);
  const starts = (await Promise.all(ids.map(async (id) => (await runsOf({ store }, id))[0]?.startedAtMs ?? Number.NaN))).sort(
    (a, b) => a - b,
  );
  for (const [place, atMs] of starts.entries()) {
    expect(atMs - startedMs).toBeGreaterThanOrEqual(place * 500 - 60);
    expect(atMs - startedMs).toBeLessThanOrEqual(place * 500 + 200);
  }
  expect(await runsOf({ store }, "on-time")).toMatchObject([{ startedAtMs: fromMs + 5 * HOUR_MS, trigger: "schedule" }]);
});
