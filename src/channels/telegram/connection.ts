/**
 * One connection, from its start to its end: who the bot is, how Telegram brings its updates (a poll or a webhook), and what fails on the
 * way told once. It ends by `stop`, or by itself with a report; then the runtime stops it and starts the next.
 */
import type { Api } from "grammy/web";
import { noteOf, RuntimeError } from "../../core/errors.ts";
import type { ChannelAccount, ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { signalFor } from "./api-client.ts";
import type { TelegramCounters } from "./counters.ts";
import { createFate, LOST_ADVICE, WEBHOOK_ADVICE } from "./fate.ts";
import { failureOf } from "./failure.ts";
import type { Redact } from "./failure.ts";
import { createIntake } from "./intake.ts";
import { syncMenu } from "./menu.ts";
import type { GroupRule, WebhookSettings } from "./options.ts";
import { settlesWithin } from "./pause.ts";
import { poll } from "./poller.ts";
import { createPressAnswers } from "./presses.ts";
import { createReceiver } from "./receiver.ts";
import { register, unregister } from "./registration.ts";
import type { RegistrationOptions } from "./registration.ts";
import type { BotIdentity, TranslateOptions } from "./translate.ts";
import { watchWebhook } from "./watch.ts";

/** Longest that `stop` waits for a commit under way. */
const STOP_MS_MAX = 10_000;

export interface ConnectionOptions {
  readonly api: Api;
  readonly host: ChannelHost;
  readonly clock: Clock;
  readonly name: string;
  readonly pollTimeoutS: number;
  readonly webhook: WebhookSettings | undefined;
  readonly groups: ReadonlyMap<string, GroupRule>;
  readonly redact: Redact;
  readonly counters: TelegramCounters;
  readonly log: Log | undefined;
}

export interface Connection {
  /** Ends every request and resolves when all have ended, at the latest after 10 s (then a commit that hangs is abandoned). */
  readonly stop: () => Promise<void>;
  /** Answers a request of Telegram, in webhook mode. Never throws. */
  readonly receive: ((request: Request) => Promise<Response>) | undefined;
}

/** @see https://core.telegram.org/bots/features#deep-linking */
function accountOf({ username }: BotIdentity): { readonly account?: ChannelAccount } {
  return username === undefined ? {} : { account: { name: `@${username}`, startUrl: `https://t.me/${username}?start=` } };
}

/** Opens it; what becomes of it arrives through `host.report`. */
export function openConnection(options: ConnectionOptions): Connection {
  const { api, host, clock, name, pollTimeoutS, webhook, groups, redact, counters, log } = options;
  const abort = new AbortController();
  const { signal } = abort;
  let isAbandoned = false;
  let translation: TranslateOptions | undefined;
  const fate = createFate({ host, clock, signal, name, pollTimeoutS, log });
  const presses = createPressAnswers({ api, signal, redact, name, log });
  const intake = createIntake({ host, counters, log, answerPress: presses.answer });
  const receiver =
    webhook &&
    createReceiver({
      host,
      intake,
      secretToken: webhook.secretToken,
      counters,
      log,
      name,
      ready: () => (signal.aborted ? undefined : translation),
    });

  const identify = async (): Promise<BotIdentity | undefined> => {
    try {
      const bot = await api.raw.getMe(signalFor(signal));
      if (signal.aborted || Number.isSafeInteger(bot?.id)) return bot;
      fate.lose({ code: "CHANNEL_UNAVAILABLE", message: `telegram: getMe gave no bot id; check apiRoot; ${LOST_ADVICE}` });
    } catch (error) {
      if (!signal.aborted) fate.endFor(failureOf(error, redact));
    }
    return undefined;
  };

  const registrationOf = (bot: BotIdentity): RegistrationOptions => ({ api, host, botId: bot.id, name, signal, log });

  /** Sets or removes the webhook, as the mode asks. False: it ends here, and the reason is reported. */
  const settleWebhook = async (bot: BotIdentity): Promise<boolean> => {
    const registration = registrationOf(bot);
    try {
      if (!webhook) await unregister(registration);
      else if (webhook.url !== undefined) await register(registration, webhook.url, webhook.secretToken);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (error instanceof RuntimeError) fate.lose(noteOf(error));
      else fate.endFor(failureOf(error, redact), webhook ? WEBHOOK_ADVICE : undefined);
      return false;
    }
  };

  const run = async (): Promise<void> => {
    const bot = await identify();
    if (!bot || signal.aborted || !(await settleWebhook(bot)) || signal.aborted) return;
    const offset = webhook ? undefined : await host.load(`offset:${bot.id}`);
    if (signal.aborted) return;
    translation = { name, bot, groups };
    host.report({ type: "connection.opened", ...accountOf(bot) });
    const menu = syncMenu({ api, host, clock, botId: bot.id, name, signal, redact, log });
    const options = {
      api,
      host,
      clock,
      name,
      pollTimeoutS,
      redact,
      log,
      signal,
      fate,
      intake,
      translation,
      isAbandoned: () => isAbandoned,
    };
    if (!webhook) await poll(options, offset);
    else if (webhook.url !== undefined) {
      const { url, secretToken } = webhook;
      await watchWebhook({ registration: registrationOf(bot), host, clock, redact, fate, url, secretToken });
    }
    await menu;
  };

  // What throws here is the store, or a bug; the connection is then lost like any other, and the channel can be started again.
  const ended = run().catch((error: unknown) => {
    if (!signal.aborted) fate.lose({ code: "CHANNEL_UNAVAILABLE", message: redact(noteOf(error).message) });
  });

  return {
    receive: receiver?.receive,
    stop: async () => {
      abort.abort();
      const work = Promise.all([ended, receiver?.settled(), presses.settled()]);
      if (await settlesWithin(clock, STOP_MS_MAX, work)) return;
      isAbandoned = true;
      log?.error({ channel: name, limitMs: STOP_MS_MAX }, "a commit did not end in time; its batch will be offered again");
    },
  };
}
