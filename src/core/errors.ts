/** Every code an error of satibot can carry; match on the code, never on the text. */
export type ErrorCode =
  | "AGENT_FAILED"
  | "AGENT_TIMEOUT"
  | "ATTEMPTS_EXHAUSTED"
  | "BAD_CHAT_KEY"
  | "BAD_CONTENT"
  | "BAD_CURSOR"
  | "BAD_DURATION"
  | "BAD_REQUEST"
  | "BAD_SCHEDULE"
  | "CHANNEL_ABSENT"
  | "CHANNEL_CONFLICT"
  | "CHANNEL_REFUSED"
  | "CHANNEL_UNAVAILABLE"
  | "CHAT_CRASHED"
  | "CHAT_UNREACHABLE"
  | "CHAT_UNKNOWN"
  | "CONFIG_INVALID"
  | "CONFIG_UNSUPPORTED"
  | "DAEMON_UNREACHABLE"
  | "DRAINING"
  | "FENCED"
  | "FORBIDDEN"
  | "INBOX_FULL"
  | "INTERNAL"
  | "INVARIANT"
  | "JOBS_FULL"
  | "JOB_EXISTS"
  | "JOB_UNKNOWN"
  | "MESSAGE_CONFLICT"
  | "METHOD_NOT_ALLOWED"
  | "NOT_FOUND"
  | "NOT_READY"
  | "PORT_IN_USE"
  | "SEND_UNKNOWN"
  | "SNAPSHOT_UNREADABLE"
  | "STORE_LOCKED"
  | "STORE_NEWER"
  | "STORE_UNAVAILABLE"
  | "STORE_UNREADABLE"
  | "STREAMS_FULL"
  | "TOKEN_REFUSED"
  | "TOO_LARGE"
  | "TURN_ABORTED"
  | "TURN_KILLED_PROCESS"
  | "UNAUTHORIZED"
  | "WRONG_STATE";

/** Base of all errors that satibot throws: a closed `code`, a message that says what to do, and the cause. */
export class RuntimeError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** Worth another try after `retryAfterMs` (milliseconds; the caller's backoff decides when absent). */
export class TransientError extends RuntimeError {
  readonly retryAfterMs: number | undefined;
  /** What must wait: this chat, or everything over its channel. Undefined where the platform does not say. */
  readonly scope: "chat" | "channel" | undefined;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { retryAfterMs?: number; scope?: "chat" | "channel" }) {
    super(code, message, options);
    this.retryAfterMs = options?.retryAfterMs;
    this.scope = options?.scope;
  }
}

/** No repetition can help: the message or part is given up. */
export class TerminalError extends RuntimeError {}

/** The call may or may not have had its effect: it ended without an answer. */
export class AmbiguousError extends TransientError {}

/** The configuration or the environment is wrong; the daemon exits with 78. `path` names the bad key. */
export class ConfigError extends RuntimeError {
  readonly path: string | undefined;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { path?: string }) {
    super(code, message, options);
    this.path = options?.path;
  }
}

/** The request is wrong and was refused before anything was accepted. */
export class RequestError extends RuntimeError {
  readonly path: string | undefined;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions & { path?: string }) {
    super(code, message, options);
    this.path = options?.path;
  }
}

/** A bug of ours: the actor that meets it crashes and is restarted alone. */
export class InvariantError extends RuntimeError {
  constructor(message: string, options?: ErrorOptions) {
    super("INVARIANT", message, options);
  }
}

/** @throws InvariantError when `condition` does not hold. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new InvariantError(why);
}

/** What is kept of an error in rows, snapshots and answers: never a stack, never a secret, at most 500 characters. */
export interface ErrorNote {
  readonly code: string;
  readonly message: string;
}

export function noteOf(error: unknown): ErrorNote {
  const code = error instanceof RuntimeError ? error.code : "AGENT_FAILED";
  const text =
    error instanceof Error
      ? `${error.name === "Error" || error instanceof RuntimeError ? "" : `${error.name}: `}${error.message}`
      : String(error);
  return { code, message: text.length > 500 ? `${text.slice(0, 499)}…` : text };
}
