/** Durable turns: how many a second, how late the main loop gets, and how soon a turn starts under light load. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { join } from "node:path";
import type { ChatKey } from "../src/core/chat-key.ts";
import { openDatabase } from "../src/stores/sqlite/driver.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { clock, openLoop } from "./loop.ts";
import { describeMachine, median, openFolder, percentile, printTable } from "./machine.ts";

const CHATS = 1_000;
const TURNS = Number(process.env.BENCH_TURNS ?? 20_000);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const PLATFORMS = 4;

const folder = openFolder();
console.log(describeMachine(folder.path));

interface Round {
  readonly perSecond: number;
  readonly loopP99Ms: number;
}

async function saturate(round: number): Promise<Round> {
  const { loop, platforms } = openLoop(createSqliteStore({ file: join(folder.path, `turns${round}.db`), clock }), {
    platforms: PLATFORMS,
    limits: { inboxPerChat: TURNS },
  });
  await loop.start();
  for (let n = 0; n < TURNS; n += 1) {
    const chat = n % CHATS;
    platforms[chat % PLATFORMS]?.post({
      chat: `bench${chat % PLATFORMS}:${chat}`,
      address: String(chat),
      externalId: String(n),
      content: [{ type: "text", text: `hello number ${n}` }],
      sender: { id: String(chat) },
    });
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startMs = performance.now();
  await Promise.all(platforms.map((platform) => platform.until(() => platform.takenCount() >= TURNS / PLATFORMS)));
  const seconds = (performance.now() - startMs) / 1_000;
  const result = { perSecond: TURNS / seconds, loopP99Ms: delay.percentile(99) / 1e6 };
  delay.disable();
  await loop.shutdown();
  return result;
}

/** The same rows and bytes in transactions of the same size, without anything else. */
async function rawTurns(round: number): Promise<number> {
  const db = await openDatabase(join(folder.path, `raw${round}.db`));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536");
  db.exec("CREATE TABLE rows (a INTEGER, b INTEGER, body TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID");
  const insert = db.prepare("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)");
  const body = "x".repeat(120);
  /** Rows that a turn writes: dedupe, inbox and its end, turn and its end, two of history, part and its end, event, chat. */
  const rowsOfTurn = 11;
  const batch = 100;
  const startMs = performance.now();
  for (let turn = 0; turn < TURNS; turn += batch) {
    db.exec("BEGIN");
    for (let n = turn; n < turn + batch; n += 1)
      for (let row = 0; row < rowsOfTurn; row += 1) insert.run(n % CHATS, n * rowsOfTurn + row, body);
    db.exec("COMMIT");
  }
  const perSecond = TURNS / ((performance.now() - startMs) / 1_000);
  db.close();
  return perSecond;
}

async function lightLoad(): Promise<readonly number[]> {
  const accepted = new Map<string, number>();
  const delaysMs: number[] = [];
  const { loop } = openLoop(createSqliteStore({ file: join(folder.path, "light.db"), clock }), {
    agent: async function* (turn) {
      const atMs = accepted.get(turn.messages[0]?.text ?? "");
      if (atMs !== undefined) delaysMs.push(performance.now() - atMs);
      yield "ok";
    },
  });
  await loop.start();
  const count = 500;
  for (let n = 0; n < count; n += 1) {
    const key: ChatKey = `api:${n % 50}`;
    accepted.set(`m${n}`, performance.now());
    void loop.addChatMessage(key, `m${n}`);
    await new Promise<void>((resolve) => void clock.setTimer(10, resolve));
  }
  await loop.shutdown();
  return delaysMs;
}

const rounds: Round[] = [];
const raw: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  rounds.push(await saturate(round));
  raw.push(await rawTurns(round));
  console.log(`round ${round + 1} of ${ROUNDS}: ${Math.round(rounds.at(-1)!.perSecond)} turns/s, raw ${Math.round(raw.at(-1)!)} turns/s`);
}
const light = await lightLoad();
const perSecond = median(rounds.map((round) => round.perSecond));
printTable(`durable turns on SQLite, echo agent, ${CHATS} chats, ${PLATFORMS} fake channels (medians of ${ROUNDS})`, [
  ["", "figure", "aim"],
  ["turns/s", Math.round(perSecond), "10,000"],
  ["raw transactions of the same rows, turns/s", Math.round(median(raw)), ""],
  ["ratio to raw", (perSecond / median(raw)).toFixed(2), ""],
  ["main-loop delay p99 under full load, ms", median(rounds.map((round) => round.loopP99Ms)).toFixed(1), "≤ 20"],
  ["send → turn start at 100 msg/s, p50 ms", percentile(light, 0.5).toFixed(2), ""],
  ["send → turn start at 100 msg/s, p99 ms", percentile(light, 0.99).toFixed(2), "< 10"],
]);
folder.close();
