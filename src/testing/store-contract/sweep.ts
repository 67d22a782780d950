import { describe, expect, it } from "vitest";
import { textContent } from "../../core/content.ts";
import type { Retention } from "../../ports/store/retention.ts";
import type { Store } from "../../ports/store/store.ts";
import { CHAT, HOUR_MS, OTHER_CHAT, START_MS, appendRequest, journalEntry, retention, turnCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, say, textsOf, waitingTexts, type On } from "./law.ts";

const ROUNDS_MAX = 1_000;
const LATER_MS = START_MS + HOUR_MS;
const ALL = { eventsBeforeMs: LATER_MS, inboxBeforeMs: LATER_MS, historyBeforeMs: LATER_MS, outboxBeforeMs: LATER_MS };

async function sweepAll(store: Store, limits: Retention): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) if (!(await store.sweep(limits))) return;
  throw new Error(`still rows to delete after ${ROUNDS_MAX} sweeps`);
}

async function answer(store: Store, turnId: string): Promise<void> {
  await store.turns.commit(turnCommit(await claim(store, { turnId }), { delivery: "delivered" }));
}

export function sweepLaws(on: On): void {
  describe("sweep", () => {
    it(
      "deletes what ended before the limits and leaves what did not",
      on(async ({ store }) => {
        await append(store, { updateId: "u1" });
        await answer(store, "turn-1");
        await sweepAll(store, retention(ALL));
        expect(await store.chats.history(CHAT, 10)).toEqual([]);
        expect(await store.events.list(CHAT, 0, 10)).toEqual([]);
        expect(await parts(store)).toEqual([]);
        expect(await recordOf(store)).toMatchObject({ revision: 1, state: "idle" });
      }),
    );

    it(
      "leaves what is younger than the limits, and finds it at any later call once it is older",
      on(async ({ store }) => {
        await append(store);
        await answer(store, "turn-1");
        await sweepAll(store, retention());
        expect(await store.chats.history(CHAT, 10)).toHaveLength(2);
        expect(await store.events.list(CHAT, 0, 10)).toHaveLength(1);
        expect(await parts(store)).toHaveLength(1);
        await sweepAll(store, retention(ALL));
        expect(await store.chats.history(CHAT, 10)).toEqual([]);
      }),
    );

    it(
      "keeps update keys longer than the rows: a late redelivery stays a duplicate, until its own limit",
      on(async ({ store }) => {
        await append(store, { updateId: "u1" });
        await answer(store, "turn-1");
        await sweepAll(store, retention(ALL));
        expect(await store.inbox.append([appendRequest({ updateId: "u1" })])).toEqual([{ status: "duplicate", seq: 1 }]);
        await sweepAll(store, retention({ dedupeBeforeMs: LATER_MS }));
        expect(await store.inbox.append([appendRequest({ updateId: "u1" })])).toMatchObject([{ status: "accepted", seq: 2 }]);
      }),
    );

    it(
      "never touches what waits, however old",
      on(async ({ store }) => {
        await say(store, ["held", "waiting"]);
        await append(store, { kind: "command", text: "/help" });
        const held = await claim(store);
        await store.turns.journal(CHAT, held.fence, held.turnId, journalEntry(0));
        await store.outbox.put(OTHER_CHAT, [textContent("unsent")], { groupId: "g", delivered: false, atMs: START_MS });
        await sweepAll(store, retention({ ...ALL, dedupeBeforeMs: LATER_MS }));
        expect(await waitingTexts(store)).toEqual(["held", "waiting", "/help"]);
        expect(textsOf(await parts(store, OTHER_CHAT))).toEqual(["unsent"]);
        expect(await store.turns.steps(CHAT, held.turnId)).toHaveLength(1);
        expect(await store.turns.commit(turnCommit(held))).toMatchObject({ waiting: 1 });
      }),
    );

    it(
      "says that parts are gone to a reader who missed some that were deleted",
      on(async ({ store }) => {
        const put = (texts: readonly string[], atMs: number) =>
          store.outbox.put(CHAT, texts.map(textContent), { groupId: `g${atMs}`, delivered: true, atMs });
        const [first] = await put(["a", "b", "c"], START_MS);
        const [kept] = await put(["d"], LATER_MS);
        await sweepAll(store, retention(ALL));
        expect(await store.outbox.after(CHAT, first?.id ?? "", 10)).toBe("gone");
        expect(await store.outbox.after(CHAT, kept?.id ?? "", 10)).toEqual([]);
        expect(textsOf(await parts(store))).toEqual(["d"]);
      }),
    );

    it(
      "gives no number twice after its rows are gone",
      on(async ({ store }) => {
        await append(store);
        await answer(store, "turn-1");
        const [before] = await parts(store);
        await sweepAll(store, retention({ ...ALL, dedupeBeforeMs: LATER_MS }));
        expect(await append(store)).toBe(2);
        await answer(store, "turn-2");
        const [after] = await parts(store);
        expect(BigInt(after?.id ?? 0) > BigInt(before?.id ?? 0)).toBe(true);
        expect((await store.events.list(CHAT, 0, 10)).map((row) => row.revision)).toEqual([2]);
      }),
    );
  });
}
