/** Errors of SQLite in our classes. */
import { ConfigError, InvariantError, RuntimeError, TransientError } from "../../core/errors.ts";

/** Milliseconds after which another try may find the disk back. */
const RETRY_AFTER_MS = 1_000;
/** Primary result codes of SQLite that say: not now. BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL. */
const UNAVAILABLE: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 13, 14, 15]);
/** CORRUPT, NOTADB: the file is not what it was. */
const UNREADABLE: ReadonlySet<number> = new Set([11, 26]);
const BUSY: ReadonlySet<number> = new Set([5, 6]);

/** The primary result code; undefined for what SQLite did not throw. */
function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The storage itself failed: no operation of the batch can be blamed. */
export function isStorageFault(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && (UNAVAILABLE.has(code) || UNREADABLE.has(code));
}

export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && BUSY.has(code);
}

/** What a failed write is to its caller. */
export function faultOf(error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  if (isStorageFault(error)) {
    const message = `the store cannot commit now (${textOf(error)}); look at the disk's free space and health, satibot goes on by itself`;
    return new TransientError("STORE_UNAVAILABLE", message, { cause: error, retryAfterMs: RETRY_AFTER_MS });
  }
  return new InvariantError(`a store operation failed by itself: ${textOf(error)}; please report it`, { cause: error });
}

/** What a file that does not open is to the person who configured it. */
export function openFaultOf(file: string, error: unknown): RuntimeError {
  if (error instanceof ConfigError) return error;
  const code = sqliteCode(error);
  const remedy =
    code !== undefined && UNREADABLE.has(code)
      ? "it is damaged or no SQLite database; put a backup in its place, or move it (with its -wal and -shm files) away to start empty"
      : "check that the path is a file which this user may read and write, and that the disk has room";
  return new ConfigError("STORE_UNREADABLE", `the store ${file} cannot be opened (${textOf(error)}): ${remedy}`, {
    cause: error,
    path: "store",
  });
}

export function unavailable(why: string, retryAfterMs = RETRY_AFTER_MS): TransientError {
  return new TransientError("STORE_UNAVAILABLE", why, { retryAfterMs });
}
