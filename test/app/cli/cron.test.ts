import { describe, expect, it } from "vitest";
import { displayWidth } from "../../../src/app/cli/text.ts";
import { ApiError } from "../../../src/http/client.ts";
import type { WireJob, WireRun } from "../../../src/http/wire-jobs.ts";
import { NOW, run } from "./cli-rig.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const base = Date.parse("2026-03-27T08:00:00Z");

const lastRun: WireRun = {
  runId: "r1",
  instant: base - 24 * HOUR,
  startedAt: base - 24 * HOUR + 250,
  endedAt: base - 24 * HOUR + 4_250,
  status: "succeeded",
  delivery: "delivered",
  trigger: "schedule",
};
const job: WireJob = {
  id: "daily_report",
  name: "Daily report",
  message: "What is new?",
  schedule: { cron: "0 9 * * MON-FRI", timezone: "Europe/Paris" },
  timezone: "Europe/Paris",
  deliver: { chat: "telegram:123", when: "always" },
  chat: "cron:daily_report",
  missed: "once",
  missedMax: 10,
  overlap: "skip",
  stagger: 5 * MINUTE,
  jitter: 0,
  disableAfter: 10,
  origin: "config",
  status: "active",
  paused: false,
  state: "scheduled",
  why: "Waits for its next instant.",
  // Paris is at +01:00, and from 29 March on at +02:00.
  nextInstants: [base, base + 71 * HOUR, base + 95 * HOUR],
  staggerBy: 12_000,
  runs: 4,
  failures: 0,
  lastRun,
  createdAt: base - 240 * HOUR,
  changedAt: base - 240 * HOUR,
};
const paused: WireJob = {
  ...job,
  id: "water",
  name: "water",
  schedule: { every: 30 * MINUTE, anchor: 0 },
  deliver: undefined,
  origin: "api",
  status: "paused",
  paused: true,
  state: "paused",
  why: "Paused by a person; `satibot cron resume water` lets it go on.",
  nextInstants: [],
  staggerBy: 0,
  lastRun: undefined,
};
const page = <T>(items: readonly T[], next: string | null = null) => Promise.resolve({ items, next });
const widest = (text: string): number => Math.max(...text.split("\n").map(displayWidth));
const unknownJob = () => Promise.reject(new ApiError("JOB_UNKNOWN", "there is no such job", { status: 404, path: "id" }));

describe("cron list", () => {
  it("shows the next three local times with their zone, the last run, state, origin and stagger", async () => {
    const { out, code } = await run(["cron", "list"], { api: { jobs: () => page([job, paused]) } });
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "daily_report  (Daily report)  scheduled  from config",
      "  when  At 09:00, Monday through Friday (Europe/Paris)",
      expect.stringMatching(/^ {2}next {2}Fri 27 Mar 09:00 \+01:00 \(in \d+ d.*\), Mon 30 Mar 09:00 \+02:00, Tue 31 Mar 09:00 \+02:00$/),
      "  last  Thu 26 Mar 09:00: succeeded, delivered",
      "  late  starts 12 s after each instant (stagger 5 min)",
      "  to    telegram:123",
      "",
      "water  paused  from api",
      "  when  Every 30 min (Europe/Paris)",
      "  why   Paused by a person; `satibot cron resume water` lets it go on.",
    ]);
  });

  it.each([80, 40])("fits %s columns, and breaks no time in two", async (columns) => {
    const failed: WireRun = {
      ...lastRun,
      status: "failed",
      delivery: "none",
      error: { code: "AGENT_TIMEOUT", message: "no answer within 300000 ms" },
    };
    const { out } = await run(["cron", "list"], { api: { jobs: () => page([{ ...job, lastRun: failed }, paused]) }, columns });
    expect(widest(out)).toBeLessThanOrEqual(columns);
    expect(out).toContain("Mon 30 Mar 09:00 +02:00");
    expect(out).toContain("AGENT_TIMEOUT");
  });

  it("says what to do when there is nothing", async () => {
    expect((await run(["cron", "list"], { api: { jobs: () => page([]) } })).out).toContain("No jobs yet. Add one: satibot cron add daily");
    expect((await run(["cron", "list", "--status", "disabled"], { api: { jobs: () => page([]) } })).out).toBe("No job is disabled.");
  });

  it("goes on by a cursor, and prints JSON", async () => {
    const api = { jobs: () => page([job], "daily_report") };
    const { err, calls } = await run(["cron", "list", "--limit", "1", "--cursor", "a"], { api });
    expect(err).toContain('--cursor "daily_report"');
    expect(calls).toContainEqual(["jobs", { status: undefined, limit: 1, cursor: "a" }]);
    expect(JSON.parse((await run(["cron", "list", "--json"], { api })).out)).toEqual({ items: [job], next: "daily_report" });
  });

  it("shows what the store of a stopped daemon holds", async () => {
    const ran = await run(["cron", "list"], { store: { jobs: () => page([job]) } });
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining("daily_report"), err: expect.stringContaining("no daemon at") });
  });
});

describe("cron show and runs", () => {
  it("shows every setting of one job", async () => {
    const settings = { ...job, retry: { attempts: 2, backoff: 1_000 }, timeout: MINUTE, maxRuns: 9, until: base + 1_000 * HOUR };
    const { out } = await run(["cron", "show", "daily_report"], { api: { job: () => Promise.resolve(settings) } });
    for (const part of [
      /message +What is new\?/,
      /runs in +cron:daily_report/,
      /missed +once/,
      /attempts +2/,
      /timeout +1 min/,
      /runs +4 of 9/,
      /until +Fri 2026-05-08/,
    ])
      expect(out).toMatch(part);
  });

  it("lists runs, the newest first, in the zone of the job", async () => {
    const missed: WireRun = {
      ...lastRun,
      runId: "r0",
      instant: base - 48 * HOUR,
      status: "missed",
      delivery: "none",
      trigger: "catchUp",
      count: 3,
      firstInstant: 0,
    };
    const api = { runs: () => page([lastRun, missed]), job: () => Promise.resolve(job) };
    const { out } = await run(["cron", "runs", "daily_report"], { api, columns: 80 });
    expect(out.split("\n")[0]).toMatch(/^INSTANT \(Europe\/Paris\) +STATUS +DELIVERY +TOOK +BY$/);
    expect(out).toMatch(/Thu 26 Mar 09:00 +succeeded +delivered +4 s/);
    expect(out).toMatch(/Wed 25 Mar 09:00 +missed \(3\)/);
    expect(widest((await run(["cron", "runs", "daily_report"], { api, columns: 40 })).out)).toBeLessThanOrEqual(40);
  });

  it("shows runs of a job that is gone, and says when there are none", async () => {
    const gone = { runs: () => page([lastRun]), job: unknownJob };
    expect((await run(["cron", "runs", "old"], { api: gone })).out).toContain("succeeded");
    const none = { runs: () => page<WireRun>([]), job: () => Promise.resolve(job) };
    expect((await run(["cron", "runs", "daily_report"], { api: none })).out).toBe("Job daily_report has not run yet.");
  });
});

describe("a job that nobody knows", () => {
  const api = {
    job: unknownJob,
    runs: unknownJob,
    pauseJob: unknownJob,
    resumeJob: unknownJob,
    removeJob: unknownJob,
    runJob: unknownJob,
    planJob: unknownJob,
    jobs: () => page([job, paused]),
  };

  it.each([["show"], ["runs"], ["pause"], ["resume"], ["remove"], ["run"], ["run", "--dry"]])(
    "is answered with those there are: %s",
    async (...args) => {
      const ran = await run(["cron", args[0], "daily_raport", ...args.slice(1)], { api });
      expect(ran).toMatchObject({ code: 1, out: "" });
      expect(ran.err).toContain("there is no job daily_raport; did you mean daily_report? (there are daily_report, water)");
    },
  );

  it("is answered with advice when there is none at all", async () => {
    const ran = await run(["cron", "pause", "x"], { api: { ...api, jobs: () => page<WireJob>([]) } });
    expect(ran.err).toContain("there is no job x; there are none yet");
  });
});

describe("cron add", () => {
  const added: unknown[] = [];
  const api = { addJob: (given: object) => (added.push(given), Promise.resolve({ ...job, ...given } as WireJob)) };
  const add = async (...args: string[]) => {
    added.length = 0;
    const ran = await run(["cron", "add", ...args], { api });
    return { ...ran, job: JSON.parse(JSON.stringify(added[0] ?? null)) as unknown };
  };

  it("takes every setting", async () => {
    const line =
      "report --cron|0 9 * * *|--tz Europe/Paris --message|What is new?|--name Report " +
      "--deliver telegram:1 --deliver telegram:2 --when nonEmpty --silence OK --session job " +
      "--missed all --missed-max 3 --grace 2h --overlap queue --attempts 2 --backoff 30s " +
      "--timeout 4m --stagger 5m --jitter 10s --until|2030-01-01 00:00|--max-runs 7 --disable-after 0 --paused";
    // Texts with spaces stand between bars.
    const args = line.split("|").flatMap((part, place) => (place % 2 === 1 ? [part] : part.trim().split(" ")));
    const { code, job: sent } = await add(...args);
    expect(code).toBe(0);
    expect(sent).toEqual({
      id: "report",
      name: "Report",
      message: "What is new?",
      schedule: { cron: "0 9 * * *", timezone: "Europe/Paris" },
      deliver: { chats: ["telegram:1", "telegram:2"], when: "nonEmpty", silence: "OK" },
      session: "job",
      missed: "all",
      missedMax: 3,
      grace: 7_200_000,
      overlap: "queue",
      retry: { attempts: 2, backoff: 30_000 },
      timeout: 240_000,
      stagger: 300_000,
      jitter: 10_000,
      until: Date.parse("2029-12-31T23:00:00Z"),
      maxRuns: 7,
      disableAfter: 0,
      paused: true,
    });
  });

  it("needs little: a schedule and a message; the id comes from the words", async () => {
    expect(await add("--every", "30m", "--message", "Drink a glass of water!")).toMatchObject({
      code: 0,
      job: { id: "drink-a-glass", schedule: { every: "30m" }, message: "Drink a glass of water!" },
    });
    expect((await add("tea", "--at", "in 20m", "--message", "Tea", "--deliver", "telegram:1")).job).toMatchObject({
      schedule: { at: "in 20m" },
      deliver: { chat: "telegram:1" },
    });
    expect((await add("x", "--at", "2030-01-31 09:00", "--tz", "Asia/Tokyo", "--message", "x")).job).toMatchObject({
      schedule: { at: Date.parse("2030-01-31T00:00:00Z") },
    });
  });

  it("says when the job comes, and that its answers go nowhere", async () => {
    expect((await add("x", "--every", "1h", "--message", "hi", "--deliver", "telegram:1")).out).toMatch(/^Added:\nx .*\n/);
    const { out } = await run(["cron", "add", "x", "--every", "1h", "--message", "hi"], {
      api: { addJob: () => Promise.resolve({ ...job, deliver: undefined }) },
    });
    expect(out).toContain("\n\nIts answers stay in its own chat; --deliver CHAT would send them somewhere.");
  });

  it.each([
    [["x", "--message", "hi"], "write one of --every 30m"],
    [["x", "--message", "hi", "--every", "1h", "--cron", "@daily"], "write only one of"],
    [["x", "--every", "1h"], "write what the agent is asked"],
    [["x", "--every", "1h", "--message", "  "], "write what the agent is asked"],
    [["x", "--every", "often", "--message", "hi"], '"often" is no duration'],
    [["x", "--every", "10ms", "--message", "hi"], "too often"],
    [["x", "--every", "1h", "--tz", "UTC", "--message", "hi"], "an interval has no local time"],
    [["x", "--cron", "0 9 * *", "--message", "hi"], "0 9 * *"],
    [["x", "--cron", "0 0 30 2 *", "--message", "hi"], "never matches"],
    [["x", "--cron", "@daily", "--tz", "Mars/Base", "--message", "hi"], "is no time zone"],
    [["x", "--at", "2020-01-01 09:00", "--message", "hi"], "has passed"],
    [["x", "--at", "09:00", "--message", "hi"], "has no date"],
    [["x", "--every", "1h", "--message", "hi", "--when", "failure"], "--when is about the chats of --deliver"],
    [["x", "--every", "1h", "--message", "hi", "--missed", "maybe"], "Write one of skip, once, all."],
    [["x", "--every", "1h", "--message", "hi", "--max-runs", "0"], "Write a whole number from 1."],
    [["x", "--every", "1h", "--message", "hi", "--timeout", "soon"], "--timeout"],
    [["--every", "1h", "--message", "!?"], "write an id for the job"],
  ])("refuses %j before it asks a daemon", async (args, advice) => {
    const ran = await add(...args);
    expect(ran).toMatchObject({ code: 64, out: "", job: null });
    expect(ran.err).toContain(advice);
  });
});

describe("cron pause, resume, remove and run", () => {
  it("change one job and show what it is now", async () => {
    const api = {
      pauseJob: () => Promise.resolve(paused),
      resumeJob: () => Promise.resolve(job),
      removeJob: (id: string) => Promise.resolve({ id }),
    };
    expect((await run(["cron", "pause", "water"], { api })).out).toContain("water  paused");
    expect((await run(["cron", "resume", "daily_report"], { api })).out).toContain("scheduled");
    expect((await run(["cron", "remove", "water"], { api })).out).toBe("Job water is removed.");
    expect(JSON.parse((await run(["cron", "remove", "water", "--json"], { api })).out)).toEqual({ id: "water" });
  });

  it("begin a run, and say what became of it", async () => {
    const begun: WireRun = { ...lastRun, status: "running", endedAt: undefined, trigger: "hand" };
    const ran = await run(["cron", "run", "water"], { api: { runJob: () => Promise.resolve(begun) } });
    expect(ran.out).toContain("Job water runs, as run r1; `satibot cron runs water` shows how it goes.");
    const skipped: WireRun = { ...begun, status: "skipped", error: { code: "OVERLAP", message: "an earlier run is under way" } };
    expect((await run(["cron", "run", "water"], { api: { runJob: () => Promise.resolve(skipped) } })).out).toBe(
      "Job water was skipped: an earlier run is under way.",
    );
  });

  it("say what a run would do, and do nothing", async () => {
    const plan = { dry: true, would: "skip", at: NOW, chat: "cron:water", message: "drink", deliverTo: ["telegram:1"] } as const;
    const { out, calls } = await run(["cron", "run", "water", "--dry"], { api: { planJob: () => Promise.resolve(plan) } });
    expect(out).toContain("would not run: a run is under way");
    expect(out).toMatch(/deliver to +telegram:1/);
    expect(calls.map(([name]) => name)).toEqual(["connect", "planJob"]);
  });
});

describe("config reload", () => {
  it("tells what is in force and what needs a restart", async () => {
    const answer = { applied: ["limits.maxAttempts", "cron.daily"], needsRestart: ["http.port"] };
    const api = { reload: () => Promise.resolve(answer) };
    expect((await run(["config", "reload"], { api })).out).toBe(
      "In force now: limits.maxAttempts, cron.daily.\nNeeds a restart of the daemon: http.port.",
    );
    expect(JSON.parse((await run(["config", "reload", "--json"], { api })).out)).toEqual(answer);
    const nothing = { reload: () => Promise.resolve({ applied: [], needsRestart: [] }) };
    expect((await run(["config", "reload"], { api: nothing })).out).toBe("Nothing has changed.");
  });

  it("ends with 78 for a wrong file, 69 without a daemon, and 1 for anything else", async () => {
    const refused = (code: "CONFIG_INVALID" | "STORE_UNAVAILABLE") => ({
      reload: () => Promise.reject(new ApiError(code, "what is wrong", { status: 409 })),
    });
    expect(await run(["config", "reload"], { api: refused("CONFIG_INVALID") })).toMatchObject({
      code: 78,
      err: "satibot: what is wrong\nThe daemon goes on with what it had.",
    });
    expect((await run(["config", "reload"], { api: refused("STORE_UNAVAILABLE") })).code).toBe(1);
    expect((await run(["config", "reload"])).code).toBe(69);
  });
});
