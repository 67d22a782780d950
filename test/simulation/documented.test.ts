import { expect, it } from "vitest";
import { TransientError, type Agent } from "../../src/index.ts";
import { openSimulation } from "../../src/testing/index.ts";

it("greets by name", async () => {
  const agent: Agent = async function* (turn) {
    yield `Hello ${turn.messages[0]?.sender?.name}!`;
  };
  const sim = await openSimulation({ agent });
  await sim.say("telegram:1", "hi", { sender: { id: "7", name: "Ada" } });
  await sim.untilIdle();
  expect(await sim.replies("telegram:1")).toEqual(["Hello Ada!"]);
  await sim.close();
});

it("sends the report on weekdays at nine, in Paris", async () => {
  const agent: Agent = async function* () {
    yield "All is well.";
  };
  const sim = await openSimulation({
    agent,
    startAt: "2026-03-27T07:00:00Z", // a Friday
    cron: [
      {
        id: "report",
        message: "write the report",
        schedule: { cron: "0 9 * * 1-5", timezone: "Europe/Paris" },
        deliver: { chat: "telegram:1" },
      },
    ],
  });
  await sim.advance("80h");
  expect(await sim.transcript("telegram:1")).toBe("08:00:00 bot: All is well.\n07:00:00 bot: All is well.");
  await sim.close();
});

it("orders once, whatever happens", async () => {
  const orders: string[] = [];
  const agent: Agent = async function* (turn) {
    await turn.step("order", () => orders.push(turn.turnId));
    await sim.sleep("30s");
    if (turn.attempt === 2) throw new TransientError("AGENT_FAILED", "the kitchen does not answer");
    yield "Your pizza is on its way.";
  };
  const sim = await openSimulation({ agent });
  await sim.say("telegram:1", "a pizza, please");
  await sim.advance("10s");
  await sim.crash();
  await sim.untilIdle();
  expect(orders).toHaveLength(1);
  expect(await sim.replies("telegram:1")).toEqual(["Your pizza is on its way."]);
  await sim.close();
});
