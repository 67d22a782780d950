/**
 * Requests of Telegram to the webhook. 200 means stored or knowingly passed over, since Telegram then forgets the update; anything else
 * makes it come again, later and later, for up to a day.
 * @see https://core.telegram.org/bots/api#setwebhook
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Update } from "grammy/types";
import { noteOf, TransientError } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Log } from "../../ports/log.ts";
import type { TelegramCounters } from "./counters.ts";
import type { Intake } from "./intake.ts";
import type { TranslateOptions } from "./translate.ts";

const SECRET_HEADER = "x-telegram-bot-api-secret-token";
/** Most requests that wait for the store; Telegram makes 40 at a time. */
const REQUESTS_MAX = 200;
const RETRY_MS = { min: 1_000, default: 2_000, max: 5_000 } as const;

export interface ReceiverOptions {
  readonly host: Pick<ChannelHost, "report">;
  readonly intake: Intake;
  readonly secretToken: string;
  readonly counters: TelegramCounters;
  readonly log: Log | undefined;
  readonly name: string;
  /** Undefined until it is known who the bot is, and once the connection closes. */
  readonly ready: () => TranslateOptions | undefined;
}

export interface Receiver {
  /** Never throws. */
  readonly receive: (request: Request) => Promise<Response>;
  /** Resolves when no request is under way any more. */
  readonly settled: () => Promise<unknown>;
}

/** Compares hashes, which are of one length: the time says nothing about where two secrets differ. */
function isSecret(given: string | null, secretToken: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given ?? ""), hash(secretToken)) && given !== null;
}

/**
 * Telegram obeys `retry-after` (seconds, up to an hour) and without it waits twice as long each time, up to two minutes: after an outage
 * of the store that would be a long silence, so it is always told to come back soon.
 * @see https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/WebhookActor.cpp
 */
function comeAgain(retryAfterMs: number = RETRY_MS.default): Response {
  const seconds = Math.ceil(Math.min(RETRY_MS.max, Math.max(RETRY_MS.min, retryAfterMs)) / 1_000);
  return new Response(null, { status: 503, headers: { "retry-after": String(seconds) } });
}

/** Undefined for what is no JSON object. */
async function updateIn(request: Request): Promise<Update | undefined> {
  const body: unknown = await request.json().catch(() => undefined);
  return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Update) : undefined;
}

/** Makes the receiver of one connection. */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { host, intake, secretToken, counters, log, name, ready } = options;
  const underWay = new Set<Promise<Response>>();

  const take = async (request: Request): Promise<Response> => {
    const update = await updateIn(request);
    if (!update) {
      // Telegram itself sent it, by the secret, so that it would send the same again: refusing it would block its queue for a day.
      counters.garbled += 1;
      log?.warn({ channel: name }, "a webhook request with the right secret held no JSON object; it was passed over");
      return new Response(null);
    }
    const translation = ready();
    if (!translation) return comeAgain();
    host.report({ type: "traffic.seen" });
    try {
      for (const step of intake.stepsOf([update], translation)) await intake.store(step);
    } catch (error) {
      log?.warn({ channel: name, error: noteOf(error) }, "not stored; telegram keeps it and sends it again");
      return comeAgain(error instanceof TransientError ? error.retryAfterMs : undefined);
    }
    return new Response(null);
  };

  return {
    receive: (request) => {
      if (request.method !== "POST") return Promise.resolve(new Response(null, { status: 405, headers: { allow: "POST" } }));
      if (!isSecret(request.headers.get(SECRET_HEADER), secretToken)) {
        counters.unauthorized += 1;
        log?.debug({ channel: name, count: counters.unauthorized }, "a webhook request without the secret was refused");
        return Promise.resolve(new Response(null, { status: 401 }));
      }
      if (underWay.size >= REQUESTS_MAX || !ready()) return Promise.resolve(comeAgain());
      const taking = take(request).finally(() => underWay.delete(taking));
      underWay.add(taking);
      return taking;
    },
    settled: () => Promise.all(underWay),
  };
}
