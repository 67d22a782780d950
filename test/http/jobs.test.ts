import { afterEach, describe, expect, it } from "vitest";
import { RequestError, TransientError } from "../../src/core/errors.ts";
import type { WireJob } from "../../src/http/wire-jobs.ts";
import { closeRigs, openRig, type Rig } from "./rig.ts";

afterEach(closeRigs);

const daily = { id: "daily", message: "good morning", schedule: { cron: "0 9 * * *", timezone: "Europe/Paris" } };

async function ask(rig: Rig, method: string, path: string, body?: unknown) {
  const response = await fetch(`${rig.url}${path}`, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown> & { error?: { code: string; message: string; path?: string } },
  };
}

describe("jobs over HTTP", () => {
  it("are added, shown and listed in one shape", async () => {
    const rig = await openRig();
    const added = await ask(rig, "POST", "/api/jobs", {
      ...daily,
      name: "Daily",
      deliver: { chat: "telegram:1" },
      missed: "all",
      overlap: "queue",
    });
    expect(added.status).toBe(201);
    expect(added.body).toMatchObject({
      id: "daily",
      name: "Daily",
      message: "good morning",
      schedule: { cron: "0 9 * * *", timezone: "Europe/Paris" },
      deliver: { chat: "telegram:1", when: "always" },
      missed: "all",
      overlap: "queue",
      state: "scheduled",
      nextInstants: [1_060_000, 1_120_000, 1_180_000],
      origin: "api",
      paused: false,
    });
    expect((await ask(rig, "GET", "/api/jobs/daily")).body).toEqual(added.body);
    expect((await ask(rig, "GET", "/api/jobs")).body).toEqual({ items: [added.body], next: null });
  });

  it("are not added twice under one id", async () => {
    const rig = await openRig();
    await ask(rig, "POST", "/api/jobs", daily);
    expect(await ask(rig, "POST", "/api/jobs", daily)).toMatchObject({ status: 409, body: { error: { code: "JOB_EXISTS" } } });
  });

  it("take every policy, and answer with what they take, so that an answer can be sent back", async () => {
    const rig = await openRig();
    const policies = {
      schedule: { every: 60_000, anchor: 0 },
      deliver: { chats: ["telegram:1", "telegram:2"], when: "nonEmpty", silence: "OK" },
      session: "job",
      missed: "skip",
      grace: 1_000,
      missedMax: 5,
      overlap: "replace",
      retry: { attempts: 3, backoff: 2_000 },
      timeout: 3_000,
      stagger: 4_000,
      jitter: 5_000,
      until: 9_000_000,
      maxRuns: 7,
      disableAfter: 2,
    };
    const { body } = await ask(rig, "POST", "/api/jobs", { ...daily, ...policies });
    const { session: _, ...shown } = policies;
    expect(body).toMatchObject(shown);
  });

  it("are listed by pages, and by origin, status and owner", async () => {
    const rig = await openRig();
    for (const id of ["a", "b", "c"]) await ask(rig, "POST", "/api/jobs", { ...daily, id });
    await rig.loop.addCronJob({ ...daily, id: "d", origin: "chat", owner: "telegram:1" });
    const ids = async (query: string): Promise<unknown> => {
      const { body } = await ask(rig, "GET", `/api/jobs?${query}`);
      return [(body.items as WireJob[]).map(({ id }) => id), body.next];
    };
    expect(await ids("limit=2")).toEqual([["a", "b"], "b"]);
    expect(await ids("limit=2&cursor=b")).toEqual([["c", "d"], null]);
    expect(await ids("origin=chat")).toEqual([["d"], null]);
    expect(await ids("owner=telegram:1")).toEqual([["d"], null]);
    await ask(rig, "PATCH", "/api/jobs/a", { paused: true });
    expect(await ids("status=paused")).toEqual([["a"], null]);
    expect(await ask(rig, "GET", "/api/jobs?status=sleepy")).toMatchObject({ status: 400, body: { error: { path: "query.status" } } });
  });

  it("are changed field by field; null takes a setting back", async () => {
    const rig = await openRig();
    await ask(rig, "POST", "/api/jobs", { ...daily, timeout: 3_000, deliver: { chat: "telegram:1" } });
    const changed = await ask(rig, "PATCH", "/api/jobs/daily", { message: "good night", timeout: null });
    expect(changed).toMatchObject({ status: 200, body: { message: "good night", deliver: { chat: "telegram:1" }, origin: "api" } });
    expect(changed.body).not.toHaveProperty("timeout");
    expect((await ask(rig, "PATCH", "/api/jobs/daily", { deliver: null })).body).not.toHaveProperty("deliver");
  });

  it("are paused and resumed", async () => {
    const rig = await openRig();
    await ask(rig, "POST", "/api/jobs", { ...daily, paused: true });
    expect((await ask(rig, "GET", "/api/jobs/daily")).body).toMatchObject({ paused: true, state: "paused", nextInstants: [] });
    expect((await ask(rig, "PATCH", "/api/jobs/daily", { paused: false })).body).toMatchObject({ paused: false, state: "scheduled" });
  });

  it("stay paused when something else of them changes", async () => {
    const rig = await openRig();
    await ask(rig, "POST", "/api/jobs", { ...daily, paused: true });
    expect((await ask(rig, "PATCH", "/api/jobs/daily", { message: "other" })).body).toMatchObject({ message: "other", paused: true });
    expect((await ask(rig, "PATCH", "/api/jobs/daily", { message: "third", paused: false })).body).toMatchObject({
      message: "third",
      paused: false,
    });
  });

  it("run by hand, and dry", async () => {
    const rig = await openRig();
    await ask(rig, "POST", "/api/jobs", { ...daily, deliver: { chat: "telegram:1" } });
    const dry = await ask(rig, "POST", "/api/jobs/daily/run", { dry: true });
    expect(dry).toEqual({
      status: 200,
      body: { dry: true, would: "run", at: 1_000_000, chat: "cron:daily", message: "good morning", deliverTo: ["telegram:1"] },
    });
    expect((await ask(rig, "GET", "/api/jobs/daily/runs")).body).toEqual({ items: [], next: null });
    const run = await ask(rig, "POST", "/api/jobs/daily/run");
    expect(run).toEqual({
      status: 202,
      body: { runId: "run-daily", instant: 1_000_000, startedAt: 1_000_000, status: "running", delivery: "none", trigger: "hand" },
    });
    expect((await ask(rig, "GET", "/api/jobs/daily/runs")).body).toEqual({ items: [run.body], next: null });
  });

  it("are removed, and what they ran is still told", async () => {
    const rig = await openRig();
    await ask(rig, "POST", "/api/jobs", daily);
    await ask(rig, "POST", "/api/jobs/daily/run");
    expect(await ask(rig, "DELETE", "/api/jobs/daily")).toEqual({ status: 200, body: { id: "daily" } });
    for (const [method, path] of [
      ["GET", "/api/jobs/daily"],
      ["DELETE", "/api/jobs/daily"],
      ["PATCH", "/api/jobs/daily"],
      ["POST", "/api/jobs/daily/run"],
      ["GET", "/api/jobs/never/runs"],
    ] as const) {
      const body = method === "PATCH" ? { paused: true } : undefined;
      expect(await ask(rig, method, path, body)).toMatchObject({ status: 404, body: { error: { code: "JOB_UNKNOWN" } } });
    }
    expect(((await ask(rig, "GET", "/api/jobs/daily/runs")).body.items as unknown[]).length).toBe(1);
  });

  it("of the configuration and the heartbeat can be paused and run, and nothing else", async () => {
    const rig = await openRig();
    for (const origin of ["config", "system"] as const) {
      await rig.loop.addCronJob({ ...daily, id: origin, origin });
      expect(await ask(rig, "PATCH", `/api/jobs/${origin}`, { paused: true })).toMatchObject({
        status: 200,
        body: { paused: true, origin },
      });
      for (const [method, body] of [
        ["PATCH", { message: "other" }],
        ["PATCH", { message: "other", paused: false }],
        ["DELETE", undefined],
      ] as const) {
        const refused = await ask(rig, method, `/api/jobs/${origin}`, body);
        expect(refused).toMatchObject({ status: 409, body: { error: { code: "WRONG_STATE" } } });
        expect(refused.body.error?.message).toContain("satibot config reload");
      }
      expect((await ask(rig, "GET", `/api/jobs/${origin}`)).body).toMatchObject({ message: "good morning", paused: true });
    }
  });

  it.each([
    [{}, "body.id"],
    [{ id: "x" }, "body.message"],
    [{ ...daily, id: 7 }, "body.id"],
    [{ ...daily, mesage: "x" }, "body.mesage"],
    [{ ...daily, schedule: "daily" }, "body.schedule"],
    [{ ...daily, schedule: {} }, "body.schedule"],
    [{ ...daily, schedule: { every: "1h", cron: "* * * * *" } }, "body.schedule"],
    [{ ...daily, schedule: { every: "1h", timezone: "UTC" } }, "body.schedule.timezone"],
    [{ ...daily, schedule: { every: [] } }, "body.schedule.every"],
    [{ ...daily, deliver: "telegram:1" }, "body.deliver"],
    [{ ...daily, deliver: {} }, "body.deliver"],
    [{ ...daily, deliver: { chats: "telegram:1" } }, "body.deliver.chats"],
    [{ ...daily, deliver: { chats: [7] } }, "body.deliver.chats[0]"],
    [{ ...daily, deliver: { chat: "telegram:1", when: "sometimes" } }, "body.deliver.when"],
    [{ ...daily, missed: "maybe" }, "body.missed"],
    [{ ...daily, overlap: true }, "body.overlap"],
    [{ ...daily, retry: 3 }, "body.retry"],
    [{ ...daily, retry: { attempts: 1.5 } }, "body.retry.attempts"],
    [{ ...daily, maxRuns: -1 }, "body.maxRuns"],
    [{ ...daily, timeout: true }, "body.timeout"],
    [{ ...daily, until: {} }, "body.until"],
    [{ ...daily, paused: "yes" }, "body.paused"],
  ])("are refused as malformed, naming the field: %j", async (body, path) => {
    const rig = await openRig();
    expect(await ask(rig, "POST", "/api/jobs", body)).toMatchObject({ status: 400, body: { error: { code: "BAD_REQUEST", path } } });
    expect(rig.jobs.all.size).toBe(0);
  });

  it.each([
    [{}, "body"],
    [{ id: "other" }, "body.id"],
    [{ message: null }, "body.message"],
    [{ paused: 1 }, "body.paused"],
  ])("refuse a change that says nothing usable: %j", async (body, path) => {
    const rig = await openRig();
    await ask(rig, "POST", "/api/jobs", daily);
    expect(await ask(rig, "PATCH", "/api/jobs/daily", body)).toMatchObject({ status: 400, body: { error: { path } } });
  });

  it("have ids of any characters, encoded once", async () => {
    const rig = await openRig();
    const id = "täglich/9 Uhr%41";
    await ask(rig, "POST", "/api/jobs", { ...daily, id });
    expect((await ask(rig, "GET", `/api/jobs/${encodeURIComponent(id)}`)).body.id).toBe(id);
    expect(await ask(rig, "GET", "/api/jobs/%FF")).toMatchObject({ status: 400, body: { error: { path: "id" } } });
  });

  it("take the token like every other route, and say which methods there are", async () => {
    const rig = await openRig({ token: "secret" });
    expect((await ask(rig, "GET", "/api/jobs")).status).toBe(401);
    expect((await ask(rig, "PATCH", "/api/jobs/daily", { paused: true })).status).toBe(401);
    const open = await openRig();
    const response = await fetch(`${open.url}/api/jobs/daily`, { method: "PUT" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, PATCH, DELETE"]);
  });
});

describe("POST /api/reload", () => {
  it("answers what is in force and what needs a restart", async () => {
    const rig = await openRig({ reload: () => Promise.resolve({ applied: ["limits.maxAttempts"], needsRestart: ["http.port"] }) });
    expect(await ask(rig, "POST", "/api/reload")).toEqual({
      status: 200,
      body: { applied: ["limits.maxAttempts"], needsRestart: ["http.port"] },
    });
  });

  it("is a conflict when the configuration is wrong, and says why", async () => {
    const { ConfigError } = await import("../../src/core/errors.ts");
    const rig = await openRig({
      reload: () =>
        Promise.reject(new ConfigError("CONFIG_INVALID", "limits.maxAttempts: must be a number", { path: "limits.maxAttempts" })),
    });
    expect(await ask(rig, "POST", "/api/reload")).toMatchObject({
      status: 409,
      body: { error: { code: "CONFIG_INVALID", message: "limits.maxAttempts: must be a number", path: "limits.maxAttempts" } },
    });
  });

  it("asks to come again when the store is away, and refuses where there is no configuration", async () => {
    const away = await openRig({ reload: () => Promise.reject(new TransientError("STORE_UNAVAILABLE", "disk full")) });
    expect((await ask(away, "POST", "/api/reload")).status).toBe(503);
    const none = await openRig();
    expect(await ask(none, "POST", "/api/reload")).toMatchObject({ status: 409, body: { error: { code: "WRONG_STATE" } } });
    const closed = await openRig({ token: "secret", reload: () => Promise.reject(new RequestError("INTERNAL", "not reached")) });
    expect((await ask(closed, "POST", "/api/reload")).status).toBe(401);
  });
});
