/** The schema version of a file, and the way to the newest: a file is only ever moved forward. */
import { ConfigError } from "../../core/errors.ts";
import type { Database } from "./driver.ts";
import { MIGRATIONS, type Migration } from "./migrations.ts";

/**
 * Brings a database to the newest schema, one transaction a step; a step that throws leaves the file at the version before it.
 * @throws ConfigError STORE_NEWER when a later version of satibot wrote it, STORE_UNREADABLE when it is no database of satibot
 */
export function migrate(db: Database, migrations: readonly Migration[] = MIGRATIONS): void {
  const version = checkVersion(db, migrations.length);
  for (const [place, step] of migrations.entries()) {
    if (place < version) continue;
    db.exec("BEGIN IMMEDIATE");
    try {
      step(db);
      db.exec(`PRAGMA user_version = ${place + 1}`);
      db.exec("COMMIT");
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  }
}

/**
 * The version of a file that this satibot can read or bring forward; 0 for an empty file.
 * @throws ConfigError STORE_NEWER, STORE_UNREADABLE as `migrate`
 */
export function checkVersion(db: Database, known = MIGRATIONS.length): number {
  const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version > known) {
    throw new ConfigError(
      "STORE_NEWER",
      `the store has schema ${version} and this satibot knows up to ${known}; install the newer satibot that wrote it, or name another file`,
      { path: "store" },
    );
  }
  if (version === 0 && db.prepare("SELECT name FROM sqlite_master LIMIT 1").get()) {
    throw new ConfigError("STORE_UNREADABLE", "the store is a database of another program; name another file", { path: "store" });
  }
  return version;
}
