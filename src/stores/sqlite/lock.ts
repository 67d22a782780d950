/** Ownership of a store by one process. */
import { ConfigError } from "../../core/errors.ts";
import { openDatabase, type Database } from "./driver.ts";
import { isBusy, openFaultOf } from "./faults.ts";

export interface Ownership {
  readonly release: () => void;
}

/**
 * Makes this process the only owner of a store: a write transaction held open on `<file>.lock`, whose lock the system releases when the
 * process ends, however it ends. The file stays and means nothing by itself.
 * @throws ConfigError STORE_LOCKED while another process has it
 */
export async function acquire(file: string): Promise<Ownership> {
  let db: Database | undefined;
  try {
    db = await openDatabase(`${file}.lock`);
    db.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    const held = db;
    return { release: () => held.close() };
  } catch (cause) {
    if (db?.isOpen) db.close();
    if (!isBusy(cause)) throw openFaultOf(`${file}.lock`, cause);
    throw new ConfigError("STORE_LOCKED", `the store ${file} belongs to another running satibot; stop that one, or name another store`, {
      path: "store",
      cause,
    });
  }
}
