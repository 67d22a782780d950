/**
 * Deliveries to a bot's webhook as Telegram makes them: one chat's updates one after the other, those of different chats side by side, each
 * again until it is answered with a 2xx.
 * @see https://core.telegram.org/bots/api#setwebhook
 */
import { Agent, request as httpRequest } from "node:http";
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
  /** There is a new update. */
  readonly pushed: (update: Update) => void;
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
  let current: Target | undefined;
  let lastError: { readonly message: string; readonly atS: number } | undefined;
  let requestCount = 0;

  /** True once the bot took it; else when to try again. */
  const attempt = async (update: Update, to: Target): Promise<true | number | undefined> => {
    requestCount += 1;
    const fault = faults.take("webhook", chatOf(update));
    const answer = await postJson(to, JSON.stringify(update)).catch(() => undefined);
    if (fault || !answer) return undefined;
    if (answer.status >= 200 && answer.status < 300) return true;
    lastError = { message: `Wrong response from the webhook: ${answer.status}`, atS: Math.floor(clock.now() / 1_000) };
    return answer.retryAfterS > 0 ? answer.retryAfterS * 1_000 : undefined;
  };

  /** Delivers the oldest update of a chat. */
  const deliver = async (to: Target, chat: number, queue: Update[]): Promise<void> => {
    const [update] = queue;
    for (let delayMs = RETRY_MS_MIN; update && !to.isOver; delayMs *= 2) {
      const outcome = await attempt(update, to);
      if (to.isOver) return;
      if (outcome === true) updates.drop(update.update_id);
      changed();
      if (outcome === true) break;
      await wait(to, Math.min(retryMaxMs, outcome ?? delayMs));
    }
    to.active -= 1;
    queue.shift();
    if (queue.length > 0) to.ready.push(chat);
    else to.queues.delete(chat);
    pump(to);
  };

  const wait = (to: Target, delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.setTimer(delayMs, () => {
        to.waits.delete(end);
        resolve();
      });
      const end = (): void => {
        cancel();
        resolve();
      };
      to.waits.add(end);
    });

  const pump = (to: Target): void => {
    while (!to.isOver && to.active < to.maxConnections) {
      const chat = to.ready.shift();
      const queue = chat === undefined ? undefined : to.queues.get(chat);
      if (chat === undefined || !queue) return;
      to.active += 1;
      void deliver(to, chat, queue);
    }
  };

  const enqueue = (to: Target, update: Update): void => {
    if (to.allowedUpdates && !to.allowedUpdates.some((kind) => kind in update)) return updates.drop(update.update_id);
    const chat = chatOf(update);
    const queue = to.queues.get(chat);
    if (queue) queue.push(update);
    else {
      to.queues.set(chat, [update]);
      to.ready.push(chat);
    }
  };

  const stop = (): void => {
    if (!current) return;
    current.isOver = true;
    current.agent.destroy();
    for (const end of current.waits) end();
    current = undefined;
  };

  return {
    set: (payload) => {
      const { url, secret_token: secret, max_connections: connections } = payload;
      if (typeof url !== "string" || (url !== "" && !/^https?:\/\/./.test(url)))
        return badRequest("bad webhook: an HTTPS URL must be provided");
      if (secret !== undefined && !(typeof secret === "string" && SECRET.test(secret))) {
        return badRequest("bad webhook: secret token contains unallowed characters");
      }
      stop();
      if (payload.drop_pending_updates === true) updates.clear();
      if (url === "") return succeed(true);
      const maxConnections = Math.min(Number(connections ?? CONNECTIONS_DEFAULT), CONNECTIONS_MAX);
      current = {
        url,
        secretToken: secret,
        allowedUpdates: kindsOf(payload.allowed_updates),
        maxConnections,
        agent: new Agent({ keepAlive: true, maxSockets: maxConnections }),
        isOver: false,
        waits: new Set(),
        queues: new Map(),
        ready: [],
        active: 0,
      };
      for (const update of updates.all()) enqueue(current, update);
      pump(current);
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
    pushed: (update) => {
      if (!current) return;
      enqueue(current, update);
      pump(current);
    },
    requests: () => requestCount,
    close: stop,
  };
}

interface Target extends WebhookState {
  readonly agent: Agent;
  /** Another webhook, or none, took its place. */
  isOver: boolean;
  /** End the waits for a repetition. */
  readonly waits: Set<() => void>;
  /** What waits, by chat; the first of each may be under way. */
  readonly queues: Map<number, Update[]>;
  /** Chats with something waiting and nothing under way. */
  readonly ready: number[];
  /** Deliveries under way, their repetitions included. */
  active: number;
}

interface BotAnswer {
  readonly status: number;
  readonly retryAfterS: number;
}

function postJson({ url, agent, secretToken }: Target, body: string): Promise<BotAnswer> {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...secretHeader(secretToken) };
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: "POST", agent, headers }, (response) => {
      response.on("error", reject).resume();
      response.on("end", () => resolve({ status: response.statusCode ?? 0, retryAfterS: Number(response.headers["retry-after"] ?? 0) }));
    });
    request.on("error", reject).end(body);
  });
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
