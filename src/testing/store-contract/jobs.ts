import { describe, expect, it } from "vitest";
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent } from "../../core/content.ts";
import type { RunRecord } from "../../ports/store/records.ts";
import type { AppendRequest, Claim, JobStore, Store } from "../../ports/store/store.ts";
import { CHAT, HOUR_MS, START_MS, appendRequest, failCommit, job, turnCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, statuses, take, textsOf, waitingTexts, type On } from "./law.ts";

const CRON_CHAT: ChatKey = "cron:report";
const NEXT_MS = START_MS + HOUR_MS;

export function jobLaws(on: On): void {
  describe("jobs", () => {
    recordLaws(on);
    instantLaws(on);
    resultLaws(on);
  });
}

function instant(overrides: Partial<Parameters<JobStore["claimInstant"]>[0]> = {}): Parameters<JobStore["claimInstant"]>[0] {
  return {
    jobId: "report",
    instantMs: START_MS,
    nextAtMs: NEXT_MS,
    runId: "run-1",
    status: "running",
    append: tick(),
    atMs: START_MS + 3,
    ...overrides,
  };
}

function tick(overrides: Partial<AppendRequest> = {}): AppendRequest {
  return appendRequest({ chat: CRON_CHAT, address: "", turnClass: "cron", text: "write the report", sender: undefined, ...overrides });
}

async function runsOf(store: Store): Promise<readonly RunRecord[]> {
  return (await store.jobs.runs("report", { limit: 100 })).items;
}

/** A job that fired once and whose row is claimed. */
async function firedJob(store: Store, deliverTo: ChatKey | undefined): Promise<Claim> {
  await store.jobs.put(job({ deliverTo }));
  await store.jobs.claimInstant(instant());
  return claim(store, { chat: CRON_CHAT, rowsMax: 9 });
}

function recordLaws(on: On): void {
  it(
    "moves the next instant of a job only from where its caller saw it",
    on(async ({ store }) => {
      await store.jobs.put(job());
      expect(await store.jobs.reschedule("report", START_MS + 1, NEXT_MS)).toBe(false);
      expect(await store.jobs.reschedule("report", START_MS, NEXT_MS)).toBe(true);
      expect(await store.jobs.get("report")).toMatchObject({ nextAtMs: NEXT_MS });
      expect(await store.jobs.reschedule("report", NEXT_MS, undefined)).toBe(true);
      expect((await store.jobs.get("report"))?.nextAtMs).toBeUndefined();
      await store.jobs.remove("report");
      expect(await store.jobs.reschedule("report", START_MS, NEXT_MS)).toBe(false);
      expect(await store.jobs.get("report")).toBeUndefined();
    }),
  );

  it(
    "puts, replaces, gets and removes a job",
    on(async ({ store }) => {
      const record = job({ schedule: { kind: "cron", expression: "0 9 * * *", timezone: "Europe/Paris" }, deliverTo: CHAT });
      expect(await store.jobs.get("report")).toBeUndefined();
      expect(await store.jobs.put(record)).toBe("added");
      expect(await store.jobs.get("report")).toEqual(record);
      expect(await store.jobs.put({ ...record, name: "Other", paused: true })).toBe("replaced");
      expect(await store.jobs.get("report")).toEqual({ ...record, name: "Other", paused: true });
      expect(await store.jobs.remove("report")).toBe(true);
      expect(await store.jobs.remove("report")).toBe(false);
      expect(await store.jobs.get("report")).toBeUndefined();
    }),
  );

  it(
    "lists page by page",
    on(async ({ store }) => {
      for (const id of ["c", "a", "b"]) await store.jobs.put(job({ id }));
      const first = await store.jobs.list({ limit: 2 });
      const second = await store.jobs.list({ limit: 2, cursor: first.next });
      expect([...first.items, ...second.items].map((item) => item.id)).toEqual(["a", "b", "c"]);
      expect(second.next).toBeUndefined();
    }),
  );

  it(
    "tells which jobs are due, soonest first, without paused and ended ones",
    on(async ({ store }) => {
      await store.jobs.put(job({ id: "third", nextAtMs: START_MS + 30 }));
      await store.jobs.put(job({ id: "first", nextAtMs: START_MS + 10 }));
      await store.jobs.put(job({ id: "second", nextAtMs: START_MS + 20 }));
      await store.jobs.put(job({ id: "paused", nextAtMs: START_MS, paused: true }));
      await store.jobs.put(job({ id: "ended", nextAtMs: undefined }));
      const due = async (beforeMs: number, limit: number) => (await store.jobs.due(beforeMs, limit)).map((item) => item.id);
      expect(await due(START_MS + 1_000, 10)).toEqual(["first", "second", "third"]);
      expect(await due(START_MS + 1_000, 2)).toEqual(["first", "second"]);
      expect(await due(START_MS + 30, 10)).toEqual(["first", "second"]);
      expect((await store.jobs.get("first"))?.nextAtMs).toBe(START_MS + 10);
    }),
  );
}

function instantLaws(on: On): void {
  it(
    "advances the job, opens a run and appends the row in one go",
    on(async ({ store }) => {
      await store.jobs.put(job());
      const result = await store.jobs.claimInstant(instant());
      expect(result).toMatchObject({ appended: { status: "accepted", seq: 1 } });
      expect((await store.jobs.get("report"))?.nextAtMs).toBe(NEXT_MS);
      expect(await runsOf(store)).toEqual([
        {
          runId: "run-1",
          jobId: "report",
          instantMs: START_MS,
          startedAtMs: START_MS + 3,
          endedAtMs: undefined,
          status: "running",
          delivery: "none",
          error: undefined,
        },
      ]);
      expect(await waitingTexts(store, CRON_CHAT)).toEqual(["write the report"]);
      expect((await recordOf(store, CRON_CHAT)).waitingClass).toBe("cron");
    }),
  );

  it(
    "fires an instant once",
    on(async ({ store }) => {
      await store.jobs.put(job());
      const both = await Promise.all([store.jobs.claimInstant(instant()), store.jobs.claimInstant(instant({ runId: "run-2" }))]);
      expect(both[1]).toBe("gone");
      expect(await runsOf(store)).toMatchObject([{ runId: "run-1" }]);
      expect(await waitingTexts(store, CRON_CHAT)).toHaveLength(1);
      expect(await store.jobs.claimInstant(instant({ instantMs: NEXT_MS, nextAtMs: undefined, runId: "run-3" }))).toMatchObject({
        appended: { status: "accepted", seq: 2 },
      });
      expect((await store.jobs.get("report"))?.nextAtMs).toBeUndefined();
      expect(await store.jobs.due(START_MS * 2, 10)).toEqual([]);
    }),
  );

  it(
    "fires no instant twice though the job was put again",
    on(async ({ store }) => {
      await store.jobs.put(job());
      await store.jobs.claimInstant(instant());
      await store.jobs.put(job());
      expect(await store.jobs.claimInstant(instant({ runId: "run-2" }))).toBe("gone");
      expect(await waitingTexts(store, CRON_CHAT)).toHaveLength(1);
    }),
  );

  it(
    "fires nothing of a job that changed or went",
    on(async ({ store }) => {
      expect(await store.jobs.claimInstant(instant())).toBe("gone");
      await store.jobs.put(job({ nextAtMs: START_MS + 1 }));
      expect(await store.jobs.claimInstant(instant())).toBe("gone");
      expect((await store.jobs.get("report"))?.nextAtMs).toBe(START_MS + 1);
      expect(await runsOf(store)).toEqual([]);
      expect(await store.chats.open(CRON_CHAT)).toBeUndefined();
    }),
  );

  for (const status of ["missed", "skipped"] as const) {
    it(
      `records a ${status} instant without a row`,
      on(async ({ store }) => {
        await store.jobs.put(job());
        expect(await store.jobs.claimInstant(instant({ status, append: undefined }))).toEqual({ appended: undefined });
        expect(await runsOf(store)).toMatchObject([{ status, instantMs: START_MS, delivery: "none" }]);
        expect((await store.jobs.get("report"))?.nextAtMs).toBe(NEXT_MS);
        expect(await store.chats.open(CRON_CHAT)).toBeUndefined();
      }),
    );
  }

  it(
    "pages through the runs of one job",
    on(async ({ store }) => {
      await store.jobs.put(job());
      await store.jobs.put(job({ id: "other" }));
      await store.jobs.claimInstant(instant({ jobId: "other", runId: "run-other", append: undefined, status: "missed" }));
      for (let place = 0; place < 5; place += 1) {
        const instantMs = START_MS + place * HOUR_MS;
        await store.jobs.claimInstant(
          instant({ instantMs, nextAtMs: instantMs + HOUR_MS, runId: `run-${place}`, append: undefined, status: "missed" }),
        );
      }
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let round = 0; round < 5; round += 1) {
        const page = await store.jobs.runs("report", { limit: 2, cursor });
        seen.push(...page.items.map((run) => run.runId));
        cursor = page.next;
        if (cursor === undefined) break;
      }
      expect(seen.sort()).toEqual(["run-0", "run-1", "run-2", "run-3", "run-4"]);
    }),
  );
}

function resultLaws(on: On): void {
  const two = [textContent("one"), textContent("two")];
  const sent = (part: { id: string; attempts: number }) =>
    ({ chat: CHAT, id: part.id, attempt: part.attempts, outcome: { type: "sent", platformId: "p" }, lazy: false, atMs: START_MS }) as const;

  it(
    "tells the turn which run it answers, also at its next attempt, and never mixes it with other rows",
    on(async ({ store }) => {
      const held = await firedJob(store, CHAT);
      await append(store, { chat: CRON_CHAT, text: "a person" });
      expect(held.run).toEqual({ runId: "run-1", jobId: "report", deliverTo: CHAT });
      await store.turns.fail(failCommit(held));
      const again = await claim(store, { chat: CRON_CHAT, rowsMax: 9 });
      expect(again.run).toEqual(held.run);
      expect(textsOf(again.rows)).toEqual(["write the report"]);
      await store.turns.commit(turnCommit(again));
      const next = await claim(store, { chat: CRON_CHAT, turnId: "turn-2", rowsMax: 9 });
      expect(next.run).toBeUndefined();
      expect(textsOf(next.rows)).toEqual(["a person"]);
    }),
  );

  it(
    "keeps a person's rows apart from a run that waits behind them",
    on(async ({ store }) => {
      await append(store, { chat: CRON_CHAT, text: "a person" });
      await store.jobs.put(job());
      await store.jobs.claimInstant(instant());
      const held = await claim(store, { chat: CRON_CHAT, rowsMax: 9 });
      expect(textsOf(held.rows)).toEqual(["a person"]);
      expect(held.run).toBeUndefined();
    }),
  );

  it(
    "puts the result into the chat that receives it, and into its history",
    on(async ({ store }) => {
      await append(store);
      await store.turns.commit(turnCommit(await claim(store, { turnId: "turn-0" }), { delivery: "delivered" }));
      const held = await firedJob(store, CHAT);
      const commit = turnCommit(held, { parts: two });
      const result = await store.turns.commit(commit);
      expect(result).toMatchObject({
        waiting: 0,
        parts: [
          { chat: CHAT, part: 1 },
          { chat: CHAT, part: 2 },
        ],
      });
      expect(await parts(store, CRON_CHAT)).toEqual([]);
      expect(textsOf(await parts(store))).toEqual(["answer of turn-0", "one", "two"]);
      const history = await store.chats.history(CHAT, 10);
      expect(history.map((entry) => entry.role)).toEqual(["user", "assistant", "assistant"]);
      expect(history.at(-1)?.content).toEqual(commit.history.at(-1)?.content);
      expect(await store.chats.history(CRON_CHAT, 10)).toEqual(commit.history);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 2 });
      expect(await recordOf(store, CRON_CHAT)).toMatchObject({ unsettledParts: 0, revision: 1 });
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "waiting" }]);
      expect((await runsOf(store))[0]?.endedAtMs).toBeDefined();
    }),
  );

  it(
    "calls a run delivered once the platform took all its parts",
    on(async ({ store }) => {
      await append(store);
      await store.turns.commit(turnCommit(await firedJob(store, CHAT), { parts: two }));
      await store.outbox.settle(sent(await take(store)), undefined);
      expect(await runsOf(store)).toMatchObject([{ delivery: "waiting" }]);
      await store.outbox.settle(sent(await take(store)), undefined);
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "delivered" }]);
    }),
  );

  it(
    "calls the delivery failed when the platform refuses a part",
    on(async ({ store }) => {
      await append(store);
      await store.turns.commit(turnCommit(await firedJob(store, CHAT), { parts: two }));
      const outcome = { type: "refused", error: { code: "CHANNEL_REFUSED", message: "blocked" } } as const;
      await store.outbox.settle({ ...sent(await take(store)), outcome }, undefined);
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "failed" }]);
    }),
  );

  it(
    "begins no send while an earlier part of the receiving chat is unsettled",
    on(async ({ store }) => {
      await store.outbox.put(CHAT, [textContent("earlier")], { groupId: "g", delivered: false, atMs: START_MS });
      await store.turns.commit(turnCommit(await firedJob(store, CHAT), { delivery: "sending" }));
      expect(await statuses(store)).toEqual(["waiting", "waiting"]);
    }),
  );

  it(
    "is delivered at once where the commit itself delivers, and delivers nothing without a receiver",
    on(async ({ store }) => {
      await append(store, { chat: "api:ann" });
      const held = await firedJob(store, "api:ann");
      await store.turns.commit(turnCommit(held, { delivery: "delivered" }));
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "delivered" }]);
      await store.jobs.put(job({ nextAtMs: NEXT_MS }));
      await store.jobs.claimInstant(instant({ instantMs: NEXT_MS, nextAtMs: undefined, runId: "run-2" }));
      const mute = await claim(store, { chat: CRON_CHAT, turnId: "turn-2" });
      expect(await store.turns.commit(turnCommit(mute))).toMatchObject({ parts: [] });
      expect((await runsOf(store)).find((run) => run.runId === "run-2")).toMatchObject({ status: "succeeded", delivery: "none" });
      expect((await store.outbox.list({}, { limit: 10 })).items.map((part) => part.chat)).toEqual(["api:ann"]);
    }),
  );

  it(
    "fails the run of a turn that is given up, and leaves it running at a retry",
    on(async ({ store }) => {
      const held = await firedJob(store, CHAT);
      await store.turns.fail(failCommit(held));
      expect(await runsOf(store)).toMatchObject([{ status: "running" }]);
      const again = await claim(store, { chat: CRON_CHAT });
      const commit = failCommit(again, { outcome: "giveUp", atMs: START_MS + 50 });
      await store.turns.fail(commit);
      expect(await runsOf(store)).toMatchObject([{ status: "failed", endedAtMs: START_MS + 50, error: commit.error }]);
    }),
  );

  it(
    "sets the delivery of a run",
    on(async ({ store }) => {
      await firedJob(store, CHAT);
      await store.jobs.setDelivery("run-1", "failed");
      expect(await runsOf(store)).toMatchObject([{ delivery: "failed" }]);
    }),
  );
}
