/** Ownership of a store by one process. */
import { readFileSync, statSync } from "node:fs";
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
    const owner = ownerOf(`${file}.lock`);
    const which = owner === undefined ? "that one" : `process ${owner}`;
    throw new ConfigError("STORE_LOCKED", `the store ${file} belongs to another running satibot; stop ${which}, or name another store`, {
      path: "store",
      cause,
    });
  }
}

/** The process that has a file locked, for a message only; undefined where the system does not say (it is Linux that does). */
function ownerOf(file: string): number | undefined {
  try {
    const { ino } = statSync(file);
    const lines = readFileSync("/proc/locks", "utf8").split("\n");
    const pids = lines.flatMap((line) => {
      // `1: POSIX  ADVISORY  WRITE 4242 fd:01:131082 0 EOF`; a line with `->` only waits.
      const found = /^\d+: \S+ +\S+ +WRITE +(\d+) +[0-9a-f]+:[0-9a-f]+:(\d+) /i.exec(line);
      return found?.[2] === String(ino) ? [Number(found[1])] : [];
    });
    return pids.find((pid) => pid > 0 && pid !== process.pid);
  } catch {
    return undefined;
  }
}
