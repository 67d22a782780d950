/**
 * One connection, from `start` to `stop`: the adapter initialised with our ChatInstance, and its webhook. An answer of the adapter is
 * held until everything in the request is stored or knowingly ignored; adapters themselves answer as soon as they have dispatched it.
 */
import type { Adapter, Logger } from "chat";
import { TransientError } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { createArrivals } from "./arrivals.ts";
import { createCells } from "./cells.ts";
import { createChatInstance } from "./chat-instance.ts";
import type { ChatSdkCounters } from "./counters.ts";
import { failureOf, isIncurable, noteFor, reasonOf } from "./failure.ts";
import type { Failure } from "./failure.ts";
import type { Files } from "./files.ts";
import type { AdapterLogger } from "./logger.ts";
import type { Profile } from "./profile.ts";
import { createRequestScope, createRequestScopes } from "./request-scope.ts";
import type { Mask } from "./secrets.ts";
import { createState } from "./state.ts";
import { within } from "./wait.ts";

export interface SessionOptions {
  readonly adapter: Adapter;
  readonly profile: Profile;
  readonly host: ChannelHost;
  readonly groups: "mention" | "all";
  readonly clock: Clock;
  readonly log: Log | undefined;
  readonly logger: AdapterLogger;
  readonly mask: Mask;
  readonly files: Files;
  readonly counters: ChatSdkCounters;
  readonly nextId: () => string;
}

export interface Session {
  readonly adapter: Adapter;
  readonly webhook: (request: Request) => Promise<Response>;
  /** What is said in this thread from now on is for the bot. Never throws. */
  readonly follow: (threadId: string) => Promise<void>;
  /** The platform refused the token of a send. */
  readonly refuse: (failure: Failure) => void;
  readonly stop: () => Promise<void>;
}

/** Longest time until the adapter knows its platform, in milliseconds. */
const INITIALIZE_MS = 60_000;
const DISCONNECT_MS = 10_000;
/** A delivery waits so long for its thread to be remembered. */
const FOLLOW_MS = 5_000;
/** Longest time that a request is held, in milliseconds. Platforms wait 3 to 20 seconds, and then send again. */
const HOLD_MS = 25_000;
/** Most requests at once. */
const REQUESTS_MAX = 500;
const RETRY_AFTER_S = 5;
const VALUES = { prefix: "state", cells: 128, entriesMax: 128 };
const THREADS = { prefix: "threads", cells: 64, entriesMax: 256 };
const REFUSED_ADVICE = "the platform refuses the token or its rights; renew them, then restart satibot";
const LOST_ADVICE = "the network or the platform is down; the connection is tried again";

function notNow(why: string, error?: unknown): Response {
  const askedMs = error instanceof TransientError ? error.retryAfterMs : undefined;
  const seconds = askedMs === undefined ? RETRY_AFTER_S : Math.max(1, Math.ceil(askedMs / 1_000));
  return new Response(`${why}; send it again\n`, {
    status: 503,
    headers: { "retry-after": String(seconds), "content-type": "text/plain" },
  });
}

/** Begins to connect; the outcome arrives by `host.report`. */
export function openSession(options: SessionOptions): Session {
  const { adapter, profile, host, clock, log, logger, mask, files, counters, nextId } = options;
  const { name } = host;
  const ending = new AbortController();
  const scopes = createRequestScopes();
  const state = createState({
    values: createCells(host, clock, VALUES),
    threads: createCells(host, clock, THREADS),
    scopes,
    clock,
    nextToken: nextId,
    unwanted: profile.unwanted,
  });
  const arrivals = createArrivals({ host, scopes, counters, clock, signal: ending.signal, mask, name, log });
  const instance = createChatInstance({
    adapter,
    arrivals,
    counters,
    state,
    logger: logger.logger,
    nextId,
    translation: {
      name,
      groups: options.groups,
      commands: host.commands,
      files,
      isSubscribed: (threadId) => state.isSubscribed(threadId),
      ownNames: createOwnNames(adapter, logger.logger),
    },
  });
  const requests = new Set<Promise<unknown>>();
  let phase: "opening" | "open" | "ended" = "opening";

  const end = (failure: Failure): void => {
    if (phase === "ended") return;
    phase = "ended";
    if (failure.kind === "unauthorized")
      host.report({ type: "connection.refused", error: noteFor("TOKEN_REFUSED", name, failure, REFUSED_ADVICE) });
    else {
      const { retryAfterMs } = failure;
      const error = noteFor("CHANNEL_UNAVAILABLE", name, failure, LOST_ADVICE);
      host.report({ type: "connection.lost", error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    }
  };

  /** Some adapters log that they could not connect, and go on without knowing who they are. */
  const hiddenFailure = (logged: readonly unknown[]): Failure | undefined => {
    if (adapter.botUserId !== undefined) return undefined;
    const failures = logged.map((error) => failureOf(error, mask));
    return (
      failures.find(({ kind }) => kind === "unauthorized") ??
      failures.find(({ kind }) => profile.knowsItself || kind === "notTaken" || kind === "throttled")
    );
  };

  let isInitializing = true;
  const initializing = Promise.resolve()
    .then(() => adapter.initialize(instance))
    .finally(() => {
      isInitializing = false;
    });
  const opening = (async (): Promise<void> => {
    const logged: unknown[] = [];
    const unwatch = logger.watch((error) => logged.length < 100 && logged.push(error));
    try {
      await Promise.race([within(clock, INITIALIZE_MS, `${name}: connecting`, initializing), aborted(ending.signal)]);
    } catch (error) {
      return end(failureOf(error, mask));
    } finally {
      unwatch();
    }
    if (phase !== "opening") return;
    const failure = hiddenFailure(logged);
    if (failure) return end(failure);
    phase = "open";
    host.report({ type: "connection.opened", ...(adapter.userName === "" ? {} : { account: { name: `@${adapter.userName}` } }) });
  })();

  const answer = async (request: Request): Promise<Response> => {
    const scope = createRequestScope(arrivals.judge);
    const webhook = { waitUntil: scope.add, propagateHandlerErrors: true };
    try {
      const given = (async (): Promise<Response> => {
        const response = await scopes.run(scope, () => adapter.handleWebhook(request, webhook));
        await scope.settled();
        return response;
      })();
      const response = await within(clock, HOLD_MS, `${name}: a webhook request`, given);
      const failure = scope.failure();
      if (failure) return notNow("it could not be stored", failure.error);
      scope.close();
      await scope.keep();
      if (response.status < 400) host.report({ type: "traffic.seen" });
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

  const disconnect = async (): Promise<void> => {
    try {
      if (adapter.disconnect) await within(clock, DISCONNECT_MS, `${name}: disconnecting`, adapter.disconnect());
    } catch (error) {
      log?.warn({ channel: name, reason: reasonOf(error, mask) }, "the adapter did not disconnect cleanly");
    }
  };

  return {
    adapter,
    webhook: async (request) => {
      if (phase !== "open") return notNow(`${name} is not connected`);
      if (requests.size >= REQUESTS_MAX) return notNow(`${name} is busy`);
      const answering = answer(request);
      requests.add(answering);
      try {
        return await answering;
      } finally {
        requests.delete(answering);
      }
    },
    follow: async (threadId) => {
      try {
        // Where a platform has no threads, the "thread" is the whole group: one answer must not subscribe the bot to all that is said.
        if (adapter.isDM?.(threadId) === true || adapter.channelIdFromThreadId(threadId) === threadId) return;
        const isNew = await within(clock, FOLLOW_MS, `${name}: subscribing a thread`, state.follow(threadId));
        if (isNew && adapter.onThreadSubscribe)
          await within(clock, FOLLOW_MS, `${name}: subscribing a thread`, adapter.onThreadSubscribe(threadId));
      } catch (error) {
        log?.warn(
          { channel: name, reason: reasonOf(error, mask) },
          "a thread could not be subscribed; there the bot must be mentioned again",
        );
      }
    },
    refuse: (failure) => {
      if (phase === "open") end(failure);
    },
    stop: async () => {
      phase = "ended";
      await Promise.allSettled(requests);
      ending.abort();
      await opening;
      await arrivals.settled();
      await disconnect();
      // A connection that comes about only now has nobody any more.
      if (isInitializing) initializing.then(disconnect, () => undefined);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** The bot's user name and id, and how the platform shows it to people, asked once it is needed. */
function createOwnNames(adapter: Adapter, logger: Logger): () => Promise<readonly string[]> {
  let shown: Promise<readonly string[]> | undefined;
  const ask = async (id: string): Promise<readonly string[]> => {
    try {
      const user = await adapter.getUser?.(id);
      return user ? [user.userName, user.fullName] : [];
    } catch (error) {
      logger.debug("the bot's own name is not known", { error });
      return [];
    }
  };
  return async () => {
    const { botUserId, userName } = adapter;
    if (botUserId !== undefined) shown ??= ask(botUserId);
    return [userName, botUserId, ...((await shown) ?? [])].filter((own): own is string => own !== undefined && own !== "");
  };
}
