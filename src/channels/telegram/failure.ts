/**
 * What went wrong with a Bot API call, told apart by what the caller may conclude: was the request taken, refused, or is it unknown?
 * Vendor errors end here: they carry URLs, and a Bot API URL holds the token.
 */
import { GrammyError, HttpError } from "grammy/web";
import type { ErrorCode, ErrorNote } from "../../core/errors.ts";
import { GarbledAnswer } from "./api-client.ts";

export type Failure =
  /** Telegram said no, in its own words. */
  | { readonly kind: "answered"; readonly status: number; readonly text: string; readonly retryAfterMs?: number; readonly movedTo?: number }
  /** Something answered that is not the Bot API. */
  | { readonly kind: "garbled"; readonly status: number; readonly text: string }
  /** No connection was made: the request was surely not taken. */
  | { readonly kind: "unreached"; readonly text: string }
  /** The connection ended, or the time, before an answer came. */
  | { readonly kind: "unanswered"; readonly text: string };

export type Redact = (text: string) => string;

/** Removes the token, also percent-encoded and without its bot id, from any text that leaves this folder. */
export function redactor(token: string): Redact {
  const secret = token.slice(token.indexOf(":") + 1);
  const forms = [token, encodeURIComponent(token), ...(secret.length >= 8 ? [secret] : [])];
  return (text) => forms.reduce((left, form) => left.replaceAll(form, "<token>"), text);
}

/** Calls that fail before a byte is sent. */
const CONNECT_CALLS: ReadonlySet<string> = new Set(["connect", "getaddrinfo"]);
const CONNECT_CODES =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|CERT_.*|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*)$/;

interface SystemFault {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly errors?: unknown;
  readonly cause?: unknown;
}

function isUnreached(fault: unknown, depth = 0): boolean {
  if (typeof fault !== "object" || fault === null || depth > 4) return false;
  const { code, syscall, errors, cause } = fault as SystemFault;
  if (typeof code === "string" && CONNECT_CODES.test(code)) return true;
  if (typeof syscall === "string" && CONNECT_CALLS.has(syscall)) return true;
  if (Array.isArray(errors) && errors.length > 0) return errors.every((one) => isUnreached(one, depth + 1));
  return isUnreached(cause, depth + 1);
}

function innermost(fault: unknown, depth = 0): string {
  if (!(fault instanceof Error)) return String(fault);
  if (depth < 4 && fault.cause instanceof Error) return innermost(fault.cause, depth + 1);
  const code = (fault as SystemFault).code;
  return fault.message || (typeof code === "string" ? code : fault.name);
}

/** Sorts whatever an API call threw. Never throws. */
export function failureOf(error: unknown, redact: Redact): Failure {
  if (error instanceof GrammyError) {
    const { retry_after: retryAfterS, migrate_to_chat_id: movedTo } = error.parameters;
    return {
      kind: "answered",
      status: error.error_code,
      text: redact(error.description),
      ...(typeof retryAfterS === "number" && retryAfterS >= 0 ? { retryAfterMs: Math.ceil(retryAfterS * 1_000) } : {}),
      ...(typeof movedTo === "number" ? { movedTo } : {}),
    };
  }
  const fault = error instanceof HttpError ? error.error : error;
  if (fault instanceof GarbledAnswer) return { kind: "garbled", status: fault.status, text: fault.message };
  const text = redact(innermost(fault));
  return isUnreached(fault) ? { kind: "unreached", text } : { kind: "unanswered", text };
}

/** A failure as a short note for reports; `advice` says what a person can do. */
export function noteFor(code: ErrorCode, failure: Failure, advice: string): ErrorNote {
  const status = failure.kind === "answered" ? `${failure.status} ` : "";
  return { code, message: `telegram: ${status}${failure.text}; ${advice}`.slice(0, 500) };
}
