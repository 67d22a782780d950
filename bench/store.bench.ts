/**
 * The sqlite store by itself: cycles of append with claim, commit with `sending` and lazy settle over 1,000 chats, through the real store
 * and its workers, beside the raw rate of equally sized transactions on the same disk in the same run. Run it with `tsx`; the directory
 * may be named as the first argument, and must not be on tmpfs.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { createSystemClock } from "../src/app/system-clock.ts";
import type { ChatKey } from "../src/core/chat-key.ts";
import { bodyHash } from "../src/core/body-hash.ts";
import { textContent } from "../src/core/content.ts";
import type { SnapshotWrite, Store } from "../src/ports/store/store.ts";
import { openDatabase } from "../src/stores/sqlite/driver.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";

const TMPFS_MAGIC = 0x01021994;
const CHATS = Number(process.env.BENCH_CHATS ?? 1_000);
const CYCLES = Number(process.env.BENCH_CYCLES ?? 60_000);
const FSYNC_MS = 500;

const clock = createSystemClock();
const QUESTION = textContent("Hello, could you tell me when the next train leaves?");
const ANSWER = textContent("Echo: Hello, could you tell me when the next train leaves?");

function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder);
  if (type === TMPFS_MAGIC) {
    console.error(
      `${folder} is on tmpfs, which never waits for a disk; name a directory on a real one: tsx bench/store.bench.ts DIRECTORY`,
    );
    process.exit(78);
  }
  return (
    ({ 0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs", 0x794c7630: "overlayfs" } as Record<number, string>)[
      type
    ] ?? `0x${type.toString(16)}`
  );
}

function rawSyncs(folder: string): number {
  const handle = openSync(join(folder, "sync"), "w");
  const block = Buffer.alloc(4_096, 1);
  const end = performance.now() + FSYNC_MS;
  let count = 0;
  for (; performance.now() < end; count += 1) {
    writeSync(handle, block, 0, block.length, 0);
    fsyncSync(handle);
  }
  closeSync(handle);
  return count / (FSYNC_MS / 1_000);
}

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
async function rawCommits(folder: string, rows: number): Promise<number> {
  const db = await openDatabase(join(folder, "raw.db"));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE raw (id INTEGER PRIMARY KEY, chat INTEGER, body TEXT)");
  const insert = db.prepare("INSERT INTO raw (chat, body) VALUES (?, ?)");
  const body = "x".repeat(1_200);
  const end = performance.now() + 1_500;
  const from = performance.now();
  let cycles = 0;
  while (performance.now() < end) {
    db.exec("BEGIN IMMEDIATE");
    for (let row = 0; row < rows; row += 1) insert.run(row, body);
    db.exec("COMMIT");
    cycles += rows;
  }
  const rate = cycles / ((performance.now() - from) / 1_000);
  db.close();
  return rate;
}

async function storeCycles(store: Store): Promise<number> {
  const chats = Array.from({ length: CHATS }, (_, place): ChatKey => `telegram:${100_000 + place}`);
  const rounds = Math.ceil(CYCLES / CHATS);
  const from = performance.now();
  await Promise.all(
    chats.map(async (chat) => {
      for (let round = 0; round < rounds; round += 1) await cycle(store, chat, round);
    }),
  );
  return (rounds * CHATS) / ((performance.now() - from) / 1_000);
}

const place = process.argv[2] ?? process.cwd();
const kind = fileSystemOf(place);
const folder = mkdtempSync(join(place, ".bench-store-"));
try {
  console.log(
    `file system ${kind}, raw fsync/s ${Math.round(rawSyncs(folder))}, node ${process.versions.node}, load ${readFileSync("/proc/loadavg", "utf8").split(" ")[0]}`,
  );
  const raw = await rawCommits(folder, CHATS);
  const store = createSqliteStore({ file: join(folder, "store.db"), clock });
  await store.start();
  const cycles = await storeCycles(store);
  const cpu = process.cpuUsage();
  await store.stop();
  console.log(`raw: ${Math.round(raw)} rows/s in transactions of ${CHATS} rows of 1.2 kB`);
  console.log(
    `store: ${Math.round(cycles)} cycles/s of append+claim, commit+sending, settle over ${CHATS} chats (${CYCLES} cycles); cpu of the process ${Math.round((cpu.user + cpu.system) / 1_000)} ms`,
  );
  console.log(`ratio: ${(cycles / raw).toFixed(2)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
