/** What a failed poll means for the connection: wait in place, or end and say why. */
import type { ErrorNote } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { noteFor } from "./failure.ts";
import type { Failure } from "./failure.ts";
import { pause } from "./pause.ts";

/** Wait after a 429 without `retry_after`. */
const THROTTLED_MS = 5_000;
/** A conflict is waited out for longer than the other poll can last. */
const CONFLICT_MARGIN_MS = 5_000;

const POLLER_ADVICE = "another program polls with this token; stop it or use another token, this one comes back by itself";
const FOREIGN_WEBHOOK_ADVICE =
  "a webhook that was not set from here gets the updates; if no other program needs it, call deleteWebhook, or write mode: webhook; this one comes back by itself";
/** Ends the message when Telegram refuses a webhook. */
export const WEBHOOK_ADVICE = "check webhookUrl: https, port 443, 80, 88 or 8443, reachable from outside; it is tried again";
/** Ends the message of every loss. */
export const LOST_ADVICE = "the network or Telegram is down; the connection is tried again";

export interface FateOptions {
  readonly host: Pick<ChannelHost, "report">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly name: string;
  readonly pollTimeoutS: number;
  readonly log: Log | undefined;
}

export interface Fate {
  readonly lose: (error: ErrorNote, retryAfterMs?: number) => void;
  /** Reports what ends a connection; `advice` for what Telegram refuses, which by default is the network's fault. */
  readonly endFor: (failure: Failure, advice?: string) => void;
  /** Waits in place for what passes by itself (409, 429). False: the loop ends, and the reason is reported. */
  readonly waitOut: (failure: Failure) => Promise<boolean>;
}

/** Judges the failures of one connection. */
export function createFate({ host, clock, signal, name, pollTimeoutS, log }: FateOptions): Fate {
  const lose: Fate["lose"] = (error, retryAfterMs) => {
    host.report({ type: "connection.lost", error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  };
  const endFor: Fate["endFor"] = (failure, advice = LOST_ADVICE) => {
    if (failure.kind === "answered" && (failure.status === 401 || failure.status === 404)) {
      const tokenAdvice = "Telegram refuses the token; set a valid one from @BotFather and restart satibot";
      host.report({ type: "connection.refused", error: noteFor("TOKEN_REFUSED", failure, tokenAdvice) });
      return;
    }
    const isRefused = failure.kind === "answered" && failure.status === 400;
    lose(
      noteFor("CHANNEL_UNAVAILABLE", failure, isRefused ? advice : LOST_ADVICE),
      failure.kind === "answered" ? failure.retryAfterMs : undefined,
    );
  };
  const waitOut: Fate["waitOut"] = async (failure) => {
    if (failure.kind === "answered" && failure.status === 409) {
      const advice = /webhook is active/i.test(failure.text) ? FOREIGN_WEBHOOK_ADVICE : POLLER_ADVICE;
      host.report({ type: "connection.conflicted", error: noteFor("CHANNEL_CONFLICT", failure, advice) });
      await pause(clock, pollTimeoutS * 1_000 + CONFLICT_MARGIN_MS, signal);
      return true;
    }
    if (failure.kind === "answered" && failure.status === 429) {
      const delayMs = failure.retryAfterMs ?? THROTTLED_MS;
      log?.warn({ channel: name, delayMs }, "telegram asks to poll later");
      await pause(clock, delayMs, signal);
      return true;
    }
    endFor(failure);
    return false;
  };
  return { lose, endFor, waitOut };
}
