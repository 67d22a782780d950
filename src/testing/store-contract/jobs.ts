/** Jobs as rows: kept, found and moved, and their instants claimed. What becomes of runs is in runs.ts. */
import { describe, expect, it } from "vitest";
import type { ChatKey } from "../../core/chat-key.ts";
import type { JobRecord, RunRecord } from "../../ports/store/job-records.ts";
import type { PassedInstants } from "../../ports/store/job-store.ts";
import type { Store } from "../../ports/store/store.ts";
import { CHAT, HOUR_MS, OTHER_CHAT, START_MS, instantClaim, job, retention } from "../store-rows.ts";
import { append, claim, recordOf, waitingTexts, type On } from "./law.ts";

const CRON_CHAT: ChatKey = "cron:report";
const NEXT_MS = START_MS + HOUR_MS;

export function jobLaws(on: On): void {
  describe("jobs", () => {
    recordLaws(on);
    listLaws(on);
    moveLaws(on);
    instantLaws(on);
    overlapLaws(on);
    sweepLaws(on);
  });
}

async function runsOf(store: Store, id = "report"): Promise<readonly RunRecord[]> {
  return (await store.jobs.runs(id, { limit: 100 })).items;
}

function passed(overrides: Partial<PassedInstants> = {}): PassedInstants {
  const error = { code: "RUN_MISSED", message: "nobody was there" };
  return { runId: "passed-1", status: "missed", firstMs: START_MS, lastMs: START_MS, count: 1, error, ...overrides };
}

function recordLaws(on: On): void {
  it(
    "puts, replaces, gets and removes a job with all that its author decided",
    on(async ({ store }) => {
      const record = job({
        schedule: { kind: "cron", expression: "0 9 * * *", timezone: "Europe/Paris" },
        chat: CHAT,
        deliverTo: [CHAT, OTHER_CHAT],
        deliverWhen: "nonEmpty",
        silence: "OK",
        missed: "all",
        graceMs: 7,
        overlap: "replace",
        attempts: 3,
        backoffMs: 5,
        timeoutMs: 11,
        staggerMs: 13,
        jitterMs: 17,
        untilMs: START_MS * 2,
        maxRuns: 19,
        disableAfter: 0,
        origin: "chat",
        owner: CHAT,
        startAtMs: START_MS + 4,
      });
      expect(await store.jobs.get("report")).toBeUndefined();
      expect(await store.jobs.put(record)).toBe("added");
      expect(await store.jobs.get("report")).toEqual(record);
      const paused: JobRecord = {
        ...record,
        name: "Other",
        status: "paused",
        nextAtMs: undefined,
        startAtMs: undefined,
        runs: 4,
        failures: 2,
      };
      expect(await store.jobs.put(paused)).toBe("replaced");
      expect(await store.jobs.get("report")).toEqual(paused);
      expect(await store.jobs.remove("report")).toBe(true);
      expect(await store.jobs.remove("report")).toBe(false);
      expect(await store.jobs.get("report")).toBeUndefined();
    }),
  );

  it(
    "replaces nothing that was to be new",
    on(async ({ store }) => {
      await store.jobs.put(job({ name: "first" }), { isNew: true });
      expect(await store.jobs.put(job({ name: "second" }), { isNew: true })).toBe("exists");
      expect((await store.jobs.get("report"))?.name).toBe("first");
    }),
  );

  it(
    "limits the jobs of an owner that are not completed",
    on(async ({ store }) => {
      const put = (id: string, overrides: Partial<JobRecord> = {}) =>
        store.jobs.put(job({ id, owner: CHAT, ...overrides }), { ownerMax: 2 });
      expect([await put("a"), await put("b", { status: "paused" }), await put("c")]).toEqual(["added", "added", "full"]);
      expect(await store.jobs.get("c")).toBeUndefined();
      expect(await put("a", { name: "again" })).toBe("replaced");
      expect(await put("c", { owner: OTHER_CHAT })).toBe("added");
      await put("b", { status: "completed" });
      expect(await put("d")).toBe("added");
    }),
  );
}

function listLaws(on: On): void {
  it(
    "lists page by page, and by owner, origin, status and failures",
    on(async ({ store }) => {
      await store.jobs.put(job({ id: "c", owner: CHAT }));
      await store.jobs.put(job({ id: "a", origin: "config", failures: 2 }));
      await store.jobs.put(job({ id: "b", owner: CHAT, status: "paused" }));
      const first = await store.jobs.list({ limit: 2 });
      const second = await store.jobs.list({ limit: 2, cursor: first.next });
      expect([...first.items, ...second.items].map((item) => item.id)).toEqual(["a", "b", "c"]);
      expect(second.next).toBeUndefined();
      const ids = async (filter: Parameters<typeof store.jobs.list>[1]) =>
        (await store.jobs.list({ limit: 10 }, filter)).items.map((item) => item.id);
      expect(await ids({ owner: CHAT })).toEqual(["b", "c"]);
      expect([await ids({ origin: "config" }), await ids({ isFailing: true })]).toEqual([["a"], ["a"]]);
      expect(await ids({ owner: CHAT, status: "active" })).toEqual(["c"]);
    }),
  );

  it(
    "tells which jobs start soon, soonest first, without paused and ended ones, page by page",
    on(async ({ store }) => {
      const starts = (startAtMs: number | undefined) => ({ startAtMs, nextAtMs: START_MS });
      await store.jobs.put(job({ id: "third", ...starts(START_MS + 30) }));
      await store.jobs.put(job({ id: "first", ...starts(START_MS + 10) }));
      await store.jobs.put(job({ id: "second", ...starts(START_MS + 20) }));
      await store.jobs.put(job({ id: "also", ...starts(START_MS + 20) }));
      await store.jobs.put(job({ id: "paused", ...starts(START_MS), status: "paused" }));
      await store.jobs.put(job({ id: "ended", nextAtMs: undefined, startAtMs: undefined, status: "completed" }));
      const due = async (...args: Parameters<typeof store.jobs.due>) => (await store.jobs.due(...args)).map((item) => item.id);
      expect(await due(START_MS + 1_000, 10)).toEqual(["first", "also", "second", "third"]);
      expect(await due(START_MS + 1_000, 2)).toEqual(["first", "also"]);
      expect(await due(START_MS + 1_000, 10, { id: "also", startAtMs: START_MS + 20 })).toEqual(["second", "third"]);
      expect(await due(START_MS + 30, 10)).toEqual(["first", "also", "second"]);
      // Nothing was moved by looking, and what was looked for in vain is found later.
      expect(await due(START_MS, 10)).toEqual([]);
      await store.jobs.put(job({ id: "zeroth", ...starts(START_MS - 5) }));
      expect(await due(START_MS, 10)).toEqual(["zeroth"]);
    }),
  );
}

function moveLaws(on: On): void {
  const to = { status: "active", nextAtMs: NEXT_MS, startAtMs: NEXT_MS + 2 } as const;

  it(
    "moves a job only from where its caller saw it",
    on(async ({ store }) => {
      await store.jobs.put(job({ failures: 3 }));
      expect(await store.jobs.advance({ jobId: "report", fromMs: START_MS + 1, to, atMs: START_MS })).toBe(false);
      expect(await store.jobs.advance({ jobId: "report", fromMs: START_MS, to, atMs: START_MS })).toBe(true);
      expect(await store.jobs.get("report")).toMatchObject({ nextAtMs: NEXT_MS, startAtMs: NEXT_MS + 2, failures: 3, runs: 0 });
      const paused = { ...to, status: "paused" } as const;
      expect(await store.jobs.advance({ jobId: "report", fromMs: NEXT_MS, to: paused, isForgiven: true, atMs: START_MS + 9 })).toBe(true);
      expect(await store.jobs.get("report")).toMatchObject({ status: "paused", failures: 0, changedAtMs: START_MS + 9 });
      await store.jobs.remove("report");
      expect(await store.jobs.advance({ jobId: "report", fromMs: NEXT_MS, to, atMs: START_MS })).toBe(false);
    }),
  );

  it(
    "records instants that passed in one row, with the move",
    on(async ({ store }) => {
      await store.jobs.put(job());
      const range = passed({ firstMs: START_MS, lastMs: START_MS + 3 * HOUR_MS, count: 4 });
      await store.jobs.advance({ jobId: "report", fromMs: START_MS, to, passed: range, atMs: START_MS + 7 });
      expect(await runsOf(store)).toEqual([
        {
          runId: "passed-1",
          jobId: "report",
          instantMs: START_MS + 3 * HOUR_MS,
          firstMs: START_MS,
          count: 4,
          trigger: "schedule",
          startedAtMs: START_MS + 7,
          endedAtMs: START_MS + 7,
          status: "missed",
          delivery: "none",
          error: range.error,
        },
      ]);
      expect(await store.chats.open(CRON_CHAT)).toBeUndefined();
      // The same instants once more, by a clock that was set back, change nothing.
      await store.jobs.advance({ jobId: "report", fromMs: NEXT_MS, to, passed: { ...range, runId: "passed-2" }, atMs: START_MS + 8 });
      expect(await runsOf(store)).toHaveLength(1);
    }),
  );
}

function instantLaws(on: On): void {
  it(
    "advances the job, opens a run and appends the row in one go",
    on(async ({ store }) => {
      await store.jobs.put(job());
      const result = await store.jobs.claimInstant(instantClaim());
      const run = {
        runId: "run-1",
        jobId: "report",
        instantMs: START_MS,
        firstMs: START_MS,
        count: 1,
        trigger: "schedule",
        startedAtMs: START_MS + 3,
        endedAtMs: undefined,
        status: "running",
        delivery: "none",
        error: undefined,
      };
      expect(result).toMatchObject({ status: "claimed", appended: { status: "accepted", seq: 1 }, replaced: [], run });
      expect(await store.jobs.get("report")).toMatchObject({ nextAtMs: NEXT_MS, startAtMs: NEXT_MS, runs: 1 });
      expect(await runsOf(store)).toEqual([run]);
      expect(await store.jobs.newestRuns(["report", "other"])).toEqual([run]);
      expect(await store.jobs.underWay(["report", "other"])).toEqual([{ jobId: "report", count: 1 }]);
      expect(await store.jobs.policy("run-1")).toEqual(instantClaim().policy);
      expect(await waitingTexts(store, CRON_CHAT)).toEqual(["write the report"]);
      expect((await recordOf(store, CRON_CHAT)).waitingClass).toBe("cron");
    }),
  );

  it(
    "fires an instant once",
    on(async ({ store }) => {
      await store.jobs.put(job());
      const both = await Promise.all([store.jobs.claimInstant(instantClaim()), store.jobs.claimInstant(instantClaim({ runId: "run-2" }))]);
      expect(both[1]).toEqual({ status: "gone" });
      expect(await runsOf(store)).toMatchObject([{ runId: "run-1" }]);
      const last = { status: "completed", nextAtMs: undefined, startAtMs: undefined } as const;
      expect(await store.jobs.claimInstant(instantClaim({ instantMs: NEXT_MS, to: last, runId: "run-3" }))).toMatchObject({
        appended: { status: "accepted", seq: 2 },
      });
      expect(await store.jobs.get("report")).toMatchObject({ status: "completed", nextAtMs: undefined, startAtMs: undefined, runs: 2 });
      expect(await store.jobs.due(START_MS * 2, 10)).toEqual([]);
    }),
  );

  it(
    "fires no instant twice though the job was put again",
    on(async ({ store }) => {
      await store.jobs.put(job());
      await store.jobs.claimInstant(instantClaim());
      await store.jobs.put(job());
      expect(await store.jobs.claimInstant(instantClaim({ runId: "run-2" }))).toEqual({ status: "gone" });
      expect(await waitingTexts(store, CRON_CHAT)).toHaveLength(1);
    }),
  );

  it(
    "fires nothing of a job that changed, rests or went",
    on(async ({ store }) => {
      expect(await store.jobs.claimInstant(instantClaim())).toEqual({ status: "gone" });
      await store.jobs.put(job({ nextAtMs: START_MS + 1 }));
      expect(await store.jobs.claimInstant(instantClaim())).toEqual({ status: "gone" });
      await store.jobs.put(job({ status: "paused" }));
      expect(await store.jobs.claimInstant(instantClaim())).toEqual({ status: "gone" });
      expect(await runsOf(store)).toEqual([]);
      expect(await store.chats.open(CRON_CHAT)).toBeUndefined();
    }),
  );

  it(
    "records what passed before the instant that runs, in the same go",
    on(async ({ store }) => {
      await store.jobs.put(job());
      const instantMs = START_MS + 2 * HOUR_MS;
      const range = passed({ lastMs: START_MS + HOUR_MS, count: 2 });
      await store.jobs.claimInstant(instantClaim({ fromMs: START_MS, instantMs, passed: range }));
      expect(await runsOf(store)).toMatchObject([
        { status: "running", instantMs, count: 1 },
        { status: "missed", instantMs: START_MS + HOUR_MS, firstMs: START_MS, count: 2 },
      ]);
    }),
  );

  it(
    "runs by hand without moving the job, at an instant of its own, whatever the job's status",
    on(async ({ store }) => {
      await store.jobs.put(job({ status: "paused" }));
      const byHand = { fromMs: undefined, to: undefined, instantMs: START_MS };
      const first = await store.jobs.claimInstant(instantClaim(byHand));
      const second = await store.jobs.claimInstant(instantClaim({ ...byHand, runId: "run-2" }));
      // The next instant of the schedule stays free.
      expect([first, second]).toMatchObject([{ run: { instantMs: START_MS + 1 } }, { run: { instantMs: START_MS + 2 } }]);
      expect(await store.jobs.get("report")).toMatchObject({ status: "paused", nextAtMs: START_MS, runs: 0 });
      expect(await store.jobs.claimInstant(instantClaim({ ...byHand, jobId: "other", runId: "run-3" }))).toEqual({ status: "gone" });
    }),
  );

  it(
    "skips the run of a chat that takes no more",
    on(async ({ store }) => {
      await store.jobs.put(job());
      await append(store, { chat: CRON_CHAT });
      const { append: request } = instantClaim();
      const result = await store.jobs.claimInstant(instantClaim({ append: { ...request, inboxMax: 1 } }));
      expect(result).toMatchObject({ status: "claimed", appended: { status: "full" } });
      expect(await runsOf(store)).toMatchObject([{ status: "skipped", error: { code: "INBOX_FULL" }, endedAtMs: START_MS + 3 }]);
      expect(await store.jobs.underWay(["report"])).toEqual([]);
    }),
  );

  it(
    "pages through the runs of one job",
    on(async ({ store }) => {
      await store.jobs.put(job());
      await store.jobs.put(job({ id: "other" }));
      await store.jobs.claimInstant(instantClaim({ of: job({ id: "other" }), runId: "run-other" }));
      for (let place = 0; place < 5; place += 1)
        await store.jobs.claimInstant(instantClaim({ instantMs: START_MS + place * HOUR_MS, runId: `run-${place}` }));
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let round = 0; round < 5; round += 1) {
        const page = await store.jobs.runs("report", { limit: 2, cursor });
        seen.push(...page.items.map((run) => run.runId));
        cursor = page.next;
        if (cursor === undefined) break;
      }
      expect(seen).toEqual(["run-4", "run-3", "run-2", "run-1", "run-0"]);
    }),
  );
}

function overlapLaws(on: On): void {
  const second = (of: JobRecord) => instantClaim({ of, instantMs: NEXT_MS, runId: "run-2" });

  it(
    "records an instant as skipped while a run is under way, and moves on",
    on(async ({ store }) => {
      const of = job({ overlap: "skip" });
      await store.jobs.put(of);
      await store.jobs.claimInstant(instantClaim({ of }));
      const result = await store.jobs.claimInstant(second(of));
      expect(result).toMatchObject({ status: "overlapped", run: { status: "skipped", error: { code: "RUN_OVERLAPS" } } });
      expect(await runsOf(store)).toMatchObject([{ status: "skipped" }, { status: "running" }]);
      expect(await store.jobs.get("report")).toMatchObject({ nextAtMs: NEXT_MS + HOUR_MS, runs: 1 });
      expect(await waitingTexts(store, CRON_CHAT)).toHaveLength(1);
    }),
  );

  it(
    "replaces the turn of an earlier run, which is fenced off, and the row of one that waits",
    on(async ({ store }) => {
      const of = job({ overlap: "replace" });
      await store.jobs.put(of);
      await store.jobs.claimInstant(instantClaim({ of }));
      const held = await claim(store, { chat: CRON_CHAT });
      expect(await store.jobs.claimInstant(second(of))).toMatchObject({ status: "claimed", replaced: ["run-1"] });
      expect(await store.jobs.claimInstant(instantClaim({ of, instantMs: NEXT_MS + HOUR_MS, runId: "run-3" }))).toMatchObject({
        status: "claimed",
        replaced: ["run-2"],
      });
      expect(await runsOf(store)).toMatchObject([
        { runId: "run-3", status: "running" },
        { runId: "run-2", status: "replaced" },
        { runId: "run-1", status: "replaced", error: { code: "RUN_REPLACED" } },
      ]);
      expect((await recordOf(store, CRON_CHAT)).fence).toBeGreaterThan(held.fence);
      expect(await store.turns.journal(CRON_CHAT, held.fence, held.turnId, { place: 0, type: "step", key: "k", body: "1", atMs: 1 })).toBe(
        "fenced",
      );
      expect(await recordOf(store, CRON_CHAT)).toMatchObject({ waiting: 1, openTurn: undefined });
      expect((await claim(store, { chat: CRON_CHAT, turnId: "turn-2" })).run?.runId).toBe("run-3");
    }),
  );

  it(
    "replaces nothing of a person in the chat where the job runs",
    on(async ({ store }) => {
      const of = job({ overlap: "replace", chat: CHAT });
      await store.jobs.put(of);
      await append(store, { text: "hello" });
      const held = await claim(store);
      await store.jobs.claimInstant(instantClaim({ of }));
      await store.jobs.claimInstant(second(of));
      expect(await recordOf(store)).toMatchObject({ fence: held.fence, waiting: 2, openTurn: { turnId: held.turnId } });
    }),
  );
}

function sweepLaws(on: On): void {
  it(
    "keeps runs and completed jobs as long as it is told, and those of the configuration for good",
    on(async ({ store }) => {
      const ended = { status: "completed", nextAtMs: undefined, startAtMs: undefined, changedAtMs: START_MS } as const;
      await store.jobs.put(job());
      await store.jobs.put(job({ id: "done", ...ended }));
      await store.jobs.put(job({ id: "configured", ...ended, origin: "config" }));
      await store.jobs.claimInstant(instantClaim({ passed: passed({ firstMs: START_MS - 1, lastMs: START_MS - 1 }) }));
      const sweep = async (runsBeforeMs: number) => {
        for (let round = 0; round < 10 && (await store.sweep(retention({ runsBeforeMs }))); round += 1);
      };
      await sweep(START_MS - HOUR_MS);
      expect(await runsOf(store)).toHaveLength(2);
      await sweep(START_MS + HOUR_MS);
      expect(await runsOf(store)).toMatchObject([{ status: "running" }]);
      expect((await store.jobs.list({ limit: 10 })).items.map((item) => item.id)).toEqual(["configured", "report"]);
    }),
  );
}
