/** Failures of the Graph API as errors of the runtime and notes for reports. */
import { AmbiguousError, TerminalError, TransientError } from "../../core/errors.ts";
import type { ErrorCode, ErrorNote } from "../../core/errors.ts";
import type { ChannelReport } from "../../ports/channel.ts";
import { meaningOf } from "./codes.ts";
import type { GraphFailure } from "./graph.ts";

/** One message to one person each six seconds is what WhatsApp allows in the long run. */
const PAIR_WAIT_MS = 6_000;
/** A restricted account is not asked more often. */
const ACCOUNT_WAIT_MS = 3_600_000;

function saidBy(failure: GraphFailure): string {
  if (failure.kind !== "answered") return failure.text;
  return `${failure.code ?? `HTTP ${failure.status}`} ${failure.text}`;
}

function note(code: ErrorCode, text: string): ErrorNote {
  return { code, message: `whatsapp: ${text}`.slice(0, 500) };
}

/** True for a failure that only another token or another right of it can mend. */
export function isTokenRefused(failure: GraphFailure): boolean {
  return failure.kind === "answered" && meaningOf(failure).consequence === "token";
}

/** What the first call of a connection came to, as a report. */
export function reportOf(failure: GraphFailure): ChannelReport {
  const lost = (advice: string, retryAfterMs?: number): ChannelReport => ({
    type: "connection.lost",
    error: note("CHANNEL_UNAVAILABLE", `${saidBy(failure)}; ${advice}`),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
  if (failure.kind !== "answered") return lost("the network or WhatsApp is down; the connection is tried again");
  const { consequence, advice } = meaningOf(failure);
  if (consequence === "token") return { type: "connection.refused", error: note("TOKEN_REFUSED", `${saidBy(failure)}; ${advice}`) };
  if (consequence === "refused" || consequence === "unreachable") {
    const wrongId = "the phone number id is unknown to this token; correct phoneNumberId, or give the system user the account, and restart";
    return { type: "connection.refused", error: note("CONFIG_INVALID", `${saidBy(failure)}; ${wrongId}`) };
  }
  return lost(advice, consequence === "account" ? ACCOUNT_WAIT_MS : failure.retryAfterMs);
}

/** Why a message that was taken never arrived, from a status webhook. */
export function receiptNote(code: number | undefined, text: string): ErrorNote {
  const { consequence, advice } = meaningOf({ code, status: 400 });
  return note(consequence === "unreachable" ? "CHAT_UNREACHABLE" : "CHANNEL_REFUSED", `${code ?? "an error"} ${text}; ${advice}`);
}

/**
 * The error that `deliver` throws: by its class the runtime knows whether the message may have arrived.
 * @param address - named in the message
 */
export function deliveryError(failure: GraphFailure, address: string): TerminalError | TransientError {
  const where = `whatsapp send to ${address}`;
  const cause = new Error(failure.text);
  const unknown = (why: string): AmbiguousError =>
    new AmbiguousError("SEND_UNKNOWN", `${where}: ${why}; it may have arrived, so a repetition must be marked`, { cause });
  const later = (why: string, facts: { readonly retryAfterMs?: number; readonly scope?: "chat" | "channel" } = {}): TransientError =>
    new TransientError("CHANNEL_UNAVAILABLE", `${where}: ${why}`, { cause, ...facts });
  switch (failure.kind) {
    case "unreached":
      return later(`${failure.text}; it was not taken, try again later`);
    case "unanswered":
      return unknown(failure.text);
    case "garbled":
      return failure.status >= 400 && failure.status < 500
        ? later(`${failure.text}; it was not taken, try again later`)
        : unknown(failure.text);
    case "answered": {
      if (failure.status === 502 || failure.status === 504) return unknown(saidBy(failure));
      const { consequence, advice } = meaningOf(failure);
      const why = `${saidBy(failure)}; ${advice}`;
      const { retryAfterMs } = failure;
      switch (consequence) {
        case "refused":
          return new TerminalError("CHANNEL_REFUSED", `${where}: ${why}`, { cause });
        case "unreachable":
          return new TerminalError("CHAT_UNREACHABLE", `${where}: ${why}`, { cause });
        case "pair":
          return later(why, { retryAfterMs: retryAfterMs ?? PAIR_WAIT_MS, scope: "chat" });
        case "account":
          return later(why, { retryAfterMs: retryAfterMs ?? ACCOUNT_WAIT_MS, scope: "channel" });
        case "throughput":
          return later(why, { retryAfterMs, scope: "channel" });
        // The token, not the message: it is taken once a person has mended that, and must not become a dead letter before.
        case "token":
        case "down":
          return later(why, { retryAfterMs });
      }
    }
  }
}
