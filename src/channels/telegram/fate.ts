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
  /** Reports what ends a connection. */
  readonly endFor: (failure: Failure) => void;
  /** Waits in place for what passes by itself (409, 429). False: the loop ends, and the reason is reported. */
  readonly waitOut: (failure: Failure) => Promise<boolean>;
}

/** Judges the failures of one connection. */
export function createFate({ host, clock, signal, name, pollTimeoutS, log }: FateOptions): Fate {
  const lose: Fate["lose"] = (error, retryAfterMs) => {
    host.report({ type: "connection.lost", error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  };
  const endFor: Fate["endFor"] = (failure) => {
    if (failure.kind === "answered" && (failure.status === 401 || failure.status === 404)) {
      const advice = "Telegram refuses the token; set a valid one from @BotFather and restart satibot";
      host.report({ type: "connection.refused", error: noteFor("TOKEN_REFUSED", failure, advice) });
      return;
    }
    lose(noteFor("CHANNEL_UNAVAILABLE", failure, LOST_ADVICE), failure.kind === "answered" ? failure.retryAfterMs : undefined);
  };
  const waitOut: Fate["waitOut"] = async (failure) => {
    if (failure.kind === "answered" && failure.status === 409) {
      const advice = "another program polls with this token, or a webhook is set; stop it, call deleteWebhook or use another token";
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
