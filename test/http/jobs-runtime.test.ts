/** The routes of jobs on a real runtime in virtual time: what they answer is what the runtime does. */
import { afterEach, describe, expect, it } from "vitest";
import { createHttpServer, type HttpServer } from "../../src/http/server.ts";
import type { WireJob, WireRun } from "../../src/http/wire-jobs.ts";
import { openRuntime } from "../runtime/rig.ts";
import { createTestClock } from "./rig.ts";

const HOUR = 3_600_000;
const silent = () => undefined;

const servers: HttpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop({ graceMs: 0 });
});

async function open() {
  const runtime = await openRuntime();
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const server = createHttpServer({ loop: runtime.loop, host: "127.0.0.1", port: 0, clock: createTestClock(), log });
  servers.push(server);
  const { port } = await server.start();
  /** A little virtual time passes while the request is answered: its store takes some. */
  const ask = async (method: string, path: string, body?: object) => {
    let isAnswered = false;
    const answer = fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) })
      .then(async (response) => ({
        status: response.status,
        body: (await response.json()) as WireJob & WireRun & { items: (WireJob & WireRun)[] },
      }))
      .finally(() => (isAnswered = true));
    while (!isAnswered) {
      await runtime.clock.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return answer;
  };
  return { ...runtime, ask };
}

const hourly = (anchor: number): object => ({
  id: "hourly",
  message: "tick",
  schedule: { every: "1h", anchor },
  deliver: { chat: "api:me" },
});

describe("jobs over HTTP", () => {
  it("run at the instants that were told, and tell how that went", async () => {
    const { ask, clock, said } = await open();
    const added = (await ask("POST", "/api/jobs", hourly(clock.now()))).body;
    expect(added.nextInstants.map((at, place) => at - (added.nextInstants[place - 1] ?? at - HOUR))).toEqual([HOUR, HOUR, HOUR]);
    await clock.advance(HOUR + 10_000);
    expect(await said("api:me")).toEqual(["re tick"]);
    const runs = (await ask("GET", "/api/jobs/hourly/runs")).body.items;
    expect(runs).toMatchObject([{ instant: added.nextInstants[0], status: "succeeded", delivery: "delivered" }]);
    expect((await ask("GET", "/api/jobs/hourly")).body).toMatchObject({
      lastRun: runs[0],
      nextInstants: [added.nextInstants[1], added.nextInstants[2], expect.any(Number)],
    });
  });

  it("are not moved by any number of reads", async () => {
    const { ask, clock, store } = await open();
    await ask("POST", "/api/jobs", hourly(clock.now()));
    const before = await store.jobs.get("hourly");
    for (let times = 0; times < 5; times += 1) {
      for (const path of ["/api/jobs", "/api/jobs/hourly", "/api/jobs/hourly/runs"]) expect((await ask("GET", path)).status).toBe(200);
      expect((await ask("POST", "/api/jobs/hourly/run", { dry: true })).body).toMatchObject({ dry: true, would: "run" });
    }
    expect(await store.jobs.get("hourly")).toEqual(before);
    expect((await store.jobs.runs("hourly", { limit: 10 })).items).toEqual([]);
  });

  it("keep their counts, their state and their instants when something else of them changes", async () => {
    const { ask, clock } = await open();
    const added = (await ask("POST", "/api/jobs", hourly(clock.now()))).body;
    await clock.advance(HOUR + 10_000);
    const patched = (await ask("PATCH", "/api/jobs/hourly", { message: "tock", overlap: "queue" })).body;
    expect(patched).toMatchObject({ message: "tock", overlap: "queue", runs: 1, createdAt: added.createdAt, schedule: added.schedule });
    expect(patched.nextInstants[0]).toBe(added.nextInstants[1]);
    await ask("PATCH", "/api/jobs/hourly", { paused: true });
    expect((await ask("PATCH", "/api/jobs/hourly", { name: "Hourly" })).body).toMatchObject({
      name: "Hourly",
      paused: true,
      state: "paused",
      nextInstants: [],
    });
    expect((await ask("PATCH", "/api/jobs/hourly", { paused: false })).body).toMatchObject({ paused: false, state: "scheduled" });
  });

  it("follow another schedule from now on", async () => {
    const { ask, clock } = await open();
    await ask("POST", "/api/jobs", hourly(clock.now()));
    const { body } = await ask("PATCH", "/api/jobs/hourly", { schedule: { cron: "0 12 * * *", timezone: "Europe/Paris" } });
    expect(body.nextInstants.map((at) => new Date(at).toISOString().slice(11, 16))).toEqual(["11:00", "11:00", "11:00"]);
  });

  it.each([
    [{ schedule: { cron: "0 0 30 2 *" } }, "schedule"],
    [{ schedule: { every: "10ms" } }, "schedule"],
    [{ timeout: "soon" }, "timeout"],
    [{ deliver: { chat: "nobody" } }, "deliver.chat"],
    [{ session: "chat" }, "session"],
  ])("are refused for what they mean, too, and then nothing has changed: %j", async (fields, path) => {
    const { ask, clock, store } = await open();
    const { deliver: _, ...plain } = hourly(clock.now()) as { deliver: object };
    await ask("POST", "/api/jobs", plain);
    const before = await store.jobs.get("hourly");
    expect(await ask("PATCH", "/api/jobs/hourly", fields)).toMatchObject({ status: 400, body: { error: { path } } });
    expect(await ask("POST", "/api/jobs", { ...plain, id: "other", ...fields })).toMatchObject({ status: 400, body: { error: { path } } });
    expect(await store.jobs.get("hourly")).toEqual(before);
    expect(await store.jobs.get("other")).toBeUndefined();
  });
});
