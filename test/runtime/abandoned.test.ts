import { describe, expect, it } from "vitest";
import { openSimulation, type Simulation } from "../../src/testing/index.ts";

describe("a turn that outlasts its time, of an agent that ignores its signal,", () => {
  /** One slot, a minute for each turn; the agent takes an hour in the chat `deaf`. */
  async function open() {
    const effects: string[] = [];
    const sim: Simulation = await openSimulation({
      limits: { concurrentTurns: 1, turnTimeoutMs: 60_000, maxAttempts: 2 },
      agent: async function* (turn) {
        if (turn.chat === "telegram:deaf" && turn.messages[0]?.text === "slow") {
          await sim.sleep("1h");
          await turn.step("effect", () => effects.push(`attempt ${turn.attempt}`));
        }
        yield `re ${turn.messages[0]?.text}`;
      },
    });
    const abandoned = async (): Promise<number> => {
      const status = sim.loop.status();
      await sim.advance(10);
      return (await status).queue.abandoned;
    };
    return { sim, effects, abandoned };
  }

  it("frees its slot at once for others, and is counted and named while it goes on", async () => {
    const { sim, abandoned } = await open();
    await sim.say("telegram:deaf", "slow");
    await sim.say("telegram:2", "hello");
    await sim.advance("59s");
    expect(await sim.replies("telegram:2")).toEqual([]);
    await sim.advance("2s");
    expect(await sim.replies("telegram:2")).toEqual(["re hello"]);
    expect(await abandoned()).toBe(1);
    await sim.advance("10s");
    expect(sim.log().join("\n")).toMatch(/an agent goes on although its turn has ended.*telegram:deaf/);
  });

  it("is tried again, given up with an apology, and changes nothing by what it still does", async () => {
    const { sim, effects, abandoned } = await open();
    await sim.say("telegram:deaf", "slow");
    await sim.say("telegram:deaf", "next");
    await sim.advance("5m");
    const replies = await sim.replies("telegram:deaf");
    expect(replies).toHaveLength(2);
    expect(replies[0]).toMatch(/could not answer that: no answer within 60000 ms/);
    expect(replies[1]).toBe("re next");
    expect(await abandoned()).toBe(2);
    await sim.advance("2h");
    expect(await abandoned()).toBe(0);
    expect(effects).toEqual([]);
    expect(await sim.replies("telegram:deaf")).toEqual(replies);
  });

  it("does not keep a drain from ending in time", async () => {
    const { sim } = await open();
    await sim.say("telegram:deaf", "slow");
    await sim.advance("90s");
    const before = sim.now().getTime();
    await sim.restart();
    expect(sim.now().getTime() - before).toBeLessThanOrEqual(25_000);
  });
});
