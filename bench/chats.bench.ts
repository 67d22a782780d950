/** What a chat costs as their number grows: to spawn, to message, to passivate, to restore, to stop; and in bytes. */
import type { ChatKey } from "../src/core/chat-key.ts";
import { TransientError } from "../src/core/errors.ts";
import { createMemoryStore } from "../src/stores/memory/store.ts";
import { openLoop, until } from "./loop.ts";
import { printTable, release } from "./machine.ts";

const SIZES = (process.env.BENCH_CHATS ?? "1000,10000,100000").split(",").map(Number);
const MESSAGES = 1_000;
const GROUP = 500;
const keyOf = (n: number): ChatKey => `api:${n}`;

interface Costs {
  readonly count: number;
  readonly spawnUs: number;
  readonly messageUs: number;
  readonly passivateUs: number;
  readonly restoreUs: number;
  readonly drainUs: number;
  readonly idleBytes: number;
  readonly timerBytes: number;
}

/** CPU of the main thread and its helpers, µs each. */
async function cpu(count: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function inGroups(count: number, act: (n: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += GROUP) {
    await Promise.all(Array.from({ length: Math.min(GROUP, count - from) }, (_, place) => act(from + place)));
  }
}

function heap(): number {
  release();
  return process.memoryUsage().heapUsed;
}

async function measure(count: number): Promise<Costs> {
  let answered = 0;
  let failed = 0;
  const store = createMemoryStore();
  const { loop } = openLoop(store, {
    limits: { idleTimeoutMs: 24 * 3_600_000, drainTimeoutMs: 600_000 },
    agent: async function* (turn) {
      // A second message leaves a durable timer pending: a retry in six hours.
      if (turn.messages[0]?.text === "later") {
        failed += 1;
        throw new TransientError("AGENT_FAILED", "later", { retryAfterMs: 6 * 3_600_000 });
      }
      answered += 1;
      yield "ok";
    },
  });
  await loop.start();
  const quiet = (): Promise<void> => until(async () => (await loop.status()).queue.running === 0);
  const say = (n: number, text: string): Promise<unknown> => loop.addChatMessage(keyOf(n), text);

  const spawnUs = await cpu(count, async () => {
    await inGroups(count, (n) => say(n, "first"));
    await until(() => answered === count);
  });
  await quiet();
  const withActors = heap();
  const passivateUs = await cpu(count, () => inGroups(count, (n) => loop.passivate(keyOf(n))));
  const withRows = heap();
  const restoreUs = await cpu(count, async () => {
    await inGroups(count, (n) => say(n, "again"));
    await until(() => answered === 2 * count);
  });
  await quiet();
  // All but the ones that are messaged next get their timer.
  const timed = count - MESSAGES / 2;
  const before = heap();
  await inGroups(timed, (n) => say(n, "later"));
  await until(() => failed === timed);
  await quiet();
  const timerBytes = (heap() - before) / timed;
  const messages = Math.min(MESSAGES, count - timed);
  const messageUs = await cpu(messages * 4, async () => {
    for (let round = 1; round <= 4; round += 1) {
      await inGroups(messages, (n) => say(timed + n, "again"));
      await until(() => answered === 2 * count + round * messages);
    }
  });
  const drainUs = await cpu(count, () => loop.shutdown());
  return {
    count,
    spawnUs,
    messageUs,
    passivateUs,
    restoreUs,
    drainUs,
    idleBytes: (withActors - withRows) / count,
    timerBytes,
  };
}

// The first pages are for the compiler.
await measure(1_000);
const costs: Costs[] = [];
for (const size of SIZES) {
  console.log(`${size} chats…`);
  costs.push(await measure(size));
}
const row = (name: string, pick: (cost: Costs) => number): (string | number)[] => [name, ...costs.map((cost) => pick(cost).toFixed(0))];
printTable("a chat that has answered once, µs of CPU (memory store; store and agent included)", [
  ["", ...costs.map((cost) => cost.count.toLocaleString("en"))],
  row("first message: spawn, claim, answer, commit", (cost) => cost.spawnUs),
  row("message beside all others' pending timers", (cost) => cost.messageUs),
  row("passivate", (cost) => cost.passivateUs),
  row("message to a passivated chat: restore, claim, answer, commit", (cost) => cost.restoreUs),
  row("stop (drain: store and end all)", (cost) => cost.drainUs),
  row("bytes of heap, live idle less passivated", (cost) => cost.idleBytes),
  row("bytes of heap, a turn backing off with its timer, rows included", (cost) => cost.timerBytes),
]);
