/** The state that adapters get: durable, bounded, and within a webhook request kept only when the request is. */
import type { Lock, QueueEntry } from "chat";
import { beforeEach, describe, expect, it } from "vitest";
import { createCells } from "../../src/channels/chat-sdk/cells.ts";
import type { Cells } from "../../src/channels/chat-sdk/cells.ts";
import { createRequestScope, createRequestScopes } from "../../src/channels/chat-sdk/request-scope.ts";
import type { RequestScopes } from "../../src/channels/chat-sdk/request-scope.ts";
import { createState } from "../../src/channels/chat-sdk/state.ts";
import type { BridgeState } from "../../src/channels/chat-sdk/state.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { createHeldClock } from "./clocks.ts";
import type { HeldClock } from "./clocks.ts";

let host: RecordingHost;
let clock: HeldClock;
let scopes: RequestScopes;

function open(): BridgeState {
  let tokens = 0;
  const cells = (prefix: string): Cells => createCells(host, clock, { prefix, cells: 4, entriesMax: 8 });
  scopes = createRequestScopes();
  return createState({
    values: cells("state"),
    threads: cells("threads"),
    scopes,
    clock,
    nextToken: () => `t${(tokens += 1)}`,
    unwanted: /^unwanted:/,
  });
}

beforeEach(() => {
  host = createRecordingHost("x");
  clock = createHeldClock();
});

describe("values", () => {
  it("outlive a restart, and not their time", async () => {
    await open().set("a", { n: 1 });
    await open().set("b", "soon gone", 1_000);
    const state = open();
    expect(await state.get("a")).toEqual({ n: 1 });
    expect(await state.get("b")).toBe("soon gone");
    clock.pass(1_000);
    expect(await state.get("b")).toBeNull();
    expect(await open().get("b")).toBeNull();
    await state.delete("a");
    expect(await open().get("a")).toBeNull();
  });

  it("are set once by setIfNotExists, however many ask at once", async () => {
    const state = open();
    const won = await Promise.all([1, 2, 3].map((value) => state.setIfNotExists("k", value, 1_000)));
    expect(won).toEqual([true, false, false]);
    expect(await state.get("k")).toBe(1);
    clock.pass(1_000);
    expect(await state.setIfNotExists("k", 4)).toBe(true);
  });

  it("are copies, and null for what JSON does not know", async () => {
    const state = open();
    const value = { list: [1] };
    await state.set("a", value);
    value.list.push(2);
    expect(await state.get("a")).toEqual({ list: [1] });
    await state.set("u", undefined);
    expect(await state.get("u")).toBeNull();
  });

  it("make room for others when they expire first, and never when they last", async () => {
    const state = open();
    await state.set("lasting", "stays");
    for (let n = 0; n < 200; n += 1) await state.set(`seen:${n}`, true, 1_000 + n);
    expect(await state.get("lasting")).toBe("stays");
    expect(await state.get("seen:199")).toBe(true);
    expect(await state.get("seen:0")).toBeNull();
    const cells = [...host.cells.values()] as { entries: unknown[] }[];
    expect(Math.max(...cells.map(({ entries }) => entries.length))).toBeLessThanOrEqual(8);
  });

  it("are refused when lasting ones fill the state, or when one is too large", async () => {
    const state = open();
    const filling = Promise.all(Array.from({ length: 40 }, (_, n) => state.set(`lasting:${n}`, n)));
    await expect(filling).rejects.toMatchObject({ code: "TOO_LARGE" });
    await expect(state.set("big", "x".repeat(300_000))).rejects.toMatchObject({ code: "TOO_LARGE" });
  });

  it("stay as they were when the store does not take a change", async () => {
    const state = open();
    await state.set("k", 1);
    const { save } = host;
    Object.assign(host, { save: () => Promise.reject(new Error("the disk is away")) });
    await expect(state.set("k", 2)).rejects.toThrow(/disk/);
    expect(await state.get("k")).toBe(1);
    Object.assign(host, { save });
    await state.set("k", 3);
    expect(await open().get("k")).toBe(3);
  });

  it("read as empty from a cell that holds something else", async () => {
    await open().set("k", 1);
    for (const cell of host.cells.keys()) await host.save(cell, { entries: [["k"], "x", [7, 8]], version: 9 });
    expect(await open().get("other")).toBeNull();
  });

  it("fail at once where the adapter would wait in vain", async () => {
    await expect(open().get("unwanted:1")).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });
});

describe("lists and queues", () => {
  it("keep their newest, in order, over restarts", async () => {
    const state = open();
    for (const value of ["a", "b", "c"]) await state.appendToList("l", value, { maxLength: 2, ttlMs: 1_000 });
    expect(await open().getList("l")).toEqual(["b", "c"]);
    clock.pass(1_000);
    expect(await state.getList("l")).toEqual([]);
  });

  it("hand out what waits, once, oldest first", async () => {
    const state = open();
    const entry = (text: string): QueueEntry => ({ enqueuedAt: 1, expiresAt: 2, message: { text } as unknown as QueueEntry["message"] });
    expect(await state.enqueue("t", entry("one"), 2)).toBe(1);
    expect(await state.enqueue("t", entry("two"), 2)).toBe(2);
    expect(await state.enqueue("t", entry("three"), 2)).toBe(2);
    const again = open();
    expect(await again.queueDepth("t")).toBe(2);
    const taken = await Promise.all([again.dequeue("t"), again.dequeue("t"), again.dequeue("t")]);
    expect(taken.map((one) => one?.message.text)).toEqual(["two", "three", undefined]);
  });
});

describe("locks", () => {
  it("have one holder until they end, and only the holder extends and releases", async () => {
    const state = open();
    const lock = (await state.acquireLock("t", 1_000)) as Lock;
    expect(await state.acquireLock("t", 1_000)).toBeNull();
    expect(await state.extendLock({ ...lock, token: "other" }, 5_000)).toBe(false);
    expect(await state.extendLock(lock, 5_000)).toBe(true);
    await state.releaseLock({ ...lock, token: "other" });
    clock.pass(4_999);
    expect(await state.acquireLock("t", 1_000)).toBeNull();
    clock.pass(1);
    expect(await state.extendLock(lock, 5_000)).toBe(false);
    const next = (await state.acquireLock("t", 1_000)) as Lock;
    expect(next.token).not.toBe(lock.token);
    await state.releaseLock(next);
    expect(await state.acquireLock("t", 1_000)).not.toBeNull();
    await state.forceReleaseLock("t");
    expect(await state.acquireLock("t", 1_000)).not.toBeNull();
  });
});

describe("subscriptions", () => {
  it("last over restarts until they are ended, and are written once a day", async () => {
    const state = open();
    expect(await state.follow("t")).toBe(true);
    const before = JSON.stringify([...host.cells]);
    clock.pass(60_000);
    expect(await state.follow("t")).toBe(false);
    expect(JSON.stringify([...host.cells])).toBe(before);
    expect(await open().isSubscribed("t")).toBe(true);
    expect(await state.isSubscribed("other")).toBe(false);
    await state.unsubscribe("t");
    expect(await open().isSubscribed("t")).toBe(false);
  });
});

describe("within a request", () => {
  it("changes are seen by that request alone, and kept with it", async () => {
    const state = open();
    const scope = createRequestScope(() => undefined);
    await scopes.run(scope, async () => {
      await state.set("mark", true);
      await state.appendToList("l", "a");
      expect(await state.setIfNotExists("mark", false)).toBe(false);
      expect(await state.setIfNotExists("new", 1)).toBe(true);
      expect(await state.get("mark")).toBe(true);
    });
    expect(await state.get("mark")).toBeNull();
    const other = createRequestScope(() => undefined);
    expect(await scopes.run(other, () => state.get("mark"))).toBeNull();
    await state.appendToList("l", "b");
    scope.close();
    await scope.keep();
    expect(await open().get("mark")).toBe(true);
    expect(await open().getList("l")).toEqual(["b", "a"]);
  });

  it("changes of a refused request are gone, also those that come to an end later", async () => {
    const state = open();
    const scope = createRequestScope(() => undefined);
    const { load } = host;
    let loaded: (() => void) | undefined;
    Object.assign(host, { load: (cell: string) => new Promise<void>((resolve) => (loaded = resolve)).then(() => load(cell)) });
    const late = scopes.run(scope, () => Promise.all([state.set("mark", true), state.setIfNotExists("late", true)]));
    scope.fail(new Error("the store was away"));
    scope.close();
    while (!loaded) await Promise.resolve();
    Object.assign(host, { load });
    loaded();
    await late;
    expect(await state.get("mark")).toBeNull();
    expect(await state.get("late")).toBeNull();
    expect(host.cells.size).toBe(0);
  });

  it("changes that begin after the answer are made at once", async () => {
    const state = open();
    const scope = createRequestScope(() => undefined);
    scope.close();
    await scopes.run(scope, () => state.set("later", 1));
    expect(await open().get("later")).toBe(1);
  });
});
