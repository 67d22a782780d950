import { describe, expect, it } from "vitest";
import { textContent } from "../../core/content.ts";
import { CHAT, OTHER_CHAT, START_MS, askCommit, failCommit, journalEntry, snapshotWrite, turnCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, say, take, textsOf, waitingTexts, type On } from "./law.ts";

/** Attempts that end without an answer: failed, aborted, asking, or unknown. */
export function turnFailureLaws(on: On): void {
  describe("turns that fail", () => {
    failureLaws(on);
    interruptionLaws(on);
    recoveryLaws(on);
  });
}

function failureLaws(on: On): void {
  it(
    "retry: counts the failure and keeps the rows waiting under the same turn",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      const held = await claim(store);
      await store.turns.journal(CHAT, held.fence, held.turnId, journalEntry(0));
      const commit = failCommit(held);
      expect(await store.turns.fail(commit)).toEqual({ parts: [], revision: 1, ended: 0, waiting: 2 });
      const record = await recordOf(store);
      expect(record).toMatchObject({ state: "backingOff", revision: 1, snapshot: commit.write?.snapshot });
      expect(record.openTurn).toMatchObject({ turnId: "turn-1", status: "waiting", attempt: 1, failures: 1 });
      expect(await store.turns.list(CHAT, 1)).toMatchObject([{ turnId: "turn-1", status: "waiting", error: commit.error }]);
      const again = await claim(store, { turnId: "turn-2" });
      expect(again).toMatchObject({ turnId: "turn-1", attempt: 2, failures: 1, rows: [{ seq: 1 }], journal: [journalEntry(0)] });
      await store.turns.fail(failCommit(again));
      expect(await claim(store)).toMatchObject({ attempt: 3, failures: 2 });
    }),
  );

  it(
    "giveUp: ends the rows as failed, replies, and lets the next message run",
    on(async ({ store }) => {
      await say(store, ["a", "b", "c"]);
      const held = await claim(store, { rowsMax: 2 });
      const commit = failCommit(held, { outcome: "giveUp", reply: textContent("sorry"), write: snapshotWrite(), atMs: START_MS + 8 });
      const result = await store.turns.fail(commit);
      expect(result).toMatchObject({ revision: 1, ended: 2, waiting: 1, parts: [{ status: "waiting", part: 1, of: 1 }] });
      expect(textsOf(await parts(store))).toEqual(["sorry"]);
      expect((await recordOf(store)).openTurn).toBeUndefined();
      expect(await waitingTexts(store)).toEqual(["c"]);
      expect(await store.turns.list(CHAT, 1)).toMatchObject([
        { status: "failed", failures: 1, endedAtMs: START_MS + 8, error: commit.error },
      ]);
      expect(await store.turns.fail(commit)).toBe("fenced");
      expect(await claim(store, { turnId: "turn-2" })).toMatchObject({ turnId: "turn-2", failures: 0, rows: [{ seq: 3 }] });
    }),
  );

  it(
    "quarantine: keeps the rows waiting in the open turn, keeps the error with the chat, and replies",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store);
      const error = { code: "TURN_KILLED_PROCESS", message: "three times" };
      const write = snapshotWrite({ state: "quarantined", error });
      const result = await store.turns.fail(
        failCommit(held, { outcome: "quarantine", error, write, reply: textContent("stuck"), delivered: true }),
      );
      expect(result).toMatchObject({ ended: 0, waiting: 1, parts: [{ status: "sent" }] });
      const record = await recordOf(store);
      expect(record).toMatchObject({ state: "quarantined", error, waiting: 1 });
      expect(record.openTurn).toMatchObject({ turnId: "turn-1", status: "waiting", failures: 1 });
    }),
  );
}

function interruptionLaws(on: On): void {
  it(
    "abort: counts nothing, stores no revision, and voids the fence of the aborted attempt",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store);
      const result = await store.turns.fail(failCommit(held, { outcome: "abort" }));
      expect(result).toEqual({ parts: [], revision: 0, ended: 0, waiting: 1 });
      const record = await recordOf(store);
      expect(record).toMatchObject({ fence: held.fence + 1, revision: 0 });
      expect(record.openTurn).toMatchObject({ turnId: "turn-1", status: "waiting", failures: 0 });
      expect(await store.turns.journal(CHAT, held.fence, held.turnId, journalEntry(0))).toBe("fenced");
      expect(await store.turns.commit(turnCommit(held))).toBe("fenced");
      expect(await claim(store, { turnId: "turn-2" })).toMatchObject({ turnId: "turn-1", attempt: 2, failures: 0 });
    }),
  );

  it(
    "ask: journals the question, stores the snapshot that asks, and sends it; the next claim resumes",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store);
      const timers = [{ id: "answer", event: { type: "question.timedOut" }, dueAtMs: START_MS + 60_000 }];
      const commit = askCommit(held, { write: snapshotWrite({ state: "asking", timers }) });
      expect(await store.turns.ask(commit)).toMatchObject({ revision: 1, parts: [{ status: "waiting", content: commit.question }] });
      const record = await recordOf(store);
      expect(record).toMatchObject({ state: "asking", revision: 1, timers, waiting: 1, unsettledParts: 1 });
      expect(record.openTurn).toMatchObject({ turnId: "turn-1", status: "waiting", failures: 0 });
      expect(await claim(store, { turnId: "turn-2" })).toMatchObject({ turnId: "turn-1", failures: 0, journal: [commit.entry] });
    }),
  );
}

function recoveryLaws(on: On): void {
  it(
    "makes suspects of the turns found started, without counting a failure",
    on(async ({ store }) => {
      await append(store);
      await append(store, { chat: OTHER_CHAT });
      const held = await claim(store);
      const waiting = await claim(store, { chat: OTHER_CHAT });
      await store.turns.fail(failCommit(waiting));
      expect(await store.turns.recover(START_MS + 9)).toEqual({ suspects: 1, ambiguous: 0 });
      expect((await recordOf(store)).openTurn).toMatchObject({ turnId: "turn-1", status: "suspect", failures: 0 });
      expect((await recordOf(store, OTHER_CHAT)).openTurn).toMatchObject({ status: "waiting", failures: 1 });
      const again = await claim(store, { suspect: true });
      expect(again).toMatchObject({ turnId: "turn-1", attempt: 2, failures: 0, rows: [{ seq: 1 }] });
      expect(again.fence).toBeGreaterThan(held.fence);
      expect(await store.turns.commit(turnCommit(again))).toMatchObject({ waiting: 0 });
    }),
  );

  it(
    "counts an unknown end against the turn that held the suspect slot, once",
    on(async ({ store }) => {
      await append(store);
      await claim(store);
      await store.turns.recover(START_MS);
      await claim(store, { suspect: true });
      expect(await store.turns.recover(START_MS)).toEqual({ suspects: 1, ambiguous: 0 });
      expect((await recordOf(store)).openTurn).toMatchObject({ status: "suspect", failures: 1 });
      expect(await store.turns.recover(START_MS)).toEqual({ suspects: 0, ambiguous: 0 });
      expect((await recordOf(store)).openTurn).toMatchObject({ status: "suspect", failures: 1 });
      expect(await claim(store)).toMatchObject({ attempt: 3, failures: 1 });
      await store.turns.recover(START_MS);
      expect((await recordOf(store)).openTurn).toMatchObject({ failures: 1 });
    }),
  );

  it(
    "counts nothing for a suspect that was aborted before the process ended",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store, { suspect: true });
      await store.turns.fail(failCommit(held, { outcome: "abort" }));
      expect(await store.turns.recover(START_MS)).toEqual({ suspects: 0, ambiguous: 0 });
      expect((await recordOf(store)).openTurn).toMatchObject({ failures: 0 });
    }),
  );

  it(
    "counts for a turn that was claimed together with its append",
    on(async ({ store }) => {
      await append(store, { claim: { turnId: "turn-1", suspect: true } });
      await store.turns.recover(START_MS);
      expect((await recordOf(store)).openTurn).toMatchObject({ turnId: "turn-1", status: "suspect", failures: 1 });
    }),
  );

  it(
    "lets parts found in sending wait again, marked ambiguous",
    on(async ({ store }) => {
      await append(store);
      await store.turns.commit(turnCommit(await claim(store), { delivery: "sending", parts: [textContent("1"), textContent("2")] }));
      expect(await store.turns.recover(START_MS)).toEqual({ suspects: 0, ambiguous: 1 });
      expect((await parts(store)).map((part) => [part.status, part.attempts, part.ambiguous])).toEqual([
        ["waiting", 1, true],
        ["waiting", 0, false],
      ]);
      expect(await take(store)).toMatchObject({ part: 1, attempts: 2, ambiguous: true });
    }),
  );

  it(
    "says in the event log that events may be missing",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      await store.turns.commit(turnCommit(await claim(store)));
      await claim(store, { turnId: "turn-2" });
      await store.turns.recover(START_MS + 77);
      const rows = await store.events.list(CHAT, 0, 10);
      expect(rows.map((row) => row.events.map((event) => event.type))).toEqual([["turn.committed"], ["chat.restored"]]);
      expect(rows[1]).toMatchObject({ revision: 2, atMs: START_MS + 77 });
      expect((await recordOf(store)).revision).toBe(2);
      const again = await claim(store);
      expect(await store.turns.commit(turnCommit(again))).toMatchObject({ revision: 3 });
    }),
  );
}
