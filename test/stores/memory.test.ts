import { describe, expect, it } from "vitest";
import { textContent } from "../../src/core/content.ts";
import type { Claim } from "../../src/ports/store/store.ts";
import { createMemoryStore, type MemoryOptions, type MemoryStore } from "../../src/stores/memory/store.ts";
import { storeContract } from "../../src/testing/store-contract.ts";
import {
  CHAT,
  OTHER_CHAT,
  START_MS,
  appendRequest,
  claimRequest,
  commandCommit,
  failCommit,
  instantClaim,
  job,
  retention,
  snapshotWrite,
  turnCommit,
} from "../../src/testing/store-rows.ts";

storeContract("memory", async () => {
  const store = await opened();
  return {
    store,
    reopen: async () => {
      await store.stop();
      await store.start();
      return store;
    },
    close: store.stop,
  };
});

async function opened(options: MemoryOptions = {}): Promise<MemoryStore> {
  const store = createMemoryStore(options);
  await store.start();
  return store;
}

async function claimed(store: MemoryStore, overrides: Parameters<typeof claimRequest>[0] = {}): Promise<Claim> {
  const claim = await store.turns.claim(claimRequest(overrides));
  if (!claim) throw new Error("nothing to claim");
  return claim;
}

interface Gate {
  readonly passed: Promise<void>;
  readonly open: () => void;
}

function gateOf(): Gate {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

/** Lets everything that can go on, go on. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function stateOf(call: Promise<unknown>): Promise<string> {
  let state = "pending";
  call.then(
    () => (state = "resolved"),
    () => (state = "rejected"),
  );
  await settled();
  return state;
}

describe("a crash of the memory store", () => {
  it("keeps what applied, but never resolves a call under way", async () => {
    const store = await opened();
    const call = store.inbox.append([appendRequest()]);
    store.crash();
    expect(await stateOf(call)).toBe("pending");
    await store.start();
    expect((await store.chats.open(CHAT))?.waiting).toBe(1);
  });

  it("never applies a call that waited for its hook", async () => {
    const gate = gateOf();
    const store = await opened({ before: (call) => (call === "inbox.append" ? gate.passed : undefined) });
    const call = store.inbox.append([appendRequest()]);
    await settled();
    store.crash();
    gate.open();
    expect(await stateOf(call)).toBe("pending");
    await store.start();
    expect(await store.chats.open(CHAT)).toBeUndefined();
  });

  it("keeps a write whose answer was still on its way", async () => {
    const gate = gateOf();
    const store = await opened({ after: (call) => (call === "inbox.append" ? gate.passed : undefined) });
    const call = store.inbox.append([appendRequest()]);
    await settled();
    store.crash();
    gate.open();
    expect(await stateOf(call)).toBe("pending");
    await store.start();
    expect((await store.chats.open(CHAT))?.waiting).toBe(1);
  });

  it("swallows calls until the next start", async () => {
    const store = await opened();
    store.crash();
    expect(await stateOf(store.inbox.append([appendRequest()]))).toBe("pending");
    await store.start();
    expect(await store.chats.open(CHAT)).toBeUndefined();
  });

  it("leaves a started turn and a part being sent for recovery", async () => {
    const store = await opened();
    await store.inbox.append([appendRequest()]);
    await store.turns.commit(turnCommit(await claimed(store), { delivery: "sending" }));
    await store.inbox.append([appendRequest()]);
    await claimed(store, { turnId: "turn-2", suspect: true });
    store.crash();
    await store.start();
    expect(await store.turns.recover(START_MS)).toEqual({ suspects: 1, ambiguous: 1 });
    const record = await store.chats.open(CHAT);
    expect(record?.openTurn).toMatchObject({ status: "suspect", attempt: 1, failures: 1 });
    expect((await store.events.list(CHAT, 0, 10)).at(-1)).toMatchObject({ revision: 2, events: [{ type: "chat.restored" }] });
  });
});

describe("hooks of the memory store", () => {
  it("are told the name of each call", async () => {
    const seen: string[] = [];
    const store = await opened({ before: (call) => void seen.push(`before ${call}`), after: (call) => void seen.push(`after ${call}`) });
    await store.inbox.append([appendRequest()]);
    await store.chats.open(CHAT);
    expect(seen).toEqual(["before inbox.append", "after inbox.append", "before chats.open", "after chats.open"]);
  });

  it("keep the calls of one chat in order while those of others pass", async () => {
    const gate = gateOf();
    let isFirst = true;
    const store = await opened({
      before: () => {
        if (!isFirst) return undefined;
        isFirst = false;
        return gate.passed;
      },
    });
    const order: string[] = [];
    const append = (chat: typeof CHAT, text: string): Promise<unknown> =>
      store.inbox.append([appendRequest({ chat, text })]).then(() => order.push(text));
    const calls = [append(CHAT, "first"), append(CHAT, "second"), append(OTHER_CHAT, "other")];
    await settled();
    expect(order).toEqual(["other"]);
    gate.open();
    await Promise.all(calls);
    expect(order).toEqual(["other", "first", "second"]);
  });

  it("reject a call that they fail, with nothing applied", async () => {
    const store = await opened({
      before: (call) => {
        if (call === "inbox.append") throw new Error("the disk is away");
      },
    });
    await expect(store.inbox.append([appendRequest()])).rejects.toThrow("the disk is away");
    expect(await store.chats.open(CHAT)).toBeUndefined();
  });
});

describe("the memory store", () => {
  it("refuses calls before it is started and after it was stopped", async () => {
    const store = createMemoryStore();
    await expect(store.ping()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await store.start();
    await store.ping();
    await store.stop();
    await expect(store.ping()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("applies a write before its promise resolves", async () => {
    const store = await opened();
    const first = store.inbox.append([appendRequest()]);
    const second = store.chats.open(CHAT);
    expect((await second)?.waiting).toBe(1);
    expect(await first).toMatchObject([{ status: "accepted", seq: 1 }]);
  });

  it("hands out rows that are not its own", async () => {
    const store = await opened();
    await store.inbox.append([appendRequest()]);
    const claim = await claimed(store);
    const context = { schemaVersion: 1, count: 1 };
    await store.turns.commit(turnCommit(claim, { write: snapshotWrite({ snapshot: { value: "idle", context } }) }));
    context.count = 2;
    const record = await store.chats.open(CHAT);
    expect(record?.snapshot?.context).toEqual({ schemaVersion: 1, count: 1 });
    Object.assign(record ?? {}, { fence: 99 });
    Object.assign(record?.settings ?? {}, { overlap: "collect" });
    expect(await store.chats.open(CHAT)).toMatchObject({ fence: 1, settings: {} });
    expect(claim.rows).toMatchObject([{ status: "waiting" }]);
  });

  it("writes nothing of a commit whose snapshot is no JSON", async () => {
    const store = await opened();
    await store.inbox.append([appendRequest()]);
    const claim = await claimed(store);
    const write = snapshotWrite({ snapshot: { value: "idle", context: { count: 1n } } });
    await expect(store.turns.commit(turnCommit(claim, { write }))).rejects.toThrow(TypeError);
    expect(await store.chats.open(CHAT)).toMatchObject({ waiting: 1, revision: 0, unsettledParts: 0, openTurn: { status: "started" } });
  });

  it("teaches a chat that a delivery made the address its person writes from", async () => {
    const store = await opened();
    await store.outbox.put(CHAT, [textContent("hello")], { groupId: "out-1", delivered: false, atMs: START_MS });
    expect((await store.chats.open(CHAT))?.address).toBe("");
    await store.inbox.append([appendRequest({ address: "1" })]);
    await store.inbox.append([appendRequest({ address: "2" })]);
    expect((await store.chats.open(CHAT))?.address).toBe("1");
  });

  it("fails the run of a cron row that is dropped before its turn", async () => {
    const store = await opened();
    const chat = "cron:report";
    await store.jobs.put(job());
    await store.jobs.claimInstant(instantClaim());
    await store.chats.reset(chat, START_MS + 5);
    expect((await store.jobs.runs("report", { limit: 10 })).items).toMatchObject([
      { runId: "run-1", status: "failed", endedAtMs: START_MS + 5, error: { code: "TURN_ABORTED" } },
    ]);
  });

  it("lets go of a row that is younger than the command that stopped its turn", async () => {
    const store = await opened();
    await store.inbox.append([appendRequest({ kind: "command", text: "/stop" }), appendRequest({ text: "later" })]);
    const claim = await claimed(store);
    expect(await store.chats.command(commandCommit(1, { stop: true }))).toMatchObject({ dropped: 0, waiting: 1 });
    expect((await store.inbox.waiting(CHAT, { limit: 10 })).items).toMatchObject([{ seq: 2, turnId: undefined }]);
    expect(await store.turns.commit(turnCommit(claim))).toBe("fenced");
    expect((await claimed(store, { turnId: "turn-2" })).rows).toMatchObject([{ seq: 2, turnId: "turn-2" }]);
  });

  it("puts rows that were given up back before younger ones", async () => {
    const store = await opened();
    await store.inbox.append([appendRequest({ text: "a" }), appendRequest({ text: "b" })]);
    await store.turns.fail(failCommit(await claimed(store), { outcome: "giveUp" }));
    expect(await store.chats.retry(CHAT, { skip: false, atMs: START_MS })).toMatchObject({ restored: 1, skipped: 0 });
    expect((await claimed(store, { turnId: "turn-2", rowsMax: 9 })).rows.map((row) => row.seq)).toEqual([1, 2]);
  });

  it("sweeps more than one call may, over several calls", async () => {
    const store = await opened();
    for (let place = 0; place < 450; place += 1) {
      await store.outbox.put(`api:${place}`, [textContent("x")], { groupId: "g", delivered: true, atMs: START_MS });
    }
    let calls = 1;
    while (await store.sweep(retention({ outboxBeforeMs: START_MS + 1 }))) calls += 1;
    expect(calls).toBe(3);
    expect((await store.outbox.list({}, { limit: 1_000 })).items).toEqual([]);
  });

  it("lists the chats by key through pages while chats come and go", async () => {
    const store = await opened();
    const meet = (key: typeof CHAT): Promise<unknown> => store.inbox.append([appendRequest({ chat: key })]);
    for (const name of ["d", "b", "a"]) await meet(`api:${name}`);
    const page = await store.chats.list({}, { limit: 2 });
    expect([page.items.map((chat) => chat.key), page.next]).toEqual([["api:a", "api:b"], "api:b"]);
    await meet("api:c");
    await store.chats.erase("api:a");
    expect((await store.chats.list({}, { limit: 9, cursor: page.next })).items.map((chat) => chat.key)).toEqual(["api:c", "api:d"]);
  });
});
