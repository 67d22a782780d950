/**
 * Body of the two workers. The writer runs a batch as one transaction; when an operation of it fails, everything is rolled back and each
 * operation runs again in a transaction of its own, so that only the bad one fails and none is reported that was rolled back.
 */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../core/errors.ts";
import { openDatabase, type Database } from "./driver.ts";
import { createEngine, type Engine } from "./engine.ts";
import { createOperations } from "./operations.ts";
import { toWire, type Answer, type FromWorker, type Operation, type ToWorker, type WorkerData } from "./protocol.ts";
import { migrate } from "./schema.ts";

const { role, file } = workerData as WorkerData;
const port = parentPort;
invariant(port, "this module runs as a worker only");
const tell = (message: FromWorker): void => port.postMessage(message);

/** Pages of the write-ahead log after which it is folded into the file. */
const CHECKPOINT_PAGES = 4_000;
const PRAGMAS = `
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA busy_timeout = 5000;
PRAGMA cache_size = -65536;
PRAGMA temp_store = MEMORY;
PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
PRAGMA journal_size_limit = 67108864;
`;

type Run = (...args: readonly unknown[]) => unknown;

function runAll(table: Readonly<Record<string, Run>>, operations: readonly Operation[]): Answer[] {
  return operations.map(([name, args]) => {
    const run = table[name];
    invariant(run, `the store has no operation ${name}`);
    return { value: run(...args) };
  });
}

function transaction(db: Database, engine: Engine, work: () => Answer[]): Answer[] {
  db.exec("BEGIN IMMEDIATE");
  try {
    const answers = work();
    engine.flush();
    db.exec("COMMIT");
    return answers;
  } catch (error) {
    engine.forget();
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function writeBatch(db: Database, engine: Engine, table: Readonly<Record<string, Run>>, operations: readonly Operation[]): Answer[] {
  try {
    return transaction(db, engine, () => runAll(table, operations));
  } catch (error) {
    if (operations.length === 1) return [{ error: toWire(error) }];
    return operations.flatMap((operation) => writeBatch(db, engine, table, [operation]));
  }
}

function readBatch(engine: Engine, table: Readonly<Record<string, Run>>, operations: readonly Operation[]): Answer[] {
  return operations.map((operation) => {
    try {
      // Another thread writes: nothing is kept from one reading to the next.
      engine.forget();
      return runAll(table, [operation])[0] ?? {};
    } catch (error) {
      return { error: toWire(error) };
    }
  });
}

try {
  const db = await openDatabase(file, { readOnly: role === "reader" });
  if (role === "writer") {
    db.exec(PRAGMAS);
    migrate(db);
  } else db.exec("PRAGMA busy_timeout = 5000");
  const engine = createEngine(db);
  const operations = createOperations(engine);
  const write = { ...operations.write, ...operations.read } as unknown as Readonly<Record<string, Run>>;
  const read = operations.read as unknown as Readonly<Record<string, Run>>;
  port.on("message", (message: ToWorker) => {
    if (message.type === "close") {
      db.close();
      tell({ type: "closed" });
      port.close();
      return;
    }
    const batch = JSON.parse(message.operations) as Operation[];
    const answers = role === "writer" ? writeBatch(db, engine, write, batch) : readBatch(engine, read, batch);
    tell({ type: "answers", id: message.id, answers: JSON.stringify(answers) });
  });
  tell({ type: "ready" });
} catch (error) {
  tell({ type: "failed", error: toWire(error) });
}
