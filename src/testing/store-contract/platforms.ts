import { describe, expect, it } from "vitest";
import { textContent } from "../../core/content.ts";
import type { OutboxPart } from "../../ports/store/records.ts";
import type { SendOutcome } from "../../ports/store/outbox-store.ts";
import type { Store } from "../../ports/store/store.ts";
import { CHAT, START_MS, appendRequest, dedupeKey } from "../store-rows.ts";
import { append, claim, parts, recordOf, take, waitingTexts, type On } from "./law.ts";

/** What platforms do beside messages: they edit, move chats, tell of parts they took, and refuse a chat for good. */
export function platformLaws(on: On): void {
  describe("platforms", () => {
    editLaws(on);
    chatLaws(on);
    receiptLaws(on);
  });
}

const edit = (store: Store, updateId: string, text: string, editOf: string) =>
  store.inbox.append([appendRequest({ text, updateId, editOf })]).then(([result]) => result);

function editLaws(on: On): void {
  it(
    "puts an edit in the place of a message that waits, once",
    on(async ({ store }) => {
      const seq = await append(store, { text: "helo", updateId: "1" });
      await append(store, { text: "next", updateId: "2" });
      expect(await edit(store, "1/e1", "hello", "1")).toEqual({ status: "edited", seq });
      expect(await edit(store, "1/e1", "hello", "1")).toEqual({ status: "duplicate", seq });
      expect(await edit(store, "1/e1", "other", "1")).toEqual({ status: "conflict" });
      expect(await waitingTexts(store)).toEqual(["hello", "next"]);
      expect((await recordOf(store)).waiting).toBe(2);
    }),
  );

  it(
    "takes an edit as a message of its own once the first is being answered, or was never met",
    on(async ({ store }) => {
      await append(store, { text: "helo", updateId: "1" });
      await claim(store);
      expect(await edit(store, "1/e1", "hello", "1")).toMatchObject({ status: "accepted", seq: 2 });
      expect(await edit(store, "9/e1", "what?", "9")).toMatchObject({ status: "accepted", seq: 3 });
      expect(await waitingTexts(store)).toEqual(["helo", "hello", "what?"]);
    }),
  );

  it(
    "leaves the messages of other chats and of other scopes alone",
    on(async ({ store }) => {
      await append(store, { text: "mine", updateId: "1", chat: "telegram:2" });
      expect(await edit(store, "1/e1", "yours", "1")).toMatchObject({ status: "accepted" });
      await store.inbox.append([
        appendRequest({ chat: "telegram:2", text: "else", editOf: "1", dedupe: { ...dedupeKey("1/e2", "else"), scope: "other" } }),
      ]);
      expect(await waitingTexts(store, "telegram:2")).toEqual(["mine", "else"]);
    }),
  );
}

function chatLaws(on: On): void {
  it(
    "gives a moved chat its new address and an alias, and keeps its key",
    on(async ({ store, reopen }) => {
      await append(store, { address: "1" });
      await store.chats.move({ from: CHAT, to: "telegram:-100200", address: "-100200", atMs: START_MS });
      expect(await recordOf(store)).toMatchObject({ key: CHAT, address: "-100200", channel: "telegram" });
      const again = await reopen();
      expect(await again.chats.aliases()).toEqual([{ alias: "telegram:-100200", chat: CHAT }]);
      await again.chats.erase(CHAT);
      expect(await again.chats.aliases()).toEqual([]);
    }),
  );

  it(
    "marks a chat that the platform refuses for good, until its person writes",
    on(async ({ store }) => {
      await append(store);
      await send(store, { type: "refused", error: { code: "CHAT_UNREACHABLE", message: "blocked" } });
      expect((await recordOf(store)).settings).toEqual({ unreachable: String(START_MS) });
      expect((await parts(store))[0]?.status).toBe("dead");
      await append(store);
      expect((await recordOf(store)).settings).toEqual({});
    }),
  );
}

async function send(store: Store, outcome: SendOutcome): Promise<OutboxPart | undefined> {
  await store.outbox.put(CHAT, [textContent("hi")], { groupId: "out", delivered: false, atMs: START_MS });
  const part = await take(store);
  await store.outbox.settle({ chat: CHAT, id: part.id, attempt: part.attempts, outcome, lazy: false, atMs: START_MS }, undefined);
  return (await parts(store)).at(-1);
}

function receiptLaws(on: On): void {
  const tell = (store: Store, status: "delivered" | "read" | "failed", platformId = "p1") =>
    store.outbox.receive([
      { chat: CHAT, platformId, receipt: { status, atMs: START_MS + 1 }, error: { code: "CHANNEL_REFUSED", message: "expired" } },
    ]);

  it(
    "keeps the last word of a part, in the order of their meaning",
    on(async ({ store }) => {
      await send(store, { type: "sent", platformId: "p1" });
      await tell(store, "read");
      await tell(store, "delivered");
      expect(await tell(store, "delivered", "unknown")).toEqual([0]);
      await store.outbox.receive([{ chat: "telegram:404", platformId: "p1", receipt: { status: "read", atMs: START_MS } }]);
      expect(await parts(store)).toMatchObject([{ status: "sent", receipt: { status: "read", atMs: START_MS + 1 } }]);
    }),
  );

  it(
    "makes a part dead of which the platform says later that it failed",
    on(async ({ store }) => {
      const part = await send(store, { type: "sent", platformId: "p1" });
      await tell(store, "failed");
      expect(await parts(store)).toMatchObject([{ status: "dead", error: { code: "CHANNEL_REFUSED" }, receipt: { status: "failed" } }]);
      expect(await store.outbox.revive(part?.id ?? "", START_MS)).toMatchObject({ status: "waiting" });
    }),
  );
}
