/** One connection, from `start` to `stop`: the adapter, initialised with a ChatInstance of ours. */
import type { Adapter } from "chat";
import { TransientError } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { createArrivals } from "./arrivals.ts";
import type { Cells } from "./cells.ts";
import { createChatInstance } from "./chat-instance.ts";
import type { ChatSdkCounters } from "./counters.ts";
import { failureOf, noteFor, reasonOf } from "./failure.ts";
import type { Failure } from "./failure.ts";
import type { Files } from "./files.ts";
import type { AdapterLogger } from "./logger.ts";
import type { Profile } from "./profile.ts";
import { createOwnNames } from "./own-names.ts";
import { createRequestScopes } from "./request-scope.ts";
import type { Mask } from "./secrets.ts";
import { createState } from "./state.ts";
import { createEnding, unless, within } from "./wait.ts";
import { createWebhook, notNow } from "./webhook.ts";

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
  /** What the adapter remembers. */
  readonly values: Cells;
  /** Threads in which everything said is for the bot. */
  readonly threads: Cells;
}

export interface Session {
  readonly adapter: Adapter;
  readonly webhook: (request: Request) => Promise<Response>;
  /** What is said in this thread from now on is for the bot; also after `stop`, while replies still go out. Never throws. */
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
const REFUSED_ADVICE = "the platform refuses the token or its rights; renew them, then restart satibot";
const LOST_ADVICE = "the network or the platform is down; the connection is tried again";

/** Begins to connect; the outcome arrives by `host.report`. */
export function openSession(options: SessionOptions): Session {
  const { adapter, profile, host, clock, log, logger, mask, files, counters, nextId, values, threads } = options;
  const { name } = host;
  const ending = createEnding();
  const scopes = createRequestScopes();
  const state = createState({
    values,
    threads,
    scopes,
    clock,
    nextToken: nextId,
    unwanted: profile.unwanted,
  });
  const arrivals = createArrivals({ host, scopes, counters, clock, ending, mask, name, log });
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
  let phase: "opening" | "open" | "ended" = "opening";

  const stops = (): Error => new TransientError("CHANNEL_UNAVAILABLE", `${name} stops; send it again`);

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
    const told =
      failures.find(({ kind }) => kind === "unauthorized") ??
      failures.find(({ kind }) => profile.knowsItself || kind === "notTaken" || kind === "throttled");
    if (told || !profile.knowsItself) return told;
    return {
      kind: "unauthorized",
      text: `the ${adapter.name} adapter has no bot token; set it in the options (one workspace per channel)`,
    };
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
      await unless(ending.listen, stops, within(clock, INITIALIZE_MS, `${name}: connecting`, initializing));
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

  const webhook = createWebhook({
    adapter,
    arrivals,
    scopes,
    counters,
    clock,
    ending,
    mask,
    name,
    log,
    onTraffic: () => host.report({ type: "traffic.seen" }),
  });
  const disconnect = async (): Promise<void> => {
    try {
      if (adapter.disconnect) await within(clock, DISCONNECT_MS, `${name}: disconnecting`, adapter.disconnect());
    } catch (error) {
      log?.warn({ channel: name, reason: reasonOf(error, mask) }, "the adapter did not disconnect cleanly");
    }
  };

  return {
    adapter,
    webhook: async (request) => (phase === "open" ? webhook.answer(request) : notNow(`${name} is not connected`)),
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
      await webhook.grace();
      ending.end();
      await webhook.settled();
      await opening;
      await arrivals.settled();
      await disconnect();
      // A connection that comes about only now has nobody any more.
      if (isInitializing) initializing.then(disconnect, () => undefined);
    },
  };
}
