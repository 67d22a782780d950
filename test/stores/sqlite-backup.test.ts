import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import type { Store } from "../../src/ports/store/store.ts";
import { backupSqlite, restoreSqlite } from "../../src/stores/sqlite/backup.ts";
import { connectWriter } from "../../src/stores/sqlite/connection.ts";
import type { Database } from "../../src/stores/sqlite/driver.ts";
import { MIGRATIONS } from "../../src/stores/sqlite/migrations.ts";
import { createSqliteStore, openSqliteReader } from "../../src/stores/sqlite/store.ts";
import { CHAT, appendRequest } from "../../src/testing/store-rows.ts";
import { stripWorker } from "./sqlite-worker.ts";

const worker = stripWorker();
const folder = mkdtempSync(join(tmpdir(), "satibot-backup-"));
const stores: Store[] = [];
let files = 0;

afterAll(() => {
  worker.remove();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop();
});

const newFile = (): string => join(folder, `store${(files += 1)}.db`);

async function open(file: string): Promise<Store> {
  const store = createSqliteStore({ file, clock: createSystemClock(), startThread: worker.startThread });
  stores.push(store);
  await store.start();
  return store;
}

async function rowsOf(file: string): Promise<number> {
  const reader = await openSqliteReader({ file });
  const rows = await reader.inbox.waiting(CHAT, { limit: 1_000 });
  await reader.close();
  return rows.items.length;
}

it("copies what is committed while the store is written to, whole and for its owner alone", async () => {
  const file = newFile();
  const to = `${file}.backup`;
  const store = await open(file);
  const append = (id: string) => store.inbox.append([appendRequest({ dedupe: { scope: "s", externalId: id, bodyHash: "h" } })]);
  for (let id = 0; id < 20; id += 1) await append(`before${id}`);
  let isDone = false;
  const during = (async () => {
    let count = 0;
    for (; !isDone; count += 1) await append(`during${count}`);
    return count;
  })();
  const { bytes } = await backupSqlite({ file, to });
  isDone = true;
  const written = await during;
  expect(bytes).toBe(statSync(to).size);
  expect((statSync(to).mode & 0o777).toString(8)).toBe("600");
  const copied = await rowsOf(to);
  expect(copied).toBeGreaterThanOrEqual(20);
  expect(copied).toBeLessThanOrEqual(20 + written);
  expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
});

it("puts a backup in the place of a store, and keeps what was there", async () => {
  const file = newFile();
  const backup = `${file}.backup`;
  const store = await open(file);
  await store.inbox.append([appendRequest({ dedupe: undefined })]);
  await backupSqlite({ file, to: backup });
  await store.inbox.append([appendRequest({ dedupe: undefined })]);
  await expect(restoreSqlite({ from: backup, file, atMs: 5 })).rejects.toMatchObject({ code: "STORE_LOCKED" });
  await store.stop();
  const kept = await restoreSqlite({ from: backup, file, atMs: 5 });
  expect(kept).toBe(`${file}.before-5`);
  expect([await rowsOf(file), await rowsOf(kept ?? ""), await rowsOf(backup)]).toEqual([1, 2, 1]);
  const again = await open(file);
  await again.inbox.append([appendRequest({ dedupe: undefined })]);
  expect((await again.inbox.waiting(CHAT, { limit: 10 })).items).toHaveLength(2);
});

it("restores over a damaged store, and where there is none", async () => {
  const file = newFile();
  const store = await open(file);
  await store.inbox.append([appendRequest({ dedupe: undefined })]);
  const backup = `${file}.backup`;
  await backupSqlite({ file, to: backup });
  await store.stop();
  writeFileSync(file, "no database at all, but long enough to be looked at as if it were one ".repeat(20));
  const kept = await restoreSqlite({ from: backup, file, atMs: 6 });
  expect(readFileSync(kept ?? "", "utf8")).toContain("no database at all");
  expect(await rowsOf(file)).toBe(1);
  const fresh = join(folder, "deep", "store.db");
  expect(await restoreSqlite({ from: backup, file: fresh, atMs: 7 })).toBeUndefined();
  expect(await rowsOf(fresh)).toBe(1);
});

it("refuses a backup that is damaged or none, and leaves the store as it was", async () => {
  const file = newFile();
  const store = await open(file);
  for (let place = 0; place < 300; place += 1) await store.inbox.append([appendRequest({ dedupe: undefined })]);
  const backup = `${file}.backup`;
  await backupSqlite({ file, to: backup });
  await store.stop();
  const bytes = readFileSync(backup);
  const before = readFileSync(file);
  writeFileSync(`${file}.torn`, bytes.fill(0x5a, 8_192, 20_000));
  writeFileSync(`${file}.text`, "hello");
  for (const from of [`${file}.torn`, `${file}.text`, join(folder, "missing.db")]) {
    await expect(restoreSqlite({ from, file, atMs: 8 })).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  }
  expect(readFileSync(file).equals(before)).toBe(true);
  expect(existsSync(`${file}.restoring`)).toBe(false);
});

it("copies an older store before it brings it forward, once, and not a new one", async () => {
  const file = newFile();
  (await connectWriter(file)).close();
  expect(existsSync(`${file}.v0`)).toBe(false);
  const store = await open(file);
  await store.inbox.append([appendRequest({ dedupe: undefined })]);
  await store.stop();
  const migrations = [...MIGRATIONS, (db: Database) => db.exec("ALTER TABLE chats ADD COLUMN mood TEXT")];
  const copy = `${file}.v${MIGRATIONS.length}`;
  (await connectWriter(file, migrations)).close();
  expect(await rowsOf(copy)).toBe(1);
  const before = statSync(copy).mtimeMs;
  (await connectWriter(file, migrations)).close();
  expect(statSync(copy).mtimeMs).toBe(before);
  // The copy is a store of the older version.
  await expect(rowsOf(file)).rejects.toMatchObject({ code: "STORE_NEWER" });
  expect(await restoreSqlite({ from: copy, file, atMs: 9 })).toBe(`${file}.before-9`);
  expect(await rowsOf(file)).toBe(1);
});
