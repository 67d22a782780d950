/**
 * Telegram over grammY's API client, by long polling or by webhook (its `Bot` confirms an update before the handler has finished, and ends
 * on 409). Translates, and holds no policy: no retries of sends, no pacing, no reconnecting; those live in the runtime. What it does keep
 * is the order that no message may be lost by: see poller.ts and receiver.ts.
 */
import { invariant } from "../../core/errors.ts";
import type { Channel, ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { checkAllow } from "./access.ts";
import { addressOfKey, parseAddress } from "./address.ts";
import { createApi, signalFor } from "./api-client.ts";
import { openConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { createCounters } from "./counters.ts";
import type { TelegramCounters } from "./counters.ts";
import { failureOf, redactor } from "./failure.ts";
import { openFile } from "./files.ts";
import { checkGroups, checkName, checkRoot, checkTimeout, checkToken, checkWebhook } from "./options.ts";
import { createSender, TEXT_UNITS_MAX } from "./sender.ts";

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

/** Longest time for one request beyond what a poll may be held, in seconds. */
const REQUEST_S = 60;
/** A poll that has not ended this long after it should have is no sign of life. */
const SILENCE_MARGIN_MS = 65_000;
/**
 * Where pacing begins: about 30 messages a second in all. One chat takes bursts, so nothing is held back there before Telegram says so.
 * @see https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
 */
const PACE = { chatMs: 0, channelMs: 34, editMs: 1_000 } as const;
/** How long "typing…" is shown. @see https://core.telegram.org/bots/api#sendchataction */
const TYPING_MS = 5_000;

/**
 * Makes the channel; nothing is connected before `start`. `deliver`, `edit`, `open` and `typing` work also before `start` and after `stop`.
 * @throws ConfigError TOKEN_REFUSED, CONFIG_INVALID with the path of the bad option
 * @see https://core.telegram.org/bots/api#making-requests (`retry_after` is in seconds)
 */
export function createTelegramChannel(options: TelegramOptions): TelegramChannel {
  const { clock, log } = options;
  const name = checkName(options.name ?? "telegram");
  const token = checkToken(options.token);
  const apiRoot = checkRoot(options.apiRoot ?? "https://api.telegram.org");
  const pollTimeoutS = checkTimeout(options.pollTimeoutS ?? 25);
  const webhook = checkWebhook(options, name, token);
  const groups = checkGroups(options.groups);
  const allow = checkAllow(options.allow);
  const api = createApi(token, apiRoot, pollTimeoutS + REQUEST_S);
  const redact = redactor(token);
  const counters = createCounters();
  let connection: Connection | undefined;
  let stopping: Promise<void> | undefined;
  let host: ChannelHost | undefined;
  const sender = createSender({ api, redact, name, host: () => host });

  return {
    name,
    kind: "telegram",
    access: { allow },
    limits: {
      textUnits: TEXT_UNITS_MAX,
      canEdit: true,
      pace: PACE,
      typingMs: TYPING_MS,
      ...(webhook ? {} : { silenceMaxMs: pollTimeoutS * 1_000 + SILENCE_MARGIN_MS }),
    },
    counters: () => ({ ...counters }),
    start: async (given) => {
      invariant(connection === undefined, `channel ${name} was started twice; stop it first`);
      host = given;
      connection = openConnection({ api, host: given, clock, name, pollTimeoutS, webhook, groups, redact, counters, log });
    },
    stop: () => {
      stopping ??= (async () => {
        await connection?.stop();
        connection = undefined;
        stopping = undefined;
      })();
      return stopping;
    },
    deliver: sender.deliver,
    edit: sender.edit,
    open: (ref, opening) => openFile({ api, apiRoot, token, redact }, ref, opening),
    ...(webhook ? { webhook: (request) => connection?.receive?.(request) ?? Promise.resolve(new Response(null, { status: 503 })) } : {}),
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
