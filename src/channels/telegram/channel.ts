/**
 * Telegram by long polling, over grammY's API client (its `Bot` confirms an update before the handler has finished, and ends on 409).
 * Translates, and holds no policy: no retries of sends, no pacing, no reconnecting; those live in the runtime. What it does keep is the
 * order that no message may be lost by: see poller.ts.
 */
import type { Content } from "../../core/content.ts";
import { isChannelName } from "../../core/chat-key.ts";
import { ConfigError, invariant, TerminalError, TransientError, AmbiguousError } from "../../core/errors.ts";
import type { Channel, DeliverRequest } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { checkAllow } from "./access.ts";
import { addressOfKey, parseAddress } from "./address.ts";
import { createApi, signalFor } from "./api-client.ts";
import type { TelegramCounters } from "./counters.ts";
import { deliveryError, failureOf, redactor } from "./failure.ts";
import { startPoller } from "./poller.ts";
import type { Poller } from "./poller.ts";

export interface TelegramOptions {
  /** Channel instance; the first part of its chat keys. Default `telegram`. */
  readonly name?: string;
  /** From @BotFather; never logged, never part of an error. */
  readonly token: string;
  /** Root URL of the Bot API server, without `/bot<token>`. Default `https://api.telegram.org`. */
  readonly apiRoot?: string;
  /** User ids, chat ids, `@usernames`, or `*` for everybody. Absent: whoever sends the pairing code first owns the bot; empty: only who is approved. */
  readonly allow?: readonly string[];
  /** How updates come. Default `polling`, which needs no address that Telegram can reach. */
  readonly mode?: "polling" | "webhook";
  /**
   * Public base URL of this daemon, for `webhook`: Telegram is told `<webhookUrl>/webhooks/<name>` at each start.
   * Absent: somebody else calls setWebhook, with `secretToken`.
   */
  readonly webhookUrl?: string;
  /**
   * What Telegram shows with each webhook request, 1 to 256 of `A-Z a-z 0-9 _ -`. Default with `webhookUrl`: derived from the token;
   * without it, required.
   */
  readonly secretToken?: string;
  /** What is answered in groups, by chat id, and by `*` for the others: `mention` (also replies and commands) or `all`. Default `mention`. */
  readonly groups?: Readonly<Record<string, "mention" | "all">>;
  readonly clock: Clock;
  /** How long Telegram holds an empty poll, in seconds, 0 to 50. Default 25. */
  readonly pollTimeoutS?: number;
  readonly log?: Log;
}

export interface TelegramChannel extends Channel {
  /** What became of updates since the channel was made. */
  readonly counters: () => Readonly<TelegramCounters>;
}

/** Longest text of one message, after entities. @see https://core.telegram.org/bots/api#sendmessage */
const TEXT_UNITS_MAX = 4_096;
/** Longest time for one request beyond what a poll may be held, in seconds. */
const REQUEST_S = 60;

function checkToken(token: string): string {
  const text = token.trim();
  if (text !== "" && /^[\w:.-]+$/.test(text)) return text;
  const why = text === "" ? "is empty" : "has characters that no token has";
  throw new ConfigError("TOKEN_REFUSED", `the Telegram token ${why}; copy the one that @BotFather gave`, { path: "token" });
}

function checkRoot(apiRoot: string): string {
  if (/^https?:$/.test(URL.canParse(apiRoot) ? new URL(apiRoot).protocol : "")) return apiRoot.replace(/\/+$/, "");
  throw new ConfigError("CONFIG_INVALID", "the Telegram apiRoot is no http(s) URL; write one such as https://api.telegram.org", {
    path: "apiRoot",
  });
}

function checkName(name: string): string {
  if (isChannelName(name)) return name;
  throw new ConfigError(
    "CONFIG_INVALID",
    `channel name ${JSON.stringify(name)}: use a lower-case letter, then at most 31 of a-z, 0-9 and -`,
    { path: "name" },
  );
}

function checkTimeout(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= 50) return seconds;
  throw new ConfigError("CONFIG_INVALID", `pollTimeoutS is ${seconds}; write whole seconds from 0 to 50`, { path: "pollTimeoutS" });
}

/** Content as plain text; files and buttons, which are not sent as such yet, are named so that nothing is dropped in silence. */
function plainText(content: Content): string {
  return content
    .map((item) => {
      if (item.type === "text") return item.text;
      return item.type === "file" ? `[${item.kind}: ${item.name}]` : item.options.map((option) => `- ${option.label}`).join("\n");
    })
    .join("\n");
}

/**
 * Makes the channel; nothing is connected before `start`. `deliver` and `typing` work also before `start` and after `stop`.
 * @throws ConfigError TOKEN_REFUSED, CONFIG_INVALID with the path of the bad option
 * @see https://core.telegram.org/bots/api#making-requests (`retry_after` is in seconds)
 */
export function createTelegramChannel(options: TelegramOptions): TelegramChannel {
  const { clock, log } = options;
  const name = checkName(options.name ?? "telegram");
  const token = checkToken(options.token);
  const pollTimeoutS = checkTimeout(options.pollTimeoutS ?? 25);
  const allow = checkAllow(options.allow);
  const api = createApi(token, checkRoot(options.apiRoot ?? "https://api.telegram.org"), pollTimeoutS + REQUEST_S);
  const redact = redactor(token);
  const counters: TelegramCounters = { accepted: 0, forbidden: 0, ignored: 0, notUnderstood: 0 };
  let poller: Poller | undefined;
  let stopping: Promise<void> | undefined;

  const deliver = async ({ address, content, signal }: DeliverRequest): Promise<{ readonly platformId: string }> => {
    const target = parseAddress(address);
    const text = plainText(content);
    if (text.trim() === "") throw new TerminalError("CHANNEL_REFUSED", `telegram send to ${address}: there is no text to send; add some`);
    if (signal.aborted) throw new TransientError("CHANNEL_UNAVAILABLE", `telegram send to ${address}: aborted before it began; try again`);
    let sent: { readonly message_id?: unknown };
    try {
      sent = await api.raw.sendMessage({ ...target, text, link_preview_options: { is_disabled: true } }, signalFor(signal));
    } catch (error) {
      throw deliveryError(failureOf(error, redact), address);
    }
    if (typeof sent?.message_id === "number") return { platformId: String(sent.message_id) };
    throw new AmbiguousError("SEND_UNKNOWN", `telegram send to ${address}: answered without a message id; it may have arrived`);
  };

  return {
    name,
    kind: "telegram",
    access: { allow },
    limits: { textUnits: TEXT_UNITS_MAX, canEdit: false },
    counters: () => ({ ...counters }),
    start: async (host) => {
      invariant(poller === undefined, `channel ${name} was started twice; stop it first`);
      poller = startPoller({ api, host, clock, name, pollTimeoutS, redact, counters, log });
    },
    stop: () => {
      stopping ??= (async () => {
        await poller?.stop();
        poller = undefined;
        stopping = undefined;
      })();
      return stopping;
    },
    deliver,
    addressOf: addressOfKey,
    typing: async (address, signal) => {
      try {
        await api.raw.sendChatAction({ ...parseAddress(address), action: "typing" }, signalFor(signal));
      } catch (error) {
        // A missing "typing…" harms nobody; a send to the same chat will say what is wrong.
        log?.debug({ channel: name, reason: failureOf(error, redact).text }, "typing was not shown");
      }
    },
  };
}
