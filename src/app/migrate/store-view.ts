/** Looking into the store of a dry run without touching it: SQLite makes files beside a database that it reads, so a copy is read. */
import { copyFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { openDatabase } from "../../stores/sqlite/driver.ts";
import { openSqliteReader } from "../../stores/sqlite/store.ts";
import type { HistoryView } from "./import-history.ts";

/** Larger stores are not copied. */
const COPY_MAX = 2 * 1024 * 1024 * 1024;

export interface StoreView extends HistoryView {
  readonly close: () => Promise<void>;
}

/** A view of the store as it is now; or why there is none. A store that does not exist yet is empty. */
export async function viewStore(file: string): Promise<StoreView | { readonly why: string }> {
  const bytes = await sizeOf(file);
  if (bytes === 0) return EMPTY;
  if (await isLocked(`${file}.lock`)) return { why: "a running satibot owns it" };
  if (bytes > COPY_MAX) return { why: "it is over 2 GiB" };
  const folder = await mkdtemp(join(tmpdir(), "satibot-dry-run-"));
  try {
    const copy = join(folder, basename(file));
    for (const suffix of ["", "-wal"]) if ((await sizeOf(file + suffix)) > 0) await copyFile(file + suffix, copy + suffix);
    const reader = await openSqliteReader({ file: copy });
    return {
      chats: reader.chats,
      kv: reader.kv,
      close: async () => {
        await reader.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

const EMPTY: StoreView = {
  chats: { open: () => Promise.resolve(undefined), history: () => Promise.resolve([]) },
  kv: { get: () => Promise.resolve(undefined) },
  close: () => Promise.resolve(),
};

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  );
}

/** The owner of a store holds a write lock on this file, which a read meets. */
async function isLocked(file: string): Promise<boolean> {
  if ((await stat(file).catch(() => undefined)) === undefined) return false;
  try {
    const db = await openDatabase(file, { readOnly: true });
    try {
      db.exec("PRAGMA busy_timeout = 0");
      db.prepare("SELECT count(*) FROM sqlite_schema").get();
      return false;
    } finally {
      db.close();
    }
  } catch {
    return true;
  }
}
