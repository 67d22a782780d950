import { describe, expect, it } from "vitest";
import { textContent } from "../../core/content.ts";
import { CHAT, OTHER_CHAT, START_MS, askCommit, claimRequest, failCommit, journalEntry, snapshotWrite, turnCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, say, statuses, textsOf, waitingTexts, type On } from "./law.ts";

export function turnLaws(on: On): void {
  describe("turns", () => {
    claimLaws(on);
    fenceLaws(on);
    commitLaws(on);
    deliveryLaws(on);
  });
}

function claimLaws(on: On): void {
  it(
    "claims the oldest waiting messages, as many as asked for",
    on(async ({ store }) => {
      await append(store, { kind: "command", text: "/help" });
      await say(store, ["a", "b", "c"]);
      const held = await claim(store, { rowsMax: 2, atMs: START_MS + 7 });
      expect(held).toMatchObject({ chat: CHAT, turnId: "turn-1", attempt: 1, failures: 0, journal: [] });
      expect(held.run).toBeUndefined();
      expect(textsOf(held.rows)).toEqual(["a", "b"]);
      expect(held.rows.map((row) => [row.seq, row.status, row.turnId])).toEqual([
        [2, "waiting", "turn-1"],
        [3, "waiting", "turn-1"],
      ]);
      expect((await recordOf(store)).openTurn).toEqual({
        turnId: "turn-1",
        status: "started",
        attempt: 1,
        failures: 0,
        startedAtMs: START_MS + 7,
      });
      const rows = (await store.inbox.waiting(CHAT, { limit: 10 })).items.filter((row) => row.kind === "message");
      expect(rows.map((row) => row.turnId)).toEqual(["turn-1", "turn-1", undefined]);
    }),
  );

  it(
    "claims nothing where nothing waits",
    on(async ({ store }) => {
      expect(await store.turns.claim(claimRequest())).toBeUndefined();
      await append(store, { kind: "command", text: "/help" });
      expect(await store.turns.claim(claimRequest())).toBeUndefined();
      await append(store);
      await store.turns.commit(turnCommit(await claim(store)));
      const before = await recordOf(store);
      expect(await store.turns.claim(claimRequest({ turnId: "turn-2" }))).toBeUndefined();
      expect(await recordOf(store)).toEqual(before);
    }),
  );

  it(
    "claims the open turn again with exactly its rows, though newer ones wait, and raises the fence",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      const first = await claim(store, { rowsMax: 2 });
      await say(store, ["c"]);
      const again = await claim(store, { turnId: "turn-2", rowsMax: 9 });
      expect(again).toMatchObject({ turnId: "turn-1", attempt: 2, failures: 0 });
      expect(textsOf(again.rows)).toEqual(["a", "b"]);
      expect(again.fence).toBeGreaterThan(first.fence);
      expect((await recordOf(store)).fence).toBe(again.fence);
      expect(await store.turns.commit(turnCommit(first))).toBe("fenced");
    }),
  );

  it(
    "hands the journal over at the next claim, in order",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store);
      const entries = [journalEntry(0), journalEntry(1, { type: "tool.started", key: "weather" }), journalEntry(2, { type: "model" })];
      for (const entry of entries) expect(await store.turns.journal(CHAT, held.fence, held.turnId, entry)).toBe("written");
      expect(await store.turns.steps(CHAT, held.turnId)).toEqual(entries);
      expect((await claim(store)).journal).toEqual(entries);
    }),
  );
}

function fenceLaws(on: On): void {
  it(
    "changes nothing for a writer with a stale fence",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      const stale = await claim(store);
      await store.turns.journal(CHAT, stale.fence, stale.turnId, journalEntry(0));
      const owner = await claim(store);
      const before = [await recordOf(store), await store.chats.export(CHAT)];
      expect(await store.turns.journal(CHAT, stale.fence, stale.turnId, journalEntry(1))).toBe("fenced");
      expect(await store.turns.commit(turnCommit(stale))).toBe("fenced");
      for (const outcome of ["retry", "giveUp", "quarantine", "abort"] as const) {
        expect(await store.turns.fail(failCommit(stale, { outcome, reply: textContent("sorry") }))).toBe("fenced");
      }
      expect(await store.turns.ask(askCommit(stale))).toBe("fenced");
      expect([await recordOf(store), await store.chats.export(CHAT)]).toEqual(before);
      expect(await store.turns.steps(CHAT, owner.turnId)).toHaveLength(1);
      expect(await store.turns.commit(turnCommit(owner))).toMatchObject({ waiting: 1 });
    }),
  );

  it(
    "commits a turn once",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store);
      await store.turns.commit(turnCommit(held));
      const before = await store.chats.export(CHAT);
      expect(await store.turns.commit(turnCommit(held))).toBe("fenced");
      expect(await store.turns.fail(failCommit(held))).toBe("fenced");
      expect(await store.turns.journal(CHAT, held.fence, held.turnId, journalEntry(0))).toBe("fenced");
      expect(await store.chats.export(CHAT)).toEqual(before);
    }),
  );

  it(
    "fences a writer whose chat was never met",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store);
      expect(await store.turns.commit(turnCommit(held, { chat: OTHER_CHAT }))).toBe("fenced");
      expect(await store.chats.open(OTHER_CHAT)).toBeUndefined();
    }),
  );
}

function commitLaws(on: On): void {
  it(
    "stores rows, history, parts, snapshot, timers and events of a turn as one",
    on(async ({ store }) => {
      await say(store, ["a", "b", "c"]);
      const held = await claim(store, { rowsMax: 2 });
      await say(store, ["during"]);
      const timers = [{ id: "t", event: { type: "t.due" }, dueAtMs: START_MS + 5 }];
      const commit = turnCommit(held, {
        rows: [
          { seq: 1, status: "skipped" },
          { seq: 2, status: "consumed" },
        ],
        parts: [textContent("one"), textContent("two"), textContent("three")],
        write: snapshotWrite({ timers, events: [{ type: "slot.granted" }, { type: "turn.done" }], atMs: START_MS + 1 }),
      });
      const result = await store.turns.commit(commit);
      expect(result).toMatchObject({ revision: 1, waiting: 2 });
      const stored = await parts(store);
      expect(result !== "fenced" && result.parts).toEqual(stored);
      expect(stored.map((part) => [part.turnId, part.part, part.of, part.status, part.attempts])).toEqual(
        [1, 2, 3].map((part) => ["turn-1", part, 3, "waiting", 0]),
      );
      expect(textsOf(stored)).toEqual(["one", "two", "three"]);
      expect(stored.map((part) => part.inReplyTo)).toEqual([1, 2, 3].map(() => [1, 2]));
      const record = await recordOf(store);
      expect(record).toMatchObject({ fence: held.fence, revision: 1, snapshot: commit.write.snapshot, timers, state: "idle" });
      expect(record).toMatchObject({ waiting: 2, unsettledParts: 3 });
      expect(record.openTurn).toBeUndefined();
      expect(await store.chats.history(CHAT, 10)).toEqual(commit.history);
      expect(await waitingTexts(store)).toEqual(["c", "during"]);
      expect(await store.turns.list(CHAT, 10)).toMatchObject([{ chat: CHAT, turnId: "turn-1", status: "done", attempt: 1 }]);
      expect((await store.events.list(CHAT, 1, 10)).map((row) => row.events)).toEqual([commit.write.events]);
    }),
  );

  it(
    "gives the rows that are left to the next turn, which starts afresh",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      const first = await claim(store);
      await store.turns.journal(CHAT, first.fence, first.turnId, journalEntry(0));
      await store.turns.commit(turnCommit(first));
      const next = await claim(store, { turnId: "turn-2" });
      expect(next).toMatchObject({ turnId: "turn-2", attempt: 1, failures: 0, journal: [], rows: [{ seq: 2 }] });
      expect(next.fence).toBeGreaterThan(first.fence);
      expect(await store.turns.commit(turnCommit(next, { parts: [] }))).toMatchObject({ parts: [], revision: 2, waiting: 0 });
    }),
  );

  it(
    "numbers parts upwards within a chat, over all its turns",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      await store.turns.commit(turnCommit(await claim(store), { parts: [textContent("1"), textContent("2")] }));
      await store.turns.commit(turnCommit(await claim(store, { turnId: "turn-2" })));
      const ids = (await parts(store)).map((part) => BigInt(part.id));
      expect(ids).toHaveLength(3);
      expect(ids.every((id, place) => place === 0 || id > (ids[place - 1] ?? id))).toBe(true);
    }),
  );

  it(
    "gives the newest history entries, oldest first",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      const first = turnCommit(await claim(store));
      await store.turns.commit(first);
      const second = turnCommit(await claim(store, { turnId: "turn-2" }));
      await store.turns.commit(second);
      expect(await store.chats.history(CHAT, 3)).toEqual([first.history[1], ...second.history]);
    }),
  );

  it(
    "lists turns newest first",
    on(async ({ store }) => {
      await say(store, ["a", "b", "c"]);
      for (const place of [1, 2, 3]) {
        const held = await claim(store, { turnId: `turn-${place}`, atMs: START_MS + place * 10 });
        await store.turns.commit(turnCommit(held, { write: snapshotWrite({ atMs: START_MS + place * 10 + 5 }) }));
      }
      const turns = await store.turns.list(CHAT, 2);
      expect(turns.map((turn) => [turn.turnId, turn.startedAtMs, turn.endedAtMs])).toEqual([
        ["turn-3", START_MS + 30, START_MS + 35],
        ["turn-2", START_MS + 20, START_MS + 25],
      ]);
      expect(await store.turns.list(OTHER_CHAT, 2)).toEqual([]);
    }),
  );
}

function deliveryLaws(on: On): void {
  const two = [textContent("one"), textContent("two")];

  it(
    "begins the send of the first part when nothing of the chat is unsettled",
    on(async ({ store }) => {
      await append(store);
      const result = await store.turns.commit(turnCommit(await claim(store), { parts: two, delivery: "sending" }));
      expect(result !== "fenced" && result.parts.map((part) => [part.status, part.attempts])).toEqual([
        ["sending", 1],
        ["waiting", 0],
      ]);
      expect(await statuses(store)).toEqual(["sending", "waiting"]);
    }),
  );

  it(
    "begins no send before an earlier part of the chat is settled",
    on(async ({ store }) => {
      await append(store);
      await store.outbox.put(CHAT, [textContent("earlier")], { groupId: "g", delivered: false, atMs: START_MS });
      await store.turns.commit(turnCommit(await claim(store), { parts: two, delivery: "sending" }));
      expect(await statuses(store)).toEqual(["waiting", "waiting", "waiting"]);
    }),
  );

  it(
    "stores all parts as sent where the commit itself delivers",
    on(async ({ store }) => {
      await append(store);
      const write = snapshotWrite({ atMs: START_MS + 4 });
      await store.turns.commit(turnCommit(await claim(store), { parts: two, delivery: "delivered", write }));
      expect(await statuses(store)).toEqual(["sent", "sent"]);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 0, lastReplyAtMs: START_MS + 4 });
      expect(await store.outbox.take(CHAT, { atMs: START_MS, maxAgeMs: 1_000 })).toEqual({ type: "none" });
    }),
  );
}
