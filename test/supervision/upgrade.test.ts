/** Chats in every settled state, as an older version stored them, go on under this one; in virtual time. */
import { describe, expect, it } from "vitest";
import type { ChatMigration } from "../../machines/chat-migrations.ts";
import { CHAT_SCHEMA_VERSION } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../../src/core/chat-key.ts";
import { createSnapshotReader, type SnapshotReader } from "../../src/runtime/chat-snapshot.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { appendRequest, askCommit, claimRequest, failCommit } from "../../src/testing/store-rows.ts";
import { openRuntime } from "../runtime/rig.ts";
import { contextOf, fixtureOf, fromJson, plant, type Fixture } from "./stored-chats.ts";

type StoredChat = Fixture["chats"][number];

/** Rows of a chat in a state: two messages wait, the first of them in an open turn where the state has one. */
async function fill(store: MemoryStore, { key, snapshot, state, timers }: StoredChat, error?: { code: string; message: string }) {
  if (state !== "idle") {
    for (const text of ["1", "2"]) await store.inbox.append([appendRequest({ chat: key, text })]);
  } else await store.inbox.append([appendRequest({ chat: key, text: "/start", kind: "command" })]);
  if (state === "backingOff" || state === "asking") {
    const claim = await store.turns.claim(claimRequest({ chat: key, turnId: `t.${key}` }));
    if (!claim) throw new Error(`nothing waits in ${key}`);
    if (state === "asking") await store.turns.ask(askCommit(claim, { delivered: true }));
    else await store.turns.fail(failCommit(claim));
  }
  await plant(store, key, snapshot, { timers, state, error });
}

/** The runtime over what a version left, for a while before and after its timers are due. */
async function goOn(chats: readonly StoredChat[], snapshots: SnapshotReader) {
  const store = createMemoryStore();
  await store.start();
  for (const chat of chats) await fill(store, chat, chat.state === "quarantined" ? { code: "CHAT_CRASHED", message: "a bug" } : undefined);
  const rig = await openRuntime({ store, alter: (parts) => ({ ...parts, snapshots }) });
  await rig.clock.advance(5_000);
  return { ...rig, store };
}

type Rig = Awaited<ReturnType<typeof goOn>>;
const answersOf = async (rig: Rig, key: ChatKey): Promise<readonly string[]> =>
  (await rig.said(key)).filter((text) => text.startsWith("re "));

/** What each state does next: nothing is lost, no order changes, no timer is early. */
async function expectGoesOn(rig: Rig, chats: readonly StoredChat[]): Promise<void> {
  const dueAtMs = chats.flatMap((chat) => chat.timers).reduce((latest, timer) => Math.max(latest, timer.dueAtMs), 0);
  const isWaiting = (chat: StoredChat): boolean => ["backingOff", "asking", "quarantined"].includes(chat.state);
  for (const chat of chats) {
    const { state } = await rig.loop.chat(chat.key);
    const now = chat.state === "idle" ? "passivated" : "idle";
    expect([chat.key, state]).toEqual([chat.key, isWaiting(chat) ? chat.state : now]);
    expect(await answersOf(rig, chat.key)).toEqual(isWaiting(chat) || chat.state === "idle" ? [] : ["re 1", "re 2"]);
  }
  await rig.clock.advance(dueAtMs - rig.clock.now() - 1);
  for (const chat of chats.filter(isWaiting)) expect(await answersOf(rig, chat.key)).toEqual([]);
  await rig.clock.advance(5_000);
  for (const chat of chats) {
    if (chat.state === "quarantined") await rig.settled(rig.loop.retry(chat.key));
    await rig.say("3", chat.key);
    await rig.clock.advance(100);
    expect(await answersOf(rig, chat.key)).toEqual(chat.state === "idle" ? ["re 3"] : ["re 1", "re 2", "re 3"]);
    expect(await rig.loop.chat(chat.key)).toMatchObject({ state: "idle", waiting: 0, error: undefined });
  }
}

describe("what this version stored", () => {
  it("goes on in every settled state", async () => {
    const { chats } = fixtureOf(CHAT_SCHEMA_VERSION);
    const rig = await goOn(chats, createSnapshotReader());
    await expectGoesOn(rig, chats);
    expect((await rig.loop.status()).chats).toMatchObject({ known: chats.length, quarantined: 0 });
  });
});

/** A version 0 that never was: it counted in seconds, and called two states otherwise. */
const OLD_NAMES: Readonly<Record<string, string>> = { backingOff: "napping", asking: "curious" };
const newNameOf = (old: unknown): unknown => Object.entries(OLD_NAMES).find(([, name]) => name === old)?.[0] ?? old;

function asVersionZero({ snapshot, timers, ...chat }: StoredChat): StoredChat {
  const { delayMs, ...context } = (snapshot?.context ?? {}) as { readonly delayMs: number };
  const value = OLD_NAMES[String(snapshot?.value)] ?? snapshot?.value;
  const renamed = JSON.stringify(timers).replaceAll(`chat.${chat.state}`, `chat.${String(value)}`);
  return {
    ...chat,
    snapshot: { value, context: { ...context, schemaVersion: 0, delaySeconds: delayMs / 1_000 } },
    timers: fromJson(renamed),
  };
}

const fromZero: ChatMigration = ({ value, context: { delaySeconds, ...context }, timers }) => ({
  value: newNameOf(value),
  context: { ...context, delayMs: Number(delaySeconds) * 1_000 },
  timers: fromJson(JSON.stringify(timers).replaceAll("chat.napping", "chat.backingOff").replaceAll("chat.curious", "chat.asking")),
});

describe("what an older version stored", () => {
  const snapshots = createSnapshotReader({ migrations: [fromZero] });
  const { chats } = fixtureOf(1);

  it("goes on in every settled state, and is stored anew at its next commit", async () => {
    const old = chats.map(asVersionZero);
    const rig = await goOn(old, snapshots);
    const versionOf = async (key: ChatKey): Promise<unknown> =>
      ((await rig.store.chats.open(key))?.snapshot?.context as { readonly schemaVersion?: unknown } | undefined)?.schemaVersion;
    // Nothing was committed of those that wait.
    for (const key of ["api:backing-off", "api:asking", "api:quarantined", "api:idle"] as const) expect(await versionOf(key)).toBe(0);
    expect(await versionOf("api:queued")).toBe(1);
    await expectGoesOn(rig, chats);
    for (const { key } of chats) expect(await versionOf(key)).toBe(1);
  });

  it("is put aside one chat at a time when a migration throws, and goes on once a release mends it", async () => {
    const store = createMemoryStore();
    await store.start();
    for (const chat of chats.map(asVersionZero)) await fill(store, chat);
    const broken: ChatMigration = (chat) => {
      if (chat.value === "napping") throw new Error("half a release");
      return fromZero(chat);
    };
    const before = (await store.chats.open("api:backing-off"))?.snapshot;
    const first = await openRuntime({ store, alter: (parts) => ({ ...parts, snapshots: createSnapshotReader({ migrations: [broken] }) }) });
    await first.clock.advance(5_000);
    expect(await first.loop.chat("api:backing-off")).toMatchObject({
      state: "quarantined",
      waiting: 2,
      error: { code: "SNAPSHOT_UNREADABLE" },
    });
    expect((await first.loop.chat("api:queued")).state).toBe("idle");
    await first.settled(first.loop.shutdown());
    await store.start();
    expect((await store.chats.open("api:backing-off"))?.snapshot).toEqual(before);
    const second = await openRuntime({ store, alter: (parts) => ({ ...parts, snapshots }) });
    await second.clock.advance(5_000);
    expect((await second.said("api:backing-off")).filter((text) => text.startsWith("re "))).toEqual(["re 1", "re 2"]);
    expect(await second.loop.chat("api:backing-off")).toMatchObject({ state: "idle", error: undefined });
    expect((await second.loop.status()).chats.quarantined).toBe(0);
  });

  it("is not made newer by what a newer one stored: that is kept as it is", async () => {
    const store = createMemoryStore();
    await store.start();
    const snapshot = { value: "idle", context: contextOf("api:new", { schemaVersion: 2, mood: "blue" }) };
    await fill(store, { key: "api:new", state: "queued", snapshot, timers: [] });
    const rig = await openRuntime({ store, limits: { idleTimeoutMs: 5_000 } });
    await rig.say("3", "api:new");
    await rig.clock.advance(60_000);
    expect((await rig.loop.why("api:new")).sentence).toContain("a newer satibot stored it");
    await rig.settled(rig.loop.shutdown());
    await store.start();
    expect((await store.chats.open("api:new"))?.snapshot).toEqual(snapshot);
  });
});
