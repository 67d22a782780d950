/** On a real file: a process that ends in the middle of runs, and the next one over the same rows. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { createSystemRandom } from "../../src/app/system-random.ts";
import type { EventLoop } from "../../src/runtime/api.ts";
import { assembleEventLoop } from "../../src/runtime/event-loop.ts";
import type { Agent } from "../../src/ports/agent.ts";
import { createSqliteStore } from "../../src/stores/sqlite/store.ts";
import { mortalStore } from "../../src/testing/mortal.ts";

const clock = createSystemClock();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "satibot-cron-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const nothing = (): void => undefined;
const open = (agent: Agent) => {
  const store = createSqliteStore({ file: join(folder, "cron.db"), clock });
  let isDead = false;
  const loop: EventLoop = assembleEventLoop({
    store: mortalStore(store, () => isDead),
    agent,
    clock,
    random: createSystemRandom(),
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    limits: { catchUpPerSecond: 1_000, drainTimeoutMs: 500 },
  });
  /** What the process wanted to do is never done; the file is as it was. */
  const die = async (): Promise<void> => {
    isDead = true;
    await store.stop();
  };
  return { loop, store, die };
};

async function until(isDone: () => Promise<boolean>): Promise<void> {
  while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 10));
}

it("takes up the runs that a process left, and those it was to begin, each once", async () => {
  const first = open(async function* (_turn, { signal }) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    yield "";
  });
  await first.loop.start();
  const ids = Array.from({ length: 20 }, (_, place) => `job-${place}`);
  for (const [place, id] of ids.entries()) {
    // Half of them are due at once and hang; the others come while nobody is there.
    const at = clock.now() + (place < 10 ? 50 : 3_000);
    await first.loop.addCronJob({ id, message: `report ${place}`, schedule: { at }, deliver: { chat: "api:me" }, missed: "once" });
  }
  await until(async () => (await first.store.jobs.underWay(ids)).length === 10);
  await first.die();
  await new Promise((resolve) => setTimeout(resolve, 3_200));
  const second = open(async function* (turn) {
    yield `re ${turn.messages[0]?.text}`;
  });
  await second.loop.start();
  const deliveries = async () => Promise.all(ids.map(async (id) => (await second.store.jobs.runs(id, { limit: 10 })).items));
  await until(async () => (await deliveries()).every((runs) => runs[0]?.delivery === "delivered"));
  for (const runs of await deliveries()) expect(runs).toMatchObject([{ status: "succeeded", count: 1 }]);
  const said = (await second.store.outbox.list({ chat: "api:me" }, { limit: 100 })).items.map((part) => JSON.stringify(part.content));
  expect(new Set(said).size).toBe(20);
  expect(said).toHaveLength(20);
  for (const id of ids) expect(await second.loop.job(id)).toMatchObject({ status: "completed", runs: 1 });
  await second.loop.shutdown();
}, 30_000);
