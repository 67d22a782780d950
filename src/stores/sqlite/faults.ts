/** Errors of SQLite in our classes. */
import { dirname } from "node:path";
import { ConfigError, InvariantError, RuntimeError, TransientError } from "../../core/errors.ts";

/** Milliseconds after which another try may find the disk back. */
const RETRY_AFTER_MS = 1_000;
/** The same where a person has to mend it first. */
const DAMAGED_RETRY_AFTER_MS = 60_000;
/** Primary result codes of SQLite that say: not now. BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL. */
const UNAVAILABLE: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 13, 14, 15]);
/** CORRUPT, NOTADB: the file is not what it was. */
const UNREADABLE: ReadonlySet<number> = new Set([11, 26]);
const BUSY: ReadonlySet<number> = new Set([5, 6]);
/** FULL, and the same from the system. */
const FULL: ReadonlySet<number | string> = new Set([13, "ENOSPC", "EDQUOT", "EFBIG"]);
/** A full disk, and IOERR, which is what SQLite often makes of one. */
const MAY_PASS: ReadonlySet<number | string> = new Set([...FULL, 10]);
/** READONLY, CANTOPEN, and the same from the system. */
const FORBIDDEN: ReadonlySet<number | string> = new Set([8, 14, "EACCES", "EPERM", "EROFS"]);
const START_ANEW = "put a backup in its place, or move it (with its -wal and -shm files) away to start empty";

/** The texts that SQLite has for these codes: what `all` of the package throws carries no number. @see https://www.sqlite.org/rescode.html */
const CODE_OF_TEXT: ReadonlyMap<string, number> = new Map([
  ["database is locked", 5],
  ["database table is locked", 6],
  ["out of memory", 7],
  ["attempt to write a readonly database", 8],
  ["interrupted", 9],
  ["disk I/O error", 10],
  ["database disk image is malformed", 11],
  ["database or disk is full", 13],
  ["unable to open database file", 14],
  ["locking protocol", 15],
  ["file is not a database", 26],
]);

/** The primary result code; undefined for what SQLite did not throw. */
function sqliteCode(error: unknown): number | undefined {
  const { errcode, code, message } = (error ?? {}) as { errcode?: unknown; code?: unknown; message?: unknown };
  if (typeof errcode === "number") return errcode & 0xff;
  return code === "ERR_SQLITE_ERROR" && typeof message === "string" ? CODE_OF_TEXT.get(message) : undefined;
}

/** The system's name for what went wrong, such as ENOSPC; undefined when it was not the system. */
function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
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
  const code = sqliteCode(error);
  if (code !== undefined && UNREADABLE.has(code)) {
    const message = `the store is damaged (${textOf(error)}); stop satibot and ${START_ANEW}`;
    return new TransientError("STORE_UNAVAILABLE", message, { cause: error, retryAfterMs: DAMAGED_RETRY_AFTER_MS });
  }
  if (isStorageFault(error)) {
    const message = `the store cannot commit now (${textOf(error)}); look at the disk's free space and health, satibot goes on by itself`;
    return new TransientError("STORE_UNAVAILABLE", message, { cause: error, retryAfterMs: RETRY_AFTER_MS });
  }
  return new InvariantError(`a store operation failed by itself: ${textOf(error)}; please report it`, { cause: error });
}

/** What a file that does not open is to the person who configured it. */
export function openFaultOf(file: string, error: unknown): RuntimeError {
  if (error instanceof ConfigError) return error;
  // Nothing is misconfigured, and another start may succeed.
  if (MAY_PASS.has(codeOf(error))) {
    return new TransientError("STORE_UNAVAILABLE", `the store ${file} ${openComplaint(file, error)}`, { cause: error });
  }
  return new ConfigError("STORE_UNREADABLE", `the store ${file} ${openComplaint(file, error)}`, { cause: error, path: "store" });
}

const codeOf = (error: unknown): number | string => systemCode(error) ?? sqliteCode(error) ?? "";

function openComplaint(file: string, error: unknown): string {
  const system = systemCode(error);
  const code = codeOf(error);
  if (system === "EISDIR") return "is a folder; name a file in it";
  if (system === "EEXIST" || system === "ENOTDIR") {
    return `cannot be made, because ${dirname(file)} or what holds it is a file and no folder; move that away, or name another place`;
  }
  if (FULL.has(code)) return "cannot be opened, because the disk is full; free some space and start again";
  const why = `cannot be opened (${system ?? textOf(error)})`;
  if (FORBIDDEN.has(code)) return `${why}; let this user write it and its folder, or name another place`;
  if (typeof code === "number" && UNREADABLE.has(code)) return `${why}: it is damaged or no SQLite database; ${START_ANEW}`;
  return `${why}; check that its folder can exist, and the disk's free space and health`;
}

export function unavailable(why: string, retryAfterMs = RETRY_AFTER_MS): TransientError {
  return new TransientError("STORE_UNAVAILABLE", why, { retryAfterMs });
}
