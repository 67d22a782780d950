import { describe, expect, it } from "vitest";
import { createRates, tooFast, type Taken } from "../../src/runtime/access/rates.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { openGate } from "./gate-rig.ts";

const MINUTE_MS = 60_000;
const perUser = (count: number) => ({ allow: ["*"], rate: { perUser: { count, perMs: MINUTE_MS } } });
const REFUSED = "That is more than I take (2 messages in 1 min), so I have not kept your last messages. Please send them again in 30 s.";

function openRates() {
  let nowMs = 0;
  const rates = createRates({ monotonic: () => nowMs });
  const rate = { count: 2, perMs: 10_000 };
  const take = (...names: readonly string[]): Taken => rates.take(names.map((name) => [name, rate] as const));
  return { take, rates, pass: (ms: number) => void (nowMs += ms) };
}

describe("token buckets", () => {
  it("grant a full measure, then one for each part of the time, and say how long to wait", () => {
    const { take, pass } = openRates();
    expect([take("a"), take("a")].map(({ isGranted }) => isGranted)).toEqual([true, true]);
    expect(take("a")).toMatchObject({ isGranted: false, waitMs: 5_000 });
    pass(4_000);
    expect(take("a")).toMatchObject({ isGranted: false, waitMs: 1_000 });
    pass(1_000);
    expect(take("a").isGranted).toBe(true);
    pass(1_000_000);
    expect([take("a"), take("a"), take("a")].map(({ isGranted }) => isGranted)).toEqual([true, true, false]);
  });

  it("take from all or none", () => {
    const { take } = openRates();
    take("chat");
    take("chat");
    expect(take("ann", "chat").isGranted).toBe(false);
    expect([take("ann"), take("ann"), take("ann")].map(({ isGranted }) => isGranted)).toEqual([true, true, false]);
  });

  it("take back, and never more than the measure", () => {
    const { take } = openRates();
    const first = take("a");
    if (first.isGranted) {
      first.refund();
      first.refund();
    }
    expect([take("a"), take("a"), take("a")].map(({ isGranted }) => isGranted)).toEqual([true, true, false]);
  });

  it("know no limit without a rate", () => {
    const { rates } = openRates();
    for (let time = 0; time < 1_000; time += 1) expect(rates.take([["a", undefined]]).isGranted).toBe(true);
  });

  it("forget whoever has been silent longest, beyond ten thousand", () => {
    const { take } = openRates();
    for (const name of ["a", "a", "b", "b"]) take(name);
    for (let other = 0; other < 9_998; other += 1) take(String(other));
    take("b");
    take("one more");
    expect([take("b").isGranted, take("a").isGranted]).toEqual([false, true]);
  });

  it("put the refusal into words", () => {
    const refused = { isGranted: false, rate: { count: 1, perMs: 3_600_000 }, waitMs: 61_200 } as const;
    expect(tooFast(refused, "messages")).toContain("(1 message in 1 h)");
    expect(tooFast(refused, "commands")).toContain("again in 1 min.");
    expect(tooFast({ ...refused, waitMs: 0.5 }, "messages")).toContain("again in 1 s.");
  });
});

describe("rates", () => {
  it("refuse what one person writes beyond theirs, say so once, and let others write", async () => {
    const { write, heard, platform } = await openGate({ access: perUser(2) });
    for (const text of ["a", "b", "c", "d"]) await write(text, "5");
    await write("a", "6");
    expect(heard("5")).toEqual(["re a", "re b", expect.stringContaining("more than I take (2 messages in 1 min)")]);
    expect(heard("6")).toEqual(["re a"]);
    expect(platform.unconfirmed()).toEqual([]);
  });

  it("count a whole batch in its order", async () => {
    const { post, heard, clock } = await openGate({ access: perUser(2) });
    for (const text of ["a", "b", "c", "d"]) post(text, "5");
    await clock.advance(1_000);
    expect(heard("5").toSorted()).toEqual([REFUSED, "re a", "re b"]);
  });

  it("let a refused update stay refused, answered once, whenever it is offered again, also by a new process", async () => {
    const platform = createFakePlatform();
    const store = createMemoryStore();
    const before = await openGate({ access: perUser(1), platform, store });
    await before.write("a", "5", { update: "1" });
    await before.write("b", "5", { update: "2" });
    expect(before.heard("5")).toHaveLength(2);
    await before.clock.advance(10 * MINUTE_MS);
    await before.write("b", "5", { update: "2" });
    await before.settled(before.loop.shutdown());
    const after = await openGate({ access: perUser(1), platform, store });
    await after.write("b", "5", { update: "2" });
    expect(after.heard("5")).toHaveLength(2);
    expect((await store.chats.open("sim:5"))?.waiting).toBe(0);
    await after.write("c", "5", { update: "3" });
    expect(after.heard("5").at(-1)).toBe("re c");
  });

  it("do not count what was accepted before and is offered again", async () => {
    const { write, heard } = await openGate({ access: perUser(2) });
    await write("a", "5", { update: "1" });
    for (let time = 0; time < 5; time += 1) await write("a", "5", { update: "1" });
    await write("b", "5", { update: "2" });
    expect(heard("5")).toEqual(["re a", "re b"]);
  });

  it("do not count what the store could not take", async () => {
    const state = { failures: 3 };
    const behind = (store: MemoryStore): MemoryStore => ({
      ...store,
      inbox: {
        ...store.inbox,
        append: (requests) => (state.failures-- > 0 ? Promise.reject(new Error("disk full")) : store.inbox.append(requests)),
      },
    });
    const { write, heard, clock } = await openGate({ access: perUser(1), behind });
    await write("a", "5");
    await clock.advance(30_000);
    expect(heard("5")).toEqual(["re a"]);
  });

  it("of a chat hold for all who write in it, and refuse no one elsewhere", async () => {
    const { write, heard } = await openGate({ access: { allow: ["*"], rate: { perChat: { count: 2, perMs: MINUTE_MS } } } });
    for (const id of ["5", "6", "7"]) await write(`from ${id}`, id, { group: "room" });
    await write("alone", "7");
    expect(heard("room")).toEqual(["re from 5", "re from 6", expect.stringContaining("more than I take")]);
    expect(heard("7")).toEqual(["re alone"]);
  });

  it("refuse in a chat that was never met, and say so there", async () => {
    const { write, heard, store } = await openGate({ access: perUser(1) });
    await write("in the group", "5", { group: "room" });
    await write("alone", "5");
    expect(heard("5")).toEqual([expect.stringContaining("more than I take (1 message in 1 min)")]);
    expect(await store.chats.open("sim:5")).toMatchObject({ waiting: 0, unsettledParts: 0, address: "5" });
    await write("/whoami", "5");
    expect(heard("5")).toHaveLength(2);
  });

  it("never keep a command away, whose own measure is generous", async () => {
    let isStopped = false;
    const { write, post, heard, clock } = await openGate({
      access: perUser(1),
      agent: async function* (_turn, { signal }) {
        yield "thinking";
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        isStopped = true;
      },
    });
    await write("think", "5");
    await write("more", "5");
    await write("/stop", "5");
    expect(isStopped).toBe(true);
    expect(heard("5").at(-1)).toBe("Stopped; messages dropped: 1.");
    for (let time = 0; time < 60; time += 1) post("/whoami", "5");
    await clock.advance(20_000);
    expect(heard("5").filter((text) => text.startsWith("You are"))).toHaveLength(29);
    await clock.advance(MINUTE_MS);
    await write("/whoami", "5");
    expect(heard("5").at(-1)).toMatch(/^You are/);
  });

  it("can be changed while the runtime runs", async () => {
    const { write, heard, loop } = await openGate({ access: { allow: ["*"] } });
    for (const text of ["a", "b", "c"]) await write(text, "5");
    loop.access.configure("sim", perUser(1));
    for (const text of ["d", "e"]) await write(text, "5");
    loop.access.configure("sim", { allow: ["*"] });
    await write("f", "5");
    expect(heard("5")).toEqual([...["a", "b", "c", "d"].map((text) => `re ${text}`), expect.stringContaining("more than"), "re f"]);
  });
});
