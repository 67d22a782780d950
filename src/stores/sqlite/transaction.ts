/**
 * Group commit: a batch of calls is one transaction. When a call throws, everything is rolled back and each call runs again in a
 * transaction of its own, so that the bad one fails alone and none is reported that was rolled back. When the storage fails, or the
 * commit itself, all of them fail.
 */
import { invariant } from "../../core/errors.ts";
import type { Database } from "./driver.ts";
import type { Engine } from "./engine.ts";
import { isStorageFault } from "./faults.ts";
import { wireError, type Answers, type Operation, type WireError } from "./protocol.ts";

/** Operations by name. */
export type Table = Readonly<Record<string, (...args: never[]) => unknown>>;

/** What a transaction needs of a connection. */
export type TransactionHandle = Pick<Database, "exec" | "isTransaction">;

export function call(table: Table, [name, args]: Operation): unknown {
  const operation = table[name];
  invariant(operation, `the store has no operation ${name}`);
  return operation(...(args as never[]));
}

export function runBatch(db: TransactionHandle, engine: Engine, table: Table, batch: readonly Operation[]): Answers {
  try {
    return { results: commit(db, engine, table, batch), failures: [] };
  } catch (error) {
    if (batch.length === 1 || isStorageFault(error)) {
      const wire = wireError(error);
      return { results: [], failures: batch.map((_, place) => [place, wire] as const) };
    }
  }
  return runApart(db, engine, table, batch);
}

function runApart(db: TransactionHandle, engine: Engine, table: Table, batch: readonly Operation[]): Answers {
  const results: unknown[] = [];
  const failures: [number, WireError][] = [];
  for (const [place, operation] of batch.entries()) {
    try {
      results[place] = commit(db, engine, table, [operation])[0];
    } catch (error) {
      results[place] = undefined;
      failures.push([place, wireError(error)]);
    }
  }
  return { results, failures };
}

function commit(db: TransactionHandle, engine: Engine, table: Table, batch: readonly Operation[]): unknown[] {
  try {
    db.exec("BEGIN IMMEDIATE");
    const results = batch.map((operation) => call(table, operation));
    engine.flush();
    db.exec("COMMIT");
    return results;
  } catch (error) {
    engine.forget();
    // Some faults have rolled back by themselves.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
