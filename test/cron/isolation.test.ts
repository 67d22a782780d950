/** What one job or its chat does to the others. */
import { describe, expect, it } from "vitest";
import type { Agent } from "../../src/ports/agent.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS, addJob, openLife, runsOf } from "./rig.ts";

/** Jobs named `slow…` never end; `fails…` fail for now; all others answer. */
const mixed: Agent = async function* (turn, { signal }) {
  const name = turn.chat.split(":")[1] ?? "";
  if (name.startsWith("fails")) throw new Error("no model");
  if (name.startsWith("slow"))
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true }));
  yield "done";
};

describe("a run by hand of a job that waits for its place", () => {
  it("holds up no other job, and takes no instant from it", async () => {
    const rig = await openLife({ agent: mixed, limits: { concurrentTurns: 2 } });
    const atMs = rig.clock.now() + MINUTE_MS;
    for (let n = 0; n < 4; n += 1) await addJob(rig, { id: `slow${n}`, schedule: { at: atMs }, timeout: "10m", retry: { attempts: 1 } });
    await addJob(rig, {
      id: "slow_hand",
      schedule: { at: atMs + SECOND_MS },
      timeout: "1h",
      overlap: "queue",
      missed: "skip",
      retry: { attempts: 1 },
    });
    await addJob(rig, { id: "other", schedule: { at: atMs + 2 * SECOND_MS } });
    await rig.clock.advance(MINUTE_MS + 5 * SECOND_MS);
    expect((await rig.settled(rig.loop.job("slow_hand"))).state).toBe("waitingForSlot");
    await rig.settled(rig.loop.runJob("slow_hand"));
    await rig.clock.advance(30 * MINUTE_MS);
    expect(await runsOf(rig, "other")).toHaveLength(1);
    await rig.clock.advance(3 * HOUR_MS);
    expect((await runsOf(rig, "slow_hand")).map(({ trigger, status }) => `${trigger} ${status}`).toSorted()).toEqual([
      "hand failed",
      "schedule failed",
    ]);
  });
});

it("a job that waits for its next attempt holds up no other", async () => {
  const rig = await openLife({ agent: mixed, limits: { concurrentTurns: 2 } });
  const atMs = rig.clock.now() + MINUTE_MS;
  for (let n = 0; n < 4; n += 1) await addJob(rig, { id: `fails${n}`, schedule: { at: atMs }, retry: { attempts: 3, backoff: "2h" } });
  await addJob(rig, { id: "other", schedule: { at: atMs + SECOND_MS } });
  await rig.clock.advance(10 * MINUTE_MS);
  expect(await runsOf(rig, "fails0")).toMatchObject([{ status: "running" }]);
  expect(await runsOf(rig, "other")).toMatchObject([{ status: "succeeded" }]);
});

it("a run that waits in a chat that was put aside holds up the others for minutes, not for ever", async () => {
  const rig = await openLife({ agent: mixed, limits: { concurrentTurns: 2 } });
  const atMs = rig.clock.now() + MINUTE_MS;
  for (let n = 0; n < 4; n += 1)
    await addJob(rig, { id: `slow${n}`, schedule: { at: atMs }, timeout: "5h", session: "chat", deliver: { chat: "api:slow" } });
  await addJob(rig, { id: "other", schedule: { at: atMs + SECOND_MS } });
  await rig.clock.advance(20 * MINUTE_MS);
  expect(await runsOf(rig, "other")).toMatchObject([{ status: "succeeded" }]);
});

describe("what is on time waits for no catch-up, however many jobs missed", () => {
  it.each([
    ["one instant of an hour ago", HOUR_MS, undefined],
    ["several of the last half minute", 30 * SECOND_MS, "5s"],
  ] as const)("%s", async (_, downMs, every) => {
    const store = createMemoryStore();
    const first = await openLife({ store });
    const atMs = first.clock.now() + MINUTE_MS;
    const ids = Array.from({ length: 300 }, (_unused, place) => `missed${place}`);
    const schedule = every === undefined ? { at: atMs } : { every, anchor: atMs };
    for (const id of ids) await addJob(first, { id, schedule });
    await addJob(first, { id: "on_time", schedule: { at: atMs + downMs + 10 * SECOND_MS } });
    store.crash();
    const rig = await openLife({ store, atMs: atMs + downMs, limits: { catchUpPerSecond: 1 } });
    await rig.clock.advance(15 * SECOND_MS);
    const [run] = await runsOf(rig, "on_time");
    expect(run).toMatchObject({ status: "succeeded", trigger: "schedule", startedAtMs: atMs + downMs + 10 * SECOND_MS });
    await rig.clock.advance(6 * MINUTE_MS);
    for (const id of ids) expect((await runsOf(rig, id)).map(({ trigger }) => trigger)).toContain("catchUp");
  });
});
