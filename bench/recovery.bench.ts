/** After an unclean end: 100,000 waiting messages until all are answered in order. And a drain with turns in flight. */
import { join } from "node:path";
import type { ChatKey } from "../src/core/chat-key.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { appendRequest } from "../src/testing/store-rows.ts";
import { clock, openLoop, until } from "./loop.ts";
import { describeMachine, openFolder, printTable } from "./machine.ts";

const ROWS = Number(process.env.BENCH_ROWS ?? 100_000);
const CHATS = 1_000;
const LIVE = 10_000;
const IN_FLIGHT = 1_000;
const TURN_MS = 1_000;

const folder = openFolder();
console.log(describeMachine(folder.path));

async function recovery(): Promise<{ readonly seconds: number; readonly isOrdered: boolean }> {
  const file = join(folder.path, "recovery.db");
  const before = createSqliteStore({ file, clock });
  await before.start();
  for (let from = 0; from < ROWS; from += 1_000) {
    await before.inbox.append(
      Array.from({ length: 1_000 }, (_, place) =>
        appendRequest({ chat: `api:${(from + place) % CHATS}`, text: String(Math.floor((from + place) / CHATS)), inboxMax: ROWS }),
      ),
    );
  }
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
  await until(() => answered >= ROWS);
  const seconds = (performance.now() - startMs) / 1_000;
  await loop.shutdown();
  return { seconds, isOrdered };
}

async function drain(): Promise<number> {
  let running = 0;
  const { loop } = openLoop(createSqliteStore({ file: join(folder.path, "drain.db"), clock }), {
    limits: { concurrentTurns: IN_FLIGHT, drainTimeoutMs: 60_000 },
    agent: async function* (turn) {
      if (turn.messages[0]?.text === "slow") {
        running += 1;
        await new Promise<void>((resolve) => void clock.setTimer(TURN_MS, resolve));
      }
      yield "ok";
    },
  });
  await loop.start();
  for (let from = 0; from < LIVE; from += 500)
    await Promise.all(Array.from({ length: 500 }, (_, n) => loop.addChatMessage(`api:${from + n}`, "hello")));
  await until(async () => (await loop.status()).queue.running === 0);
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, n) => loop.addChatMessage(`api:${n}`, "slow")));
  await until(() => running === IN_FLIGHT);
  const startMs = performance.now();
  await loop.shutdown();
  return performance.now() - startMs - TURN_MS;
}

const recovered = await recovery();
const drained = await drain();
printTable("recovery and drain on SQLite", [
  ["", "figure", "aim"],
  [
    `${ROWS.toLocaleString("en")} waiting messages of ${CHATS.toLocaleString("en")} chats until all are answered, s`,
    recovered.seconds.toFixed(1),
    "≤ 20",
  ],
  ["in order", recovered.isOrdered ? "yes" : "NO", "yes"],
  [
    `drain of ${LIVE.toLocaleString("en")} chats with ${IN_FLIGHT.toLocaleString("en")} turns in flight, ms beyond the turns`,
    Math.round(drained),
    "≤ 5,000",
  ],
]);
folder.close();
