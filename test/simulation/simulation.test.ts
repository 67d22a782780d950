import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { TransientError, type Agent } from "../../src/index.ts";
import { openSimulation, type Simulation } from "../../src/testing/index.ts";

const echo: Agent = async function* (turn) {
  yield `re ${turn.messages[0]?.text}`;
};

describe("a simulated bot", () => {
  it("answers a person, and says when in its transcript", async () => {
    const sim = await openSimulation({ agent: echo, startAt: "2026-03-28T08:00:00Z" });
    await sim.say("telegram:1", "hello");
    await sim.untilIdle();
    await sim.advance("90m");
    await sim.say("telegram:1", "again");
    await sim.untilIdle();
    expect(await sim.replies("telegram:1")).toEqual(["re hello", "re again"]);
    expect(await sim.transcript("telegram:1")).toBe(
      "08:00:00 person: hello\n08:00:00 bot: re hello\n09:30:00 person: again\n09:30:00 bot: re again",
    );
    await sim.close();
  });

  it("answers over the API too", async () => {
    const sim = await openSimulation({ agent: echo });
    await sim.say("api:me", "hello");
    await sim.untilIdle();
    expect(await sim.replies("api:me")).toEqual(["re hello"]);
  });

  it("fires a job at nine in Paris, on both sides of the change to summer time", async () => {
    const fired: string[] = [];
    const sim: Simulation = await openSimulation({
      startAt: "2026-03-27T12:00:00Z",
      agent: async function* () {
        fired.push(sim.now().toISOString());
        yield "good morning";
      },
      cron: [
        { id: "morning", message: "wake up", schedule: { cron: "0 9 * * *", timezone: "Europe/Paris" }, deliver: { chat: "telegram:1" } },
      ],
    });
    await sim.advance("48h");
    expect(fired).toEqual(["2026-03-28T08:00:00.000Z", "2026-03-29T07:00:00.000Z"]);
    expect(await sim.replies("telegram:1")).toEqual(["good morning", "good morning"]);
  });

  it("tries again over virtual minutes, and answers once", async () => {
    const attempts: string[] = [];
    const sim: Simulation = await openSimulation({
      agent: async function* (turn) {
        attempts.push(sim.now().toISOString().slice(11, 19));
        if (turn.attempt < 3) throw new TransientError("AGENT_FAILED", "the provider is down", { retryAfterMs: 120_000 });
        yield "back again";
      },
    });
    await sim.say("telegram:1", "hello");
    await sim.untilIdle();
    expect(attempts).toEqual(["00:00:00", "00:02:00", "00:04:00"]);
    expect(await sim.replies("telegram:1")).toEqual(["back again"]);
  });

  it("answers once what a crash interrupted", async () => {
    const effects: number[] = [];
    const sim: Simulation = await openSimulation({
      agent: async function* (turn) {
        const order = await turn.step("order", () => effects.push(turn.attempt));
        await sim.sleep("10s");
        yield `order ${order} is on its way`;
      },
    });
    await sim.say("telegram:1", "pizza");
    await sim.advance("5s");
    await sim.crash();
    await sim.untilIdle();
    expect(effects).toEqual([1]);
    expect(await sim.replies("telegram:1")).toEqual(["order 1 is on its way"]);
  });

  it("keeps replies while the platform is offline, and sends each once", async () => {
    const sim = await openSimulation({ agent: echo });
    await sim.say("telegram:1", "one");
    await sim.untilIdle();
    await sim.loop.addChatMessage("telegram:1", "two");
    sim.platform().setOnline(false);
    await sim.advance("10m");
    expect(await sim.replies("telegram:1")).toEqual(["re one"]);
    sim.platform().setOnline(true);
    await sim.restart();
    await sim.untilIdle();
    expect(await sim.replies("telegram:1")).toEqual(["re one", "re two"]);
  });

  it("waits as long as a platform asks", async () => {
    const sim = await openSimulation({ agent: echo });
    sim.platform().script({ kind: "unavailable", retryAfterMs: 3_600_000 });
    await sim.say("telegram:1", "hello");
    await sim.advance("59m");
    expect(await sim.replies("telegram:1")).toEqual([]);
    await sim.advance("2m");
    expect(await sim.replies("telegram:1")).toEqual(["re hello"]);
  });

  it("waits for an agent that awaits the real world for a moment", async () => {
    const sim = await openSimulation({
      agent: async function* () {
        await sleep(0);
        yield readFileSync(new URL(import.meta.url), "utf8").slice(0, 6);
      },
    });
    await sim.say("telegram:1", "hello");
    await sim.advance("1s");
    expect(await sim.replies("telegram:1")).toEqual(["import"]);
  });

  it("says what a chat waits for when it does not come to rest", async () => {
    const sim = await openSimulation({
      limits: { turnTimeoutMs: 86_400_000 },
      agent: async function* () {
        yield await new Promise<string>(() => undefined);
      },
    });
    await sim.say("telegram:1", "hello");
    await expect(sim.untilIdle({ within: "10m" })).rejects.toThrow(
      /not idle within 10m:\ntelegram:1: The agent has been answering for 10 min/,
    );
  });

  it("takes its system clock as somebody sets it", async () => {
    const sim = await openSimulation({ agent: echo, startAt: "2026-01-01T12:00:00Z" });
    sim.stepClock("-1h");
    expect(sim.now().toISOString()).toBe("2026-01-01T11:00:00.000Z");
    sim.stepClock("30m");
    await sim.say("telegram:1", "hello");
    await sim.untilIdle();
    expect(await sim.transcript("telegram:1")).toContain("11:30:00 bot: re hello");
  });

  it("goes the same way with the same seed", async () => {
    const run = async (seed: number): Promise<string> => {
      const sim: Simulation = await openSimulation({
        seed,
        agent: async function* (turn) {
          if (turn.attempt < 4) throw new Error("not yet");
          yield `at ${sim.now().toISOString()}`;
        },
      });
      await sim.say("telegram:1", "hello");
      await sim.untilIdle();
      return sim.transcript("telegram:1");
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(1)).not.toBe(await run(2));
  });

  it("says what is wrong with its setup", async () => {
    await expect(openSimulation({ agent: echo, startAt: "tomorrow" })).rejects.toThrow(/write it with a zone/);
    const sim = await openSimulation({ agent: echo });
    await expect(sim.say("discord:1", "hello")).rejects.toThrow(/has no channel discord; name it in openSimulation/);
    await expect(sim.advance("soon")).rejects.toThrow(/no duration/);
  });

  it("keeps what it logged, and leaves nothing behind", async () => {
    const sim = await openSimulation({
      agent: async function* () {
        yield JSON.parse("no answer") as string;
      },
    });
    await sim.say("telegram:1", "hello");
    await sim.advance("1s");
    expect(sim.log().join("\n")).toContain("turn failed");
    await sim.close();
    expect(sim.loop.isReady()).toBe(false);
  });
});

describe("the page about testing", () => {
  it("has only examples that run", async () => {
    const page = readFileSync(new URL("../../docs/testing.md", import.meta.url), "utf8");
    const examples = readFileSync(new URL("documented.test.ts", import.meta.url), "utf8");
    const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block = ""]) => block.trim());
    expect(blocks.length).toBeGreaterThan(2);
    const plain = (text: string): string => text.replaceAll(/\s+/g, " ");
    // The page names the package, the tests its sources.
    const here = plain(examples.replaceAll("../../src/index.ts", "satibot").replaceAll("../../src/testing/index.ts", "satibot/testing"));
    for (const block of blocks) expect(here).toContain(plain(block));
  });
});
