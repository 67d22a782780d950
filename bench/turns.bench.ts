/**
 * Durable turns: how many a second, how late their replies, how late the main loop, and how soon a turn starts under light load.
 *
 * Three loads, each over 1,000 chats: `conversation` (each chat writes again as soon as its reply has arrived, so 1,000 messages are
 * always under way), `backlog` (each chat has written 20 messages before the first is taken), and `library` (as `conversation`, but by
 * `addChatMessage` and `stream` on `api:` chats, whose replies need no platform).
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { ChatKey } from "../src/core/chat-key.ts";
import { openDatabase } from "../src/stores/sqlite/driver.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { clock, openLoop, pause, type BenchLoop, type BenchLoopOptions } from "./loop.ts";
import { median, openFolder, percentile, printTable, sized, spread } from "./machine.ts";
import { watchThreads } from "./threads.ts";

const CHATS = 1_000;
const TURNS = Number(process.env.BENCH_TURNS ?? sized(15_000, 3_000));
const IS_PROFILED = process.env.BENCH_PROFILE !== undefined;
const ROUNDS = IS_PROFILED ? 1 : 3;
const PLATFORMS = 4;
/** Rows that the store writes for a turn, counted by SQLite's total_changes(): of inbox, dedupe, chat, turn, ledger and outbox. */
const ROWS_OF_TURN = 10;
const LIGHT_MESSAGES = sized(400, 100);
const LIGHT_EVERY_MS = 10;
const LIGHT_CHATS = 50;

const folder = openFolder();
let files = 0;

interface Round {
  readonly perSecond: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly turnsOfCommit: number;
  readonly bytesOfTurn: number;
  readonly latenciesMs: readonly number[];
}

/** @param drive - starts the load and resolves when every reply has arrived; adds to `latenciesMs` */
async function measure(
  turns: number,
  options: BenchLoopOptions,
  drive: (bench: BenchLoop, latenciesMs: number[]) => Promise<void>,
): Promise<Round> {
  const file = join(folder, `turns${(files += 1)}.db`);
  const threads = watchThreads();
  const bench = openLoop(createSqliteStore({ file, clock, startThread: threads.startThread }), {
    ...options,
    limits: { inboxPerChat: turns },
  });
  await bench.loop.start();
  const latenciesMs: number[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startMs = performance.now();
  await drive(bench, latenciesMs);
  const seconds = (performance.now() - startMs) / 1_000;
  delay.disable();
  const batches = threads.batches();
  await bench.loop.shutdown();
  return {
    perSecond: turns / seconds,
    loopP99Ms: delay.percentile(99) / 1e6,
    loopMaxMs: delay.max / 1e6,
    turnsOfCommit: turns / batches,
    bytesOfTurn: statSync(file).size / turns,
    latenciesMs,
  };
}

/** A promise that a counter keeps. */
function countdown(count: number): { readonly done: Promise<void>; readonly tick: () => void } {
  let left = count;
  let finish = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return {
    done,
    tick: () => {
      left -= 1;
      if (left === 0) finish();
    },
  };
}

function conversation(turns: number): Promise<Round> {
  const sentAtMs = new Map<ChatKey, number>();
  const { done, tick } = countdown(turns);
  let posted = 0;
  let say = (_chat: ChatKey): void => undefined;
  let heard = (_chat: ChatKey): void => undefined;
  return measure(turns, { platforms: PLATFORMS, onReply: (chat) => heard(chat) }, ({ keyOf, post }, latenciesMs) => {
    say = (chat) => {
      if (posted === turns) return;
      posted += 1;
      // The first message of all chats at once is no conversation: it is not timed.
      if (posted > CHATS) sentAtMs.set(chat, performance.now());
      post(chat, String(posted), `hello number ${posted}`);
    };
    heard = (chat) => {
      const atMs = sentAtMs.get(chat);
      if (atMs !== undefined) latenciesMs.push(performance.now() - atMs);
      say(chat);
      tick();
    };
    for (let n = 0; n < CHATS; n += 1) say(keyOf(n));
    return done;
  });
}

function backlog(turns: number): Promise<Round> {
  const { done, tick } = countdown(turns);
  return measure(turns, { platforms: PLATFORMS, onReply: tick }, ({ keyOf, post }) => {
    for (let n = 0; n < turns; n += 1) post(keyOf(n % CHATS), String(n), `hello number ${n}`);
    return done;
  });
}

function library(turns: number): Promise<Round> {
  return measure(turns, {}, async ({ loop, keyOf }, latenciesMs) => {
    let posted = 0;
    const talk = async (chat: ChatKey): Promise<void> => {
      let sentAtMs = Number.NaN;
      let isFirst = true;
      const say = async (): Promise<void> => {
        posted += 1;
        sentAtMs = performance.now();
        await loop.addChatMessage(chat, `hello number ${posted}`);
      };
      await say();
      const ended = new AbortController();
      for await (const event of loop.stream(chat, { after: "", signal: ended.signal })) {
        if (event.type !== "reply") continue;
        if (!isFirst) latenciesMs.push(performance.now() - sentAtMs);
        isFirst = false;
        if (posted < turns) await say();
        else ended.abort();
      }
    };
    await Promise.all(Array.from({ length: CHATS }, (_, n) => talk(keyOf(n))));
  });
}

/** As many rows and bytes in transactions of as many turns, from this thread, without anything else. */
async function rawTurns({ turnsOfCommit, bytesOfTurn }: Round): Promise<number> {
  const db = await openDatabase(join(folder, `raw${(files += 1)}.db`));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536");
  db.exec("CREATE TABLE rows (a INTEGER, b INTEGER, body TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID");
  const insert = db.prepare("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)");
  const body = "x".repeat(Math.round(bytesOfTurn / ROWS_OF_TURN));
  const group = Math.max(1, Math.round(turnsOfCommit));
  const startMs = performance.now();
  for (let turn = 0; turn < TURNS; turn += group) {
    db.exec("BEGIN");
    for (let n = turn; n < turn + group; n += 1)
      for (let row = 0; row < ROWS_OF_TURN; row += 1) insert.run(n % CHATS, n * ROWS_OF_TURN + row, body);
    db.exec("COMMIT");
  }
  const perSecond = TURNS / ((performance.now() - startMs) / 1_000);
  db.close();
  return perSecond;
}

/** Milliseconds from the call of `addChatMessage` to the first step of the agent, at 100 messages a second. */
async function lightLoad(): Promise<readonly number[]> {
  const saidAtMs = new Map<string, number>();
  const delaysMs: number[] = [];
  const { loop, keyOf } = openLoop(createSqliteStore({ file: join(folder, `light${(files += 1)}.db`), clock }), {
    agent: async function* (turn) {
      delaysMs.push(performance.now() - (saidAtMs.get(turn.messages[0]?.text ?? "") ?? Number.NaN));
      yield "ok";
    },
  });
  await loop.start();
  const startMs = performance.now();
  const calls: Promise<unknown>[] = [];
  for (let n = 0; n < LIGHT_MESSAGES; n += 1) {
    await pause(Math.max(0, startMs + n * LIGHT_EVERY_MS - performance.now()));
    saidAtMs.set(`m${n}`, performance.now());
    calls.push(loop.addChatMessage(keyOf(n % LIGHT_CHATS), `m${n}`));
  }
  await Promise.all(calls);
  await loop.shutdown();
  return delaysMs;
}

type Load = (turns: number) => Promise<Round>;
const LOADS: readonly (readonly [name: string, load: Load])[] = [
  ["conversation", conversation],
  ["backlog", backlog],
  ["library", library],
];

// The first turns are for the compiler.
await conversation(Math.min(TURNS, 4_000));
const rows: (string | number)[][] = [];
for (const [name, load] of IS_PROFILED ? LOADS.slice(0, 1) : LOADS) {
  const rounds: Round[] = [];
  const raw: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const result = await load(TURNS);
    const rawPerSecond = IS_PROFILED ? Number.NaN : await rawTurns(result);
    rounds.push(result);
    raw.push(rawPerSecond);
    ratios.push(result.perSecond / rawPerSecond);
    console.log(`${name} ${round + 1} of ${ROUNDS}: ${Math.round(result.perSecond)} turns/s, raw ${Math.round(rawPerSecond)} turns/s`);
  }
  const late = (share: number): string => spread(rounds.map((round) => percentile(round.latenciesMs, share)));
  rows.push([
    name,
    spread(rounds.map((round) => round.perSecond)),
    spread(raw),
    spread(ratios, 2),
    Math.round(median(rounds.map((round) => round.turnsOfCommit))),
    late(0.5),
    late(0.99),
    spread(rounds.map((round) => round.loopP99Ms)),
    spread(rounds.map((round) => round.loopMaxMs)),
  ]);
}
printTable(`durable turns on SQLite: echo agent, ${CHATS} chats, ${TURNS} turns a round; median (lowest–highest) of ${ROUNDS}`, [
  ["load", "turns/s", "raw rows, turns/s", "ratio", "turns/commit", "reply p50 ms", "reply p99 ms", "loop delay p99 ms", "max ms"],
  ...rows,
  ["aim", "10,000", "", "", "", "", "", "≤ 20", ""],
]);
if (!IS_PROFILED) {
  const light: (readonly number[])[] = [];
  for (let round = 0; round < ROUNDS; round += 1) light.push(await lightLoad());
  const late = (share: number): string =>
    spread(
      light.map((delays) => percentile(delays, share)),
      2,
    );
  printTable(`send → turn start at 100 messages/s, ms; ${LIGHT_MESSAGES} messages a round, ${ROUNDS} rounds`, [
    ["", "figure", "aim"],
    ["p50", late(0.5), ""],
    ["p99", late(0.99), "< 10"],
  ]);
}
