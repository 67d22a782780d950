/** After an unclean end: waiting messages until all are answered in order. And a drain with turns in flight, beside the turns alone. */
import { join } from "node:path";
import type { ChatKey } from "../src/core/chat-key.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { appendRequest } from "../src/testing/store-rows.ts";
import { clock, inGroups, openLoop, pause, quiet, until } from "./loop.ts";
import { openFolder, printTable, sized, spread } from "./machine.ts";

const ROWS = Number(process.env.BENCH_ROWS ?? sized(100_000, 5_000));
const ROUNDS = 3;
const CHATS = 1_000;
const LIVE = sized(10_000, 1_000);
const IN_FLIGHT = 1_000;
const TURN_MS = sized(1_200, 700);
const APPEND = 1_000;

const folder = openFolder();

interface Recovery {
  readonly appendSeconds: number;
  readonly seconds: number;
  readonly isOrdered: boolean;
}

async function recover(round: number): Promise<Recovery> {
  const file = join(folder, `recovery${round}.db`);
  const before = createSqliteStore({ file, clock });
  await before.start();
  const appendMs = performance.now();
  for (let from = 0; from < ROWS; from += APPEND) {
    await before.inbox.append(
      Array.from({ length: APPEND }, (_, place) =>
        appendRequest({ chat: `api:${(from + place) % CHATS}`, text: String(Math.floor((from + place) / CHATS)), inboxMax: ROWS }),
      ),
    );
  }
  const appendSeconds = (performance.now() - appendMs) / 1_000;
  await before.stop();
  const last = new Map<ChatKey, number>();
  let answered = 0;
  let isOrdered = true;
  const { loop } = openLoop(createSqliteStore({ file, clock }), {
    agent: async function* (turn) {
      const number = Number(turn.messages[0]?.text);
      isOrdered &&= number === (last.get(turn.chat) ?? -1) + 1;
      last.set(turn.chat, number);
      answered += 1;
      yield "ok";
    },
  });
  const startMs = performance.now();
  await loop.start();
  await until(() => answered >= ROWS, 10);
  await quiet(loop);
  const seconds = (performance.now() - startMs) / 1_000;
  await loop.shutdown();
  return { appendSeconds, seconds, isOrdered: isOrdered && answered === ROWS };
}

/** Milliseconds from the end of the last turn to the end of the drain. */
async function drain(round: number): Promise<number> {
  let running = 0;
  let lastEndMs = 0;
  const { loop } = openLoop(createSqliteStore({ file: join(folder, `drain${round}.db`), clock }), {
    limits: { concurrentTurns: IN_FLIGHT, drainTimeoutMs: 60_000 },
    agent: async function* (turn) {
      if (turn.messages[0]?.text === "slow") {
        running += 1;
        await pause(TURN_MS);
        lastEndMs = performance.now();
      }
      yield "ok";
    },
  });
  await loop.start();
  await inGroups(LIVE, (n) => loop.addChatMessage(`api:${n}`, "hello"));
  await quiet(loop);
  await inGroups(IN_FLIGHT, (n) => loop.addChatMessage(`api:${n}`, "slow"), IN_FLIGHT);
  await until(() => running === IN_FLIGHT);
  const { chats } = await loop.status();
  if (chats.live !== LIVE || lastEndMs > 0) throw new Error(`${chats.live} chats are live, turns ended early: ${lastEndMs > 0}`);
  await loop.shutdown();
  return performance.now() - lastEndMs;
}

const recoveries: Recovery[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const result = await recover(round);
  recoveries.push(result);
  console.log(`recovery ${round + 1} of ${ROUNDS}: ${result.seconds.toFixed(1)} s`);
}
const drains: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) drains.push(await drain(round));
const rows = ROWS.toLocaleString("en");
printTable(`recovery and drain on SQLite; median (lowest–highest) of ${ROUNDS}`, [
  ["", "figure", "aim"],
  [
    `${rows} waiting messages of ${CHATS.toLocaleString("en")} chats, from start to all answered, s`,
    spread(
      recoveries.map(({ seconds }) => seconds),
      1,
    ),
    `≤ ${20 * (ROWS / 100_000)}`,
  ],
  ["each answered once and in order", recoveries.every(({ isOrdered }) => isOrdered) ? "yes" : "NO", "yes"],
  [
    "the same rows appended by the store alone, s",
    spread(
      recoveries.map(({ appendSeconds }) => appendSeconds),
      1,
    ),
    "",
  ],
  [
    `drain of ${LIVE.toLocaleString("en")} live chats with ${IN_FLIGHT.toLocaleString("en")} turns in flight, ms after the last turn`,
    spread(drains),
    "≤ 5,000",
  ],
]);
if (!recoveries.every(({ isOrdered }) => isOrdered)) process.exitCode = 1;
