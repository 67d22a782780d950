/**
 * What a chat costs as their number grows.
 *
 * A population of N chats is made: each has a started actor, has answered one message, and has a second message whose turn failed with
 * a retry in six hours, so that it holds a durable timer and a stored snapshot (state `backingOff`; only such a chat has a durable timer
 * that stays). The steps of a chat's life are then measured on visitors beside that population, and on members of it. Costs are CPU of
 * the whole process, with a store in memory: store, agent and garbage collection are in them. Bytes are measured on the main thread with
 * SQLite, whose rows are no part of that heap.
 */
import { join } from "node:path";
import { TransientError } from "../src/core/errors.ts";
import type { Agent } from "../src/ports/agent.ts";
import type { EventLoop } from "../src/runtime/api.ts";
import { createMemoryStore } from "../src/stores/memory/store.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { clock, inGroups, openLoop, quiet, until } from "./loop.ts";
import { heapBytes, isQuick, median, openFolder, printTable, sized } from "./machine.ts";

const SIZES = (process.env.BENCH_CHATS ?? (isQuick ? "1000,4000" : "1000,10000,100000")).split(",").map(Number);
const VISITORS = 200;
const ROUNDS = 5;
const HELD = sized(5_000, 1_000);
const LOOK_EVERY_MS = 50;
const LATER_MS = 6 * 3_600_000;
const LIMITS = { idleTimeoutMs: 24 * 3_600_000, drainTimeoutMs: 600_000 };

type Cost = "spawn" | "message" | "passivate" | "restore" | "populate" | "fail" | "park" | "revive" | "wait" | "stop";
type Costs = Readonly<Record<Cost, number>>;

const member = (n: number): string => `api:member-${n}`;

/** Runs of the agent that answered, and that asked for a later retry. */
function countingAgent(): { readonly agent: Agent; readonly counts: { answered: number; failed: number } } {
  const counts = { answered: 0, failed: 0 };
  return {
    counts,
    agent: async function* (turn) {
      if (turn.messages[0]?.text === "later") {
        counts.failed += 1;
        throw new TransientError("AGENT_FAILED", "later", { retryAfterMs: LATER_MS });
      }
      counts.answered += 1;
      yield "ok";
    },
  };
}

/** µs of CPU of the process for each of `count`. */
async function cpu(count: number, work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function measure(count: number): Promise<Costs> {
  const { agent, counts } = countingAgent();
  const store = createMemoryStore();
  const open = (): EventLoop => openLoop(store, { limits: LIMITS, agent }).loop;
  const first = open();
  await first.start();
  const answered = async (messages: number, act: () => Promise<void>): Promise<void> => {
    const aim = counts.answered + messages;
    await act();
    await until(() => counts.answered === aim);
  };

  const populate = await cpu(count, () => answered(count, () => inGroups(count, (n) => first.addChatMessage(member(n), "hello"))));
  await quiet(first);
  const fail = await cpu(count, async () => {
    await inGroups(count, (n) => first.addChatMessage(member(n), "later"));
    await until(() => counts.failed === count);
  });
  await quiet(first);

  const rounds: Record<"spawn" | "message" | "passivate" | "restore", number[]> = { spawn: [], message: [], passivate: [], restore: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const visitor = (n: number): string => `api:visitor-${round}-${n}`;
    const say = (): Promise<void> => answered(VISITORS, () => inGroups(VISITORS, (n) => first.addChatMessage(visitor(n), "hello")));
    rounds.spawn.push(await cpu(VISITORS, say));
    await quiet(first);
    rounds.message.push(await cpu(VISITORS, say));
    await quiet(first);
    rounds.passivate.push(await cpu(VISITORS, () => inGroups(VISITORS, (n) => first.passivate(visitor(n)))));
    rounds.restore.push(await cpu(VISITORS, say));
    await quiet(first);
  }
  const park = await cpu(count + VISITORS * ROUNDS, () => first.shutdown());

  // The same store under a new life: it opens every chat that has a message waiting, which all members have.
  const second = open();
  const revive = await cpu(count, async () => {
    await second.start();
    await until(async () => (await second.status()).chats.live >= count, LOOK_EVERY_MS);
  });
  const { timers } = await second.status();
  if (timers < count) throw new Error(`${timers} of ${count} timers came back; each chat had one`);
  const waiting: number[] = [];
  const stopped: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const key = (n: number): string => member(round * VISITORS + n);
    waiting.push(await cpu(VISITORS, () => inGroups(VISITORS, (n) => second.addChatMessage(key(n), "one more"))));
    stopped.push(await cpu(VISITORS, () => inGroups(VISITORS, (n) => second.stop(key(n)))));
  }
  await second.shutdown();
  return {
    populate,
    fail,
    park,
    spawn: median(rounds.spawn),
    message: median(rounds.message),
    passivate: median(rounds.passivate),
    restore: median(rounds.restore),
    revive,
    wait: median(waiting),
    stop: median(stopped),
  };
}

interface Bytes {
  readonly idle: number;
  readonly passivated: number;
  readonly timed: number;
}

/** Bytes of the main thread's heap for each chat, over a runtime that knows none. */
async function measureBytes(file: string): Promise<Bytes> {
  const { agent, counts } = countingAgent();
  const { loop } = openLoop(createSqliteStore({ file, clock }), { limits: LIMITS, agent });
  await loop.start();
  // What a runtime allocates once, it has allocated then.
  await inGroups(HELD, (n) => loop.addChatMessage(`api:warm-${n}`, "hello"));
  await until(() => counts.answered === HELD);
  await quiet(loop);
  await inGroups(HELD, (n) => loop.passivate(`api:warm-${n}`));
  const empty = heapBytes();
  await inGroups(HELD, (n) => loop.addChatMessage(member(n), "hello"));
  await until(() => counts.answered === 2 * HELD);
  await quiet(loop);
  const idle = heapBytes();
  await inGroups(HELD, (n) => loop.passivate(member(n)));
  const passivated = heapBytes();
  await inGroups(HELD, (n) => loop.addChatMessage(member(n), "later"));
  await until(() => counts.failed === HELD);
  await quiet(loop);
  const timed = heapBytes();
  await loop.shutdown();
  return { idle: (idle - empty) / HELD, passivated: (passivated - empty) / HELD, timed: (timed - empty) / HELD };
}

const folder = openFolder();
// The first pages are for the compiler.
await measure(2_000);
const costs: Costs[] = [];
for (const size of SIZES) {
  console.log(`${size.toLocaleString("en")} chats…`);
  costs.push(await measure(size));
}
const row = (name: string, cost: Cost): string[] => {
  const values = costs.map((one) => one[cost]);
  return [name, ...values.map((value) => value.toFixed(0)), `× ${((values.at(-1) ?? 0) / (values[0] ?? 1)).toFixed(2)}`];
};
printTable(`µs of CPU beside N live chats, each with a pending durable timer; medians of ${ROUNDS} rounds of ${VISITORS}`, [
  ["", ...SIZES.map((size) => size.toLocaleString("en")), "last / first"],
  row("spawn: first message of a new chat, answered", "spawn"),
  row("message to a live chat, answered", "message"),
  row("passivate", "passivate"),
  row("restore: message to a passivated chat, answered", "restore"),
  row("message to a member: waits behind its retry", "wait"),
  row("stop of a member: /stop, its timer cancelled, and its view", "stop"),
]);
printTable("µs of CPU over the whole population (once)", [
  ["", ...SIZES.map((size) => size.toLocaleString("en")), "last / first"],
  row("spawn and answer", "populate"),
  row("second message: fails, is stored with its timer", "fail"),
  row("drain: store and end all", "park"),
  row("next start: restore all with their timers", "revive"),
]);
const bytes: Bytes[] = [];
for (let round = 0; round < 3; round += 1) bytes.push(await measureBytes(join(folder, `bytes${round}.db`)));
const held = (pick: (one: Bytes) => number): string => median(bytes.map(pick)).toFixed(0);
printTable(`bytes of heap for each of ${HELD.toLocaleString("en")} chats (SQLite; medians of 3)`, [
  ["", "figure", "aim"],
  ["live and idle", held((one) => one.idle), "≤ 3,072"],
  ["known, passivated", held((one) => one.passivated), "0"],
  ["live with a pending durable timer and a waiting message", held((one) => one.timed), ""],
]);
