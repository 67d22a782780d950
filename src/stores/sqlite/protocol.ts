/** What the main thread and the workers say to each other. Messages are cloned as they are: flat tuples cost less so than as JSON. */
import {
  AmbiguousError,
  ConfigError,
  InvariantError,
  RequestError,
  RuntimeError,
  TerminalError,
  TransientError,
  type ErrorCode,
} from "../../core/errors.ts";
import { faultOf } from "./faults.ts";

/** Given to a worker when it starts. */
export interface WorkerData {
  readonly role: "writer" | "reader";
  readonly file: string;
}

/** One call: the operation's name and its arguments. */
export type Operation = readonly [name: string, args: readonly unknown[]];

/** What a batch came to: a result for each call in order, except for the ones that failed. */
export interface Answers {
  readonly results: readonly unknown[];
  readonly failures: readonly (readonly [place: number, error: WireError])[];
}

/** `open` comes first: until then a worker only loads its code. */
export type ToWorker = readonly Operation[] | "open" | "close";

export type FromWorker = Answers | "ready" | { readonly failed: WireError };

const CLASSES = { AmbiguousError, TransientError, TerminalError, ConfigError, RequestError, InvariantError, RuntimeError } as const;

/** An error between threads: class, code, text and what the class carries. */
export interface WireError {
  readonly name: keyof typeof CLASSES;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs?: number;
  readonly path?: string;
}

export function wireError(cause: unknown): WireError {
  const error = faultOf(cause);
  const name = (Object.keys(CLASSES) as WireError["name"][]).find((one) => error instanceof CLASSES[one]) ?? "RuntimeError";
  const retryAfterMs = error instanceof TransientError ? error.retryAfterMs : undefined;
  const path = error instanceof ConfigError || error instanceof RequestError ? error.path : undefined;
  return { name, code: error.code, message: error.message, retryAfterMs, path };
}

export function errorOfWire({ name, code, message, retryAfterMs, path }: WireError): RuntimeError {
  if (name === "InvariantError") return new InvariantError(message);
  if (name === "AmbiguousError" || name === "TransientError") return new CLASSES[name](code, message, { retryAfterMs });
  if (name === "ConfigError" || name === "RequestError") return new CLASSES[name](code, message, { path });
  return new CLASSES[name](code, message);
}
