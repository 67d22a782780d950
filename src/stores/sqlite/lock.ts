import { ConfigError } from "../../core/errors.ts";
import { openDatabase, type Database } from "./driver.ts";

/**
 * Makes this process the only owner of a store: an exclusive lock on `<file>.lock`, which the system releases when the process ends,
 * however it ends.
 * @throws ConfigError STORE_LOCKED while another process has it
 */
export async function lock(file: string): Promise<{ readonly release: () => void }> {
  let db: Database | undefined;
  try {
    db = await openDatabase(`${file}.lock`);
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    const held = db;
    return { release: () => held.close() };
  } catch (cause) {
    db?.close();
    const isHeld = /locked|busy/i.test(cause instanceof Error ? cause.message : "");
    if (isHeld)
      throw new ConfigError("STORE_LOCKED", `${file} belongs to another running satibot; stop that one, or name another store`, {
        path: "store",
        cause,
      });
    throw new ConfigError(
      "STORE_UNREADABLE",
      `${file} cannot be opened (${cause instanceof Error ? cause.message : String(cause)}); check that its folder exists and may be written`,
      {
        path: "store",
        cause,
      },
    );
  }
}
