/** The process dies at each step of a run: its history tells the truth, and its instant is neither repeated nor lost. */
import { describe, expect, it } from "vitest";
import type { Turn } from "../../src/ports/agent.ts";
import { textOf } from "../../src/core/content.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf } from "./rig.ts";

/** Dies at the next call of this name, before or after it has applied. */
function mortalStore(): {
  readonly store: MemoryStore;
  readonly dieAt: (when: "before" | "after", call: string) => void;
  readonly isDead: () => boolean;
} {
  let wanted = "";
  let isDead = false;
  const look = (now: string): void | Promise<void> => {
    if (now !== wanted) return;
    wanted = "";
    isDead = true;
    store.crash();
    return new Promise(() => undefined);
  };
  const store: MemoryStore = createMemoryStore({ before: (call) => look(`before ${call}`), after: (call) => look(`after ${call}`) });
  return {
    store,
    dieAt: (when, call) => {
      wanted = `${when} ${call}`;
    },
    isDead: () => isDead,
  };
}

const steps = ["jobs.claimInstant", "turns.claim", "turns.commit", "outbox.take", "outbox.settle"] as const;

describe("a death", () => {
  it.each(steps.flatMap((call) => (["before", "after"] as const).map((when) => [when, call] as const)))(
    "%s %s leaves one run, which comes to its end once",
    async (when, call) => {
      const { store, dieAt, isDead } = mortalStore();
      const platform = createFakePlatform({ latencyMs: () => 1_000 });
      // One slot: while a person has it, the claim of the turn is a call of its own.
      const limits = { concurrentTurns: 1 };
      const agent = async function* (turn: Turn): AsyncGenerator<string> {
        if (turn.trigger === "interactive") await new Promise<void>((resolve) => first.clock.setTimer(3 * SECOND_MS, resolve));
        yield `re ${turn.messages[0]?.text}`;
      };
      const first = await openLife({ store, platform, limits, agent });
      const fromMs = await addJob(first, { schedule: { at: first.clock.now() + HOUR_MS }, deliver: { chat: "sim:7" }, message: "report" });
      await first.clock.advance(HOUR_MS - SECOND_MS);
      if (call === "turns.claim") await first.say("hello", "api:busy");
      dieAt(when, call);
      await first.clock.advance(30 * SECOND_MS);
      expect(isDead()).toBe(true);
      const atDeath = await readRuns(store);
      for (const run of atDeath) expect(["running", "succeeded"]).toContain(run.status);
      const second = await openLife({ store, platform, atMs: fromMs + HOUR_MS + 2 * MINUTE_MS });
      await second.clock.advance(10 * MINUTE_MS);
      expect(await runsOf({ store })).toMatchObject([
        { instantMs: fromMs + HOUR_MS, status: "succeeded", delivery: "delivered", count: 1 },
      ]);
      expect(await second.settled(second.loop.job("job"))).toMatchObject({ status: "completed", state: "completed" });
      const parts = (await store.outbox.list({ chat: "sim:7" }, { limit: 10 })).items;
      const history = await store.chats.history("sim:7", 10);
      expect(history).toHaveLength(parts.length);
      // A second copy only where the first send ended without an answer, and then it is marked.
      const copies = platform.taken().filter((one) => textOf(one.content) === "re report").length;
      expect(copies).toBe(parts.length + parts.filter((part) => part.ambiguous && copies > parts.length).length);
    },
  );

  it("while the agent works makes the run go on as the same run, an attempt later", async () => {
    const store = createMemoryStore();
    const attempts: number[] = [];
    let isStuck = true;
    const agent = async function* (turn: { readonly attempt: number }): AsyncGenerator<string> {
      attempts.push(turn.attempt);
      if (isStuck) await new Promise(() => undefined);
      yield "well";
    };
    const first = await openLife({ store, agent });
    const fromMs = await addJob(first, { deliver: { chat: "api:me" } });
    await first.clock.advance(HOUR_MS + MINUTE_MS);
    expect(await linesOf({ store }, fromMs)).toEqual(["running +60m"]);
    store.crash();
    isStuck = false;
    const second = await openLife({ store, agent, atMs: fromMs + HOUR_MS + 2 * MINUTE_MS });
    // Nobody has an actor for it, and yet it is known to run.
    await second.clock.advance(SECOND_MS);
    expect(await linesOf({ store }, fromMs)).toEqual(["succeeded +60m"]);
    expect(attempts).toEqual([1, 2]);
    expect(await second.said("api:me")).toEqual(["well"]);
  });

  it("of a turn that kills its process each time switches its job off, and tells its chat once", async () => {
    const store = createMemoryStore();
    let fromMs = 0;
    for (let life = 0; life < 6; life += 1) {
      const rig = await openLife({
        store,
        ...(life === 0 ? {} : { atMs: fromMs + HOUR_MS + life * 10 * MINUTE_MS }),
        limits: { maxAttempts: 3 },
        agent: async function* () {
          store.crash();
          yield await new Promise<string>(() => undefined);
        },
      });
      if (life === 0) fromMs = await addJob(rig, { deliver: { chat: "api:me" } });
      await rig.clock.advance(life === 0 ? HOUR_MS + SECOND_MS : 5 * MINUTE_MS);
    }
    const last = await openLife({ store, atMs: fromMs + DAY_MS });
    await last.clock.advance(2 * HOUR_MS);
    expect(await last.settled(last.loop.job("job"))).toMatchObject({ status: "disabled", failures: 1 });
    expect(await runsOf(last)).toMatchObject([{ status: "failed", error: { code: "TURN_KILLED_PROCESS" } }]);
    const said = await last.said("api:me");
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("switched off: its last run had to be put aside");
  });
});

async function readRuns(store: MemoryStore) {
  await store.start();
  const { items } = await store.jobs.runs("job", { limit: 10 });
  store.crash();
  return items;
}
