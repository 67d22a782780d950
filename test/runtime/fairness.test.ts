import { describe, expect, it } from "vitest";
import { openSimulation, type Simulation } from "../../src/testing/index.ts";

/** A bot whose turns take a second each; answers the order in which they began. */
async function openBot(options: {
  slots: number;
  inbox?: number;
}): Promise<{ sim: Simulation; began: string[]; post: (chat: string, text: string) => void }> {
  const began: string[] = [];
  let updates = 0;
  const sim: Simulation = await openSimulation({
    limits: { concurrentTurns: options.slots, inboxPerChat: options.inbox ?? 100 },
    agent: async function* (turn) {
      began.push(`${turn.trigger} ${turn.chat}`);
      await sim.sleep("1s");
      yield "done";
    },
  });
  const post = (chat: string, text: string): void => {
    const address = chat.slice(chat.indexOf(":") + 1);
    updates += 1;
    sim.platform().post({
      chat: `telegram:${address}`,
      address,
      externalId: `u${updates}`,
      content: [{ type: "text", text }],
      sender: { id: address },
    });
  };
  return { sim, began, post };
}

describe("fairness", () => {
  it("lets each of 99 quiet chats begin after at most one turn of a chat with 10,000 messages waiting", async () => {
    const { sim, began, post } = await openBot({ slots: 1, inbox: 20_000 });
    for (let n = 0; n < 10_000; n += 1) post("telegram:noisy", `m${n}`);
    await sim.advance("10s");
    const before = began.length;
    for (let n = 0; n < 99; n += 1) post(`telegram:quiet-${n}`, "hello");
    await sim.advance("110s");
    const order = began.slice(before);
    const quiet = order.filter((turn) => turn.includes("quiet"));
    expect(new Set(quiet).size).toBe(99);
    // One that had asked before them, and then one each round.
    expect(order.slice(0, order.lastIndexOf(quiet.at(-1) ?? "")).filter((turn) => turn.includes("noisy")).length).toBeLessThanOrEqual(2);
  });

  it("lets people go before a storm of 1,000 jobs that are due at once, and runs each job once", async () => {
    const { sim, began, post } = await openBot({ slots: 4 });
    const at = new Date(sim.now().getTime() + 60_000).toISOString();
    for (let n = 0; n < 1_000; n += 1) await sim.loop.addCronJob({ id: `job-${n}`, message: "tick", schedule: { at } });
    await sim.advance("62s");
    const before = began.length;
    for (let n = 0; n < 20; n += 1) post(`telegram:${n}`, "hello");
    await sim.advance("10s");
    const next = began.slice(before).slice(0, 24);
    // Those that run are not interrupted; all that begin then are people's.
    expect(next.filter((turn) => turn.startsWith("interactive")).length).toBeGreaterThanOrEqual(16);
    await sim.advance("10m");
    const jobs = began.filter((turn) => turn.startsWith("cron"));
    expect(jobs).toHaveLength(1_000);
    expect(new Set(jobs).size).toBe(1_000);
  });

  it("lets jobs go on while people never stop writing", async () => {
    const { sim, began, post } = await openBot({ slots: 1 });
    await sim.loop.addCronJob({ id: "job", message: "tick", schedule: { every: 60_000 } });
    for (let second = 0; second < 200; second += 1) {
      post(`telegram:${second % 50}`, "hello");
      post(`telegram:${(second + 25) % 50}`, "hello again");
      await sim.advance("1s");
    }
    expect(began.filter((turn) => turn.startsWith("cron")).length).toBeGreaterThanOrEqual(2);
  });
});
