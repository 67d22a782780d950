/**
 * The adapter's webhook, with its answer held until everything in the request is stored or knowingly ignored: adapters themselves answer
 * as soon as they have dispatched it.
 */
import type { Adapter } from "chat";
import { TransientError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Arrivals } from "./arrivals.ts";
import type { ChatSdkCounters } from "./counters.ts";
import { isIncurable, reasonOf } from "./failure.ts";
import { createRequestScope } from "./request-scope.ts";
import type { RequestScope, RequestScopes } from "./request-scope.ts";
import type { Mask } from "./secrets.ts";
import { unless, within } from "./wait.ts";
import type { Ending } from "./wait.ts";

export interface WebhookOptions {
  readonly adapter: Adapter;
  readonly arrivals: Arrivals;
  readonly scopes: RequestScopes;
  readonly counters: ChatSdkCounters;
  readonly clock: Clock;
  /** Of the connection. */
  readonly ending: Ending;
  readonly mask: Mask;
  readonly name: string;
  readonly log: Log | undefined;
  /** The adapter took a request as one of its platform. */
  readonly onTraffic: () => void;
}

export interface Webhook {
  readonly answer: (request: Request) => Promise<Response>;
  /** Resolves when no request is under way, and after two seconds in any case. */
  readonly grace: () => Promise<void>;
  /** Resolves when no request is under way. */
  readonly settled: () => Promise<void>;
}

/** Longest time that a request is held, in milliseconds. Platforms wait 3 to 20 seconds, and then send again. */
const HOLD_MS = 15_000;
const GRACE_MS = 2_000;
/** Most requests at once. */
const REQUESTS_MAX = 500;
const RETRY_AFTER_S = 5;

/** Asks the platform to send a request again, as late as the error asks for. */
export function notNow(why: string, error?: unknown): Response {
  const askedMs = error instanceof TransientError ? error.retryAfterMs : undefined;
  const seconds = askedMs === undefined ? RETRY_AFTER_S : Math.max(1, Math.ceil(askedMs / 1_000));
  return new Response(`${why}; send it again\n`, {
    status: 503,
    headers: { "retry-after": String(seconds), "content-type": "text/plain" },
  });
}

export function createWebhook(options: WebhookOptions): Webhook {
  const { adapter, arrivals, scopes, counters, clock, ending, mask, name, log, onTraffic } = options;
  const requests = new Set<Promise<Response>>();

  /** A change that can never be kept is no reason to have a stored message sent again. */
  const keep = async (scope: RequestScope): Promise<void> => {
    try {
      await scope.keep();
    } catch (error) {
      if (!isIncurable(error)) throw error;
      log?.warn({ channel: name, reason: reasonOf(error, mask) }, "the adapter's state was not kept");
    }
  };
  const stops = (): Error => new TransientError("CHANNEL_UNAVAILABLE", `${name} stops; send it again`);
  const hold = async (request: Request): Promise<Response> => {
    const scope = createRequestScope(arrivals.judge);
    const webhook = { waitUntil: scope.add, propagateHandlerErrors: true };
    try {
      const given = (async (): Promise<Response> => {
        const response = await unless(
          ending.listen,
          stops,
          scopes.run(scope, () => adapter.handleWebhook(request, webhook)),
        );
        await scope.settled();
        return response;
      })();
      const response = await within(clock, HOLD_MS, `${name}: a webhook request`, given);
      const failure = scope.failure();
      if (failure) return notNow("it could not be stored", failure.error);
      scope.close();
      await keep(scope);
      if (response.status < 400) onTraffic();
      return response;
    } catch (error) {
      scope.fail(error);
      log?.warn({ channel: name, reason: reasonOf(error, mask) }, "a webhook request could not be answered");
      if (!isIncurable(error)) return notNow("it could not be taken", error);
      counters.notUnderstood += 1;
      return new Response("not understood\n", { status: 400, headers: { "content-type": "text/plain" } });
    } finally {
      scope.close();
    }
  };

  const settled = async (): Promise<void> => {
    await Promise.allSettled(requests);
  };
  return {
    answer: async (request) => {
      if (requests.size >= REQUESTS_MAX) return notNow(`${name} is busy`);
      const answering = hold(request);
      requests.add(answering);
      try {
        return await answering;
      } finally {
        requests.delete(answering);
      }
    },
    grace: async () => {
      if (requests.size > 0) await within(clock, GRACE_MS, `${name}: stopping`, settled()).catch(() => undefined);
    },
    settled,
  };
}
