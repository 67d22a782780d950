/** How an error becomes an answer: one table of statuses, one shape of body. What is not in the table is our fault and tells nothing of itself. */
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { ConfigError, type ErrorCode, RequestError, RuntimeError, TransientError } from "../core/errors.ts";

/** The body of every refusal. `path` names what is wrong, such as `body.text`, `query.limit` or `key`. */
export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly path?: string };
}

const STATUS: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  BAD_CHAT_KEY: 400,
  BAD_CONTENT: 400,
  BAD_CURSOR: 400,
  BAD_DURATION: 400,
  BAD_REQUEST: 400,
  BAD_SCHEDULE: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  CHAT_UNKNOWN: 404,
  JOB_UNKNOWN: 404,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CHANNEL_ABSENT: 409,
  CONFIG_INVALID: 409,
  CONFIG_UNSUPPORTED: 409,
  JOB_EXISTS: 409,
  MESSAGE_CONFLICT: 409,
  WRONG_STATE: 409,
  TOO_LARGE: 413,
  INBOX_FULL: 429,
  JOBS_FULL: 409,
  DRAINING: 503,
  NOT_READY: 503,
  STORE_UNAVAILABLE: 503,
  STREAMS_FULL: 503,
};

/** Seconds that a caller is asked to wait when the error itself does not say. */
const RETRY_AFTER_S: Partial<Record<ErrorCode, number>> = {
  INBOX_FULL: 1,
  DRAINING: 5,
  NOT_READY: 1,
  STORE_UNAVAILABLE: 5,
  STREAMS_FULL: 5,
};

export interface ErrorAnswer {
  readonly status: ContentfulStatusCode;
  readonly body: ErrorBody;
  /** Whole seconds, from 1; set on 429 and 503. */
  readonly retryAfterS: number | undefined;
  /** Nobody foresaw it: log it with its cause. */
  readonly isUnexpected: boolean;
}

/** The answer to a failed request. Never throws; an error without a status of its own becomes a 500 that shows nothing of it. */
export function answerTo(error: unknown): ErrorAnswer {
  const status = error instanceof RuntimeError ? STATUS[error.code] : undefined;
  if (!(error instanceof RuntimeError) || status === undefined) {
    const message = "satibot failed to answer this request; the log of the daemon says why. Try again, and report it if it stays";
    return { status: 500, body: { error: { code: "INTERNAL", message } }, retryAfterS: undefined, isUnexpected: true };
  }
  const path = error instanceof RequestError || error instanceof ConfigError ? error.path : undefined;
  const body: ErrorBody = { error: { code: error.code, message: error.message, ...(path === undefined ? {} : { path }) } };
  return { status, body, retryAfterS: retryAfterOf(error), isUnexpected: false };
}

function retryAfterOf(error: RuntimeError): number | undefined {
  const usual = RETRY_AFTER_S[error.code];
  if (usual === undefined) return undefined;
  const asked = error instanceof TransientError ? error.retryAfterMs : undefined;
  return asked === undefined || !Number.isFinite(asked) ? usual : Math.max(1, Math.ceil(asked / 1_000));
}
