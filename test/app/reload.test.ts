import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError, TransientError } from "../../src/core/errors.ts";
import type { Limits } from "../../src/core/limits.ts";
import { type Config, loadConfig } from "../../src/app/config/config.ts";
import { secretsOf } from "../../src/app/config/describe.ts";
import { watchFile } from "../../src/app/file-watch.ts";
import { createLog } from "../../src/app/log.ts";
import { createReloader } from "../../src/app/reload.ts";
import type { CronJobInput, ReconciledJobs } from "../../src/runtime/job-api.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";

let cwd = "";
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "satibot-reload-"));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const TELEGRAM = { token: "1:aaaaaaaaaaaaaaaaaaaaaaaa", allow: ["1"] };
const daily = (message = "good morning"): object => ({ id: "daily", message, schedule: { cron: "0 9 * * *", timezone: "UTC" } });

/** A daemon's reloader on a real file, beside a runtime that notes what it is told. */
async function rig(first: object, name = "satibot.config.json") {
  const write = (value: object | string): void => writeFileSync(join(cwd, name), typeof value === "string" ? value : JSON.stringify(value));
  write(first);
  const load = (): Promise<Config> => loadConfig({ cwd, env: {} });
  const config = await load();
  const calls: unknown[] = [];
  const lines: string[] = [];
  let cron: readonly CronJobInput[] = config.cron;
  const state = { failure: undefined as Error | undefined, hold: undefined as Promise<void> | undefined, entered: () => undefined as void };
  const reconcile = async (jobs: readonly CronJobInput[]): Promise<ReconciledJobs> => {
    state.entered();
    await state.hold;
    if (state.failure) throw state.failure;
    const before = cron;
    cron = jobs;
    const isKnown = (id: string): boolean => before.some((job) => job.id === id);
    const isSame = (job: CronJobInput): boolean => before.some((one) => JSON.stringify(one) === JSON.stringify(job));
    return {
      added: jobs.filter(({ id }) => !isKnown(id)).map(({ id }) => id),
      changed: jobs.filter((job) => isKnown(job.id) && !isSame(job)).map(({ id }) => id),
      removed: before.filter(({ id }) => !jobs.some((job) => job.id === id)).map(({ id }) => id),
      unchanged: jobs.filter(isSame).map(({ id }) => id),
    };
  };
  const log = createLog({
    level: config.log.level ?? "info",
    pretty: false,
    write: (line) => lines.push(line),
    secrets: secretsOf(config),
  });
  const reloader = createReloader({
    config,
    load,
    log,
    ping: (ping) => void calls.push(["ping", ping]),
    levelOf: ({ log: { level } }) => level ?? "info",
    gateway: {
      reconcileJobs: reconcile,
      configure: async ({ limits, heartbeat }) => void calls.push(["limits", limits], ["heartbeat", heartbeat]),
      setHooks: (hooks) => void calls.push(["hooks", hooks]),
      access: { configure: (channel, access) => void calls.push(["access", channel, access]) },
    },
  });
  return {
    write,
    reloader,
    calls,
    lines,
    log,
    state,
    jobs: () => cron,
    limits: (): Limits => (calls.find((call) => (call as unknown[])[0] === "limits") as [string, Limits])[1],
  };
}

describe("reading the configuration again", () => {
  it("finds nothing to do when nothing has changed", async () => {
    const { reloader, lines } = await rig({ store: "memory:", cron: [daily()], channels: { telegram: TELEGRAM } });
    expect(await reloader.reload("SIGHUP")).toEqual({ applied: [], needsRestart: [] });
    expect(lines.join()).toContain("nothing has changed");
  });

  it("applies jobs, limits, allow lists and the log level", async () => {
    const { reloader, write, calls, jobs, log, lines, limits } = await rig({
      store: "memory:",
      cron: [daily()],
      channels: { telegram: TELEGRAM },
    });
    write({
      store: "memory:",
      cron: [
        { ...daily("good night"), schedule: { every: "1h" } },
        { ...daily(), id: "second" },
      ],
      channels: { telegram: { ...TELEGRAM, allow: ["1", "2"] } },
      limits: { concurrentTurns: 2, turnTimeout: "10s" },
      log: { level: "debug" },
    });
    expect(await reloader.reload("file")).toEqual({
      applied: ["cron.daily", "cron.second", "limits.concurrentTurns", "limits.turnTimeout", "log.level", "channels.telegram.allow"],
      needsRestart: [],
    });
    expect(jobs().map(({ id }) => id)).toEqual(["daily", "second"]);
    expect(limits()).toMatchObject({ concurrentTurns: 2, turnTimeoutMs: 10_000, inboxPerChat: 100 });
    expect(calls).toContainEqual(["access", "telegram", expect.objectContaining({ allow: ["1", "2"] })]);
    log.debug({}, "now heard");
    expect(lines.join()).toContain("now heard");
    expect(await reloader.reload("file")).toEqual({ applied: [], needsRestart: [] });
  });

  it("applies administrators and rates, whole: what is left out is gone", async () => {
    const whatsapp = { accessToken: "a", phoneNumberId: "12345", appSecret: "s", verifyToken: "v" };
    const { reloader, write, calls } = await rig({ store: "memory:", channels: { telegram: TELEGRAM, whatsapp } });
    write({ store: "memory:", channels: { telegram: TELEGRAM, whatsapp: { ...whatsapp, admins: [7], rate: { perUser: "2/1m" } } } });
    expect((await reloader.reload("file")).applied).toEqual(["channels.whatsapp.admins", "channels.whatsapp.rate"]);
    expect(calls.at(-1)).toEqual(["access", "whatsapp", { admins: ["7"], rate: { perUser: { count: 2, perMs: 60_000 } } }]);
    write({ store: "memory:", channels: { telegram: TELEGRAM, whatsapp: { ...whatsapp, verifyToken: "other" } } });
    expect(await reloader.reload("file")).toEqual({
      applied: ["channels.whatsapp.admins", "channels.whatsapp.rate"],
      needsRestart: ["channels.whatsapp.verifyToken"],
    });
    expect(calls.at(-1)).toEqual(["access", "whatsapp", {}]);
  });

  it("applies the heartbeat and the URL that is pinged, which is never shown", async () => {
    const { reloader, write, calls, lines } = await rig({ store: "memory:" });
    write({ store: "memory:", heartbeat: { every: "1h", pingUrl: "https://ping.example/secret-uuid" } });
    expect((await reloader.reload("file")).applied).toEqual(["heartbeat", "heartbeat.pingUrl"]);
    expect(calls).toContainEqual(["heartbeat", expect.objectContaining({ everyMs: 3_600_000, source: join(cwd, "HEARTBEAT.md") })]);
    expect(calls).toContainEqual(["ping", { url: "https://ping.example/secret-uuid", everyMs: 60_000 }]);
    write({ store: "memory:", heartbeat: { every: "2h", pingUrl: "https://ping.example/secret-uuid" } });
    expect((await reloader.reload("file")).applied).toEqual(["heartbeat.every"]);
    write({ store: "memory:" });
    expect((await reloader.reload("file")).applied).toEqual(["heartbeat", "heartbeat.pingUrl"]);
    expect(calls).toContainEqual(["heartbeat", false]);
    expect(lines.join()).not.toContain("secret-uuid");
  });

  it("applies hooks, whose tokens are told to the log and never shown", async () => {
    const hook = { token: "hook-secret-1", chat: "api:a" };
    const { reloader, write, calls, lines } = await rig({ store: "memory:", hooks: { deploy: hook, old: hook } });
    write({ store: "memory:", hooks: { deploy: { ...hook, token: "hook-secret-2" }, alarm: { ...hook, token: "hook-secret-3" } } });
    expect(await reloader.reload("file")).toEqual({ applied: ["hooks.alarm", "hooks.deploy.token", "hooks.old"], needsRestart: [] });
    expect(calls).toContainEqual(["hooks", expect.objectContaining({ alarm: expect.objectContaining({ chat: "api:a" }) })]);
    expect(lines.join()).not.toContain("hook-secret");
  });

  it("names what needs a restart, each time until there was one, and never its value", async () => {
    const { reloader, write, lines } = await rig({ store: "memory:", http: { port: 7001 }, channels: { telegram: TELEGRAM } });
    write({
      store: "sqlite:./other.db",
      http: { port: 7002, token: "a-new-secret" },
      channels: {
        web: false,
        telegram: { ...TELEGRAM, token: "1:bbbbbbbbbbbbbbbbbbbbbbbb" },
        "telegram-2": { ...TELEGRAM, token: "2:cccccccccccccccccccccccc" },
      },
      limits: { maxAttempts: 9 },
    });
    const expected = [
      "http.port",
      "http.token",
      "store.file",
      "store.kind",
      "channels.web",
      "channels.telegram.token",
      "channels.telegram-2",
    ];
    const answer = await reloader.reload("SIGHUP");
    expect(answer.applied).toEqual(["limits.maxAttempts"]);
    expect([...answer.needsRestart].sort()).toEqual([...expected].sort());
    expect([...(await reloader.reload("SIGHUP")).needsRestart].sort()).toEqual([...expected].sort());
    expect(lines.join()).not.toMatch(/a-new-secret|bbbbbb|cccccc/);
  });

  it.each([
    ["a key that nobody knows", { store: "memory:", limit: { maxAttempts: 2 } }, "limit"],
    ["a bad value", { store: "memory:", limits: { maxAttempts: "many" } }, "limits.maxAttempts"],
    ["a job that never comes", { store: "memory:", cron: [{ ...daily(), schedule: { cron: "0 0 30 2 *" } }] }, "cron[0].schedule"],
    ["half a file", '{ "store": "memory:", "limits": ', "satibot.config.json"],
  ])("changes nothing for %s, says why, and goes on with the last good one", async (_, bad, named) => {
    const good = { store: "memory:", cron: [daily()], limits: { maxAttempts: 3 } };
    const { reloader, write, calls, jobs, lines } = await rig(good);
    write(bad);
    await expect(reloader.reload("SIGHUP")).rejects.toThrow(ConfigError);
    expect(calls).toEqual([]);
    expect(jobs().map(({ id }) => id)).toEqual(["daily"]);
    expect(lines.join()).toContain("the one before it stays in force");
    expect(lines.join()).toContain(named);
    write({ ...good, limits: { maxAttempts: 4 } });
    expect((await reloader.reload("SIGHUP")).applied).toEqual(["limits.maxAttempts"]);
  });

  it("changes nothing else when the store cannot take the jobs", async () => {
    const { reloader, write, calls, state } = await rig({ store: "memory:" });
    write({ store: "memory:", cron: [daily()], limits: { maxAttempts: 4 } });
    state.failure = new TransientError("STORE_UNAVAILABLE", "disk full");
    await expect(reloader.reload("SIGHUP")).rejects.toThrow("disk full");
    expect(calls).toEqual([]);
    state.failure = undefined;
    expect((await reloader.reload("SIGHUP")).applied).toEqual(["cron.daily", "limits.maxAttempts"]);
  });

  it("happens once at a time, and once for all who ask meanwhile, with what the file says by then", async () => {
    const { reloader, write, state, lines } = await rig({ store: "memory:" });
    let release = (): void => undefined;
    state.hold = new Promise((resolve) => {
      release = resolve;
    });
    write({ store: "memory:", limits: { maxAttempts: 4 } });
    const entered = new Promise<void>((resolve) => {
      state.entered = resolve;
    });
    const first = reloader.reload("SIGHUP");
    await entered;
    const others = [reloader.reload("file"), reloader.reload("request")];
    write({ store: "memory:", limits: { maxAttempts: 5, inboxPerChat: 7 } });
    release();
    expect((await first).applied).toEqual(["limits.maxAttempts"]);
    expect((await Promise.all(others)).map(({ applied }) => applied.length)).not.toContain(0);
    expect(reloader.config().limits).toMatchObject({ maxAttempts: 5, inboxPerChat: 7 });
    expect(lines).toHaveLength(2);
  });

  it.each(["ts", "mjs", "cjs", "js", "yaml"])("reads a .%s file as it is now, not as it was loaded before", async (kind) => {
    const text = (attempts: number): string => {
      if (kind === "yaml") return `store: "memory:"\nlimits: { maxAttempts: ${attempts} }\n`;
      return `${kind === "cjs" ? "module.exports =" : "export default"} { store: "memory:", limits: { maxAttempts: ${attempts} } };\n`;
    };
    const { reloader, write } = await rig(text(3) as unknown as object, `satibot.config.${kind}`);
    for (const attempts of [4, 5]) {
      write(text(attempts));
      expect((await reloader.reload("SIGHUP")).applied).toEqual(["limits.maxAttempts"]);
      expect(reloader.config().limits.maxAttempts).toBe(attempts);
    }
  });
});

describe("watching the file", () => {
  function watched(first: string | undefined) {
    const clock = createVirtualClock();
    let stamp = first;
    let calls = 0;
    const end = watchFile({ file: "x", clock, everyMs: 1_000, look: () => Promise.resolve(stamp), changed: () => (calls += 1) });
    const become = async (now: string | undefined, ms = 1_000): Promise<number> => {
      stamp = now;
      await clock.advance(ms);
      return calls;
    };
    return { become, end };
  }

  it("tells once of a change, when the file has come to rest", async () => {
    const { become } = watched("1");
    expect(await become("1", 10_000)).toBe(0);
    expect(await become("half")).toBe(0);
    expect(await become("whole")).toBe(0);
    expect(await become("whole")).toBe(1);
    expect(await become("whole", 60_000)).toBe(1);
  });

  it("waits for a file that an editor has taken away for a moment, and knows it again", async () => {
    const { become } = watched("1");
    expect(await become(undefined, 5_000)).toBe(0);
    expect(await become("1", 5_000)).toBe(0);
    expect(await become(undefined, 5_000)).toBe(0);
    expect(await become("2", 2_000)).toBe(1);
  });

  it("ends", async () => {
    const { become, end } = watched("1");
    end();
    expect(await become("2", 10_000)).toBe(0);
  });

  it("sees a real file that was replaced", async () => {
    const clock = createVirtualClock();
    const file = join(cwd, "watched");
    writeFileSync(file, "one");
    let told = (): void => undefined;
    const changed = new Promise<void>((resolve) => {
      told = resolve;
    });
    const end = watchFile({ file, clock, everyMs: 1_000, changed: told });
    const passes = async (): Promise<void> => {
      await clock.advance(1_000);
      // A look of its own takes as long.
      await stat(file);
      await stat(file);
    };
    for (let look = 0; look < 20; look += 1) await passes();
    writeFileSync(`${file}.new`, "another");
    renameSync(`${file}.new`, file);
    let isTold = false;
    void changed.then(() => (isTold = true));
    for (let look = 0; look < 500 && !isTold; look += 1) await passes();
    end();
    expect(isTold).toBe(true);
  });
});
