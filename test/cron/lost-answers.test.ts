/** The store did what it was asked, and its answer was lost: nothing is done twice, and nothing is left. */
import { expect, it } from "vitest";
import { AmbiguousError, TerminalError, TransientError } from "../../src/core/errors.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf } from "./rig.ts";

/** The next call of a name fails, before or after it was done. */
function failing() {
  let wanted = "";
  let failed = 0;
  const look = (now: string, error: Error): void => {
    if (now !== wanted) return;
    wanted = "";
    failed += 1;
    throw error;
  };
  const store = createMemoryStore({
    before: (call) => look(`before ${call}`, new TransientError("STORE_UNAVAILABLE", "the disk is away")),
    after: (call) => look(`after ${call}`, new AmbiguousError("STORE_UNAVAILABLE", "the answer was lost")),
  });
  return {
    store,
    fail: (what: string) => {
      wanted = what;
    },
    failed: () => failed,
  };
}

it.each(["jobs.get", "jobs.claimInstant", "turns.commit"].flatMap((call) => [`before ${call}`, `after ${call}`]))(
  "%s: the instant runs once, is delivered once, and the job goes on",
  async (what) => {
    const { store, fail, failed } = failing();
    const rig = await openLife({ store });
    const fromMs = await addJob(rig, { deliver: { chats: ["api:me", "sim:7"] }, missed: "once" });
    await rig.clock.advance(HOUR_MS - SECOND_MS);
    fail(what);
    await rig.clock.advance(MINUTE_MS);
    expect(failed()).toBe(1);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m"]);
    expect(await rig.said("api:me")).toEqual(["re tick"]);
    expect(rig.platform.taken()).toHaveLength(1);
    expect(await runsOf(rig)).toMatchObject([{ delivery: "delivered" }]);
    await rig.clock.advance(3 * MINUTE_MS);
    expect((await rig.settled(rig.loop.job("job"))).state).toBe("scheduled");
    await rig.clock.advance(HOUR_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["succeeded +60m", "succeeded +120m"]);
  },
);

it.each(["before turns.fail", "after turns.fail"])("%s: one notice, one alert, and the job is switched off", async (what) => {
  const { store, fail, failed } = failing();
  const rig = await openLife({
    store,
    agent: async function* () {
      yield "";
      throw new TerminalError("AGENT_FAILED", "no key");
    },
  });
  await addJob(rig, { deliver: { chat: "sim:7" }, disableAfter: 2 });
  await rig.clock.advance(HOUR_MS - SECOND_MS);
  for (let hour = 0; hour < 3; hour += 1) {
    fail(what);
    await rig.clock.advance(HOUR_MS);
  }
  expect(failed()).toBe(2);
  expect((await runsOf(rig)).map((run) => run.status)).toEqual(["failed", "failed"]);
  expect(rig.platform.taken()).toHaveLength(2);
  expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ status: "disabled", state: "disabled" });
});

it.each(["before jobs.advance", "after jobs.advance"])("%s: what was missed is recorded once", async (what) => {
  const { store, fail, failed } = failing();
  const first = await openLife({ store });
  const fromMs = await addJob(first, { missed: "skip" });
  store.crash();
  fail(what);
  const second = await openLife({ store, atMs: fromMs + 3.5 * HOUR_MS });
  await second.clock.advance(MINUTE_MS);
  expect(failed()).toBe(1);
  expect(await linesOf(second, fromMs)).toEqual(["missed 3 × +60m…+180m"]);
  await second.clock.advance(HOUR_MS);
  expect(await linesOf(second, fromMs)).toEqual(["missed 3 × +60m…+180m", "succeeded +240m"]);
});
