/**
 * The way of an event into intake. Events of one thread are stored in the order in which the adapter gave them, however long each takes
 * to read. Within a webhook request a failure refuses the request, and the platform sends it again; an event that came otherwise, over a
 * connection of the adapter's own, was confirmed before anybody could store it: it is held and tried again until the channel stops.
 */
import { TransientError } from "../../core/errors.ts";
import type { ChannelHost, InboundMessage } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { ChatSdkCounters } from "./counters.ts";
import { isIncurable, reasonOf } from "./failure.ts";
import type { RequestScope, RequestScopes } from "./request-scope.ts";
import type { Mask } from "./secrets.ts";
import type { Translation } from "./translate.ts";
import { pause, unless, within } from "./wait.ts";
import type { Ending } from "./wait.ts";

export interface ArrivalsOptions {
  readonly host: Pick<ChannelHost, "accept" | "report">;
  readonly scopes: RequestScopes;
  readonly counters: ChatSdkCounters;
  readonly clock: Clock;
  /** Of the connection. */
  readonly ending: Ending;
  readonly mask: Mask;
  readonly name: string;
  readonly log: Log | undefined;
}

export interface Arrivals {
  /**
   * Stores what `read` makes of an event, behind the earlier ones of its thread. Resolves when it is stored or knowingly ignored.
   * @throws TransientError when it is neither
   */
  readonly take: (threadId: string, read: () => Promise<Translation>) => Promise<void>;
  /** Decides about work of a request that failed: ignored when no repetition can cure it, else the request is refused. */
  readonly judge: (scope: RequestScope | undefined, error: unknown) => void;
  /** Resolves when nothing is on its way. */
  readonly settled: () => Promise<void>;
}

/** Longest time for reading one event, in milliseconds; the platform has given up waiting long before. */
const READ_MS = 10_000;
/** Most events on their way at once. */
const WAITING_MAX = 10_000;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;

export function createArrivals({ host, scopes, counters, clock, ending, mask, name, log }: ArrivalsOptions): Arrivals {
  /** The last event of each thread that is on its way. */
  const lanes = new Map<string, Promise<void>>();
  let waiting = 0;

  const stops = (): Error => new TransientError("CHANNEL_UNAVAILABLE", `${name} stops; send it again`);

  const judge: Arrivals["judge"] = (scope, error) => {
    const reason = reasonOf(error, mask);
    if (isIncurable(error)) {
      counters.notUnderstood += 1;
      log?.warn({ channel: name, reason }, "an event was not understood and is left out");
      return;
    }
    if (!scope) {
      counters.lost += 1;
      log?.error({ channel: name, reason }, "an event that the platform will not repeat was lost");
      return;
    }
    log?.warn({ channel: name, reason }, "an event could not be taken; the platform is asked to send it again");
    scope.fail(error);
  };

  const accept = async (message: InboundMessage): Promise<void> => {
    const [outcome] = await host.accept([message]);
    host.report({ type: "traffic.seen" });
    if (outcome === "forbidden") counters.forbidden += 1;
    else counters.accepted += 1;
  };

  /** For events that nobody sends again. */
  const acceptAtLast = async (message: InboundMessage): Promise<void> => {
    for (let failures = 0; ; failures += 1) {
      try {
        return await accept(message);
      } catch (error) {
        if (ending.isOver() || isIncurable(error)) throw error;
        const askedMs = error instanceof TransientError ? error.retryAfterMs : undefined;
        const reason = reasonOf(error, mask);
        log?.warn({ channel: name, failures: failures + 1, reason }, "a message could not be stored; it is held and tried again");
        await pause(clock, Math.min(RETRY_MS_MAX, askedMs ?? RETRY_MS * 2 ** Math.min(failures, 10)), ending);
      }
    }
  };

  const store = async (scope: RequestScope | undefined, translation: Translation): Promise<void> => {
    if (translation.kind === "ignored") counters.ignored += 1;
    else if (translation.kind === "notUnderstood") counters.notUnderstood += 1;
    else if (!scope) await acceptAtLast(translation.message);
    else {
      // What follows a message that was not stored must not overtake it: the platform sends both again.
      const earlier = scope.failure();
      if (earlier) throw earlier.error;
      await accept(translation.message);
    }
  };

  const pass = async (scope: RequestScope | undefined, before: Promise<void> | undefined, read: Promise<Translation>): Promise<void> => {
    try {
      let translation: Translation;
      try {
        translation = await unless(ending.listen, stops, within(clock, READ_MS, `${name}: reading an event`, read));
      } finally {
        await before?.catch(() => undefined);
      }
      await store(scope, translation);
    } catch (error) {
      judge(scope, error);
      if (!isIncurable(error)) throw error;
    }
  };

  return {
    judge,
    take: (threadId, read) => {
      const scope = scopes.current();
      if (waiting >= WAITING_MAX) {
        const error = new TransientError("CHANNEL_UNAVAILABLE", `${name}: ${WAITING_MAX} events are on their way; send this one again`);
        scope?.fail(error);
        const refused = Promise.reject<void>(error);
        refused.catch(() => undefined);
        return refused;
      }
      waiting += 1;
      const reading = Promise.resolve().then(read);
      reading.catch(() => undefined);
      const task = pass(scope, lanes.get(threadId), reading).finally(() => {
        waiting -= 1;
        if (lanes.get(threadId) === task) lanes.delete(threadId);
      });
      lanes.set(threadId, task);
      // Adapters do not look at what becomes of it; the request does.
      task.catch(() => undefined);
      scope?.add(task.catch(() => undefined));
      return task;
    },
    settled: async () => {
      while (lanes.size > 0) await Promise.allSettled(lanes.values());
    },
  };
}
