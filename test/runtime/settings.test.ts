import { describe, expect, it } from "vitest";
import type { Agent } from "../../src/ports/agent.ts";
import { openRuntime } from "./rig.ts";

const SECOND = 1_000;

/** Answers each message when it is told to. */
function heldAgent() {
  const waiting = new Map<string, () => void>();
  const agent: Agent = async function* (turn) {
    const text = turn.messages[0]?.text ?? "";
    await new Promise<void>((resolve) => waiting.set(text, resolve));
    yield `re ${text}`;
  };
  const answer = (text: string): void => {
    waiting.get(text)?.();
    waiting.delete(text);
  };
  return { agent, answer, running: () => [...waiting.keys()].sort() };
}

describe("limits that change while the runtime runs", () => {
  it("let more turns begin at once, and end none when there are to be fewer", async () => {
    const { agent, answer, running } = heldAgent();
    const { clock, loop, say, said } = await openRuntime({ agent, limits: { concurrentTurns: 1 } });
    for (const name of ["a", "b", "c", "d"]) await say(name, `api:${name}`);
    await clock.advance(SECOND);
    expect(running()).toEqual(["a"]);
    await loop.configure({ limits: { concurrentTurns: 3 } });
    await clock.advance(SECOND);
    expect(running()).toEqual(["a", "b", "c"]);
    await loop.configure({ limits: { concurrentTurns: 1 } });
    await clock.advance(SECOND);
    expect(running()).toEqual(["a", "b", "c"]);
    answer("a");
    answer("b");
    await clock.advance(SECOND);
    expect([running(), await said("api:a"), await said("api:b")]).toEqual([["c"], ["re a"], ["re b"]]);
    answer("c");
    await clock.advance(SECOND);
    expect(running()).toEqual(["d"]);
  });

  it("bound the next attempt of a turn, and leave the one under way its time", async () => {
    const { agent, running } = heldAgent();
    const { clock, loop, say, lines } = await openRuntime({ agent, limits: { turnTimeoutMs: 60 * SECOND, maxAttempts: 1 } });
    await say("first", "api:a");
    await clock.advance(SECOND);
    await loop.configure({ limits: { turnTimeoutMs: 5 * SECOND } });
    await say("second", "api:b");
    await clock.advance(10 * SECOND);
    expect(await loop.chat("api:b")).toMatchObject({ state: "idle" });
    expect(await loop.chat("api:a")).toMatchObject({ state: "responding" });
    expect(running()).toContain("first");
    await clock.advance(60 * SECOND);
    expect(await loop.chat("api:a")).toMatchObject({ state: "idle" });
    expect(lines.join()).not.toContain("crashed");
  });

  it("refuse the next message, and take it again", async () => {
    const { agent } = heldAgent();
    const { loop, say, settled } = await openRuntime({ agent, limits: { inboxPerChat: 10 } });
    for (const text of ["1", "2", "3"]) await say(text);
    await loop.configure({ limits: { inboxPerChat: 3 } });
    await expect(settled(loop.addChatMessage("api:a", "4"))).rejects.toMatchObject({
      code: "INBOX_FULL",
      message: expect.stringContaining("3 messages waiting"),
    });
    await loop.configure({ limits: { inboxPerChat: 4 } });
    await say("4");
  });

  it("give up a turn at the new number of attempts", async () => {
    const agent: Agent = async function* (turn) {
      if (turn.trigger === "interactive") throw new Error("broken");
      yield "not reached";
    };
    const { clock, loop, say, said } = await openRuntime({ agent, limits: { maxAttempts: 1_000 } });
    await say("hello");
    await clock.advance(10 * SECOND);
    expect(await said()).toEqual([]);
    await loop.configure({ limits: { maxAttempts: 2 } });
    await clock.advance(120 * SECOND);
    expect(await said()).toEqual([expect.stringContaining("Sorry")]);
  });

  it("end a drain at the new deadline", async () => {
    const { agent } = heldAgent();
    const { clock, loop, say, settled } = await openRuntime({ agent, limits: { drainTimeoutMs: 600 * SECOND } });
    await say("never answered");
    await clock.advance(SECOND);
    await loop.configure({ limits: { drainTimeoutMs: 4 * SECOND } });
    const startMs = clock.monotonic();
    await settled(loop.shutdown());
    expect(clock.monotonic() - startMs).toBeLessThan(10 * SECOND);
  });

  it("leave everything as it was that is not named", async () => {
    const { loop } = await openRuntime({ limits: { concurrentTurns: 7 } });
    await loop.configure({});
    await loop.configure({ limits: { maxAttempts: 3 } });
    expect((await loop.status()).queue.slots).toBe(7);
  });
});
