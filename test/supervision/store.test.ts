/** What a store does for a chat that is put aside and brought back; the same for each. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import type { Store } from "../../src/ports/store/store.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createSqliteStore } from "../../src/stores/sqlite/store.ts";
import { CHAT, START_MS, appendRequest, claimRequest, failCommit, snapshotWrite } from "../../src/testing/store-rows.ts";
import { stripWorker } from "../stores/sqlite-worker.ts";
import { timer } from "./stored-chats.ts";

const worker = stripWorker();
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(worker.remove);

const STORES: readonly [string, () => Store][] = [
  ["memory", () => createMemoryStore()],
  [
    "sqlite",
    () => {
      const folder = mkdtempSync(join(tmpdir(), "satibot-aside-"));
      closing.push(async () => rmSync(folder, { recursive: true, force: true }));
      return createSqliteStore({ file: join(folder, "store.db"), clock: createSystemClock(), startThread: worker.startThread });
    },
  ],
];

const error = { code: "SNAPSHOT_UNREADABLE", message: "not that" };
const aside = snapshotWrite({ snapshot: undefined, state: "quarantined", error, events: [{ type: "chat.quarantined" }] });
const snapshot = { value: "napping", context: { schemaVersion: 99 } };
const timers = [timer("nap", "napping", START_MS + 5)];

describe.each(STORES)("the %s store", (_name, create) => {
  /** A chat whose last turn was given up, with a snapshot that nobody can read. */
  const open = async (): Promise<Store> => {
    const store = create();
    await store.start();
    closing.unshift(() => store.stop());
    await store.inbox.append([appendRequest({ text: "long ago" })]);
    const claim = await store.turns.claim(claimRequest());
    await store.turns.fail(failCommit(claim!, { outcome: "giveUp", write: snapshotWrite({ snapshot, timers }) }));
    return store;
  };
  const park = async (store: Store): Promise<unknown> => store.chats.park(CHAT, (await store.chats.open(CHAT))?.fence ?? 0, aside);

  it("puts a chat aside without a touch on its snapshot and timers", async () => {
    const store = await open();
    const before = await store.chats.open(CHAT);
    expect(await park(store)).toBe("parked");
    expect(await store.chats.open(CHAT)).toMatchObject({
      state: "quarantined",
      error,
      snapshot,
      timers,
      revision: (before?.revision ?? 0) + 1,
    });
    expect((await store.chats.counts()).quarantined).toBe(1);
    expect(await store.timers.dueBefore(START_MS + 10, 10)).toEqual([{ chat: CHAT, timer: timers[0] }]);
    expect((await store.events.list(CHAT, 0, 10)).at(-1)).toMatchObject({
      stateAfter: "quarantined",
      events: [{ type: "chat.quarantined" }],
    });
  });

  it("claims nothing for a chat that is put aside as a message comes", async () => {
    const store = await open();
    await park(store);
    const [result] = await store.inbox.append([appendRequest({ claim: { turnId: "t2", suspect: false } })]);
    expect(result).toMatchObject({ status: "accepted" });
    expect((await store.chats.open(CHAT))?.openTurn).toBeUndefined();
  });

  it("brings it back without what was given up before it was put aside", async () => {
    const store = await open();
    await park(store);
    await store.inbox.append([appendRequest({ text: "now" })]);
    expect(await store.chats.retry(CHAT, { skip: false, atMs: START_MS })).toMatchObject({ restored: 0, skipped: 0 });
    expect(await store.chats.open(CHAT)).toMatchObject({ state: "idle", error: undefined, waiting: 1, snapshot, timers });
    expect((await store.chats.counts()).quarantined).toBe(0);
  });

  it.each([false, true])("starts its machine afresh with the rows that wait (skip %s)", async (skip) => {
    const store = await open();
    await store.inbox.append([appendRequest({ text: "now", claim: { turnId: "t2", suspect: false } }), appendRequest({ text: "then" })]);
    await park(store);
    const result = await store.chats.retry(CHAT, { skip, afresh: true, atMs: START_MS });
    expect(result).toMatchObject(skip ? { restored: 0, skipped: 1 } : { restored: 1, skipped: 0 });
    expect(await store.chats.open(CHAT)).toMatchObject({ state: "idle", snapshot: undefined, timers: [], waiting: skip ? 1 : 2 });
    expect(await store.timers.dueBefore(START_MS + 10, 10)).toEqual([]);
    const claim = await store.turns.claim(claimRequest({ turnId: "t3", rowsMax: 9 }));
    expect(claim?.rows.map((row) => row.seq)).toEqual(skip ? [3] : [2]);
  });
});
