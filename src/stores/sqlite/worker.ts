/**
 * Body of the two workers. The writer runs a batch as one transaction; the reader answers each call by itself, from what is committed.
 */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../core/errors.ts";
import { connectReader, connectWriter } from "./connection.ts";
import { createEngine, type Engine } from "./engine.ts";
import { createOperations } from "./operations.ts";
import { wireError, type Answers, type FromWorker, type Operation, type ToWorker, type WireError, type WorkerData } from "./protocol.ts";
import { call, runBatch, type Table } from "./transaction.ts";

const { role, file } = workerData as WorkerData;
const port = parentPort;
invariant(port, "this module runs as a worker only");
const tell = (message: FromWorker): void => port.postMessage(message);

function readAll(engine: Engine, table: Table, batch: readonly Operation[]): Answers {
  const failures: [number, WireError][] = [];
  const results = batch.map((operation, place) => {
    // Another thread writes: nothing is kept from one reading to the next.
    engine.forget();
    try {
      return call(table, operation);
    } catch (error) {
      failures.push([place, wireError(error)]);
      return undefined;
    }
  });
  return { results, failures };
}

interface Opened {
  readonly answer: (batch: readonly Operation[]) => Answers;
  readonly close: () => void;
}

async function openFile(): Promise<Opened> {
  const isWriter = role === "writer";
  const db = isWriter ? await connectWriter(file) : await connectReader(file);
  const engine = createEngine(db);
  const { write, packed, read } = createOperations(engine);
  const table: Table = { ...write, ...packed };
  return {
    answer: (batch) => (isWriter ? runBatch(db, engine, table, batch) : readAll(engine, read, batch)),
    close: () => {
      // The last writer leaves one file, so that it can be copied.
      if (isWriter) db.exec("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
      db.close();
    },
  };
}

let opened: Opened | undefined;

port.on("message", (message: ToWorker) => {
  if (message === "open") {
    openFile().then(
      (found) => {
        opened = found;
        tell("ready");
      },
      (error: unknown) => tell({ failed: wireError(error) }),
    );
  } else if (message === "close") {
    opened?.close();
    port.close();
  } else if (opened) tell(opened.answer(message));
});
