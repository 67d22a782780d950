import { describe, expect, it } from "vitest";
import { CHAT, START_MS, appendRequest, commandCommit, instantClaim, job, journalEntry, snapshotWrite, turnCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, say, take, textsOf, waitingTexts, type On } from "./law.ts";

/** What stays after a stop, and what several owners of one database see of each other. */
export function ownershipLaws(on: On): void {
  describe("reopening", () => {
    reopenLaws(on);
  });
  describe("two handles on one database", () => {
    handleLaws(on);
  });
}

function reopenLaws(on: On): void {
  it(
    "finds chats, rows, turns, journal, timers, events and settings again",
    on(async ({ store, reopen }) => {
      await append(store, { updateId: "u1" });
      const timers = [{ id: "t", event: { type: "t.due" }, dueAtMs: START_MS + 5 }];
      await store.turns.commit(turnCommit(await claim(store), { write: snapshotWrite({ timers }) }));
      const seq = await append(store, { kind: "command", text: "/queue" });
      await store.chats.command(commandCommit(seq, { settings: { overlap: "collect" } }));
      await say(store, ["a", "b"]);
      const held = await claim(store, { turnId: "turn-2" });
      await store.turns.journal(CHAT, held.fence, held.turnId, journalEntry(0));
      await take(store);
      const before = [await recordOf(store), await parts(store), await store.chats.history(CHAT, 10), await store.events.list(CHAT, 0, 10)];
      const again = await reopen();
      expect([
        await recordOf(again),
        await parts(again),
        await again.chats.history(CHAT, 10),
        await again.events.list(CHAT, 0, 10),
      ]).toEqual(before);
      expect(await waitingTexts(again)).toEqual(["a", "b"]);
      expect(await again.timers.dueBefore(START_MS + 10, 10)).toMatchObject([{ chat: CHAT, timer: { id: "t" } }]);
      expect(await again.inbox.append([appendRequest({ updateId: "u1" })])).toEqual([{ status: "duplicate", seq: 1 }]);
      expect(await again.turns.recover(START_MS)).toEqual({ suspects: 1, ambiguous: 1 });
      const resumed = await claim(again, { suspect: true });
      expect(resumed).toMatchObject({ turnId: "turn-2", attempt: 2, rows: [{ seq: 3 }], journal: [journalEntry(0)] });
      expect(resumed.fence).toBeGreaterThan(held.fence);
      expect(await take(again)).toMatchObject({ part: 1, attempts: 2, ambiguous: true });
    }),
  );

  it(
    "finds jobs, runs and cells again",
    on(async ({ store, reopen }) => {
      await store.jobs.put(job());
      const request = instantClaim();
      await store.jobs.claimInstant(request);
      await store.kv.set("channel/telegram", "offset", { at: 42 });
      const before = [await store.jobs.get("report"), await store.jobs.runs("report", { limit: 10 })];
      const again = await reopen();
      expect([await again.jobs.get("report"), await again.jobs.runs("report", { limit: 10 })]).toEqual(before);
      expect(await again.jobs.claimInstant(instantClaim({ runId: "run-2" }))).toEqual({ status: "gone" });
      expect(await again.kv.get("channel/telegram", "offset")).toEqual({ at: 42 });
      expect((await claim(again, { chat: "cron:report" })).run).toMatchObject({ runId: "run-1", jobId: "report" });
    }),
  );

  it(
    "finishes the writes under way before it stops",
    on(async ({ store, reopen }) => {
      const writes = Array.from({ length: 50 }, (_, place) => append(store, { text: `m${place}` }));
      const again = await reopen();
      const seqs = await Promise.all(writes);
      expect(seqs).toEqual(Array.from({ length: 50 }, (_, place) => place + 1));
      expect(await waitingTexts(again)).toHaveLength(50);
    }),
  );

  it(
    "keeps a lazy settle that was issued before the stop",
    on(async ({ store, reopen }) => {
      await append(store);
      await store.turns.commit(turnCommit(await claim(store)));
      const part = await take(store);
      const outcome = { type: "sent", platformId: "p1" } as const;
      const settled = store.outbox.settle({ chat: CHAT, id: part.id, attempt: 1, outcome, lazy: true, atMs: START_MS }, undefined);
      const again = await reopen();
      await settled;
      expect(await parts(again)).toMatchObject([{ status: "sent", platformId: "p1" }]);
    }),
  );
}

function handleLaws(on: On): void {
  it(
    "sees through one what was appended through the other",
    on(async ({ store, second }, context) => {
      if (!second) return context.skip("this store has a single owner");
      const other = await second();
      await say(store, ["a"]);
      expect(await waitingTexts(other)).toEqual(["a"]);
      await append(other, { text: "b", updateId: "u2" });
      expect(await store.inbox.append([appendRequest({ text: "b", updateId: "u2" })])).toEqual([{ status: "duplicate", seq: 2 }]);
      expect(textsOf((await claim(store, { rowsMax: 9 })).rows)).toEqual(["a", "b"]);
    }),
  );

  it(
    "fences the commit of one by the claim of the other",
    on(async ({ store, second }, context) => {
      if (!second) return context.skip("this store has a single owner");
      const other = await second();
      await append(store);
      const stale = await claim(store);
      const owner = await claim(other);
      expect(await store.turns.commit(turnCommit(stale))).toBe("fenced");
      expect(await store.chats.park(CHAT, stale.fence, snapshotWrite())).toBe("fenced");
      expect(await other.turns.commit(turnCommit(owner))).toMatchObject({ waiting: 0 });
      expect(textsOf(await parts(store))).toEqual(["answer of turn-1"]);
    }),
  );

  it(
    "fires an instant through one of them only",
    on(async ({ store, second }, context) => {
      if (!second) return context.skip("this store has a single owner");
      const other = await second();
      await store.jobs.put(job());
      const fire = (through: typeof store, runId: string) => through.jobs.claimInstant(instantClaim({ runId }));
      const results = await Promise.all([fire(store, "run-1"), fire(other, "run-2")]);
      expect(results.filter((result) => result.status === "gone")).toHaveLength(1);
      expect(await waitingTexts(store, "cron:report")).toHaveLength(1);
    }),
  );
}
