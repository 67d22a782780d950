import { describe, expect, it } from "vitest";
import type { StoredTimer } from "../../ports/store/records.ts";
import { CHAT, OTHER_CHAT, START_MS, snapshotWrite } from "../store-rows.ts";
import { append, recordOf, type On } from "./law.ts";

/** The small modules: timers, events, cells and nodes. */
export function eventLaws(on: On): void {
  timerLaws(on);
  logLaws(on);
  cellLaws(on);
}

const timer = (id: string, afterMs: number): StoredTimer => ({ id, event: { type: `${id}.due` }, dueAtMs: START_MS + afterMs });

function timerLaws(on: On): void {
  describe("timers", () => {
    it(
      "finds the timers due before an instant, soonest first over all chats",
      on(async ({ store }) => {
        await append(store);
        await append(store, { chat: OTHER_CHAT });
        const other = timer("other", 20);
        const { fence } = await recordOf(store);
        await store.chats.park(
          CHAT,
          fence,
          snapshotWrite({ timers: [timer("late", 30), timer("soon", 10), timer("never", 90_000_000_000)] }),
        );
        await store.chats.park(OTHER_CHAT, (await recordOf(store, OTHER_CHAT)).fence, snapshotWrite({ timers: [other] }));
        const due = async (afterMs: number, limit = 10) =>
          (await store.timers.dueBefore(START_MS + afterMs, limit)).map((found) => found.timer.id);
        expect(await due(1_000)).toEqual(["soon", "other", "late"]);
        expect(await due(1_000, 2)).toEqual(["soon", "other"]);
        expect(await due(30)).toEqual(["soon", "other"]);
        expect(await due(10)).toEqual([]);
        expect((await store.timers.dueBefore(START_MS + 1_000, 10))[1]).toEqual({ chat: OTHER_CHAT, timer: other });
      }),
    );

    it(
      "replaces all timers of a chat with each snapshot",
      on(async ({ store }) => {
        await append(store);
        const { fence } = await recordOf(store);
        await store.chats.park(CHAT, fence, snapshotWrite({ timers: [timer("a", 10), timer("b", 20)] }));
        await store.chats.park(CHAT, fence, snapshotWrite({ timers: [timer("b", 50)] }));
        expect(await store.timers.dueBefore(START_MS + 100, 10)).toEqual([{ chat: CHAT, timer: timer("b", 50) }]);
        await store.chats.park(CHAT, fence, snapshotWrite());
        expect(await store.timers.dueBefore(START_MS + 100, 10)).toEqual([]);
      }),
    );
  });
}

function logLaws(on: On): void {
  describe("events", () => {
    it(
      "keeps one row per revision, in order",
      on(async ({ store }) => {
        await append(store);
        const { fence } = await recordOf(store);
        for (let place = 1; place <= 4; place += 1) {
          const events = [{ type: "a.happened", place }, { type: "b.happened" }];
          await store.chats.park(
            CHAT,
            fence,
            snapshotWrite({ atMs: START_MS + place, events, stateBefore: `s${place - 1}`, state: `s${place}` }),
          );
        }
        const rows = await store.events.list(CHAT, 2, 2);
        expect(rows).toEqual([
          {
            revision: 2,
            atMs: START_MS + 2,
            events: [{ type: "a.happened", place: 2 }, { type: "b.happened" }],
            stateBefore: "s1",
            stateAfter: "s2",
          },
          {
            revision: 3,
            atMs: START_MS + 3,
            events: [{ type: "a.happened", place: 3 }, { type: "b.happened" }],
            stateBefore: "s2",
            stateAfter: "s3",
          },
        ]);
        expect((await store.events.list(CHAT, 0, 10)).map((row) => row.revision)).toEqual([1, 2, 3, 4]);
        expect(await store.events.list(CHAT, 5, 10)).toEqual([]);
        expect(await store.events.list(OTHER_CHAT, 0, 10)).toEqual([]);
      }),
    );
  });
}

function cellLaws(on: On): void {
  describe("kv and nodes", () => {
    it(
      "sets, gets, replaces and removes cells",
      on(async ({ store }) => {
        expect(await store.kv.get("channel/telegram", "offset")).toBeUndefined();
        await store.kv.set("channel/telegram", "offset", 41);
        await store.kv.set("channel/telegram", "offset", 42);
        await store.kv.set("channel/discord", "offset", "other");
        expect(await store.kv.get("channel/telegram", "offset")).toBe(42);
        await store.kv.remove("channel/telegram", "offset");
        await store.kv.remove("channel/telegram", "offset");
        expect(await store.kv.get("channel/telegram", "offset")).toBeUndefined();
        expect(await store.kv.get("channel/discord", "offset")).toBe("other");
      }),
    );

    for (const value of [null, false, 0, "", "żółw 🐢", [1, "two", null], { deep: { list: [{ a: 1.5 }] } }]) {
      it(
        `keeps the JSON value ${JSON.stringify(value)}`,
        on(async ({ store }) => {
          await store.kv.set("n", "c", value);
          expect(await store.kv.get("n", "c")).toEqual(value);
        }),
      );
    }

    it(
      "records that a node lives",
      on(async ({ store }) => {
        await store.nodes.beat("node-1", START_MS);
        await store.nodes.beat("node-1", START_MS + 10);
        expect((await store.nodes.list()).filter((found) => found.node === "node-1")).toEqual([
          { node: "node-1", seenAtMs: START_MS + 10 },
        ]);
      }),
    );

    it(
      "answers a ping with a commit",
      on(async ({ store }) => {
        expect(await store.ping()).toBeUndefined();
      }),
    );
  });
}
