import { describe, expect, it } from "vitest";
import { textContent, textOf } from "../../core/content.ts";
import { CHAT, OTHER_CHAT, START_MS, appendRequest, claimRequest, failCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, say, textsOf, waitingTexts, type On } from "./law.ts";

const BUSY = { content: textContent("one moment"), everyMs: 60_000 };

export function inboxLaws(on: On): void {
  describe("inbox", () => {
    acceptanceLaws(on);
    refusalLaws(on);
    mergedClaimLaws(on);
  });
}

function acceptanceLaws(on: On): void {
  it(
    "numbers the rows of each chat from 1 without gaps, in the order of the batch",
    on(async ({ store }) => {
      const batch = [CHAT, OTHER_CHAT, CHAT, CHAT, OTHER_CHAT].map((chat, place) => appendRequest({ chat, text: `m${place}` }));
      const results = await store.inbox.append(batch);
      expect(results.map((result) => "seq" in result && result.seq)).toEqual([1, 1, 2, 3, 2]);
      expect(await waitingTexts(store)).toEqual(["m0", "m2", "m3"]);
      expect(await waitingTexts(store, OTHER_CHAT)).toEqual(["m1", "m4"]);
    }),
  );

  it(
    "commits the calls of one caller in the order they were issued",
    on(async ({ store }) => {
      const texts = Array.from({ length: 20 }, (_, place) => `m${place}`);
      const resolved: number[] = [];
      await Promise.all(texts.map((text, place) => append(store, { text }).then((seq) => resolved.push(seq === place + 1 ? place : -1))));
      expect(resolved).toEqual([...texts.keys()]);
      expect(await waitingTexts(store)).toEqual(texts);
    }),
  );

  it(
    "keeps a row as it was said",
    on(async ({ store }) => {
      const content = [
        { type: "text", text: "żółw 🐢\u0000\n'; DROP TABLE inbox" },
        { type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 12, ref: "file-1" },
      ] as const;
      await append(store, { content, turnClass: "heartbeat", sender: undefined });
      const [row] = (await store.inbox.waiting(CHAT, { limit: 10 })).items;
      expect(row).toEqual({
        chat: CHAT,
        seq: 1,
        kind: "message",
        turnClass: "heartbeat",
        content,
        sender: undefined,
        receivedAtMs: START_MS,
        status: "waiting",
        turnId: undefined,
      });
    }),
  );

  it(
    "answers a redelivered update with the number it got at first, and writes nothing",
    on(async ({ store }) => {
      await say(store, ["before"]);
      const request = appendRequest({ updateId: "u1" });
      const results = [...(await store.inbox.append([request, request])), ...(await store.inbox.append([request]))];
      expect(results.map((result) => result.status)).toEqual(["accepted", "duplicate", "duplicate"]);
      expect(results.map((result) => "seq" in result && result.seq)).toEqual([2, 2, 2]);
      expect(await waitingTexts(store)).toEqual(["before", "hello"]);
    }),
  );

  it(
    "calls the same id with another body a conflict, and writes nothing",
    on(async ({ store }) => {
      await append(store, { updateId: "u1", text: "one" });
      expect(await store.inbox.append([appendRequest({ updateId: "u1", text: "two" })])).toEqual([{ status: "conflict" }]);
      expect(await waitingTexts(store)).toEqual(["one"]);
    }),
  );

  it(
    "takes the same id of another scope as another update",
    on(async ({ store }) => {
      const at = (scope: string) => appendRequest({ dedupe: { scope, externalId: "1", bodyHash: "aa" } });
      const results = await store.inbox.append([at("telegram/77"), at("telegram/78")]);
      expect(results.map((result) => result.status)).toEqual(["accepted", "accepted"]);
    }),
  );

  it(
    "answers `open` with the record as it stands after the append",
    on(async ({ store }) => {
      await store.inbox.append([appendRequest({ kind: "command", text: "/stop" })]);
      const [result] = await store.inbox.append([appendRequest({ turnClass: "cron", receivedAtMs: START_MS + 5, open: true })]);
      expect(result).toMatchObject({
        status: "accepted",
        seq: 2,
        chat: {
          key: CHAT,
          channel: "telegram",
          address: "1",
          revision: 0,
          waiting: 1,
          waitingCommands: 1,
          waitingClass: "cron",
          unsettledParts: 0,
          lastMessageAtMs: START_MS + 5,
        },
      });
      const [closed] = await store.inbox.append([appendRequest()]);
      expect(closed).toEqual({ status: "accepted", seq: 3, chat: undefined, claim: undefined });
    }),
  );

  it(
    "pages through the waiting rows, oldest first",
    on(async ({ store }) => {
      await say(store, ["a", "b", "c", "d", "e"]);
      const texts: string[] = [];
      let cursor: string | undefined;
      for (let round = 0; round < 5; round += 1) {
        const page = await store.inbox.waiting(CHAT, { limit: 2, cursor });
        expect(page.items.length).toBeLessThanOrEqual(2);
        texts.push(...textsOf(page.items));
        cursor = page.next;
        if (cursor === undefined) break;
      }
      expect(texts).toEqual(["a", "b", "c", "d", "e"]);
      expect(cursor).toBeUndefined();
      expect(await store.inbox.waiting("telegram:unknown", { limit: 2 })).toEqual({ items: [], next: undefined });
    }),
  );

  it(
    "lists waiting commands and answers apart from messages, oldest first",
    on(async ({ store }) => {
      await append(store, { text: "hello" });
      await append(store, { text: "/stop", kind: "command" });
      await append(store, { text: "yes", kind: "answer" });
      const rows = await store.inbox.commands(CHAT);
      expect(rows.map((row) => [row.seq, row.kind, textOf(row.content)])).toEqual([
        [2, "command", "/stop"],
        [3, "answer", "yes"],
      ]);
      expect(await recordOf(store)).toMatchObject({ waiting: 1, waitingCommands: 2 });
      expect(await store.inbox.commands("telegram:unknown")).toEqual([]);
    }),
  );
}

function refusalLaws(on: On): void {
  it(
    "refuses a message of a full inbox and writes nothing: the same update is accepted later",
    on(async ({ store }) => {
      await say(store, ["a", "b"]);
      const request = appendRequest({ text: "c", updateId: "u3", inboxMax: 2 });
      expect(await store.inbox.append([request])).toEqual([{ status: "full", reply: undefined }]);
      expect(await waitingTexts(store)).toEqual(["a", "b"]);
      const [later] = await store.inbox.append([{ ...request, inboxMax: 3 }]);
      expect(later).toMatchObject({ status: "accepted", seq: 3 });
    }),
  );

  it(
    "counts the rows that a turn holds, and no longer those that ended",
    on(async ({ store }) => {
      await append(store);
      const held = await claim(store);
      expect(await store.inbox.append([appendRequest({ inboxMax: 1 })])).toMatchObject([{ status: "full" }]);
      await store.turns.fail(failCommit(held, { outcome: "giveUp" }));
      expect(await store.inbox.append([appendRequest({ inboxMax: 1 })])).toMatchObject([{ status: "accepted", seq: 2 }]);
    }),
  );

  it(
    "remembers a refused update of a platform and says busy in the same transaction",
    on(async ({ store }) => {
      await say(store, ["a"]);
      const request = appendRequest({ updateId: "u2", inboxMax: 1, busyReply: BUSY });
      const [refused] = await store.inbox.append([request]);
      expect(refused).toMatchObject({ status: "full", reply: { chat: CHAT, part: 1, of: 1, status: "waiting", content: BUSY.content } });
      const [again] = await store.inbox.append([{ ...request, inboxMax: 100 }]);
      expect(again).toEqual({ status: "full", reply: undefined });
      expect(await parts(store)).toHaveLength(1);
      expect(await recordOf(store)).toMatchObject({ waiting: 1, unsettledParts: 1 });
    }),
  );

  it(
    "refuses everything where nothing may wait, in a chat never met too, and says so at its address",
    on(async ({ store }) => {
      for (const kind of ["message", "command"] as const) {
        const silent = appendRequest({ kind, updateId: `silent ${kind}`, inboxMax: 0 });
        expect(await store.inbox.append([silent])).toEqual([{ status: "full", reply: undefined }]);
      }
      expect(await store.chats.open(CHAT)).toBeUndefined();
      const request = appendRequest({ updateId: "u1", address: "group/7", inboxMax: 0, busyReply: BUSY, open: true });
      expect(await store.inbox.append([request])).toMatchObject([{ status: "full", reply: { chat: CHAT, content: BUSY.content } }]);
      expect(await recordOf(store)).toMatchObject({ address: "group/7", waiting: 0, waitingCommands: 0, unsettledParts: 1 });
      expect(await store.inbox.append([{ ...request, inboxMax: 100 }])).toEqual([{ status: "full", reply: undefined }]);
      expect(await append(store, { updateId: "u2" })).toBe(1);
      expect(await parts(store)).toHaveLength(1);
    }),
  );

  it(
    "says busy once per chat in the time given, and remembers each refused update nevertheless",
    on(async ({ store }) => {
      await say(store, ["a"]);
      await say(store, ["a"], OTHER_CHAT);
      const refused = async (updateId: string, afterMs: number, chat = CHAT) => {
        const [result] = await store.inbox.append([
          appendRequest({ chat, updateId, inboxMax: 1, busyReply: BUSY, receivedAtMs: START_MS + afterMs }),
        ]);
        expect(result?.status).toBe("full");
        return result?.status === "full" && result.reply !== undefined;
      };
      expect(await refused("u1", 0)).toBe(true);
      expect(await refused("u2", 1_000)).toBe(false);
      expect(await refused("u3", 1_000, OTHER_CHAT)).toBe(true);
      expect(await refused("u4", BUSY.everyMs * 2)).toBe(true);
      expect(await store.inbox.append([appendRequest({ updateId: "u2" })])).toEqual([{ status: "full", reply: undefined }]);
      expect(await parts(store)).toHaveLength(2);
    }),
  );

  it(
    "lets commands and answers into a full inbox, up to ten times its limit",
    on(async ({ store }) => {
      await append(store, { inboxMax: 1 });
      const command = appendRequest({ kind: "command", text: "/stop", inboxMax: 1 });
      const results = await store.inbox.append(Array.from({ length: 11 }, () => command));
      expect(results.map((result) => result.status)).toEqual([...Array.from({ length: 10 }, () => "accepted"), "full"]);
      expect(await recordOf(store)).toMatchObject({ waiting: 1, waitingCommands: 10 });
    }),
  );
}

function mergedClaimLaws(on: On): void {
  const asked = { turnId: "turn-9", suspect: false };

  it(
    "claims the row at once when it is the only waiting message and no turn is open",
    on(async ({ store }) => {
      await append(store, { kind: "command", text: "/help" });
      const [result] = await store.inbox.append([appendRequest({ claim: asked })]);
      expect(result).toMatchObject({
        status: "accepted",
        seq: 2,
        claim: { chat: CHAT, turnId: "turn-9", attempt: 1, failures: 0, rows: [{ seq: 2, turnId: "turn-9" }], journal: [] },
      });
      const record = await recordOf(store);
      expect(record.openTurn).toMatchObject({ turnId: "turn-9", status: "started", attempt: 1, failures: 0 });
      expect(result?.status === "accepted" && result.claim?.fence).toBe(record.fence);
      expect(record.waiting).toBe(1);
    }),
  );

  it(
    "accepts without a claim when another message waits, a turn is open, or the row is no message",
    on(async ({ store }) => {
      const claimed = async (chat: typeof CHAT, overrides = {}) => {
        const [result] = await store.inbox.append([appendRequest({ chat, claim: asked, ...overrides })]);
        expect(result?.status).toBe("accepted");
        return result?.status === "accepted" && result.claim !== undefined;
      };
      expect(await claimed(CHAT, { kind: "command", text: "/help" })).toBe(false);
      await append(store);
      expect(await claimed(CHAT)).toBe(false);
      expect((await recordOf(store)).openTurn).toBeUndefined();
      expect(await waitingTexts(store)).toHaveLength(3);
      expect(await claimed(OTHER_CHAT)).toBe(true);
      expect(await claimed(OTHER_CHAT, { claim: { ...asked, turnId: "turn-10" } })).toBe(false);
      expect((await recordOf(store, OTHER_CHAT)).openTurn?.turnId).toBe("turn-9");
    }),
  );

  it(
    "claims only the first of several rows of one batch, and nothing for a refused or repeated row",
    on(async ({ store }) => {
      const request = appendRequest({ updateId: "u1", claim: asked });
      const results = await store.inbox.append([request, appendRequest({ claim: asked }), request]);
      expect(results.map((result) => result.status)).toEqual(["accepted", "accepted", "duplicate"]);
      expect(results.map((result) => result.status === "accepted" && result.claim !== undefined)).toEqual([true, false, false]);
      expect((await store.turns.claim(claimRequest({ turnId: "turn-11", rowsMax: 9 })))?.rows.map((row) => row.seq)).toEqual([1]);
    }),
  );
}
