/** Corners of putting a chat aside, each the place of a mistake. */
import { afterEach, expect, it, vi } from "vitest";
import type { ChatKey } from "../../src/core/chat-key.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import type { ChatEntry } from "../../src/runtime/chat-entry.ts";
import type { Chats } from "../../src/runtime/chats.ts";
import { createSnapshotReader, type SnapshotReader } from "../../src/runtime/chat-snapshot.ts";
import type { Kernel } from "../../src/runtime/kernel.ts";
import { createQuarantine } from "../../src/runtime/quarantine.ts";
import { createStreamHub } from "../../src/runtime/stream-hub.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { START_MS, appendRequest, claimRequest } from "../../src/testing/store-rows.ts";
import { openRuntime } from "../runtime/rig.ts";
import { poison } from "./poison.ts";
import { contextOf, plant, storeOf } from "./stored-chats.ts";

afterEach(() => vi.restoreAllMocks());

const BAD: ChatKey = "api:bad";
const noticesOf = (texts: readonly string[]): readonly string[] => texts.filter((text) => text.includes("put it aside"));

it("tells the person again when a chat that was brought back breaks again", async () => {
  poison(BAD, (type) => type === "slot.granted");
  const rig = await openRuntime();
  await rig.say("1", BAD);
  for (let round = 1; round <= 3; round += 1) {
    await rig.clock.advance(5_000);
    expect(noticesOf(await rig.said(BAD))).toHaveLength(round);
    expect((await rig.loop.chat(BAD)).state).toBe("quarantined");
    await rig.settled(rig.loop.retry(BAD));
  }
});

it("tells the person again when a snapshot is found unreadable again", async () => {
  const store = await storeOf([BAD]);
  for (let round = 1; round <= 3; round += 1) {
    await store.start();
    await plant(store, BAD, { value: "napping", context: contextOf(BAD) });
    const rig = await openRuntime({ store });
    await rig.say("1", BAD);
    await rig.clock.advance(5_000);
    expect(noticesOf(await rig.said(BAD))).toHaveLength(round);
    await rig.settled(rig.loop.retry(BAD));
    await rig.clock.advance(5_000);
    expect((await rig.loop.chat(BAD)).state).toBe("idle");
    await rig.settled(rig.loop.shutdown());
  }
});

it("leaves a snapshot that cannot be read as it is, also when the turn of that chat has killed the process", async () => {
  const store = await storeOf([BAD]);
  await store.inbox.append([appendRequest({ chat: BAD, text: "die" })]);
  for (let death = 1; death <= 3; death += 1) {
    await store.turns.claim(claimRequest({ chat: BAD, turnId: "deadly", suspect: true }));
    await store.turns.recover(START_MS);
  }
  const snapshot = { value: "napping", context: contextOf(BAD) };
  await plant(store, BAD, snapshot);
  const rig = await openRuntime({ store, limits: { maxAttempts: 2 } });
  await rig.clock.advance(5_000);
  expect(await rig.loop.chat(BAD)).toMatchObject({ state: "quarantined", error: { code: "SNAPSHOT_UNREADABLE" } });
  expect((await store.chats.open(BAD))?.snapshot).toEqual(snapshot);
  expect(noticesOf(await rig.said(BAD))).toHaveLength(1);
});

it("goes on with the next chat when one cannot even be opened", async () => {
  const readable = createSnapshotReader();
  const snapshots: SnapshotReader = {
    read: (record) => {
      if (record.key === BAD) throw new TypeError("a bug of the reader");
      return readable.read(record);
    },
  };
  const store = createMemoryStore();
  await store.start();
  const others: readonly ChatKey[] = ["api:a", "api:c", "api:z"];
  for (const chat of [BAD, ...others]) await store.inbox.append([appendRequest({ chat, text: "1" })]);
  const rig = await openRuntime({ store, alter: (parts) => ({ ...parts, snapshots }) });
  await rig.clock.advance(5_000);
  for (const chat of others) expect(await rig.said(chat)).toEqual(["re 1"]);
  // What is written to it is taken all the same.
  await rig.say("2", BAD);
  await rig.clock.advance(120_000);
  expect(await rig.loop.chat(BAD)).toMatchObject({ state: "quarantined", waiting: 2, error: { code: "CHAT_CRASHED" } });
  expect(noticesOf(await rig.said(BAD))).toHaveLength(1);
});

it("puts a chat aside once when it is told so twice", async () => {
  const store = await storeOf([BAD]);
  const rig = await openRuntime({ store });
  const silent = (): void => undefined;
  const entry = { key: BAD, isFrozen: true } as ChatEntry;
  const kernel: Partial<Kernel> = {
    store,
    clock: rig.clock,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    random: createSeededRandom(1),
    limits: DEFAULT_LIMITS,
    hub: createStreamHub(),
    closed: new AbortController().signal,
  };
  const chats: Partial<Chats> = { get: () => entry };
  const quarantine = createQuarantine(kernel as Kernel, {
    chats: () => chats as Chats,
    outgoing: () => ({ wayOf: () => ({ isDelivered: true, maxUnits: 1_000 }), reserve: () => false, cancel: silent, stored: silent }),
    runs: () => {
      throw new Error("this chat has no cron run");
    },
  });
  const error = { code: "SNAPSHOT_UNREADABLE", message: "not that" };
  quarantine(BAD, error);
  quarantine(BAD, error);
  await rig.clock.advance(100);
  quarantine(BAD, error);
  await rig.clock.advance(100);
  expect(noticesOf(await rig.said(BAD))).toHaveLength(1);
  expect(await store.chats.open(BAD)).toMatchObject({ state: "quarantined", error });
});
