/** Copies of a store: taken while a daemon writes to it, and put in the place of one that is stopped. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { connectReader } from "./connection.ts";
import { copyTo } from "./copy.ts";
import { openDatabase } from "./driver.ts";
import { openFaultOf } from "./faults.ts";
import { acquire } from "./lock.ts";

/**
 * Writes everything that is committed when it begins into one new file, which appears whole or not at all. Writers are not held up.
 * @param to - path of a file that does not exist yet
 * @throws ConfigError STORE_UNREADABLE for a store that cannot be read or a place that cannot be written, STORE_NEWER
 */
export async function backupSqlite({ file, to }: { readonly file: string; readonly to: string }): Promise<{ readonly bytes: number }> {
  (await connectReader(file)).close();
  const db = await openDatabase(file);
  try {
    copyTo(db, `${to}.partial`);
    renameSync(`${to}.partial`, to);
    syncFolder(to);
  } catch (cause) {
    rmSync(`${to}.partial`, { force: true });
    throw openFaultOf(to, cause);
  } finally {
    db.close();
  }
  return { bytes: statSync(to).size };
}

/**
 * Makes a copy of a backup the store. What was there before is kept beside it under another name.
 * @returns where the store that was there before is now; undefined when there was none
 * @throws ConfigError STORE_LOCKED while a daemon has the store, STORE_UNREADABLE for a backup that is damaged or none, STORE_NEWER
 */
export async function restoreSqlite(options: {
  readonly from: string;
  readonly file: string;
  readonly atMs: number;
}): Promise<string | undefined> {
  const { from, file, atMs } = options;
  await check(from);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const lock = await acquire(file);
  try {
    const backup = await openDatabase(from);
    try {
      copyTo(backup, `${file}.restoring`);
    } finally {
      backup.close();
    }
    const kept = existsSync(file) && statSync(file).size > 0 ? await putAside(file, `${file}.before-${atMs}`) : undefined;
    renameSync(`${file}.restoring`, file);
    syncFolder(file);
    return kept;
  } catch (cause) {
    rmSync(`${file}.restoring`, { force: true });
    throw openFaultOf(file, cause);
  } finally {
    lock.release();
  }
}

/** @throws ConfigError STORE_UNREADABLE when a page of the file is damaged */
async function check(file: string): Promise<void> {
  const db = await connectReader(file);
  try {
    const rows = db.prepare("PRAGMA quick_check").all() as readonly { readonly quick_check: string }[];
    const found = rows.map((row) => row.quick_check).join("; ");
    if (found === "ok") return;
    throw new ConfigError("STORE_UNREADABLE", `the backup ${file} is damaged (${found.slice(0, 200)}); restore another one`);
  } catch (cause) {
    throw openFaultOf(file, cause);
  } finally {
    db.close();
  }
}

/** Moves a store away, with what its log holds. */
async function putAside(file: string, kept: string): Promise<string> {
  try {
    const db = await openDatabase(file);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    db.close();
  } catch {
    // A damaged one cannot be tidied: its log goes with it.
  }
  for (const suffix of ["", "-wal", "-shm"]) if (existsSync(file + suffix)) renameSync(file + suffix, kept + suffix);
  return kept;
}

function syncFolder(file: string): void {
  const folder = openSync(dirname(file), "r");
  fsyncSync(folder);
  closeSync(folder);
}
