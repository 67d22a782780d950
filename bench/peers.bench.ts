/**
 * Durable turns beside BullMQ on a Redis that syncs at every write. One turn here is a message stored with its dedupe key, claimed,
 * answered, committed with history and reply, and its send stored before and after; there it is one job, in no order, that does nothing.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import type { ChatKey } from "../src/core/chat-key.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { clock, openLoop, pause } from "./loop.ts";
import { isQuick, median, openFolder, printTable, sized, spread } from "./machine.ts";

const TURNS = sized(15_000, 3_000);
const CHATS = 1_000;
const ROUNDS = isQuick ? 1 : 3;
const CONCURRENCIES = [16, 64, 256] as const;
const BULK = 500;

const folder = openFolder();
let files = 0;

/** Each chat writes again as soon as its reply has arrived. */
async function satibot(): Promise<number> {
  let posted = 0;
  let answered = 0;
  let finish = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let say = (_chat: ChatKey): void => undefined;
  const onReply = (chat: ChatKey): void => {
    answered += 1;
    if (answered === TURNS) finish();
    else say(chat);
  };
  const store = createSqliteStore({ file: join(folder, `turns${(files += 1)}.db`), clock });
  const { loop, post, keyOf } = openLoop(store, { platforms: 4, onReply, limits: { inboxPerChat: TURNS } });
  await loop.start();
  say = (chat) => {
    if (posted === TURNS) return;
    posted += 1;
    post(chat, String(posted), `hello number ${posted}`);
  };
  const startMs = performance.now();
  for (let n = 0; n < CHATS; n += 1) say(keyOf(n));
  await done;
  const perSecond = TURNS / ((performance.now() - startMs) / 1_000);
  await loop.shutdown();
  return perSecond;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

interface RedisServer {
  readonly port: number;
  readonly process: ChildProcess;
}

/** Undefined when there is none on the PATH. */
async function openRedis(): Promise<RedisServer | undefined> {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return undefined;
  const dir = join(folder, "redis");
  mkdirSync(dir);
  const port = await freePort();
  const args = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    dir,
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
  ];
  const server = spawn("redis-server", args, { stdio: "ignore" });
  process.on("exit", () => server.kill("SIGKILL"));
  for (let tries = 0; tries < 200; tries += 1) {
    const probe = new Redis({ port, host: "127.0.0.1", lazyConnect: true, retryStrategy: () => null });
    probe.on("error", () => undefined);
    const isUp = await probe.ping().then(
      () => true,
      () => false,
    );
    probe.disconnect();
    if (isUp) return { port, process: server };
    await pause(25);
  }
  throw new Error("redis-server was started and does not answer; start it by hand to see why");
}

/** No-op jobs from the first `add` to the last one completed. */
async function bullmq({ port }: RedisServer, concurrency: number): Promise<number> {
  const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
  const name = `bench${(files += 1)}`;
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
  const worker = new Worker(name, async () => undefined, { connection, concurrency });
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
  let left = TURNS;
  const done = new Promise<void>((resolve) => {
    worker.on("completed", () => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
  const startMs = performance.now();
  for (let from = 0; from < TURNS; from += BULK) {
    const count = Math.min(BULK, TURNS - from);
    await queue.addBulk(Array.from({ length: count }, (_, place) => ({ name: "turn", data: { text: `hello number ${from + place}` } })));
  }
  await done;
  const perSecond = TURNS / ((performance.now() - startMs) / 1_000);
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
  return perSecond;
}

const redis = await openRedis();
if (!redis) console.log("no redis-server on the PATH: install it to compare with BullMQ");
const own: number[] = [];
const peers = new Map<number, number[]>(CONCURRENCIES.map((concurrency) => [concurrency, []]));
// The first turns are for the compiler.
await satibot();
if (redis) await bullmq(redis, 64);
for (let round = 0; round < ROUNDS; round += 1) {
  own.push(await satibot());
  if (redis) for (const concurrency of CONCURRENCIES) peers.get(concurrency)?.push(await bullmq(redis, concurrency));
  console.log(`round ${round + 1} of ${ROUNDS}: satibot ${Math.round(own.at(-1) ?? 0)} turns/s`);
}
redis?.process.kill("SIGTERM");
const ratioOf = (rates: readonly number[]): string => `${(median(own) / median(rates)).toFixed(2)} ×`;
printTable(
  `durable turns beside BullMQ (appendfsync always, unordered no-op jobs): ${TURNS} a round; median (lowest–highest) of ${ROUNDS}`,
  [
    ["", "a second", "satibot is"],
    ["satibot on SQLite, ordered turns", spread(own), ""],
    ...(redis
      ? CONCURRENCIES.map((concurrency) => [
          `BullMQ, concurrency ${concurrency}`,
          spread(peers.get(concurrency) ?? []),
          ratioOf(peers.get(concurrency) ?? []),
        ])
      : []),
    ["aim", "10,000", "2 ×, never under 1.5 ×"],
  ],
);
if (redis) {
  const best = Math.max(...[...peers.values()].map(median));
  const ratio = median(own) / best;
  const verdict = (isMet: boolean): string => (isMet ? "met" : "MISSED");
  console.log(
    `beside its best: ${ratio.toFixed(2)} ×; 10,000 a second ${verdict(median(own) >= 10_000)}, 2 × ${verdict(ratio >= 2)}, 1.5 × ${verdict(ratio >= 1.5)}`,
  );
  await new Promise((resolve) => redis.process.once("exit", resolve));
}
process.exit(0);
