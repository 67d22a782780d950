import { describe, expect, it, vi } from "vitest";
import { textContent } from "../../core/content.ts";
import type { OutboxPart } from "../../ports/store/records.ts";
import type { SendOutcome, TakeResult } from "../../ports/store/outbox-store.ts";
import type { Store } from "../../ports/store/store.ts";
import { CHAT, OTHER_CHAT, START_MS } from "../store-rows.ts";
import { MAX_AGE_MS, parts, recordOf, statuses, take, taken, textsOf, type On } from "./law.ts";

const NOW = { atMs: START_MS, maxAgeMs: MAX_AGE_MS };
const SENT: SendOutcome = { type: "sent", platformId: "p1" };
const REFUSED: SendOutcome = { type: "refused", error: { code: "CHANNEL_REFUSED", message: "blocked" } };

export function outboxLaws(on: On): void {
  describe("outbox", () => {
    takeLaws(on);
    settleLaws(on);
    refusalLaws(on);
    ageLaws(on);
    listLaws(on);
    reviveLaws(on);
  });
}

function put(
  store: Store,
  texts: readonly string[],
  overrides: { groupId?: string; delivered?: boolean; address?: string; atMs?: number; chat?: typeof CHAT } = {},
) {
  const { chat = CHAT, ...options } = overrides;
  return store.outbox.put(chat, texts.map(textContent), { groupId: "out-1", delivered: false, atMs: START_MS, ...options });
}

function settle(
  store: Store,
  part: OutboxPart,
  outcome: SendOutcome,
  options: { attempt?: number; atMs?: number; next?: boolean; lazy?: boolean } = {},
): Promise<TakeResult> {
  const { attempt = part.attempts, atMs = START_MS, next = false, lazy = false } = options;
  return store.outbox.settle({ chat: part.chat, id: part.id, attempt, outcome, lazy, atMs }, next ? { maxAgeMs: MAX_AGE_MS } : undefined);
}

const retryAt = (nextTryAtMs: number, ambiguous = false): SendOutcome => ({
  type: "retry",
  ambiguous,
  nextTryAtMs,
  error: { code: "CHANNEL_UNAVAILABLE", message: "try later" },
});

function takeLaws(on: On): void {
  it(
    "stores an outbound text that no turn produced",
    on(async ({ store }) => {
      const stored = await put(store, ["a", "b"]);
      expect(stored).toEqual(await parts(store));
      expect(stored[1]).toEqual({
        id: stored[1]?.id,
        chat: CHAT,
        turnId: "out-1",
        part: 2,
        of: 2,
        content: textContent("b"),
        status: "waiting",
        attempts: 0,
        ambiguous: false,
        createdAtMs: START_MS,
        nextTryAtMs: undefined,
        platformId: undefined,
        error: undefined,
        inReplyTo: [],
      });
      expect(stored[0]?.id).toMatch(/^\d+$/);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 2 });
    }),
  );

  it(
    "stores a text as sent where the store itself delivers",
    on(async ({ store }) => {
      expect(await put(store, ["a"], { delivered: true })).toMatchObject([{ status: "sent" }]);
      await put(store, ["b"], { chat: OTHER_CHAT, address: "2/7" });
      expect(await recordOf(store, OTHER_CHAT)).toMatchObject({ address: "2/7", unsettledParts: 1 });
      expect(await store.outbox.take(CHAT, NOW)).toEqual({ type: "none" });
    }),
  );

  it(
    "takes the first unsettled part of a chat, and no other while that one is being sent",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      await put(store, ["c"], { chat: OTHER_CHAT });
      expect(await take(store)).toMatchObject({ part: 1, status: "sending", attempts: 1 });
      expect(await statuses(store)).toEqual(["sending", "waiting"]);
      expect(await store.outbox.take(CHAT, NOW)).toEqual({ type: "none" });
      expect(await take(store, START_MS, OTHER_CHAT)).toMatchObject({ part: 1, status: "sending" });
      expect(await store.outbox.take("telegram:unknown", NOW)).toEqual({ type: "none" });
    }),
  );

  it(
    "hands out again, as it is, a part whose taker never heard of it",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      const lost = await take(store);
      expect(await store.outbox.take(CHAT, { ...NOW, orphan: "unsent" })).toEqual({ type: "taken", part: lost });
      await settle(store, lost, SENT);
      expect(await store.outbox.take(CHAT, { ...NOW, orphan: "unsent" })).toMatchObject({ type: "taken", part: { part: 2, attempts: 1 } });
    }),
  );

  it(
    "calls a part ambiguous whose sender broke off, and hears that sender no more",
    on(async ({ store }) => {
      await put(store, ["a"]);
      const broken = await take(store);
      const again = taken(await store.outbox.take(CHAT, { ...NOW, orphan: "unknown" }));
      expect(again).toMatchObject({ id: broken.id, status: "sending", attempts: 2, ambiguous: true });
      await settle(store, broken, SENT);
      expect(await statuses(store)).toEqual(["sending"]);
      await settle(store, again, SENT);
      expect(await statuses(store)).toEqual(["sent"]);
    }),
  );

  it(
    "sends the parts of a chat one after the other, and says after each whether another waits",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      await put(store, ["c"], { groupId: "out-2" });
      expect(await settle(store, await take(store), retryAt(START_MS))).toEqual({ type: "later", atMs: START_MS });
      const sent: OutboxPart[] = [];
      for (const left of [{ type: "later", atMs: 0 }, { type: "later", atMs: 0 }, { type: "none" }]) {
        const part = await take(store);
        sent.push(part);
        expect(await settle(store, part, SENT)).toEqual(left);
      }
      expect(textsOf(sent)).toEqual(["a", "b", "c"]);
      expect(await store.outbox.take(CHAT, NOW)).toEqual({ type: "none" });
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 0 });
    }),
  );
}

function settleLaws(on: On): void {
  it(
    "keeps the platform's id of a sent part",
    on(async ({ store }) => {
      await put(store, ["a"]);
      await settle(store, await take(store), SENT, { atMs: START_MS + 6 });
      expect(await parts(store)).toMatchObject([{ status: "sent", platformId: "p1", attempts: 1 }]);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 0, lastReplyAtMs: START_MS + 6 });
    }),
  );

  it(
    "takes the next part in the transaction that settles one",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      const second = taken(await settle(store, await take(store), SENT, { next: true }));
      expect(second).toMatchObject({ part: 2, status: "sending", attempts: 1 });
      expect(await statuses(store)).toEqual(["sent", "sending"]);
      expect(await settle(store, second, SENT, { next: true })).toEqual({ type: "none" });
    }),
  );

  it(
    "ignores a settle that names another attempt or another part",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      const first = await take(store);
      await settle(store, first, retryAt(START_MS));
      const again = await take(store);
      const before = await parts(store);
      await settle(store, first, SENT, { attempt: 1 });
      await settle(store, first, REFUSED, { attempt: 3 });
      await settle(store, { ...first, id: before[1]?.id ?? "" }, SENT);
      await settle(store, { ...again, chat: OTHER_CHAT }, SENT);
      expect(await parts(store)).toEqual(before);
      await settle(store, again, SENT);
      expect(await statuses(store)).toEqual(["sent", "waiting"]);
      await settle(store, again, REFUSED);
      expect(await statuses(store)).toEqual(["sent", "waiting"]);
    }),
  );

  it(
    "holds the chat's parts back until the part may be tried again",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      const first = await take(store);
      expect(await settle(store, first, retryAt(START_MS + 500), { next: true })).toEqual({ type: "later", atMs: START_MS + 500 });
      expect(await parts(store)).toMatchObject([
        { status: "waiting", nextTryAtMs: START_MS + 500, error: { code: "CHANNEL_UNAVAILABLE" }, ambiguous: false },
        { status: "waiting" },
      ]);
      expect(await store.outbox.take(CHAT, { ...NOW, atMs: START_MS + 499 })).toEqual({ type: "later", atMs: START_MS + 500 });
      expect(await take(store, START_MS + 500)).toMatchObject({ part: 1, attempts: 2, ambiguous: false });
    }),
  );

  it(
    "never forgets that a part may have arrived already",
    on(async ({ store }) => {
      await put(store, ["a"]);
      await settle(store, await take(store), retryAt(START_MS, true));
      const second = await take(store);
      expect(second.ambiguous).toBe(true);
      await settle(store, second, retryAt(START_MS, false));
      const third = await take(store);
      expect(third).toMatchObject({ attempts: 3, ambiguous: true });
      await settle(store, third, SENT);
      expect(await parts(store)).toMatchObject([{ status: "sent", ambiguous: true }]);
    }),
  );

  it(
    "makes a lazy settle durable soon, with nothing that follows it",
    on(async ({ store }) => {
      await put(store, ["a"]);
      const settled = settle(store, await take(store), SENT, { lazy: true });
      await vi.waitFor(async () => expect(await statuses(store)).toEqual(["sent"]), { timeout: 1_000, interval: 10 });
      expect(await settled).toEqual({ type: "none" });
    }),
  );

  it(
    "keeps a lazy settle before the writes issued after it",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      const first = await take(store);
      const settled = settle(store, first, SENT, { lazy: true });
      const next = store.outbox.take(CHAT, NOW);
      expect(taken(await next).part).toBe(2);
      await settled;
      expect(await statuses(store)).toEqual(["sent", "sending"]);
    }),
  );
}

function refusalLaws(on: On): void {
  it(
    "dead-letters the rest of a reply whose part was refused, and goes on with later replies",
    on(async ({ store }) => {
      await put(store, ["a", "b", "c"]);
      await put(store, ["d"], { groupId: "out-2" });
      const second = taken(await settle(store, await take(store), SENT, { next: true }));
      const next = taken(await settle(store, second, REFUSED, { next: true }));
      expect(textsOf([next])).toEqual(["d"]);
      const stored = await parts(store);
      expect(stored.map((part) => part.status)).toEqual(["sent", "dead", "dead", "sending"]);
      expect(stored.map((part) => part.error?.code)).toEqual([undefined, "CHANNEL_REFUSED", "CHANNEL_REFUSED", undefined]);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 1 });
    }),
  );

  it(
    "leaves the equal group of another chat alone",
    on(async ({ store }) => {
      await put(store, ["a"]);
      await put(store, ["b"], { chat: OTHER_CHAT });
      await settle(store, await take(store), REFUSED);
      expect(await statuses(store, OTHER_CHAT)).toEqual(["waiting"]);
    }),
  );
}

function ageLaws(on: On): void {
  it(
    "expires parts that are too old before it takes one, and records it",
    on(async ({ store }) => {
      await put(store, ["old", "older"]);
      await put(store, ["young"], { groupId: "out-2", atMs: START_MS + 1_000 });
      const result = await store.outbox.take(CHAT, { atMs: START_MS + 1_500, maxAgeMs: 1_000 });
      expect(textsOf([taken(result)])).toEqual(["young"]);
      expect(await statuses(store)).toEqual(["expired", "expired", "sending"]);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 1 });
    }),
  );

  it(
    "expires the waiting parts of a chat on request, never one that is being sent",
    on(async ({ store }) => {
      await put(store, ["a", "b"]);
      await put(store, ["c"], { groupId: "out-2", atMs: START_MS + 100 });
      await put(store, ["d"], { chat: OTHER_CHAT });
      await take(store);
      expect(await store.outbox.expire(CHAT, START_MS + 100)).toBe(1);
      expect(await statuses(store)).toEqual(["sending", "expired", "waiting"]);
      expect(await statuses(store, OTHER_CHAT)).toEqual(["waiting"]);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 2 });
      expect(await store.outbox.expire("telegram:unknown", START_MS)).toBe(0);
    }),
  );
}

function listLaws(on: On): void {
  it(
    "lists by id, page by page, with filters",
    on(async ({ store }) => {
      await put(store, ["a", "b", "c"]);
      await put(store, ["d"], { chat: OTHER_CHAT });
      await settle(store, await take(store), retryAt(START_MS, true));
      await take(store);
      const first = await store.outbox.list({}, { limit: 3 });
      const second = await store.outbox.list({}, { limit: 3, cursor: first.next });
      expect(second.next).toBeUndefined();
      const all = [...first.items, ...second.items];
      expect(textsOf(all).sort()).toEqual(["a", "b", "c", "d"]);
      expect(all.map((part) => BigInt(part.id))).toEqual(all.map((part) => BigInt(part.id)).sort((a, b) => (a < b ? -1 : 1)));
      const texts = async (filter: Parameters<Store["outbox"]["list"]>[0]) =>
        textsOf((await store.outbox.list(filter, { limit: 10 })).items).sort();
      expect(await texts({ status: "waiting" })).toEqual(["b", "c", "d"]);
      expect(await texts({ status: "waiting", chat: CHAT })).toEqual(["b", "c"]);
      expect(await texts({ ambiguous: true })).toEqual(["a"]);
      expect(await texts({ ambiguous: false, chat: CHAT })).toEqual(["b", "c"]);
      expect(await texts({ chat: "telegram:unknown" })).toEqual([]);
    }),
  );

  it(
    "gives the parts of a chat after one of them",
    on(async ({ store }) => {
      const [first, , third] = await put(store, ["a", "b", "c"]);
      await put(store, ["d"], { chat: OTHER_CHAT });
      await settle(store, await take(store), SENT);
      const after = async (id: string | undefined, limit: number) => {
        const found = await store.outbox.after(CHAT, id ?? "", limit);
        return found === "gone" ? found : textsOf(found);
      };
      expect(await after(first?.id, 10)).toEqual(["b", "c"]);
      expect(await after(first?.id, 1)).toEqual(["b"]);
      expect(await after(third?.id, 10)).toEqual([]);
    }),
  );
}

function reviveLaws(on: On): void {
  it(
    "lets a dead or expired part wait again, and no other",
    on(async ({ store }) => {
      await put(store, ["a"]);
      const dead = await take(store);
      expect(await store.outbox.revive(dead.id, START_MS)).toBeUndefined();
      await settle(store, dead, REFUSED);
      expect(await store.outbox.revive(dead.id, START_MS)).toMatchObject({ id: dead.id, status: "waiting" });
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 1 });
      expect(await take(store)).toMatchObject({ id: dead.id, attempts: 2 });
      expect(await store.outbox.revive("999999999999", START_MS)).toBeUndefined();
    }),
  );

  it(
    "counts the age of a revived part from then on, so that an expired one is tried",
    on(async ({ store }) => {
      const [old] = await put(store, ["a"]);
      await store.outbox.expire(CHAT, START_MS + 1);
      const laterMs = START_MS + MAX_AGE_MS * 2;
      expect(await store.outbox.revive(old?.id ?? "", laterMs)).toMatchObject({ status: "waiting" });
      expect(await take(store, laterMs)).toMatchObject({ id: old?.id });
    }),
  );

  it(
    "sends a revived part before the later ones of its chat",
    on(async ({ store }) => {
      await put(store, ["a"]);
      const first = await take(store);
      await settle(store, first, REFUSED);
      await put(store, ["b"], { groupId: "out-2" });
      await store.outbox.revive(first.id, START_MS);
      expect(textsOf([await take(store)])).toEqual(["a"]);
    }),
  );

  it(
    "gives the newest parts of a chat, oldest of them first",
    on(async ({ store }) => {
      for (const [place, text] of ["a", "b", "c", "d"].entries()) await put(store, [text], { groupId: `out-${place}` });
      expect(textsOf(await store.outbox.newest(CHAT, 2))).toEqual(["c", "d"]);
      expect(textsOf(await store.outbox.newest(CHAT, 9))).toEqual(["a", "b", "c", "d"]);
      expect(await store.outbox.newest("api:nobody", 2)).toEqual([]);
    }),
  );

  it(
    "purges a part",
    on(async ({ store }) => {
      const [first] = await put(store, ["a", "b"]);
      expect(await store.outbox.purge(first?.id ?? "")).toBe(true);
      expect(await store.outbox.purge(first?.id ?? "")).toBe(false);
      expect(textsOf(await parts(store))).toEqual(["b"]);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 1 });
      expect(await take(store)).toMatchObject({ part: 2 });
    }),
  );
}
