/** Chats as some version stored them, put into a store of their own. */
import { readFileSync } from "node:fs";
import { START_MS, appendRequest, claimRequest, failCommit, snapshotWrite } from "../../src/testing/store-rows.ts";
import type { ChatKey } from "../../src/core/chat-key.ts";
import type { ChatRecord, StoredSnapshot, StoredTimer } from "../../src/ports/store/records.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";

/** The context of version 1, with nothing in it. */
export function contextOf(key: string, fields: object = {}): object {
  const now = { waiting: 0, turnClass: "interactive", suspect: false, failures: 0, delayMs: 0, questionId: null, error: null };
  return { schemaVersion: 1, key, debounceMs: 0, turnTimeoutMs: 300_000, ...now, ...fields };
}

export const timer = (delay: string, state: string, dueAtMs: number): StoredTimer => ({
  id: `xstate.after.${delay}.chat.${state}`,
  event: { type: `xstate.after.${delay}.chat.${state}` },
  dueAtMs,
});

/** Whatever JSON says, as if a store had read it. */
export function fromJson<T>(text: string): T {
  return JSON.parse(text) as T;
}

/** What a version stored, and the machine that stored it. */
export interface Fixture {
  readonly states: readonly string[];
  readonly delayed: readonly string[];
  readonly chats: readonly (Pick<ChatRecord, "key" | "snapshot" | "timers"> & { readonly state: string })[];
}

export function fixtureOf(version: number): Fixture {
  return fromJson(readFileSync(new URL(`fixtures/chat-v${version}.json`, import.meta.url), "utf8"));
}

/** Overwrites what is stored of a chat's machine, behind everybody's back. */
export async function plant(
  store: MemoryStore,
  key: ChatKey,
  snapshot: unknown,
  options: { readonly timers?: unknown; readonly state?: string; readonly error?: ChatRecord["error"] } = {},
): Promise<void> {
  const record = await store.chats.open(key);
  const write = snapshotWrite({
    snapshot: snapshot as StoredSnapshot,
    state: options.state ?? "idle",
    timers: (options.timers ?? []) as readonly StoredTimer[],
    error: options.error,
  });
  const result = await store.chats.park(key, record?.fence ?? 0, write);
  if (result !== "parked") throw new Error(`chat ${key} was not planted`);
}

/** A stopped store in which each chat has one message that was answered. */
export async function storeOf(keys: readonly ChatKey[], store = createMemoryStore()): Promise<MemoryStore> {
  await store.start();
  for (const key of keys) {
    await store.inbox.append([appendRequest({ chat: key, address: key.split(":")[1] ?? "", text: "before" })]);
    const claim = await store.turns.claim(claimRequest({ chat: key, turnId: `t.${key}` }));
    if (!claim) throw new Error(`nothing waits in ${key}`);
    await store.turns.fail(
      failCommit(claim, {
        outcome: "giveUp",
        write: snapshotWrite({ snapshot: { value: "idle", context: contextOf(key) } }),
        atMs: START_MS,
      }),
    );
  }
  return store;
}
