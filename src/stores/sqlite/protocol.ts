/** What the main thread and the workers say to each other. Batches and answers travel as one JSON text: cheaper than cloning objects. */
import { ConfigError, InvariantError, RuntimeError, TransientError, type ErrorCode } from "../../core/errors.ts";

/** Given to a worker when it starts. */
export interface WorkerData {
  readonly role: "writer" | "reader";
  readonly file: string;
}

/** One operation: its name and arguments. */
export type Operation = readonly [name: string, args: readonly unknown[]];

/** `value` is absent for undefined. */
export type Answer = { readonly value?: unknown } | { readonly error: WireError };

export interface WireError {
  readonly kind: "transient" | "config" | "invariant";
  readonly code: ErrorCode;
  readonly message: string;
}

export type ToWorker = { readonly type: "batch"; readonly id: number; readonly operations: string } | { readonly type: "close" };

export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly error: WireError }
  | { readonly type: "answers"; readonly id: number; readonly answers: string }
  | { readonly type: "closed" };

/** Errors of SQLite that the environment causes and that may pass: full, I/O, busy, locked, read-only, cannot open. */
const PASSING = new Set([5, 6, 8, 10, 13, 14]);
const UNREADABLE = new Set([11, 26]);

export function toWire(error: unknown): WireError {
  if (error instanceof ConfigError) return { kind: "config", code: error.code, message: error.message };
  const number =
    (error as { errcode?: number; sqliteCode?: number } | undefined)?.errcode ?? (error as { sqliteCode?: number } | undefined)?.sqliteCode;
  const primary = number === undefined ? undefined : number & 0xff;
  const message = error instanceof Error ? error.message : String(error);
  if (primary !== undefined && UNREADABLE.has(primary)) {
    return {
      kind: "config",
      code: "STORE_UNREADABLE",
      message: `the store is damaged or no database (${message}); put a backup in its place, or move it away to start afresh`,
    };
  }
  if (primary !== undefined && PASSING.has(primary)) {
    return { kind: "transient", code: "STORE_UNAVAILABLE", message: `the store cannot write (${message}); check the disk` };
  }
  return { kind: "invariant", code: error instanceof RuntimeError ? error.code : "INVARIANT", message };
}

export function fromWire(error: WireError): Error {
  if (error.kind === "config") return new ConfigError(error.code, error.message);
  if (error.kind === "transient") return new TransientError(error.code, error.message, { retryAfterMs: 250 });
  return new InvariantError(error.message);
}
