import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import type { Store } from "../../src/ports/store/store.ts";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import { MIGRATIONS, type Migration } from "../../src/stores/sqlite/migrations.ts";
import { checkVersion, migrate } from "../../src/stores/sqlite/schema.ts";
import { createSqliteStore, openSqliteReader } from "../../src/stores/sqlite/store.ts";
import { startThread, type StartThread, type Thread } from "../../src/stores/sqlite/thread.ts";
import { CHAT, START_MS, appendRequest, claimRequest, turnCommit } from "../../src/testing/store-rows.ts";
import { stripWorker } from "./sqlite-worker.ts";

const worker = stripWorker();
const folders: string[] = [];
const stores: Store[] = [];

afterAll(worker.remove);
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "satibot-file-"));
  folders.push(folder);
  return folder;
}

function storeOn(file: string, start: StartThread = worker.startThread): Store {
  const store = createSqliteStore({ file, clock: createSystemClock(), startThread: start });
  stores.push(store);
  return store;
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe("the file of a store", () => {
  it("is made with its folder, for its owner alone", async () => {
    const file = join(newFolder(), "deep", "er", "store.db");
    const store = storeOn(file);
    await store.start();
    await store.ping();
    expect(store.location).toBe(`sqlite:${file}`);
    expect([modeOf(join(file, "..")), modeOf(join(file, "..", ".."))]).toEqual(["700", "700"]);
    expect([file, `${file}-wal`, `${file}-shm`].map(modeOf)).toEqual(["600", "600", "600"]);
  });

  it("is the whole store once it is stopped", async () => {
    const file = join(newFolder(), "store.db");
    const store = storeOn(file);
    await store.start();
    await store.inbox.append([appendRequest()]);
    await store.stop();
    expect(() => statSync(`${file}-wal`)).toThrow("ENOENT");
    const db = await openDatabase(file, { readOnly: true });
    expect(db.prepare("SELECT count(*) AS count FROM inbox").get()).toMatchObject({ count: 1 });
    expect(db.prepare("PRAGMA auto_vacuum").get()).toMatchObject({ auto_vacuum: 2 });
    db.close();
  });

  it("belongs to one owner", async () => {
    const file = join(newFolder(), "store.db");
    const [first, second] = [storeOn(file), storeOn(file)];
    await first.start();
    await expect(second.start()).rejects.toMatchObject({
      name: "ConfigError",
      code: "STORE_LOCKED",
      message: expect.stringContaining("stop that one"),
    });
    await expect(second.ping()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await first.stop();
    await second.start();
    await second.ping();
  });

  it("is refused when a newer satibot wrote it, and left as it is", async () => {
    const file = join(newFolder(), "store.db");
    const db = await openDatabase(file);
    migrate(db, [...MIGRATIONS, (target) => target.exec("CREATE TABLE later (x)")]);
    db.close();
    await expect(storeOn(file).start()).rejects.toMatchObject({
      name: "ConfigError",
      code: "STORE_NEWER",
      message: expect.stringContaining("newer satibot"),
    });
    await expect(openSqliteReader({ file })).rejects.toMatchObject({ code: "STORE_NEWER" });
  });

  it("is refused when it is no database, with what to do", async () => {
    const file = join(newFolder(), "store.db");
    writeFileSync(file, "a letter, not a database. ".repeat(400));
    await expect(storeOn(file).start()).rejects.toMatchObject({
      name: "ConfigError",
      code: "STORE_UNREADABLE",
      message: expect.stringContaining("backup"),
    });
    await expect(openSqliteReader({ file })).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
    rmSync(file);
    const store = storeOn(file);
    await store.start();
    await store.ping();
  });

  it("is refused when it is the database of another program", async () => {
    const file = join(newFolder(), "store.db");
    const db = await openDatabase(file);
    db.exec("CREATE TABLE recipes (name TEXT)");
    db.close();
    await expect(storeOn(file).start()).rejects.toMatchObject({
      code: "STORE_UNREADABLE",
      message: expect.stringContaining("another program"),
    });
  });

  it("is refused where its folder cannot be", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "taken"), "");
    chmodSync(join(folder, "taken"), 0o600);
    await expect(storeOn(join(folder, "taken", "store.db")).start()).rejects.toMatchObject({
      name: "ConfigError",
      code: "STORE_UNREADABLE",
    });
  });
});

describe("migrations", () => {
  const second: Migration = (db) => db.exec("ALTER TABLE kv ADD COLUMN note TEXT");

  it("bring a file forward, each step once, with its rows", async () => {
    const db = await openDatabase(join(newFolder(), "store.db"));
    migrate(db);
    db.exec("INSERT INTO kv (namespace, cell, value) VALUES ('n', 'c', '1')");
    expect(checkVersion(db)).toBe(MIGRATIONS.length);
    migrate(db, [...MIGRATIONS, second]);
    migrate(db, [...MIGRATIONS, second]);
    expect(checkVersion(db, MIGRATIONS.length + 1)).toBe(MIGRATIONS.length + 1);
    expect(db.prepare("SELECT value, note FROM kv").get()).toMatchObject({ value: "1", note: null });
    db.close();
  });

  it("leave a file at the version before the step that failed", async () => {
    const db = await openDatabase(join(newFolder(), "store.db"));
    const broken: Migration = (target) => target.exec("CREATE TABLE half (x); CREATE TABLE half (x)");
    expect(() => migrate(db, [...MIGRATIONS, second, broken])).toThrow("half");
    expect(checkVersion(db, MIGRATIONS.length + 2)).toBe(MIGRATIONS.length + 1);
    expect(db.prepare("SELECT count(*) AS count FROM sqlite_master WHERE name = 'half'").get()).toMatchObject({ count: 0 });
    migrate(db, [...MIGRATIONS, second, (target) => target.exec("CREATE TABLE half (x)")]);
    expect(checkVersion(db, MIGRATIONS.length + 2)).toBe(MIGRATIONS.length + 2);
    db.close();
  });
});

describe("the reader of a stopped store", () => {
  it("shows what is there, without owning it", async () => {
    const file = join(newFolder(), "store.db");
    const store = storeOn(file);
    await store.start();
    await store.inbox.append([appendRequest({ text: "a" }), appendRequest()]);
    const claim = await store.turns.claim(claimRequest());
    if (!claim) throw new Error("nothing to claim");
    await store.turns.commit(turnCommit(claim));
    const running = await openSqliteReader({ file });
    expect(await running.chats.counts()).toEqual({ known: 1, quarantined: 0, waitingRows: 1, deadParts: 0 });
    await store.inbox.append([appendRequest()]);
    expect(await running.chats.open(CHAT)).toMatchObject({ waiting: 2 });
    await running.close();
    const before = [await store.chats.open(CHAT), await store.chats.history(CHAT, 10), await store.events.list(CHAT, 0, 10)];
    await store.stop();
    const reader = await openSqliteReader({ file });
    expect([await reader.chats.open(CHAT), await reader.chats.history(CHAT, 10), await reader.events.list(CHAT, 0, 10)]).toEqual(before);
    expect((await reader.inbox.waiting(CHAT, { limit: 10 })).items.map((row) => row.seq)).toEqual([2, 3]);
    expect((await reader.outbox.list({ chat: CHAT }, { limit: 10 })).items).toHaveLength(1);
    await expect(reader.inbox.waiting(CHAT, { limit: 10, cursor: "x" })).rejects.toMatchObject({
      name: "RequestError",
      code: "BAD_CURSOR",
    });
    const again = storeOn(file);
    await again.start();
    await reader.close();
  });

  it("has nothing to show where there is no file", async () => {
    await expect(openSqliteReader({ file: join(newFolder(), "none.db") })).rejects.toMatchObject({
      name: "ConfigError",
      code: "STORE_UNREADABLE",
    });
  });
});

describe("the workers", () => {
  it("run from the TypeScript sources", async () => {
    const store = storeOn(join(newFolder(), "store.db"), startThread);
    await store.start();
    expect(await store.inbox.append([appendRequest()])).toMatchObject([{ status: "accepted", seq: 1 }]);
    expect(await store.chats.open(CHAT)).toMatchObject({ waiting: 1 });
  });

  it("are started again when they die, and what was committed is there", async () => {
    const threads: Thread[] = [];
    const store = storeOn(join(newFolder(), "store.db"), (data, events) => {
      const thread = worker.startThread(data, events);
      if (data.role === "writer") threads.push(thread);
      return thread;
    });
    await store.start();
    await store.inbox.append([appendRequest()]);
    threads[0]?.kill();
    const lost = store.inbox.append([appendRequest()]).then(
      () => "committed",
      (error: { code: string }) => error.code,
    );
    expect(await lost).toBe("STORE_UNAVAILABLE");
    expect(await store.inbox.append([appendRequest()])).toMatchObject([{ status: "accepted" }]);
    expect(threads).toHaveLength(2);
    expect(await store.chats.open(CHAT)).toMatchObject({ waiting: (await store.inbox.waiting(CHAT, { limit: 10 })).items.length });
  });
});

it("a store answers reads in the order of the writes of the same chat", async () => {
  const store = storeOn(join(newFolder(), "store.db"));
  await store.start();
  const write = store.inbox.append([appendRequest()]);
  const read = store.chats.open(CHAT);
  const cell = store.kv.set("n", "c", { atMs: START_MS });
  expect(await store.kv.get("n", "c")).toEqual({ atMs: START_MS });
  expect(await read).toMatchObject({ waiting: 1 });
  await Promise.all([write, cell]);
});
