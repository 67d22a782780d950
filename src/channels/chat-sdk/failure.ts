/**
 * What went wrong in an adapter, told apart by what may be concluded: was the message taken, refused, or is it unknown? Errors are read
 * by their shape: each adapter package brings its own copy of the shared classes, and its vendor's besides. Vendor errors end here:
 * they carry requests, and those carry tokens.
 */
import { AmbiguousError, RuntimeError, TerminalError, TransientError } from "../../core/errors.ts";
import type { ErrorCode, ErrorNote } from "../../core/errors.ts";
import type { Mask } from "./secrets.ts";
import { slackFailureKind } from "./slack-errors.ts";

export type FailureKind =
  /** Asked to wait. */
  | "throttled"
  /** The token or its rights are not enough for anything. */
  | "unauthorized"
  /** Nothing for this chat will be taken. */
  | "unreachable"
  /** This will never be taken. */
  | "refused"
  /** It surely was not taken. */
  | "notTaken"
  /** It may have been taken. */
  | "unknown";

export interface Failure {
  readonly kind: FailureKind;
  /** Masked. */
  readonly text: string;
  readonly retryAfterMs?: number;
}

type Fields = Readonly<Record<string, unknown>>;

const CONNECT_CALLS: ReadonlySet<unknown> = new Set(["connect", "getaddrinfo"]);
const CONNECT_CODES =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|CERT_.*|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*)$/;
const DEPTH_MAX = 4;
const TEXT_UNITS_MAX = 300;

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null ? (value as Fields) : undefined;
}

function innerOf(fault: Fields): readonly unknown[] {
  return [fault.cause, fault.originalError, fault.original, fault.error].filter((inner) => fieldsOf(inner) !== undefined);
}

/** True when the request ended before a byte was sent. */
function isUnreached(fault: Fields, depth = 0): boolean {
  const { code, syscall, errors } = fault;
  if (typeof code === "string" && CONNECT_CODES.test(code)) return true;
  if (CONNECT_CALLS.has(syscall)) return true;
  if (depth >= DEPTH_MAX) return false;
  if (Array.isArray(errors) && errors.length > 0) return errors.every((one) => isUnreached(fieldsOf(one) ?? {}, depth + 1));
  return innerOf(fault).some((inner) => isUnreached(fieldsOf(inner) ?? {}, depth + 1));
}

function headerOf(fault: Fields, name: string): unknown {
  const headers = fieldsOf(fault.headers) ?? fieldsOf(fieldsOf(fault.response)?.headers);
  return headers instanceof Headers ? headers.get(name) : headers?.[name];
}

function retryAfterOf(fault: Fields): number | undefined {
  if (typeof fault.retryAfterMs === "number" && fault.retryAfterMs >= 0) return Math.ceil(fault.retryAfterMs);
  const seconds = Number(fault.retryAfter ?? headerOf(fault, "retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * 1_000) : undefined;
}

function statusOf(fault: Fields): number | undefined {
  const candidates = [fault.statusCode, fault.status, fieldsOf(fault.response)?.status, fault.code];
  return candidates.find((status): status is number => typeof status === "number" && status >= 400 && status < 600);
}

function kindOfStatus(status: number): FailureKind {
  if (status === 429) return "throttled";
  if (status === 401) return "unauthorized";
  if (status === 503) return "notTaken";
  return status >= 500 || status === 408 ? "unknown" : "refused";
}

/** Resources of which the absence ends a whole chat. */
const PLACES = /channel|chat|conversation|thread|space|room|user|group/i;

/** The codes of `@chat-adapter/shared` and `chat`. */
function kindOfCode(code: unknown, fault: Fields): FailureKind | undefined {
  switch (code) {
    case "RATE_LIMITED":
    case "slack_webapi_rate_limited_error":
      return "throttled";
    case "AUTH_FAILED":
      return "unauthorized";
    case "PERMISSION_DENIED":
      return "unreachable";
    case "NOT_FOUND":
      return PLACES.test(String(fault.resourceType)) ? "unreachable" : "refused";
    case "VALIDATION_ERROR":
    case "NOT_IMPLEMENTED":
      return "refused";
    case "slack_webapi_platform_error":
      return slackFailureKind(String(fieldsOf(fault.data)?.error));
    default:
      return undefined;
  }
}

function kindOf(error: unknown): FailureKind {
  const fault = fieldsOf(error);
  if (!fault) return "unknown";
  if (error instanceof TerminalError) return "refused";
  // The store was away while the adapter worked: whether before or after the send, nobody knows.
  if (error instanceof RuntimeError) return "unknown";
  const coded = kindOfCode(fault.code, fault);
  if (coded) return coded;
  if (isUnreached(fault)) return "notTaken";
  const status = statusOf(fault);
  return status === undefined ? "unknown" : kindOfStatus(status);
}

function textOf(error: unknown): string {
  const fault = fieldsOf(error);
  if (!fault) return String(error);
  const message = (one: unknown): string => {
    const text = fieldsOf(one)?.message;
    return typeof text === "string" ? text : "";
  };
  const said = message(fault) || "an error without a message";
  const why = innerOf(fault)
    .map(message)
    .find((text) => text !== "" && !said.includes(text));
  return why === undefined ? said : `${said} (${why})`;
}

/** What is said of an error, masked, at most 300 characters. Never throws. */
export function reasonOf(error: unknown, mask: Mask): string {
  return mask(textOf(error)).toWellFormed().slice(0, TEXT_UNITS_MAX);
}

/** Sorts whatever an adapter threw. Never throws. */
export function failureOf(error: unknown, mask: Mask): Failure {
  const fault = fieldsOf(error) ?? {};
  const retryAfterMs = retryAfterOf(fault);
  return { kind: kindOf(error), text: reasonOf(error, mask), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** A failure as a short note for reports; `advice` says what a person can do. */
export function noteFor(code: ErrorCode, channel: string, failure: Failure, advice: string): ErrorNote {
  return { code, message: `${channel}: ${failure.text}; ${advice}`.slice(0, 500) };
}

/** The error that `deliver` and `edit` throw: by its class the runtime knows whether the message may have arrived. */
export function deliveryError(failure: Failure, where: string): TerminalError | TransientError {
  const { kind, text, retryAfterMs } = failure;
  const cause = new Error(text);
  const notTaken = (advice: string): TransientError =>
    new TransientError("CHANNEL_UNAVAILABLE", `${where}: ${text}; ${advice}`, {
      cause,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  switch (kind) {
    case "throttled":
    case "notTaken":
      return notTaken("it was not taken, try again later");
    // The token, not the message: it is taken once a person has mended that, and must not become a dead letter before.
    case "unauthorized":
      return notTaken("the platform refuses the bot's token or its rights; renew them and restart satibot");
    case "unreachable":
      return new TerminalError("CHAT_UNREACHABLE", `${where}: ${text}; invite the bot or write to it first`, { cause });
    case "refused":
      return new TerminalError("CHANNEL_REFUSED", `${where}: ${text}; it will never be taken as it is, check the chat and the content`, {
        cause,
      });
    case "unknown":
      return new AmbiguousError("SEND_UNKNOWN", `${where}: ${text}; it may have arrived, so a repetition must be marked`, { cause });
  }
}

/** True for what no repetition of the same event can cure: a shape that the adapter does not understand, or a thing that is gone. */
export function isIncurable(error: unknown): boolean {
  if (error instanceof RuntimeError) return !(error instanceof TransientError);
  const fault = fieldsOf(error);
  if (!fault) return false;
  if (fault instanceof SyntaxError || fault instanceof RangeError || fault instanceof ReferenceError) return true;
  // `fetch` tells a network failure by a TypeError with a cause.
  if (fault instanceof TypeError) return fieldsOf(fault.cause) === undefined && !/fetch|network|terminated/i.test(fault.message);
  return ["VALIDATION_ERROR", "NOT_FOUND", "PERMISSION_DENIED", "NOT_IMPLEMENTED"].includes(String(fault.code));
}
