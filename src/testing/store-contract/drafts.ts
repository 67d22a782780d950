import { describe, expect, it } from "vitest";
import { interrupted, textContent } from "../../core/content.ts";
import { invariant } from "../../core/errors.ts";
import type { OutboxPart } from "../../ports/store/records.ts";
import type { SendOutcome, TakeResult } from "../../ports/store/outbox-store.ts";
import type { Claim, Store } from "../../ports/store/store.ts";
import { CHAT, START_MS, commandCommit, failCommit, turnCommit } from "../store-rows.ts";
import { MAX_AGE_MS, append, claim, parts, recordOf, statuses, take, taken, textsOf, type On } from "./law.ts";

/** A draft is shown while its turn runs, lets others pass, and gives its place to the reply. */
export function draftLaws(on: On): void {
  describe("drafts", () => {
    growingLaws(on);
    commitLaws(on);
    endingLaws(on);
  });
}

async function begin(store: Store): Promise<{ readonly turn: Claim; readonly draft: OutboxPart }> {
  await append(store);
  const turn = await claim(store);
  return { turn, draft: await draftFor(store, turn) };
}

async function draftFor(store: Store, { fence, turnId }: Claim, text = "Once upon"): Promise<OutboxPart> {
  const draft = await store.outbox.draft({ chat: CHAT, fence, turnId, content: textContent(text), atMs: START_MS });
  invariant(typeof draft !== "string", `no draft was stored: ${JSON.stringify(draft)}`);
  return draft;
}

const settle = (store: Store, part: OutboxPart, outcome: SendOutcome): Promise<TakeResult> =>
  store.outbox.settle({ chat: CHAT, id: part.id, attempt: part.attempts, outcome, lazy: false, atMs: START_MS }, { maxAgeMs: MAX_AGE_MS });

const sent = (platformId: string): SendOutcome => ({ type: "sent", platformId });
const RETRY = {
  type: "retry",
  ambiguous: false,
  nextTryAtMs: START_MS + 9,
  error: { code: "CHANNEL_UNAVAILABLE", message: "later" },
} as const satisfies SendOutcome;
const REFUSED: SendOutcome = { type: "refused", error: { code: "CHANNEL_REFUSED", message: "no" } };

/** Sends the draft, which the platform shows as message `m1`. */
async function show(store: Store): Promise<void> {
  await settle(store, await take(store), sent("m1"));
}

function growingLaws(on: On): void {
  it(
    "stores one draft a turn and answers it again",
    on(async ({ store }) => {
      const { turn, draft } = await begin(store);
      expect(draft).toMatchObject({ turnId: turn.turnId, status: "draft", isDraft: true, attempts: 0, platformId: undefined });
      expect(await draftFor(store, turn, "another text")).toEqual(draft);
      expect(await parts(store)).toEqual([draft]);
    }),
  );

  it(
    "refuses the draft of an attempt that lost its chat, and one that would overtake",
    on(async ({ store }) => {
      await append(store);
      const turn = await claim(store);
      const request = { chat: CHAT, turnId: turn.turnId, content: textContent("x"), atMs: START_MS };
      expect(await store.outbox.draft({ ...request, fence: turn.fence - 1 })).toBe("fenced");
      await store.outbox.put(CHAT, [textContent("earlier")], { groupId: "out", delivered: false, atMs: START_MS });
      expect(await store.outbox.draft({ ...request, fence: turn.fence })).toBe("busy");
      expect(textsOf(await parts(store))).toEqual(["earlier"]);
    }),
  );

  it(
    "is sent under the rules of every part, and then lets later parts pass",
    on(async ({ store }) => {
      await begin(store);
      await store.outbox.put(CHAT, [textContent("news")], { groupId: "out", delivered: false, atMs: START_MS });
      const taken = await take(store);
      expect(taken).toMatchObject({ status: "sending", attempts: 1, isDraft: true });
      const next = await settle(store, taken, sent("m1"));
      expect(next).toMatchObject({ type: "taken", part: { content: textContent("news") } });
      expect((await parts(store))[0]).toMatchObject({ status: "draft", platformId: "m1" });
      expect((await recordOf(store)).unsettledParts).toBe(2);
      expect(await store.outbox.after(CHAT, "0", 10)).toMatchObject([{ content: textContent("news") }]);
    }),
  );

  it(
    "is tried again after its delay, and never expires",
    on(async ({ store }) => {
      await begin(store);
      expect(await settle(store, await take(store), RETRY)).toEqual({ type: "later", atMs: START_MS + 9 });
      expect(await store.outbox.expire(CHAT, START_MS + 2 * MAX_AGE_MS)).toBe(0);
      expect(await take(store, START_MS + 2 * MAX_AGE_MS)).toMatchObject({ attempts: 2, isDraft: true });
    }),
  );

  it(
    "is forgotten when the platform refuses it",
    on(async ({ store }) => {
      await begin(store);
      await settle(store, await take(store), REFUSED);
      expect(await parts(store)).toEqual([]);
      expect((await recordOf(store)).unsettledParts).toBe(0);
    }),
  );

  it(
    "stays as a dead part beside the reply when it is refused after a send that may have arrived",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      await settle(store, await take(store), { ...RETRY, ambiguous: true });
      await settle(store, await take(store, START_MS + 9), REFUSED);
      await store.turns.commit(turnCommit(turn));
      expect(await parts(store)).toMatchObject([
        { status: "dead", ambiguous: true, turnId: "turn-1.draft", error: { code: "CHANNEL_REFUSED" } },
        { status: "waiting", ambiguous: false, turnId: "turn-1" },
      ]);
      expect((await recordOf(store)).unsettledParts).toBe(1);
    }),
  );

  it(
    "is ambiguous after an unclean end while it was on its way",
    on(async ({ store }) => {
      await begin(store);
      await take(store);
      expect(await store.turns.recover(START_MS)).toMatchObject({ ambiguous: 1 });
      expect((await parts(store))[0]).toMatchObject({ status: "draft", ambiguous: true, isDraft: true });
    }),
  );
}

function commitLaws(on: On): void {
  it(
    "gives its place and its platform id to the first part of the reply",
    on(async ({ store }) => {
      const { turn, draft } = await begin(store);
      await show(store);
      const committed = await store.turns.commit(turnCommit(turn, { parts: [textContent("Once upon a time"), textContent("The end")] }));
      invariant(committed !== "fenced", "the turn owns its chat");
      expect(committed.parts).toEqual(await parts(store));
      expect(committed.parts).toMatchObject([
        { status: "waiting", platformId: "m1", part: 1, of: 2 },
        { status: "waiting", platformId: undefined, part: 2, of: 2 },
      ]);
      expect(committed.parts[0]).not.toHaveProperty("isDraft");
      expect(Number(committed.parts[0]?.id)).toBeGreaterThan(Number(draft.id));
      expect(await take(store)).toMatchObject({ platformId: "m1", content: textContent("Once upon a time") });
    }),
  );

  it(
    "lets its commit begin the edit that shows the reply",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      await show(store);
      const committed = await store.turns.commit(turnCommit(turn, { delivery: "sending" }));
      expect(committed).toMatchObject({ parts: [{ status: "sending", attempts: 1, platformId: "m1" }] });
    }),
  );

  it(
    "makes a reply ambiguous whose draft may have arrived, and no settle of the draft comes after",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      const draft = await take(store);
      await store.turns.commit(turnCommit(turn));
      await settle(store, draft, sent("late"));
      const [reply] = await parts(store);
      expect(reply).toMatchObject({ ambiguous: true, platformId: undefined, content: textContent("answer of turn-1") });
      expect((await recordOf(store)).unsettledParts).toBe(1);
    }),
  );

  it(
    "is not ambiguous after an unclean end while it was shown in the draft's place: an edit may be repeated",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      await show(store);
      await store.turns.commit(turnCommit(turn, { delivery: "sending" }));
      await store.turns.recover(START_MS);
      expect(await parts(store)).toMatchObject([{ status: "waiting", ambiguous: false, platformId: "m1" }]);
      await take(store);
      const again = await store.outbox.take(CHAT, { atMs: START_MS, maxAgeMs: MAX_AGE_MS, orphan: "unknown" });
      expect(again).toMatchObject({ type: "taken", part: { ambiguous: false, attempts: 3 } });
    }),
  );

  it(
    "is a plain part where the draft was never sent",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      await store.turns.commit(turnCommit(turn));
      expect(await parts(store)).toMatchObject([{ status: "waiting", ambiguous: false, platformId: undefined }]);
    }),
  );
}

function endingLaws(on: On): void {
  it(
    "stays with its turn through an attempt that is tried again",
    on(async ({ store }) => {
      const { turn, draft } = await begin(store);
      await show(store);
      await store.turns.fail(failCommit(turn));
      const again = await claim(store, { turnId: "other" });
      expect(await draftFor(store, again)).toMatchObject({ id: draft.id, platformId: "m1" });
    }),
  );

  it(
    "is marked as interrupted when its turn is given up or stopped, and edited so",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      await show(store);
      await store.turns.fail(
        failCommit(turn, { outcome: "giveUp", reply: textContent("sorry"), draft: textContent("Once upon a [interrupted]") }),
      );
      expect(await parts(store)).toMatchObject([
        { status: "waiting", platformId: "m1", content: textContent("Once upon a [interrupted]") },
        { status: "waiting", content: textContent("sorry") },
      ]);
      await settle(store, taken(await settle(store, await take(store), sent("m1"))), sent("m2"));
      await append(store);
      await draftFor(store, await claim(store, { turnId: "turn-2" }), "Again");
      await settle(store, await take(store), sent("m3"));
      const stop = await append(store, { kind: "command", text: "/stop" });
      await store.chats.command(commandCommit(stop, { stop: true }));
      const [, , stopped] = await parts(store);
      expect(stopped).toMatchObject({ status: "waiting", platformId: "m3", content: interrupted(textContent("Again")) });
    }),
  );

  it(
    "is forgotten with its turn when nobody has seen it",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      await store.turns.fail(failCommit(turn, { outcome: "giveUp" }));
      expect(await parts(store)).toEqual([]);
    }),
  );

  it(
    "is edited once it arrives when its turn ended while it was on its way",
    on(async ({ store }) => {
      const { turn } = await begin(store);
      const draft = await take(store);
      await store.turns.fail(failCommit(turn, { outcome: "giveUp" }));
      expect(await statuses(store)).toEqual(["sending"]);
      const next = await settle(store, draft, sent("m1"));
      expect(next).toMatchObject({ type: "taken", part: { platformId: "m1", content: interrupted(textContent("Once upon")) } });
      invariant(next.type === "taken", "the edit follows");
      await settle(store, next.part, sent("m1"));
      expect(await statuses(store)).toEqual(["sent"]);
    }),
  );
}
