/**
 * What went wrong with a REST call, told apart by what the caller may conclude: was the request taken, refused, or is it unknown?
 * @see https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
 */
import { AmbiguousError, TerminalError, TransientError } from "../../core/errors.ts";
import type { ErrorNote } from "../../core/errors.ts";

/** Where a limit counts: in one channel, or for the whole bot. */
export type ThrottleScope = "chat" | "channel";

export type Failure =
  /** Discord said no, in its own words. `code` is Discord's, 0 when it gave none. */
  | { readonly kind: "answered"; readonly status: number; readonly code: number; readonly text: string }
  /** 429: not taken, come back later. */
  | { readonly kind: "throttled"; readonly text: string; readonly retryAfterMs: number; readonly scope: ThrottleScope }
  /** Something answered that is not Discord's API. */
  | { readonly kind: "garbled"; readonly status: number; readonly text: string }
  /** No connection was made: the request was surely not taken. */
  | { readonly kind: "unreached"; readonly text: string }
  /** The connection ended, or the time, before an answer came. */
  | { readonly kind: "unanswered"; readonly text: string };

export type Redact = (text: string) => string;

/** Removes the token from any text that leaves this folder. */
export function redactor(token: string): Redact {
  const forms = [token, encodeURIComponent(token)];
  return (text) => forms.reduce((left, form) => left.replaceAll(form, "<token>"), text);
}

/** Calls that fail before a byte is sent. */
const CONNECT_CALLS: ReadonlySet<unknown> = new Set(["connect", "getaddrinfo"]);
const CONNECT_CODES =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|CERT_.*|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_.*)$/;
const DEPTH_MAX = 4;

interface SystemFault {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly errors?: unknown;
  readonly cause?: unknown;
}

function isUnreached(fault: unknown, depth = 0): boolean {
  if (typeof fault !== "object" || fault === null || depth > DEPTH_MAX) return false;
  const { code, syscall, errors, cause } = fault as SystemFault;
  if ((typeof code === "string" && CONNECT_CODES.test(code)) || CONNECT_CALLS.has(syscall)) return true;
  if (Array.isArray(errors) && errors.length > 0) return errors.every((one) => isUnreached(one, depth + 1));
  return isUnreached(cause, depth + 1);
}

/** The message that says most: `fetch` itself only says that it failed. */
export function innermost(fault: unknown, depth = 0): string {
  if (!(fault instanceof Error)) return String(fault);
  if (depth < DEPTH_MAX && fault.cause instanceof Error) return innermost(fault.cause, depth + 1);
  const { code } = fault as SystemFault;
  return fault.message || (typeof code === "string" ? code : fault.name);
}

/** Sorts what a request threw. Never throws. */
export function networkFailure(error: unknown, redact: Redact): Failure {
  const text = redact(innermost(error));
  return isUnreached(error) ? { kind: "unreached", text } : { kind: "unanswered", text };
}

/** One line for logs and reports; never a secret. */
export function describe(failure: Failure): string {
  switch (failure.kind) {
    case "answered":
      return `${failure.status} ${failure.text}${failure.code === 0 ? "" : ` (${failure.code})`}`;
    case "throttled":
      return `429 ${failure.text}`;
    case "garbled":
      return `${failure.status} ${failure.text}`;
    case "unreached":
    case "unanswered":
      return failure.text;
  }
}

export function noteFor(code: ErrorNote["code"], text: string): ErrorNote {
  return { code, message: `discord: ${text}`.slice(0, 500) };
}

/** Codes that mean: nothing will be taken in this channel, whatever it says. */
const UNREACHABLE: Readonly<Record<number, string>> = {
  10_003: "the channel is gone",
  50_001: "the bot may not see the channel; give its role View Channel",
  50_007: "the person takes no direct messages from the bot; they must allow them from members of a shared server",
  50_013: "the bot may not write there; give its role Send Messages (and Send Messages in Threads)",
  50_278: "the person shares no server with the bot any more",
};

/**
 * The error that a delivery throws: by its class the runtime knows whether the message may have arrived.
 * @param what - names the act and its place, such as `discord send to 123`
 */
export function deliveryError(failure: Failure, what: string): TerminalError | TransientError {
  const said = describe(failure);
  const unknown = (): AmbiguousError =>
    new AmbiguousError("SEND_UNKNOWN", `${what}: ${said}; it may have arrived, so a repetition must be marked`);
  const notTaken = (why: string): TransientError =>
    new TransientError("CHANNEL_UNAVAILABLE", `${what}: ${why}; it was not taken, try again later`);
  switch (failure.kind) {
    case "unreached":
      return notTaken(said);
    case "unanswered":
      return unknown();
    case "throttled": {
      const { retryAfterMs, scope } = failure;
      return new TransientError("CHANNEL_UNAVAILABLE", `${what}: ${said}; it was not taken, wait as long as Discord asks`, {
        retryAfterMs,
        scope,
      });
    }
    case "garbled":
      // 503 says that nobody was there to take it, whoever says it.
      return (failure.status >= 400 && failure.status < 500) || failure.status === 503 ? notTaken(said) : unknown();
    case "answered": {
      const { status, code } = failure;
      if (status === 503) return notTaken(said);
      if (status >= 500) return unknown();
      // The token, not the message: it is taken once a person has mended that, and must not become a dead letter before.
      if (status === 401) return notTaken(`${said}, so the token is refused (set a valid one from the developer portal)`);
      const advice = UNREACHABLE[code];
      if (advice !== undefined) return new TerminalError("CHAT_UNREACHABLE", `${what}: ${said}; ${advice}`);
      return new TerminalError("CHANNEL_REFUSED", `${what}: ${said}; it will never be taken as it is; check the chat and the content`);
    }
  }
}
