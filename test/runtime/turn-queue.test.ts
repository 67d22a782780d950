import { describe, expect, it } from "vitest";
import type { ChatKey } from "../../src/core/chat-key.ts";
import type { TurnClass } from "../../src/core/turn-class.ts";
import { createTurnQueue } from "../../src/runtime/turn-queue.ts";
import { createVirtualClock, settle } from "../../src/testing/virtual-clock.ts";

const chat = (name: string): ChatKey => `api:${name}`;

function rig(slots: number, isStoring = (): boolean => false) {
  const clock = createVirtualClock();
  const granted: string[] = [];
  const queue = createTurnQueue({ slots, clock, isStoring, grant: (key) => void granted.push(key.slice(4)) });
  const ask = (name: string, turnClass: TurnClass = "interactive", suspect = false): void =>
    queue.request(chat(name), { turnClass, suspect });
  return { clock, queue, granted, ask };
}

describe("the turn queue", () => {
  it("grants nothing before it is opened and never more than its slots", async () => {
    const { queue, granted, ask } = rig(2);
    for (const name of ["a", "b", "c"]) ask(name);
    await settle();
    expect(granted).toEqual([]);
    queue.open();
    await settle();
    expect(granted).toEqual(["a", "b"]);
    queue.release(chat("a"));
    await settle();
    expect(granted).toEqual(["a", "b", "c"]);
  });

  it("goes round robin between chats: one with much to say waits behind each other", async () => {
    const { queue, granted, ask } = rig(1);
    queue.open();
    ask("noisy");
    await settle();
    ask("quiet");
    queue.release(chat("noisy"));
    ask("noisy");
    await settle();
    queue.release(chat("quiet"));
    await settle();
    expect(granted).toEqual(["noisy", "quiet", "noisy"]);
  });

  it("keeps a slot in four free of jobs, also from an append that would take one at once", async () => {
    const { queue, granted, ask } = rig(8);
    queue.open();
    for (let n = 0; n < 20; n += 1) ask(`job-${n}`, "cron");
    await settle();
    expect(granted).toHaveLength(6);
    expect(queue.reserve(chat("job-x"), "cron")).toBe(false);
    ask("ann");
    expect(queue.reserve(chat("bob"), "interactive")).toBe(true);
    await settle();
    expect(granted.slice(6)).toEqual(["ann"]);
    queue.release(chat("ann"));
    await settle();
    expect(granted).toHaveLength(7);
    queue.release(chat("job-0"));
    await settle();
    expect(granted.at(-1)).toBe("job-6");
  });

  it("puts people before cron, but lets age win", async () => {
    const { clock, queue, granted, ask } = rig(1);
    ask("job", "cron");
    ask("person");
    queue.open();
    await settle();
    expect(granted).toEqual(["person"]);
    await clock.advance(3_000);
    ask("late person");
    queue.release(chat("person"));
    await settle();
    expect(granted).toEqual(["person", "job"]);
  });

  it("gives a heartbeat a slot of its own: it takes none from people, and there is never a second one", async () => {
    const { queue, granted, ask } = rig(1);
    queue.open();
    ask("beat", "heartbeat");
    ask("other beat", "heartbeat");
    await settle();
    ask("person");
    await settle();
    expect(granted).toEqual(["beat", "person"]);
    expect(queue.facts()).toMatchObject({ running: 2, slots: 1, byClass: { heartbeat: 1 } });
    expect(queue.reserve(chat("third beat"), "heartbeat")).toBe(false);
    queue.release(chat("beat"));
    await settle();
    expect(granted).toEqual(["beat", "person", "other beat"]);
    expect(queue.hasSlot(chat("other beat"))).toBe(true);
  });

  it("follows a new number of slots: more at once, fewer as turns end", async () => {
    const { queue, granted, ask } = rig(1);
    queue.open();
    for (const name of ["a", "b", "c", "d"]) ask(name);
    await settle();
    queue.resize(3);
    await settle();
    expect(granted).toEqual(["a", "b", "c"]);
    queue.resize(1);
    queue.release(chat("a"));
    queue.release(chat("b"));
    await settle();
    expect(granted).toEqual(["a", "b", "c"]);
    expect(queue.reserve(chat("e"), "interactive")).toBe(false);
    queue.release(chat("c"));
    await settle();
    expect(granted).toEqual(["a", "b", "c", "d"]);
  });

  it("runs suspects one at a time beside normal work", async () => {
    const { queue, granted, ask } = rig(1);
    queue.open();
    ask("a");
    ask("s1", "interactive", true);
    ask("s2", "interactive", true);
    queue.recovered();
    await settle();
    expect(granted).toEqual(["a", "s1"]);
    queue.release(chat("s1"));
    await settle();
    expect(granted).toEqual(["a", "s1", "s2"]);
  });

  it("lets suspects begin once all have asked: the accused first, then whoever has waited longest, last who was alone at the last death", async () => {
    const { queue, granted } = rig(1);
    queue.open();
    const suspect = (name: string, failures: number, sinceMs: number): void =>
      queue.request(chat(name), { turnClass: "interactive", suspect: true, suspicion: { failures, sinceMs } });
    suspect("last", 2, 8);
    suspect("once", 1, 2);
    suspect("young", 0, 9);
    suspect("old", 0, 3);
    await settle();
    expect(granted).toEqual([]);
    queue.recovered();
    for (const name of ["once", "old", "young", "last"]) {
      await settle();
      expect(granted.at(-1)).toBe(name);
      expect(queue.ahead(chat("last"))).toBe({ once: 2, old: 1, young: 0 }[name]);
      queue.release(chat(name));
    }
  });

  it("keeps the suspect slot until the end of its turn is stored: a death before that is still held against it", async () => {
    let isStoring = false;
    const { queue, granted } = rig(1, () => isStoring);
    queue.open();
    queue.recovered();
    const suspect = (name: string): void => queue.request(chat(name), { turnClass: "interactive", suspect: true });
    suspect("one");
    suspect("two");
    await settle();
    queue.release(chat("one"));
    isStoring = true;
    await settle();
    expect(granted).toEqual(["one"]);
    isStoring = false;
    queue.stored(chat("one"));
    await settle();
    expect(granted).toEqual(["one", "two"]);
  });

  it("reserves a free slot at once, and the request that follows is granted", async () => {
    const { queue, granted, ask } = rig(1);
    queue.open();
    expect(queue.reserve(chat("a"), "interactive")).toBe(true);
    expect(queue.reserve(chat("b"), "interactive")).toBe(false);
    ask("a");
    await settle();
    expect(granted).toEqual(["a"]);
  });

  it("does not let a reservation overtake those who wait", async () => {
    const { queue, ask } = rig(1);
    queue.open();
    ask("a");
    ask("b");
    await settle();
    queue.release(chat("c"));
    expect(queue.reserve(chat("c"), "interactive")).toBe(false);
  });

  it("gives a reserved slot back when the chat turns out to be a suspect", async () => {
    const { queue, granted, ask } = rig(1);
    queue.open();
    queue.reserve(chat("a"), "interactive");
    ask("a", "interactive", true);
    ask("b");
    queue.recovered();
    await settle();
    expect(granted.sort()).toEqual(["a", "b"]);
  });

  it("forgets a chat that gives up waiting", async () => {
    const { queue, granted, ask } = rig(1);
    ask("a");
    queue.release(chat("a"));
    queue.open();
    await settle();
    expect(granted).toEqual([]);
    expect(queue.facts()).toMatchObject({ waiting: 0, running: 0, slots: 1 });
  });
});
