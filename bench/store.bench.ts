/**
 * The sqlite store by itself: cycles of append with claim, commit with `sending` and lazy settle over 1,000 chats, through the real store
 * and its workers, beside the raw rate of equally sized transactions on the same disk in the same run.
 */
import { join } from "node:path";
import { bodyHash } from "../src/core/body-hash.ts";
import type { ChatKey } from "../src/core/chat-key.ts";
import { textContent } from "../src/core/content.ts";
import type { SnapshotWrite, Store } from "../src/ports/store/store.ts";
import { openDatabase } from "../src/stores/sqlite/driver.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { clock } from "./loop.ts";
import { median, openFolder, printTable, sized, spread } from "./machine.ts";

const CHATS = 1_000;
const CYCLES = Number(process.env.BENCH_CYCLES ?? sized(30_000, 5_000));
const ROUNDS = 3;
const RAW_MS = 1_000;
const QUESTION = textContent("Hello, could you tell me when the next train leaves?");
const ANSWER = textContent("Echo: Hello, could you tell me when the next train leaves?");

const writeOf = (round: number): SnapshotWrite => ({
  snapshot: {
    value: "idle",
    context: {
      schemaVersion: 1,
      key: "telegram:1",
      waiting: 0,
      turnClass: "interactive",
      suspect: false,
      failures: 0,
      delayMs: 0,
      questionId: null,
      error: null,
    },
  },
  state: "idle",
  sinceMs: clock.now(),
  timers: [],
  events: [
    { type: "message.received" },
    { type: "slot.granted" },
    { type: "turn.done" },
    { type: "turn.committed", consumed: 1, round } as { type: string },
  ],
  stateBefore: "idle",
  error: undefined,
  atMs: clock.now(),
});

async function cycle(store: Store, chat: ChatKey, round: number): Promise<void> {
  const turnId = `t${chat.slice(9)}x${String(round).padStart(8, "0")}`;
  const receivedAtMs = clock.now();
  const [appended] = await store.inbox.append([
    {
      chat,
      address: chat.slice(9),
      kind: "message",
      turnClass: "interactive",
      content: QUESTION,
      sender: { id: chat.slice(9), name: "Someone" },
      receivedAtMs,
      dedupe: { scope: "telegram/123456789", externalId: `${chat.slice(9)}/${round}`, bodyHash: bodyHash(String(round)) },
      inboxMax: 100,
      busyReply: { content: QUESTION, everyMs: 60_000 },
      open: false,
      claim: { turnId, suspect: false },
    },
  ]);
  if (appended?.status !== "accepted" || !appended.claim) throw new Error(`the append of ${chat} was not claimed`);
  const { claim } = appended;
  const committed = await store.turns.commit({
    chat,
    fence: claim.fence,
    turnId,
    rows: [{ seq: appended.seq, status: "consumed" }],
    history: [
      { role: "user", content: QUESTION, atMs: receivedAtMs, seq: appended.seq, turnId },
      { role: "assistant", content: ANSWER, atMs: receivedAtMs, turnId },
    ],
    parts: [ANSWER],
    delivery: "sending",
    run: undefined,
    write: writeOf(round),
  });
  if (committed === "fenced") throw new Error(`the commit of ${chat} was fenced`);
  const [part] = committed.parts;
  if (!part || part.status !== "sending") throw new Error(`the part of ${chat} is not sending`);
  await store.outbox.settle(
    { chat, id: part.id, attempt: 1, outcome: { type: "sent", platformId: String(round) }, lazy: true, atMs: clock.now() },
    { maxAgeMs: 86_400_000 },
  );
}

/** What the disk allows: transactions of plain rows, as many bytes as a group of the store, in this thread. */
async function rawCommits(file: string, rows: number): Promise<number> {
  const db = await openDatabase(file);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE raw (id INTEGER PRIMARY KEY, chat INTEGER, body TEXT)");
  const insert = db.prepare("INSERT INTO raw (chat, body) VALUES (?, ?)");
  const body = "x".repeat(1_200);
  const startMs = performance.now();
  let cycles = 0;
  for (; performance.now() < startMs + RAW_MS; cycles += rows) {
    db.exec("BEGIN IMMEDIATE");
    for (let row = 0; row < rows; row += 1) insert.run(row, body);
    db.exec("COMMIT");
  }
  const rate = cycles / ((performance.now() - startMs) / 1_000);
  db.close();
  return rate;
}

interface Cycles {
  readonly perSecond: number;
  /** Of the whole process, µs a cycle. */
  readonly cpuUs: number;
}

async function storeCycles(file: string): Promise<Cycles> {
  const store = createSqliteStore({ file, clock });
  await store.start();
  const chats = Array.from({ length: CHATS }, (_, place): ChatKey => `telegram:${100_000 + place}`);
  const rounds = Math.ceil(CYCLES / CHATS);
  const before = process.cpuUsage();
  const startMs = performance.now();
  await Promise.all(
    chats.map(async (chat) => {
      for (let round = 0; round < rounds; round += 1) await cycle(store, chat, round);
    }),
  );
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(before);
  await store.stop();
  return { perSecond: (rounds * CHATS) / seconds, cpuUs: (user + system) / (rounds * CHATS) };
}

const folder = openFolder();
const raw: number[] = [];
const cycles: Cycles[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  raw.push(await rawCommits(join(folder, `raw${round}.db`), CHATS));
  cycles.push(await storeCycles(join(folder, `store${round}.db`)));
}
const perSecond = cycles.map((one) => one.perSecond);
printTable(`the store alone, ${CHATS} chats, ${CYCLES} cycles a round; median (lowest–highest) of ${ROUNDS}`, [
  ["", "figure"],
  ["append + claim, commit + sending, settle: cycles/s", spread(perSecond)],
  [`raw rows of 1.2 kB in transactions of ${CHATS}, rows/s`, spread(raw)],
  ["ratio", (median(perSecond) / median(raw)).toFixed(2)],
  ["CPU of the process for each cycle, µs", spread(cycles.map((one) => one.cpuUs))],
]);
