import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { textContent } from "../../src/core/content.ts";
import type { AppendRequest } from "../../src/ports/store/store.ts";
import { connectWriter } from "../../src/stores/sqlite/connection.ts";
import type { Database } from "../../src/stores/sqlite/driver.ts";
import { createEngine, type Engine } from "../../src/stores/sqlite/engine.ts";
import { createOperations, type Operations } from "../../src/stores/sqlite/operations.ts";
import type { Operation } from "../../src/stores/sqlite/protocol.ts";
import { runBatch, type Table, type TransactionHandle } from "../../src/stores/sqlite/transaction.ts";
import { packAppend, packCommit } from "../../src/stores/sqlite/wire.ts";
import { CHAT, OTHER_CHAT, START_MS, appendRequest, turnCommit } from "../../src/testing/store-rows.ts";

interface Rig {
  readonly db: Database;
  readonly engine: Engine;
  readonly operations: Operations;
  readonly table: Table;
}

const folders: string[] = [];
const open: Database[] = [];

async function openRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "satibot-batch-"));
  folders.push(folder);
  const db = await connectWriter(join(folder, "store.db"));
  open.push(db);
  const engine = createEngine(db);
  const operations = createOperations(engine);
  return { db, engine, operations, table: { ...operations.write, ...operations.packed } };
}

afterEach(() => {
  for (const db of open.splice(0)) db.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const append = (overrides: Partial<AppendRequest> = {}): Operation => ["append", [[packAppend(appendRequest(overrides))]]];

/** Changes its chat, in the cache too, and then fails: the second row's text is no text for the database. */
function poison(): Operation {
  const bad = [...packAppend(appendRequest({ chat: CHAT }))];
  bad[4] = { not: "text" } as never;
  return ["append", [[packAppend(appendRequest({ chat: CHAT })), bad]]];
}

describe("a batch", () => {
  it("is one transaction", async () => {
    const { db, engine, table, operations } = await openRig();
    const commands: string[] = [];
    const seen: TransactionHandle = {
      exec: (sql) => {
        commands.push(sql);
        db.exec(sql);
      },
      get isTransaction() {
        return db.isTransaction;
      },
    };
    const batch = [append(), append({ chat: OTHER_CHAT }), append()];
    expect(runBatch(seen, engine, table, batch)).toEqual({ results: [[1], [1], [2]], failures: [] });
    expect(commands).toEqual(["BEGIN IMMEDIATE", "COMMIT"]);
    expect(operations.read["chats.open"](CHAT)?.waiting).toBe(2);
  });

  it("lets a call in its middle fail alone, with nothing of it kept", async () => {
    const { db, engine, table, operations } = await openRig();
    const { results, failures } = runBatch(db, engine, table, [append(), poison(), append({ chat: OTHER_CHAT }), append()]);
    expect(results).toEqual([[1], undefined, [1], [2]]);
    expect(failures).toMatchObject([[1, { name: "InvariantError", code: "INVARIANT" }]]);
    expect(operations.read["chats.open"](CHAT)).toMatchObject({ waiting: 2 });
    engine.forget();
    expect(operations.read["chats.open"](CHAT)).toMatchObject({ waiting: 2 });
    expect(operations.read["inbox.waiting"](CHAT, { limit: 10 }).items.map((row) => row.seq)).toEqual([1, 2]);
  });

  it("lets a call that names no operation fail alone", async () => {
    const { db, engine, table } = await openRig();
    const { results, failures } = runBatch(db, engine, table, [append(), ["chats.explode", []]]);
    expect(results[0]).toEqual([1]);
    expect(failures).toMatchObject([[1, { code: "INVARIANT" }]]);
  });

  it("forgets what it had in memory when it is rolled back", async () => {
    const { db, engine, table, operations } = await openRig();
    runBatch(db, engine, table, [append({ claim: { turnId: "turn-1", suspect: false } })]);
    const before = operations.read["chats.export"](CHAT);
    expect(runBatch(db, engine, table, [poison()]).failures).toHaveLength(1);
    expect(operations.read["chats.export"](CHAT)).toEqual(before);
    const [answer] = runBatch(db, engine, table, [append()]).results;
    expect(answer).toEqual([2]);
  });

  it("fails whole when its commit fails, and nothing of it is seen later", async () => {
    const { db, engine, table, operations } = await openRig();
    runBatch(db, engine, table, [append()]);
    let commits = 0;
    const failing: TransactionHandle = {
      exec: (sql) => {
        if (sql === "COMMIT" && commits++ === 0) throw Object.assign(new Error("disk I/O error"), { errcode: 10 });
        db.exec(sql);
      },
      get isTransaction() {
        return db.isTransaction;
      },
    };
    const { failures } = runBatch(failing, engine, table, [append(), append({ chat: OTHER_CHAT })]);
    expect(failures).toMatchObject([
      [0, { name: "TransientError", code: "STORE_UNAVAILABLE" }],
      [1, { name: "TransientError", code: "STORE_UNAVAILABLE" }],
    ]);
    expect(operations.read["chats.open"](OTHER_CHAT)).toBeUndefined();
    expect(runBatch(failing, engine, table, [append()]).results).toEqual([[2]]);
  });

  it("is refused while the disk is full, and goes on by itself once it is not", async () => {
    const { db, engine, table, operations } = await openRig();
    const big = textContent("x".repeat(20_000));
    runBatch(db, engine, table, [append()]);
    const { page_count: pages } = db.prepare("PRAGMA page_count").get() as { page_count: number };
    db.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const full = runBatch(db, engine, table, [append({ chat: OTHER_CHAT }), append({ content: big })]);
    expect(full.failures.map(([, error]) => [error.name, error.code])).toEqual([
      ["TransientError", "STORE_UNAVAILABLE"],
      ["TransientError", "STORE_UNAVAILABLE"],
    ]);
    expect(full.failures[0]?.[1]).toMatchObject({ retryAfterMs: 1_000, message: expect.stringContaining("free space") });
    expect(operations.read["chats.open"](OTHER_CHAT)).toBeUndefined();
    db.exec("PRAGMA max_page_count = 100000");
    expect(runBatch(db, engine, table, [append({ chat: OTHER_CHAT }), append({ content: big })]).results).toEqual([[1], [2]]);
  });

  it("drops a fenced write from the batch, never the batch", async () => {
    const { db, engine, table, operations } = await openRig();
    runBatch(db, engine, table, [append(), append({ chat: OTHER_CHAT })]);
    const claim = operations.write["turns.claim"]({ chat: CHAT, turnId: "turn-1", rowsMax: 1, suspect: false, atMs: START_MS });
    const other = operations.write["turns.claim"]({ chat: OTHER_CHAT, turnId: "turn-2", rowsMax: 1, suspect: false, atMs: START_MS });
    if (!claim || !other) throw new Error("nothing to claim");
    const commits: Operation[] = [turnCommit({ ...claim, fence: 99 }), turnCommit(other)].map((commit) => ["commit", [packCommit(commit)]]);
    const { results, failures } = runBatch(db, engine, table, commits);
    expect(failures).toEqual([]);
    expect(results[0]).toBe(0);
    expect(results[1]).toMatchObject([1, 0, 1, "waiting"]);
  });
});
