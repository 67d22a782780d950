/** What a failed send or edit means for the part: by the class of the error the runtime knows whether the message may have arrived. */
import { AmbiguousError, TerminalError, TransientError } from "../../core/errors.ts";
import type { Failure } from "./failure.ts";

/**
 * 400s that are about the chat, not about what was sent; every 403 is.
 * @see https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/Client.cpp
 */
const UNREACHABLE =
  /chat not found|chat was (deactivated|deleted)|PEER_ID_INVALID|CHANNEL_PRIVATE|CHAT_(WRITE_FORBIDDEN|RESTRICTED|SEND_PLAIN_FORBIDDEN)|rights to send (text messages|a message)|is not a member|message thread not found|TOPIC_(CLOSED|DELETED|ID_INVALID)/i;
const ENTITIES = /entit|can't parse|utf-?(8|16)/i;
const NOT_MODIFIED = /message is not modified|MESSAGE_NOT_MODIFIED/i;

type Answered = Failure & { readonly kind: "answered" };

/** The chat became another one. */
export function movedTo(failure: Failure): number | undefined {
  return failure.kind === "answered" ? failure.movedTo : undefined;
}

/** The markup, not the text, is what Telegram refuses. */
export function isEntityRefusal(failure: Failure): boolean {
  return failure.kind === "answered" && failure.status === 400 && ENTITIES.test(failure.text);
}

/** The message already shows that. */
export function isNotModified(failure: Failure): boolean {
  return failure.kind === "answered" && failure.status === 400 && NOT_MODIFIED.test(failure.text);
}

/** Refused for what was sent: something else, to the same chat, may be taken. */
export function isContentRefusal(failure: Failure): boolean {
  return failure.kind === "answered" && failure.status === 400 && failure.movedTo === undefined && !isUnreachable(failure);
}

function isUnreachable({ status, text }: Answered): boolean {
  return status === 403 || (status === 400 && UNREACHABLE.test(text));
}

function unreachableAdvice({ text }: Answered): string {
  if (/blocked|initiate/i.test(text)) return "the person blocked the bot or never started it, and must press Start";
  if (/thread|TOPIC/i.test(text)) return "the topic was closed or deleted; write in another";
  if (/rights|_FORBIDDEN|_RESTRICTED/i.test(text)) return "the bot may not write there; an administrator of the group must let it";
  return "the chat is gone or the bot was removed from it; add it again, or correct the address";
}

/**
 * The error that `deliver` and `edit` throw.
 * @param what - such as `send to 7`, named in the message
 */
export function deliveryError(failure: Failure, what: string): TerminalError | TransientError {
  const where = `telegram ${what}`;
  // A plain error in place of the vendor's: that one holds the request URL, and so the token.
  const cause = new Error(failure.text);
  const unknown = (why: string): AmbiguousError =>
    new AmbiguousError("SEND_UNKNOWN", `${where}: ${why}; it may have arrived, so a repetition must be marked`, { cause });
  const notTaken = (why: string, retryAfterMs?: number): TransientError =>
    new TransientError("CHANNEL_UNAVAILABLE", `${where}: ${why}; it was not taken, try again later`, {
      cause,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  switch (failure.kind) {
    case "unreached":
      return notTaken(failure.text);
    case "unanswered":
      return unknown(failure.text);
    case "garbled":
      return failure.status >= 400 && failure.status < 500 ? notTaken(failure.text) : unknown(failure.text);
    case "answered": {
      const said = `${failure.status} ${failure.text}`;
      if (failure.status === 502 || failure.status === 504) return unknown(said);
      // The token, not the message: it is taken once a person has mended that, and must not become a dead letter before.
      if (failure.status === 401 || failure.status === 404) {
        return notTaken(`${said}, so the token is refused (set a valid one from @BotFather)`);
      }
      // Whether the chat or the whole bot is too fast, Telegram does not say.
      if (failure.status === 429 || failure.status >= 500) return notTaken(said, failure.retryAfterMs);
      if (isUnreachable(failure))
        return new TerminalError("CHAT_UNREACHABLE", `${where}: ${said}; ${unreachableAdvice(failure)}`, { cause });
      const advice = "it will never be taken as it is; check the chat and the content";
      return new TerminalError("CHANNEL_REFUSED", `${where}: ${said}; ${advice}`, { cause });
    }
  }
}
