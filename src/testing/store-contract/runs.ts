/** Runs of cron jobs: what their turns say, to whom, and whether it arrived. */
import { describe, expect, it } from "vitest";
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent } from "../../core/content.ts";
import type { JobRecord, RunRecord } from "../../ports/store/job-records.ts";
import type { RunTarget } from "../../ports/store/job-store.ts";
import type { Claim, Store } from "../../ports/store/store.ts";
import { CHAT, HOUR_MS, OTHER_CHAT, START_MS, commandCommit, failCommit, instantClaim, job, runEnd, turnCommit } from "../store-rows.ts";
import { MAX_AGE_MS, append, claim, parts, recordOf, statuses, take, textsOf, type On } from "./law.ts";

const CRON_CHAT: ChatKey = "cron:report";
const NEXT_MS = START_MS + HOUR_MS;

export function runLaws(on: On): void {
  describe("runs", () => {
    claimLaws(on);
    resultLaws(on);
    deliveryLaws(on);
    failureLaws(on);
  });
}

async function runsOf(store: Store): Promise<readonly RunRecord[]> {
  return (await store.jobs.runs("report", { limit: 100 })).items;
}

/** A job that fired once and whose row is claimed. */
async function firedJob(store: Store, overrides: Partial<JobRecord> = {}): Promise<Claim> {
  const of = job(overrides);
  await store.jobs.put(of);
  await store.jobs.claimInstant(instantClaim({ of }));
  return claim(store, { chat: of.chat, rowsMax: 9 });
}

const two = [textContent("one"), textContent("two")];
const target = (overrides: Partial<RunTarget> = {}): RunTarget => ({
  chat: CHAT,
  parts: two,
  history: two,
  isDelivered: false,
  ...overrides,
});
const sent = (part: { readonly chat: ChatKey; readonly id: string; readonly attempts: number }) =>
  ({
    chat: part.chat,
    id: part.id,
    attempt: part.attempts,
    outcome: { type: "sent", platformId: `p${part.id}` },
    lazy: false,
    atMs: START_MS,
  }) as const;
const refused = { type: "refused", error: { code: "CHANNEL_REFUSED", message: "blocked" } } as const;

function claimLaws(on: On): void {
  it(
    "tell the turn what holds for them, also at its next attempt, and are never mixed with other rows",
    on(async ({ store }) => {
      const held = await firedJob(store, { deliverTo: [CHAT], attempts: 3, silence: "OK" });
      await append(store, { chat: CRON_CHAT, text: "a person" });
      expect(held.run).toEqual(instantClaim({ of: job({ deliverTo: [CHAT], attempts: 3, silence: "OK" }) }).policy);
      await store.turns.fail(failCommit(held));
      // Whatever becomes of the job meanwhile.
      await store.jobs.remove("report");
      const again = await claim(store, { chat: CRON_CHAT, rowsMax: 9 });
      expect(again.run).toEqual(held.run);
      expect(textsOf(again.rows)).toEqual(["write the report"]);
      await store.turns.commit(turnCommit(again));
      const next = await claim(store, { chat: CRON_CHAT, turnId: "turn-2", rowsMax: 9 });
      expect(next.run).toBeUndefined();
      expect(textsOf(next.rows)).toEqual(["a person"]);
    }),
  );

  it(
    "wait behind a person's rows, apart from them",
    on(async ({ store }) => {
      await append(store, { chat: CRON_CHAT, text: "a person" });
      const held = await firedJob(store);
      expect(textsOf(held.rows)).toEqual(["a person"]);
      expect(held.run).toBeUndefined();
      expect((await recordOf(store, CRON_CHAT)).openTurn?.runId).toBeUndefined();
    }),
  );

  it(
    "are named by the open turn that answers them",
    on(async ({ store }) => {
      await firedJob(store);
      expect((await recordOf(store, CRON_CHAT)).openTurn).toMatchObject({ turnId: "turn-1", runId: "run-1" });
    }),
  );
}

function resultLaws(on: On): void {
  it(
    "put their result into every chat that gets it, and into its history",
    on(async ({ store }) => {
      await append(store);
      await store.turns.commit(turnCommit(await claim(store, { turnId: "turn-0" }), { delivery: "delivered" }));
      const held = await firedJob(store, { deliverTo: [CHAT, OTHER_CHAT] });
      const run = { runId: "run-1", targets: [target(), target({ chat: OTHER_CHAT, parts: [textContent("one, two")] })] };
      const commit = turnCommit(held, { run });
      const result = await store.turns.commit(commit);
      expect(result).toMatchObject({
        waiting: 0,
        parts: [
          { chat: CHAT, part: 1, of: 2 },
          { chat: CHAT, part: 2, of: 2 },
          { chat: OTHER_CHAT, part: 1, of: 1, status: "waiting", turnId: "turn-1" },
        ],
      });
      expect(await parts(store, CRON_CHAT)).toEqual([]);
      expect(textsOf(await parts(store))).toEqual(["answer of turn-0", "one", "two"]);
      expect(textsOf(await parts(store, OTHER_CHAT))).toEqual(["one, two"]);
      const history = await store.chats.history(CHAT, 10);
      expect(history.map((entry) => entry.role)).toEqual(["user", "assistant", "assistant", "assistant"]);
      expect(history.slice(-2).map((entry) => entry.content)).toEqual(two);
      expect(await store.chats.history(CRON_CHAT, 10)).toEqual(commit.history);
      expect(await recordOf(store)).toMatchObject({ unsettledParts: 2 });
      expect(await recordOf(store, CRON_CHAT)).toMatchObject({ unsettledParts: 0, revision: 1 });
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "waiting" }]);
      expect((await runsOf(store))[0]?.endedAtMs).toBeDefined();
      expect(await store.jobs.underWay(["report"])).toEqual([]);
    }),
  );

  it(
    "answer in the chat of their turn like any other",
    on(async ({ store }) => {
      const held = await firedJob(store, { chat: CHAT, deliverTo: [CHAT, OTHER_CHAT] });
      const run = { runId: "run-1", targets: [target({ chat: OTHER_CHAT })] };
      const result = await store.turns.commit(turnCommit(held, { parts: two, delivery: "sending", run }));
      expect(result).toMatchObject({
        parts: [
          { chat: CHAT, status: "sending", inReplyTo: [1] },
          { chat: CHAT, status: "waiting" },
          { chat: OTHER_CHAT, inReplyTo: [] },
          { chat: OTHER_CHAT },
        ],
      });
      const [first] = await parts(store);
      await store.outbox.settle(sent(first!), { maxAgeMs: MAX_AGE_MS });
      await store.outbox.settle(sent((await parts(store))[1]!), undefined);
      expect(await runsOf(store)).toMatchObject([{ delivery: "waiting" }]);
    }),
  );

  it(
    "begin no send while an earlier part of the receiving chat is unsettled",
    on(async ({ store }) => {
      await store.outbox.put(CHAT, [textContent("earlier")], { groupId: "g", delivered: false, atMs: START_MS });
      await store.turns.commit(turnCommit(await firedJob(store, { deliverTo: [CHAT] })));
      expect(await statuses(store)).toEqual(["waiting", "waiting"]);
    }),
  );

  it(
    "end without a word when nobody is to hear of them",
    on(async ({ store }) => {
      const mute = await firedJob(store);
      expect(await store.turns.commit(turnCommit(mute))).toMatchObject({ parts: [] });
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "none" }]);
      expect((await store.outbox.list({}, { limit: 10 })).items).toEqual([]);
    }),
  );
}

function deliveryLaws(on: On): void {
  /** Two chats wait for two parts each. */
  const committed = async (store: Store): Promise<void> => {
    const held = await firedJob(store, { deliverTo: [CHAT, OTHER_CHAT] });
    await store.turns.commit(turnCommit(held, { run: { runId: "run-1", targets: [target(), target({ chat: OTHER_CHAT })] } }));
  };
  const deliveryOf = async (store: Store) => (await runsOf(store))[0]?.delivery;
  const deliver = async (store: Store, chat: ChatKey): Promise<void> => {
    for (let count = 0; count < 2; count += 1) await store.outbox.settle(sent(await take(store, START_MS, chat)), undefined);
  };

  it(
    "are delivered once the platform took every part for every chat",
    on(async ({ store }) => {
      await committed(store);
      await deliver(store, CHAT);
      await store.outbox.settle(sent(await take(store, START_MS, OTHER_CHAT)), undefined);
      expect(await deliveryOf(store)).toBe("waiting");
      await store.outbox.settle(sent(await take(store, START_MS, OTHER_CHAT)), undefined);
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "delivered" }]);
    }),
  );

  it(
    "are not delivered when one chat refuses, and are once a person has had that sent again",
    on(async ({ store }) => {
      await committed(store);
      await store.outbox.settle({ ...sent(await take(store)), outcome: refused }, undefined);
      expect(await deliveryOf(store)).toBe("waiting");
      await deliver(store, OTHER_CHAT);
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "failed" }]);
      for (const part of await parts(store)) await store.outbox.revive(part.id, START_MS);
      expect(await deliveryOf(store)).toBe("waiting");
      await deliver(store, CHAT);
      expect(await deliveryOf(store)).toBe("delivered");
    }),
  );

  it(
    "are not delivered when a part expires, is taken back by its platform, or removed",
    on(async ({ store }) => {
      await committed(store);
      await deliver(store, OTHER_CHAT);
      expect(await store.outbox.expire(CHAT, START_MS * 2)).toBe(2);
      expect(await deliveryOf(store)).toBe("failed");
    }),
  );

  it(
    "lose their delivery when the platform says later that a part never arrived",
    on(async ({ store }) => {
      await committed(store);
      await deliver(store, CHAT);
      await deliver(store, OTHER_CHAT);
      const { platformId = "" } = (await parts(store))[0] ?? {};
      await store.outbox.receive([
        { chat: CHAT, platformId, receipt: { status: "failed", atMs: START_MS }, error: { code: "CHANNEL_REFUSED", message: "late" } },
      ]);
      expect(await deliveryOf(store)).toBe("failed");
    }),
  );

  it(
    "are delivered at once where the commit itself delivers",
    on(async ({ store }) => {
      const held = await firedJob(store, { deliverTo: ["api:ann"] });
      await store.turns.commit(turnCommit(held, { run: runEnd(held.run!, { isDelivered: true }) }));
      expect(await runsOf(store)).toMatchObject([{ status: "succeeded", delivery: "delivered" }]);
      expect(await statuses(store, "api:ann")).toEqual(["sent"]);
    }),
  );
}

function failureLaws(on: On): void {
  const said = (text: string): readonly RunTarget[] => [target({ parts: [textContent(text)], history: [textContent(text)] })];
  const run = { runId: "run-1", notice: said("it failed"), alert: said("it is switched off") };

  it(
    "fail with the turn that is given up, are told as such, and stay under way at a retry",
    on(async ({ store }) => {
      const held = await firedJob(store, { deliverTo: [CHAT] });
      await store.turns.fail(failCommit(held, { run: undefined }));
      expect(await runsOf(store)).toMatchObject([{ status: "running" }]);
      const again = await claim(store, { chat: CRON_CHAT });
      const commit = failCommit(again, { outcome: "giveUp", run, atMs: START_MS + 50 });
      const result = await store.turns.fail(commit);
      expect(result).toMatchObject({ ended: 1, parts: [{ chat: CHAT, status: "waiting" }] });
      expect(result).not.toHaveProperty("isJobDisabled");
      expect(textsOf(await parts(store))).toEqual(["it failed"]);
      expect((await store.chats.history(CHAT, 10)).map((entry) => entry.content)).toEqual([textContent("it failed")]);
      expect(await runsOf(store)).toMatchObject([{ status: "failed", delivery: "waiting", endedAtMs: START_MS + 50, error: commit.error }]);
      expect(await store.jobs.get("report")).toMatchObject({ failures: 1, status: "active" });
    }),
  );

  it(
    "disable their job after so many failures in a row, with one alert in the place of the notice",
    on(async ({ store }) => {
      await store.jobs.put(job({ disableAfter: 2, deliverTo: [CHAT] }));
      const outcomes = [];
      for (const place of [0, 1, 2]) {
        await store.jobs.claimInstant(instantClaim({ instantMs: START_MS + place * HOUR_MS, runId: `run-${place}` }));
        const held = await store.turns.claim({ chat: CRON_CHAT, turnId: `turn-${place}`, rowsMax: 1, suspect: false, atMs: START_MS });
        if (held) outcomes.push(await store.turns.fail(failCommit(held, { outcome: "giveUp", run: { ...run, runId: `run-${place}` } })));
      }
      expect(outcomes).toMatchObject([{ ended: 1 }, { ended: 1, isJobDisabled: true }]);
      expect(await store.jobs.get("report")).toMatchObject({ status: "disabled", failures: 2 });
      expect(textsOf(await parts(store))).toEqual(["it failed", "it is switched off"]);
      expect(await store.jobs.due(START_MS * 2, 10)).toEqual([]);
    }),
  );

  it(
    "are forgiven by a success",
    on(async ({ store }) => {
      await store.jobs.put(job({ disableAfter: 2 }));
      for (const [place, fails] of [true, false, true].entries()) {
        await store.jobs.claimInstant(instantClaim({ instantMs: START_MS + place * HOUR_MS, runId: `run-${place}` }));
        const held = await claim(store, { chat: CRON_CHAT, turnId: `turn-${place}` });
        if (fails) await store.turns.fail(failCommit(held, { outcome: "giveUp", run: { runId: `run-${place}`, notice: [], alert: [] } }));
        else await store.turns.commit(turnCommit(held));
      }
      expect(await store.jobs.get("report")).toMatchObject({ status: "active", failures: 1 });
    }),
  );

  it(
    "disable their job with the turn that is put aside",
    on(async ({ store }) => {
      const held = await firedJob(store, { disableAfter: 0, deliverTo: [CHAT] });
      const result = await store.turns.fail(failCommit(held, { outcome: "quarantine", run: { ...run, disables: true } }));
      expect(result).toMatchObject({ isJobDisabled: true });
      expect(textsOf(await parts(store))).toEqual(["it is switched off"]);
      expect(await runsOf(store)).toMatchObject([{ status: "failed" }]);
      expect(await store.jobs.get("report")).toMatchObject({ status: "disabled" });
    }),
  );

  it(
    "fail when a person stops their turn, which counts against nobody",
    on(async ({ store }) => {
      await firedJob(store);
      const seq = await append(store, { chat: CRON_CHAT, kind: "command", text: "/stop" });
      await store.chats.command(commandCommit(seq, { chat: CRON_CHAT, stop: true }));
      expect(await runsOf(store)).toMatchObject([{ status: "failed", error: { code: "TURN_ABORTED" } }]);
      expect(await store.jobs.get("report")).toMatchObject({ failures: 0, nextAtMs: NEXT_MS });
    }),
  );
}
