/**
 * Deliveries to a bot's webhook as Telegram makes them: one chat's updates one after the other, those of different chats side by side, each
 * again until it is answered with a 2xx.
 * @see https://core.telegram.org/bots/api#setwebhook
 */
import type { Clock } from "../../ports/clock.ts";
import { badRequest, succeed, type Answer, type Payload } from "./answer.ts";
import type { Faults } from "./faults.ts";
import { kindsOf, type Update, type Updates } from "./updates.ts";

/** First wait before a delivery is repeated; it doubles. A `retry-after` of the bot overrides it. */
const RETRY_MS_MIN = 2;
const CONNECTIONS_MAX = 100;
const CONNECTIONS_DEFAULT = 40;
const SECRET = /^[A-Za-z0-9_-]{1,256}$/;

export interface WebhookState {
  readonly url: string;
  readonly secretToken: string | undefined;
  readonly allowedUpdates: readonly string[] | undefined;
  readonly maxConnections: number;
}

export interface Webhooks {
  readonly set: (payload: Payload) => Answer;
  readonly remove: (payload: Payload) => Answer;
  readonly info: () => Answer;
  readonly state: () => WebhookState | undefined;
  /** Something was pushed. */
  readonly wake: () => void;
  /** Requests made, repetitions included. */
  readonly requests: () => number;
  readonly close: () => void;
}

/** What the deliveries need. */
export interface WebhookParts {
  readonly clock: Clock;
  readonly updates: Updates;
  readonly faults: Faults;
  /** Longest wait before a repetition, in milliseconds. */
  readonly retryMaxMs: number;
  readonly changed: () => void;
}

/** No webhook at first. */
export function createWebhooks({ clock, updates, faults, retryMaxMs, changed }: WebhookParts): Webhooks {
  let current: (WebhookState & { readonly abort: AbortController }) | undefined;
  let lastError: { readonly message: string; readonly atS: number } | undefined;
  let requestCount = 0;
  /** Chats with a request under way or a repetition due. */
  const busy = new Set<string>();

  const request = async (
    update: Update,
    to: WebhookState,
    signal: AbortSignal,
  ): Promise<{ readonly isTaken: boolean; readonly retryMs?: number }> => {
    requestCount += 1;
    const fault = faults.take("webhook", chatOf(update));
    const headers = { "content-type": "application/json", ...secretHeader(to.secretToken) };
    const response = await fetch(to.url, { method: "POST", headers, body: JSON.stringify(update), signal, redirect: "manual" });
    await response.arrayBuffer();
    if (fault) return { isTaken: false };
    if (response.ok) return { isTaken: true };
    lastError = {
      message: `Wrong response from the webhook: ${response.status} ${response.statusText}`,
      atS: Math.floor(clock.now() / 1_000),
    };
    const retryS = Number(response.headers.get("retry-after") ?? 0);
    return { isTaken: false, ...(retryS > 0 ? { retryMs: retryS * 1_000 } : {}) };
  };

  const deliver = async (update: Update, chat: string, to: WebhookState & { readonly abort: AbortController }): Promise<void> => {
    const { signal } = to.abort;
    for (let delayMs = RETRY_MS_MIN; !signal.aborted; delayMs *= 2) {
      const outcome = await request(update, to, signal).catch(() => ({ isTaken: false, retryMs: undefined }));
      if (signal.aborted) break;
      changed();
      if (outcome.isTaken) {
        updates.drop(update.update_id);
        break;
      }
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(Math.min(retryMaxMs, outcome.retryMs ?? delayMs), resolve);
        signal.addEventListener("abort", () => {
          cancel();
          resolve();
        });
      });
    }
    busy.delete(chat);
    changed();
    wake();
  };

  const wake = (): void => {
    const to = current;
    if (!to) return;
    for (const update of updates.all()) {
      if (busy.size >= to.maxConnections) return;
      if (to.allowedUpdates && !to.allowedUpdates.some((kind) => kind in update)) {
        updates.drop(update.update_id);
        continue;
      }
      const chat = String(chatOf(update));
      if (busy.has(chat)) continue;
      busy.add(chat);
      void deliver(update, chat, to);
    }
  };

  const stop = (): void => {
    current?.abort.abort();
    current = undefined;
  };

  return {
    set: (payload) => {
      const { url, secret_token: secret, max_connections: connections } = payload;
      if (typeof url !== "string" || (url !== "" && !/^https?:\/\//.test(url)))
        return badRequest("bad webhook: an HTTPS URL must be provided");
      if (secret !== undefined && !(typeof secret === "string" && SECRET.test(secret))) {
        return badRequest("bad webhook: secret token contains unallowed characters");
      }
      stop();
      if (payload.drop_pending_updates === true) updates.clear();
      if (url === "") return succeed(true);
      current = {
        url,
        secretToken: secret,
        allowedUpdates: kindsOf(payload.allowed_updates),
        maxConnections: Math.min(Number(connections ?? CONNECTIONS_DEFAULT), CONNECTIONS_MAX),
        abort: new AbortController(),
      };
      wake();
      return succeed(true);
    },
    remove: (payload) => {
      stop();
      if (payload.drop_pending_updates === true) updates.clear();
      return succeed(true);
    },
    info: () =>
      succeed({
        url: current?.url ?? "",
        has_custom_certificate: false,
        pending_update_count: updates.count(),
        ...(current ? { max_connections: current.maxConnections } : {}),
        ...(current?.allowedUpdates ? { allowed_updates: current.allowedUpdates } : {}),
        ...(current && lastError ? { last_error_date: lastError.atS, last_error_message: lastError.message } : {}),
      }),
    state: () => current,
    wake,
    requests: () => requestCount,
    close: stop,
  };
}

function secretHeader(secret: string | undefined): Record<string, string> {
  return secret === undefined ? {} : { "x-telegram-bot-api-secret-token": secret };
}

interface WithChat {
  readonly chat?: { readonly id?: unknown };
}

/** The chat whose updates wait for each other; an update of none gets 0. */
function chatOf(update: Update): number {
  const { message, edited_message: edited, callback_query: press } = update as { readonly [kind: string]: WithChat | undefined };
  const id = (message ?? edited ?? (press as { readonly message?: WithChat } | undefined)?.message)?.chat?.id;
  return typeof id === "number" ? id : 0;
}
