/**
 * The polling loop of one Telegram connection.
 *
 *   getMe ─▶ load offset ─▶ ┌─ getUpdates(offset) ─▶ translate ─▶ host.accept (one commit) ─▶ save offset ─▶ raise offset ─┐
 *                           └────────────────────────────────────────────────────────────────────────────────────────────┘
 * Telegram forgets an update when a later poll names a higher offset, so nothing is confirmed before it is stored: until then the loop
 * holds the batch and tries again. The loop ends for what a restart may mend (network, 5xx) or only a person can (token), and reports
 * it; it waits in place for another poller (409) and for a pause that Telegram asks for (429).
 * @see https://core.telegram.org/bots/api#getupdates
 */
import type { Api } from "grammy/web";
import type { Update } from "grammy/types";
import { noteOf, TransientError } from "../../core/errors.ts";
import type { ChannelAccount, ChannelHost, InboundMessage } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { signalFor } from "./api-client.ts";
import type { TelegramCounters } from "./counters.ts";
import { createFate, LOST_ADVICE } from "./fate.ts";
import { failureOf } from "./failure.ts";
import type { Redact } from "./failure.ts";
import { pause, settlesWithin } from "./pause.ts";
import { translate } from "./translate.ts";
import type { BotIdentity, TranslateOptions } from "./translate.ts";

/** Shortest time between the starts of two polls that moved nothing: some servers never hold a poll. */
const EMPTY_POLL_MS = 1_000;
/** Bounds of the wait before a batch that could not be stored is tried again. */
const STORE_RETRY_MS = { min: 50, default: 1_000, max: 30_000 } as const;
/** Longest that `stop` waits for a commit under way. */
const STOP_MS_MAX = 10_000;

export interface PollerOptions {
  readonly api: Api;
  readonly host: ChannelHost;
  readonly clock: Clock;
  readonly name: string;
  readonly pollTimeoutS: number;
  readonly redact: Redact;
  readonly counters: TelegramCounters;
  readonly log: Log | undefined;
}

export interface Poller {
  /** Aborts the request and resolves when the loop has ended, at the latest after 10 s (then a commit that hangs is abandoned). */
  readonly stop: () => Promise<void>;
}

function isOffset(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

interface StoreContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly name: string;
  readonly log: Log | undefined;
}

/** Repeats a store call until it succeeds; undefined when the channel stops first. */
async function untilStored<T>(context: StoreContext, what: string, store: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
  const { clock, signal, name, log } = context;
  for (;;) {
    try {
      return { value: await store() };
    } catch (error) {
      if (signal.aborted) return undefined;
      const asked = (error instanceof TransientError ? error.retryAfterMs : undefined) ?? STORE_RETRY_MS.default;
      const delayMs = Math.min(STORE_RETRY_MS.max, Math.max(STORE_RETRY_MS.min, asked));
      log?.warn({ channel: name, what, delayMs, error: noteOf(error) }, "not stored; telegram keeps it, tried again");
      await pause(clock, delayMs, signal);
      if (signal.aborted) return undefined;
    }
  }
}

/** The messages for intake; everything else is counted. */
function sortUpdates(
  updates: readonly Update[],
  options: TranslateOptions,
  counters: TelegramCounters,
  log: Log | undefined,
): InboundMessage[] {
  const messages: InboundMessage[] = [];
  const before = { ...counters };
  for (const update of updates) {
    const translation = translate(update, options);
    if (translation.kind === "message") messages.push(translation.message);
    else counters[translation.kind] += 1;
  }
  const channel = options.name;
  const passedOver = counters.notUnderstood - before.notUnderstood;
  if (passedOver > 0) log?.debug({ channel, count: passedOver }, "updates of a kind that is not handled were passed over");
  return messages;
}

/** @see https://core.telegram.org/bots/features#deep-linking */
function accountOf({ username }: BotIdentity): { readonly account?: ChannelAccount } {
  return username === undefined ? {} : { account: { name: `@${username}`, startUrl: `https://t.me/${username}?start=` } };
}

/** Starts the loop. */
export function startPoller(options: PollerOptions): Poller {
  const { api, host, clock, name, pollTimeoutS, redact, counters, log } = options;
  const abort = new AbortController();
  const { signal } = abort;
  let isAbandoned = false;

  const { lose, endFor, waitOut } = createFate({ host, clock, signal, name, pollTimeoutS, log });
  const store: StoreContext = { clock, signal, name, log };

  /** Stores a batch, then its offset. Undefined: stopped before it was stored, nothing may be confirmed. */
  const take = async (updates: readonly Update[], bot: BotIdentity): Promise<number | undefined> => {
    const ids = updates.map((update) => update.update_id).filter((id) => Number.isSafeInteger(id));
    const messages = sortUpdates(updates, { name, bot }, counters, log);
    if (messages.length > 0) {
      const outcomes = await untilStored(store, "messages", () => host.accept(messages));
      if (!outcomes) return undefined;
      const forbidden = outcomes.value.filter((outcome) => outcome === "forbidden").length;
      counters.forbidden += forbidden;
      counters.accepted += messages.length - forbidden;
    }
    if (ids.length === 0) return undefined;
    // The highest of this batch, not of all time: Telegram starts at a random lower id after a quiet week.
    const offset = Math.max(...ids) + 1;
    if (isAbandoned) return undefined;
    return (await untilStored(store, "offset", () => host.save(`offset:${bot.id}`, offset))) ? offset : undefined;
  };

  const poll = async (bot: BotIdentity, from: number | undefined): Promise<void> => {
    let offset = from;
    while (!signal.aborted) {
      const startedMs = clock.monotonic();
      let updates: readonly Update[];
      try {
        const payload = { timeout: pollTimeoutS, allowed_updates: ["message" as const], ...(offset === undefined ? {} : { offset }) };
        updates = await api.raw.getUpdates(payload, signalFor(signal));
      } catch (error) {
        if (signal.aborted || !(await waitOut(failureOf(error, redact)))) return;
        continue;
      }
      if (signal.aborted) return;
      if (!Array.isArray(updates)) {
        lose({ code: "CHANNEL_UNAVAILABLE", message: `telegram: getUpdates gave no list; check apiRoot; ${LOST_ADVICE}` });
        return;
      }
      host.report({ type: "traffic.seen" });
      const next = updates.length > 0 ? await take(updates, bot) : undefined;
      const hasMoved = next !== undefined && next !== offset;
      offset = next ?? offset;
      if (!hasMoved) await pause(clock, EMPTY_POLL_MS - (clock.monotonic() - startedMs), signal);
    }
  };

  const run = async (): Promise<void> => {
    let bot: BotIdentity;
    try {
      bot = await api.raw.getMe(signalFor(signal));
    } catch (error) {
      if (!signal.aborted) endFor(failureOf(error, redact));
      return;
    }
    if (signal.aborted) return;
    if (!Number.isSafeInteger(bot?.id)) {
      lose({ code: "CHANNEL_UNAVAILABLE", message: `telegram: getMe gave no bot id; check apiRoot; ${LOST_ADVICE}` });
      return;
    }
    let stored: unknown;
    try {
      stored = await host.load(`offset:${bot.id}`);
    } catch (error) {
      if (!signal.aborted) lose(noteOf(error));
      return;
    }
    if (signal.aborted) return;
    host.report({ type: "connection.opened", ...accountOf(bot) });
    await poll(bot, isOffset(stored) ? stored : undefined);
  };

  // A throw from here on is a bug; the connection is then lost like any other, and the channel can be started again.
  const ended = run().catch((error: unknown) => {
    if (!signal.aborted) lose({ code: "CHANNEL_UNAVAILABLE", message: redact(noteOf(error).message) });
  });

  return {
    stop: async () => {
      abort.abort();
      if (await settlesWithin(clock, STOP_MS_MAX, ended)) return;
      isAbandoned = true;
      log?.error({ channel: name, limitMs: STOP_MS_MAX }, "a commit did not end in time; its batch will be offered again");
    },
  };
}
