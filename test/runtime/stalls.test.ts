import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import type { Agent } from "../../src/ports/agent.ts";
import { assembleEventLoop } from "../../src/runtime/event-loop.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";

/** Holds the event loop, as a long computation does. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** What the log warned of while the agent answered in these chats. */
async function warnings(agent: Agent, chats: readonly string[]): Promise<readonly string[]> {
  const lines: string[] = [];
  const warn = (facts: object, text: string): void => void lines.push(`${text} ${JSON.stringify(facts)}`);
  const silent = (): void => undefined;
  const loop = assembleEventLoop({
    store: createMemoryStore(),
    agent,
    clock: createSystemClock(),
    random: createSeededRandom(1),
    log: { debug: silent, info: silent, warn, error: warn },
  });
  await loop.start();
  await Promise.all(chats.map((chat) => loop.addChatMessage(chat, "hello")));
  await loop.shutdown();
  return lines;
}

it("names the chat and the turn that hold the event loop before an await", async () => {
  const lines = await warnings(
    async function* () {
      block(300);
      yield "done";
    },
    ["api:one"],
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/the agent held the event loop.*"chat":"api:one","turn":".*"heldMs":3/);
});

it("names the turn that holds it after an await, when it is the only one", async () => {
  const lines = await warnings(
    async function* () {
      await sleep(20);
      block(600);
      await sleep(300);
      yield "done";
    },
    ["api:one"],
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/this turn held the event loop.*"chat":"api:one","turn":"/);
});

it("names all that it can be, when several run", async () => {
  const lines = await warnings(
    async function* (turn) {
      await sleep(20);
      if (turn.chat === "api:two") block(600);
      await sleep(400);
      yield "done";
    },
    ["api:one", "api:two"],
  );
  expect(lines.join()).toMatch(/one of the 2 turns that run.*api:one.*api:two/);
});
