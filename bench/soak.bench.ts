/**
 * A million messages over 100,000 chats, each of which leaves memory and comes back again and again, with retention short enough to pass
 * many times: heap, resident memory and the size of the file along the way. A thing that leaks shows as a line that keeps rising.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { createSeededRandom } from "../src/testing/seeded-random.ts";
import { clock, openLoop, pause, quiet } from "./loop.ts";
import { heapBytes, openFolder, printTable, sized } from "./machine.ts";

const MESSAGES = sized(1_000_000, 20_000);
const CHATS = sized(100_000, 2_000);
/** Posted and not answered yet, at most. */
const UNDER_WAY = 2_000;
const SAMPLES = 20;
const RETENTION_MS = sized(30_000, 1_000);

const folder = openFolder();
const file = join(folder, "soak.db");
let replies = 0;
const { loop, keyOf, post } = openLoop(createSqliteStore({ file, clock }), {
  platforms: 3,
  limits: {
    idleTimeoutMs: sized(2_000, 200),
    inboxRetentionMs: RETENTION_MS,
    dedupeRetentionMs: RETENTION_MS,
    eventRetentionMs: RETENTION_MS,
    historyRetentionMs: RETENTION_MS,
  },
  onReply: () => {
    replies += 1;
  },
});
await loop.start();

const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const rows: (readonly (string | number)[])[] = [
  ["messages", "s", "messages/s", "chats known", "live", "heap, MB", "resident, MB", "file + log, MB"],
];
const startMs = performance.now();
let lastMs = startMs;
let lastCount = 0;
const sample = async (): Promise<void> => {
  const nowMs = performance.now();
  const { chats } = await loop.status();
  rows.push([
    replies.toLocaleString("en"),
    ((nowMs - startMs) / 1_000).toFixed(0),
    Math.round(((replies - lastCount) * 1_000) / (nowMs - lastMs)).toLocaleString("en"),
    chats.known.toLocaleString("en"),
    chats.live.toLocaleString("en"),
    mb(heapBytes()),
    mb(process.memoryUsage.rss()),
    mb(sizeOf(file) + sizeOf(`${file}-wal`)),
  ]);
  [lastMs, lastCount] = [performance.now(), replies];
  console.log(rows.at(-1)!.join("  "));
};

const random = createSeededRandom(1);
for (let n = 0; n < MESSAGES; n += 1) {
  while (n - replies >= UNDER_WAY) await pause(1);
  // Every chat in turn for the first time, then by chance.
  post(keyOf(n < CHATS ? n : Math.floor(random.next() * CHATS)), `u${n}`, `message ${n}`);
  if ((n + 1) % (MESSAGES / SAMPLES) === 0) await sample();
}
while (replies < MESSAGES) await pause(5);
await quiet(loop);
// What is idle leaves memory, what is old leaves the file.
await pause(RETENTION_MS + 35_000 * (MESSAGES > 100_000 ? 1 : 0));
await sample();
await loop.shutdown();
printTable(
  `a soak of ${MESSAGES.toLocaleString("en")} messages over ${CHATS.toLocaleString("en")} chats; retention ${RETENTION_MS / 1_000} s`,
  rows,
);
