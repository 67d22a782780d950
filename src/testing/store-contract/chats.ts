import { describe, expect, it } from "vitest";
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent, textOf } from "../../core/content.ts";
import type { ChatRecord, Page } from "../../ports/store/records.ts";
import type { ChatFilter, Store } from "../../ports/store/store.ts";
import { CHAT, OTHER_CHAT, START_MS, appendRequest, commandCommit, failCommit, snapshotWrite, turnCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, say, take, waitingTexts, type On } from "./law.ts";

export function chatLaws(on: On): void {
  describe("chats", () => {
    listLaws(on);
    parkLaws(on);
    resetLaws(on);
    retryLaws(on);
    eraseLaws(on);
  });
}

async function keysBy(page: (cursor: string | undefined) => Promise<Page<ChatRecord>>): Promise<ChatKey[]> {
  const keys: ChatKey[] = [];
  let cursor: string | undefined;
  for (let round = 0; round < 20; round += 1) {
    const found = await page(cursor);
    keys.push(...found.items.map((record) => record.key));
    cursor = found.next;
    if (cursor === undefined) return keys;
  }
  throw new Error(`no end after 20 pages: ${keys.join(" ")}`);
}

const keysOf = (store: Store, filter: ChatFilter = {}) => keysBy((cursor) => store.chats.list(filter, { limit: 2, cursor }));
const workOf = (store: Store) => keysBy((cursor) => store.chats.needingWork({ limit: 2, cursor }));

/** A chat whose one message is answered and whose reply is sent. */
async function settledChat(store: Store, chat: ChatKey, state = "idle"): Promise<void> {
  await append(store, { chat });
  const held = await claim(store, { chat });
  await store.turns.commit(turnCommit(held, { delivery: "delivered", write: snapshotWrite({ state }) }));
}

function listLaws(on: On): void {
  it(
    "knows nothing of a chat never met",
    on(async ({ store }) => {
      expect(await store.chats.open(CHAT)).toBeUndefined();
      expect(await store.chats.history(CHAT, 10)).toEqual([]);
      expect(await store.chats.export(CHAT)).toBeUndefined();
      expect(await store.chats.erase(CHAT)).toBe(false);
      expect(await store.chats.reset(CHAT, START_MS)).toBeUndefined();
      expect(await store.chats.retry(CHAT, { skip: false, atMs: START_MS })).toBeUndefined();
      expect(await store.chats.park(CHAT, 0, snapshotWrite())).toBe("fenced");
      expect(await store.chats.command(commandCommit(1))).toBe("ended");
      expect(await keysOf(store)).toEqual([]);
    }),
  );

  it(
    "lists by key, page by page, with filters",
    on(async ({ store }) => {
      await settledChat(store, "telegram:3", "quarantined");
      await settledChat(store, "api:bob");
      await settledChat(store, "telegram:1");
      await settledChat(store, "api:alice", "collecting");
      await settledChat(store, "discord:b_b");
      expect(await keysOf(store)).toEqual(["api:alice", "api:bob", "discord:b_b", "telegram:1", "telegram:3"]);
      expect(await keysOf(store, { channel: "api" })).toEqual(["api:alice", "api:bob"]);
      expect(await keysOf(store, { channel: "ap" })).toEqual([]);
      expect(await keysOf(store, { states: ["quarantined", "collecting"] })).toEqual(["api:alice", "telegram:3"]);
      expect(await keysOf(store, { query: "b" })).toEqual(["api:bob", "discord:b_b"]);
      expect(await keysOf(store, { query: "_" })).toEqual(["discord:b_b"]);
      expect(await keysOf(store, { query: "%" })).toEqual([]);
      expect(await keysOf(store, { channel: "telegram", states: ["idle"], query: "1" })).toEqual(["telegram:1"]);
    }),
  );

  it(
    "tells which chats need an actor: waiting rows, open turns, unsettled parts",
    on(async ({ store }) => {
      await settledChat(store, "telegram:idle");
      await append(store, { chat: "telegram:waiting" });
      await append(store, { chat: "telegram:command", kind: "command", text: "/help" });
      await append(store, { chat: "telegram:answered" });
      await store.turns.commit(turnCommit(await claim(store, { chat: "telegram:answered" })));
      await append(store, { chat: "telegram:responding", claim: { turnId: "turn-2", suspect: false } });
      expect(await workOf(store)).toEqual(["telegram:answered", "telegram:command", "telegram:responding", "telegram:waiting"]);
    }),
  );

  it(
    "counts what it knows",
    on(async ({ store }) => {
      await settledChat(store, CHAT, "quarantined");
      await say(store, ["a", "b"], OTHER_CHAT);
      await store.outbox.put(CHAT, [[{ type: "text", text: "out" }]], { groupId: "g", delivered: false, atMs: START_MS });
      const part = await take(store);
      await store.outbox.settle(
        {
          chat: CHAT,
          id: part.id,
          attempt: 1,
          outcome: { type: "refused", error: { code: "CHANNEL_REFUSED", message: "gone" } },
          lazy: false,
          atMs: START_MS,
        },
        undefined,
      );
      expect(await store.chats.counts()).toEqual({ known: 2, quarantined: 1, waitingRows: 2, deadParts: 1 });
    }),
  );

  it(
    "names the class of the oldest waiting message",
    on(async ({ store }) => {
      await append(store, { turnClass: "heartbeat" });
      await append(store, { turnClass: "interactive" });
      expect((await recordOf(store)).waitingClass).toBe("heartbeat");
      await store.turns.commit(turnCommit(await claim(store)));
      expect((await recordOf(store)).waitingClass).toBe("interactive");
      await store.turns.commit(turnCommit(await claim(store, { turnId: "turn-2" })));
      expect((await recordOf(store)).waitingClass).toBeUndefined();
    }),
  );
}

function parkLaws(on: On): void {
  it(
    "parks snapshot, timers, state and event row as one revision",
    on(async ({ store }) => {
      await append(store);
      const { fence, revision } = await recordOf(store);
      const timers = [{ id: "debounce", event: { type: "debounce.over" }, dueAtMs: START_MS + 50 }];
      const write = snapshotWrite({ state: "collecting", sinceMs: START_MS - 9, timers, error: { code: "INTERNAL", message: "odd" } });
      expect(await store.chats.park(CHAT, fence, write)).toBe("parked");
      expect(await recordOf(store)).toMatchObject({
        fence,
        revision: revision + 1,
        snapshot: write.snapshot,
        timers,
        state: "collecting",
        sinceMs: START_MS - 9,
        error: write.error,
        waiting: 1,
      });
      expect(await store.events.list(CHAT, 0, 10)).toEqual([
        { revision: revision + 1, atMs: START_MS, events: write.events, stateBefore: "responding", stateAfter: "collecting" },
      ]);
      await store.chats.park(CHAT, fence, snapshotWrite());
      expect(await recordOf(store)).toMatchObject({ revision: revision + 2, timers: [], state: "idle" });
      expect((await recordOf(store)).error).toBeUndefined();
    }),
  );

  it(
    "changes nothing under a stale fence",
    on(async ({ store }) => {
      await append(store);
      const before = await recordOf(store);
      await claim(store);
      const claimed = await recordOf(store);
      expect(await store.chats.park(CHAT, before.fence, snapshotWrite({ state: "queued" }))).toBe("fenced");
      expect(await recordOf(store)).toEqual(claimed);
      expect(await store.events.list(CHAT, 0, 10)).toEqual([]);
    }),
  );
}

function resetLaws(on: On): void {
  it(
    "resets a chat to nothing waiting, no history, no snapshot, no timers, no turn",
    on(async ({ store }) => {
      await append(store);
      const timers = [{ id: "t", event: { type: "t" }, dueAtMs: START_MS }];
      await store.turns.commit(turnCommit(await claim(store), { delivery: "delivered", write: snapshotWrite({ timers }) }));
      await say(store, ["a", "b", "c"]);
      const held = await claim(store, { turnId: "turn-2" });
      expect(await store.chats.reset(CHAT, START_MS + 1)).toEqual({ dropped: 3, fence: held.fence + 1 });
      const record = await recordOf(store);
      expect(record).toMatchObject({ fence: held.fence + 1, timers: [], waiting: 0, waitingCommands: 0 });
      expect(record.snapshot).toBeUndefined();
      expect(record.openTurn).toBeUndefined();
      expect(await store.chats.history(CHAT, 10)).toEqual([]);
      expect(await waitingTexts(store)).toEqual([]);
      expect(await store.timers.dueBefore(START_MS + 1_000, 10)).toEqual([]);
      expect((await store.turns.list(CHAT, 10)).map((turn) => turn.status).sort()).toEqual(["done", "stopped"]);
      expect(await store.turns.commit(turnCommit(held))).toBe("fenced");
      expect(await workOf(store)).toEqual([]);
    }),
  );
}

function retryLaws(on: On): void {
  it(
    "lets the rows of the last given-up turn wait again, as a new turn",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      const held = await claim(store, { rowsMax: 2 });
      await store.turns.fail(failCommit(held, { outcome: "giveUp" }));
      await say(store, ["c"]);
      const result = await store.chats.retry(CHAT, { skip: false, atMs: START_MS });
      expect(result).toEqual({ restored: 2, skipped: 0, fence: (await recordOf(store)).fence });
      expect(result?.fence).toBeGreaterThan(held.fence);
      expect(await waitingTexts(store)).toEqual(["a", "b", "c"]);
      expect(await recordOf(store)).toMatchObject({ waiting: 3 });
      const again = await claim(store, { turnId: "turn-2", rowsMax: 2 });
      expect(again).toMatchObject({ turnId: "turn-2", attempt: 1, failures: 0, rows: [{ seq: 1 }, { seq: 2 }] });
      expect(again.fence).toBeGreaterThan(result?.fence ?? 0);
    }),
  );

  it(
    "restores each given-up turn once",
    on(async ({ store }) => {
      await append(store);
      await store.turns.fail(failCommit(await claim(store), { outcome: "giveUp" }));
      await store.chats.retry(CHAT, { skip: false, atMs: START_MS });
      await store.turns.commit(turnCommit(await claim(store, { turnId: "turn-2" })));
      expect(await store.chats.retry(CHAT, { skip: false, atMs: START_MS })).toMatchObject({ restored: 0 });
      expect(await waitingTexts(store)).toEqual([]);
    }),
  );

  it(
    "starts the failures of an open turn again from none",
    on(async ({ store }) => {
      await say(store, ["a", "b", "c"]);
      const held = await claim(store, { rowsMax: 2 });
      await store.turns.fail(failCommit(held, { outcome: "quarantine" }));
      const result = await store.chats.retry(CHAT, { skip: false, atMs: START_MS });
      expect(result).toMatchObject({ restored: 2, skipped: 0 });
      expect(result?.fence).toBeGreaterThan(held.fence);
      expect((await recordOf(store)).openTurn).toMatchObject({ turnId: "turn-1", failures: 0 });
      expect(await claim(store, { turnId: "turn-2" })).toMatchObject({ turnId: "turn-1", failures: 0, rows: [{ seq: 1 }, { seq: 2 }] });
    }),
  );

  it(
    "skips the open turn: its rows end as failed and the next message is claimed",
    on(async ({ store }) => {
      await say(store, ["a", "b", "c"]);
      const held = await claim(store, { rowsMax: 2 });
      await store.turns.fail(failCommit(held, { outcome: "quarantine" }));
      const result = await store.chats.retry(CHAT, { skip: true, atMs: START_MS });
      expect(result).toMatchObject({ restored: 0, skipped: 2 });
      expect(result?.fence).toBeGreaterThan(held.fence);
      const record = await recordOf(store);
      expect(record.openTurn).toBeUndefined();
      expect(record.waiting).toBe(1);
      expect(await claim(store, { turnId: "turn-2", rowsMax: 9 })).toMatchObject({ turnId: "turn-2", rows: [{ seq: 3 }] });
    }),
  );
}

function eraseLaws(on: On): void {
  it(
    "exports what was said, as JSON",
    on(async ({ store }) => {
      await append(store, { text: "remember the milk" });
      await store.turns.commit(turnCommit(await claim(store)));
      const exported = await store.chats.export(CHAT);
      const text = JSON.stringify(exported);
      expect(text).toContain("remember the milk");
      expect(text).toContain("answer of turn-1");
      expect(JSON.parse(text)).toEqual(exported);
    }),
  );

  it(
    "erases all but the dedupe hashes: a redelivery stays a duplicate",
    on(async ({ store }) => {
      const timers = [{ id: "t", event: { type: "t" }, dueAtMs: START_MS }];
      await append(store, { updateId: "u1" });
      await append(store, { chat: OTHER_CHAT });
      await store.turns.commit(turnCommit(await claim(store), { write: snapshotWrite({ timers }) }));
      await say(store, ["next"]);
      expect(await store.chats.erase(CHAT)).toBe(true);
      expect(await store.chats.open(CHAT)).toBeUndefined();
      expect(await store.chats.history(CHAT, 10)).toEqual([]);
      expect(await store.chats.export(CHAT)).toBeUndefined();
      expect(await parts(store)).toEqual([]);
      expect(await waitingTexts(store)).toEqual([]);
      expect(await store.events.list(CHAT, 0, 10)).toEqual([]);
      expect(await store.turns.list(CHAT, 10)).toEqual([]);
      expect(await store.timers.dueBefore(START_MS + 1, 10)).toEqual([]);
      expect(await keysOf(store)).toEqual([OTHER_CHAT]);
      expect(await store.inbox.append([appendRequest({ updateId: "u1" })])).toEqual([{ status: "duplicate", seq: 1 }]);
      expect(await store.chats.erase(CHAT)).toBe(false);
    }),
  );

  it(
    "trims the history to its newest entries, the archived ones first, and nothing else of the chat",
    on(async ({ store }) => {
      const texts = async (): Promise<readonly string[]> => (await store.chats.history(CHAT, 100)).map((entry) => textOf(entry.content));
      const turn = async (said: string): Promise<void> => {
        const seq = await append(store, { text: said });
        const entry = (role: "user" | "assistant", text: string) => ({ role, content: textContent(text), atMs: START_MS, seq });
        await store.turns.commit(
          turnCommit(await claim(store, { turnId: `turn-${said}` }), { history: [entry("user", said), entry("assistant", `re ${said}`)] }),
        );
      };
      await turn("a");
      const seq = await append(store, { kind: "command", text: "/new" });
      await store.chats.command(commandCommit(seq, { archive: true }));
      for (const said of ["b", "c"]) await turn(said);
      const before = await store.chats.open(CHAT);
      expect(await store.chats.trim(CHAT, 10)).toBe(0);
      expect(await store.chats.trim(CHAT, 5)).toBe(1);
      expect(await texts()).toEqual(["b", "re b", "c", "re c"]);
      expect(await store.chats.trim(CHAT, 3)).toBe(2);
      expect(await texts()).toEqual(["re b", "c", "re c"]);
      expect(await store.chats.trim(CHAT, 3)).toBe(0);
      expect(await store.chats.trim(CHAT, 0)).toBe(3);
      expect(await texts()).toEqual([]);
      expect(await store.chats.open(CHAT)).toEqual(before);
      expect(await parts(store)).not.toEqual([]);
      await turn("d");
      expect(await texts()).toEqual(["d", "re d"]);
      expect(await store.chats.trim(OTHER_CHAT, 1)).toBe(0);
    }),
  );

  it(
    "meets an erased chat anew",
    on(async ({ store }) => {
      await append(store);
      await store.chats.erase(CHAT);
      await append(store, { text: "again" });
      expect(await waitingTexts(store)).toEqual(["again"]);
      expect((await claim(store)).rows).toHaveLength(1);
    }),
  );
}
