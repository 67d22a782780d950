/** Connections to the file, each with the settings of its role. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { copyTo } from "./copy.ts";
import { openDatabase, type Database } from "./driver.ts";
import { openFaultOf } from "./faults.ts";
import { MIGRATIONS, type Migration } from "./migrations.ts";
import { checkVersion, migrate } from "./schema.ts";

/** Pages of 4 KiB in the write-ahead log after which a commit folds it into the file: 16 MiB. */
const CHECKPOINT_PAGES = 4_000;
/** Bytes beyond which the log's file is cut back. */
const LOG_BYTES_MAX = 64 * 1024 * 1024;
const BUSY_MS = 5_000;

const WRITER = `
PRAGMA busy_timeout = ${BUSY_MS};
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -65536;
PRAGMA temp_store = MEMORY;
PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
PRAGMA journal_size_limit = ${LOG_BYTES_MAX};
`;
const READER = `
PRAGMA busy_timeout = ${BUSY_MS};
PRAGMA cache_size = -16384;
PRAGMA temp_store = MEMORY;
PRAGMA query_only = 1;
`;

/**
 * A connection that writes; the schema is brought to the newest. Before that an older file is copied to `<file>.v<schema>`.
 * @throws ConfigError STORE_NEWER, STORE_UNREADABLE
 */
export async function connectWriter(file: string, migrations: readonly Migration[] = MIGRATIONS): Promise<Database> {
  return connect(file, false, (db) => {
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    // Before anything that writes: a file of a newer satibot or of another program is left as it is.
    const version = checkVersion(db, migrations.length);
    const copy = `${file}.v${version}`;
    if (version > 0 && version < migrations.length && !existsSync(copy)) {
      copyTo(db, `${copy}.partial`);
      renameSync(`${copy}.partial`, copy);
    }
    db.exec(WRITER);
    migrate(db, migrations);
    syncFolder(dirname(file));
  });
}

/**
 * The rollback journal that made a new file must not come back after a power cut: the next start would undo with it what the file has
 * by then. SQLite does not sync the folder after it removes one (https://www.sqlite.org/pragma.html#pragma_synchronous, EXTRA).
 */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, "r");
    fsyncSync(descriptor);
    closeSync(descriptor);
  } catch {
    // Windows has no such call, and some network drives neither.
  }
}

/** A connection that only reads a file that exists. @throws ConfigError STORE_NEWER, STORE_UNREADABLE */
export async function connectReader(file: string): Promise<Database> {
  return connect(file, true, (db) => {
    db.exec(READER);
    checkVersion(db);
  });
}

async function connect(file: string, readOnly: boolean, prepare: (db: Database) => void): Promise<Database> {
  let db: Database | undefined;
  try {
    db = await openDatabase(file, { readOnly });
    prepare(db);
    return db;
  } catch (error) {
    if (db?.isOpen) db.close();
    throw openFaultOf(file, error);
  }
}
