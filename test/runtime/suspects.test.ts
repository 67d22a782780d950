import { expect, it } from "vitest";
import { openSimulation, type Simulation } from "../../src/testing/index.ts";

it("holds deaths from outside against no turn, however many were running each time", async () => {
  const chats = Array.from({ length: 12 }, (_, place) => `telegram:${place}`);
  const sim: Simulation = await openSimulation({
    limits: { maxAttempts: 5, concurrentTurns: 16 },
    agent: async function* (turn) {
      await sim.sleep("1s");
      yield `re ${turn.messages[0]?.text}`;
    },
  });
  let said = 0;
  const answered = new Map(chats.map((chat) => [chat, 0]));
  for (let deaths = 0; deaths < 100; deaths += 1) {
    // Two turns fit into this life of the process, the third is cut off, alone.
    await sim.advance("2500ms");
    // Whoever has its answer asks again, so that something runs in every chat when it dies.
    for (const chat of chats) {
      const replies = (await sim.replies(chat)).length;
      if (deaths === 0 || replies > (answered.get(chat) ?? 0)) await sim.say(chat, `m${(said += 1)}`);
      answered.set(chat, replies);
    }
    await sim.crash();
  }
  await sim.untilIdle();
  expect((await sim.loop.status()).chats.quarantined).toBe(0);
  const counts = await Promise.all(chats.map(async (chat) => (await sim.replies(chat)).length));
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(8);
  expect(Math.min(...counts)).toBeGreaterThan(10);
});
