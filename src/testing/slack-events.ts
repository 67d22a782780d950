/**
 * Slack's side of the Events API: signs what it posts, waits three seconds for an answer, and posts again what was not answered with 2xx,
 * with the same event id and the number of the retry. One after the other, so that a test knows the order.
 * @see https://docs.slack.dev/authentication/verifying-requests-from-slack
 * @see https://docs.slack.dev/apis/events-api#retries
 */
import { createHmac } from "node:crypto";
import type { Clock } from "../ports/clock.ts";

export interface SlackEventsOptions {
  readonly clock: Clock;
  readonly signingSecret: string;
  /** Delay before a retry, in milliseconds. Slack's are 0, 60,000 and 300,000; here every retry waits as long. */
  readonly retryMs: number;
  /** Retries before an event is given up. Slack's are 3. */
  readonly retriesMax: number;
  /** Told whenever something happened. */
  readonly changed: () => void;
}

/** One attempt to post. */
export interface SlackAttempt {
  readonly eventId: string;
  readonly retry: number;
  /** 0 when no answer came. */
  readonly status: number;
}

export interface SlackAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}

export interface SlackEvents {
  /** Where requests go from now on. */
  readonly connect: (url: string) => void;
  /** Queues an event; gives its id. */
  readonly push: (event: Readonly<Record<string, unknown>>, eventId?: string) => string;
  /** Posts a body once, signed, beside the queue. `signature` replaces the right one, `atMs` the time it is signed for. */
  readonly post: (
    body: string,
    options?: {
      readonly contentType?: string;
      readonly signature?: string;
      readonly atMs?: number;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ) => Promise<SlackAnswer>;
  /** Ids of the events that no 2xx has confirmed and that are not given up. */
  readonly unconfirmed: () => readonly string[];
  readonly attempts: () => readonly SlackAttempt[];
  readonly close: () => Promise<void>;
}

const ANSWER_MS = 3_000;
/** Most events waiting; more is a mistake of the test. */
const QUEUE_MAX = 100_000;

export function createSlackEvents({ clock, signingSecret, retryMs, retriesMax, changed }: SlackEventsOptions): SlackEvents {
  const queue: { readonly eventId: string; readonly body: string; retry: number }[] = [];
  const attempts: SlackAttempt[] = [];
  const ending = new AbortController();
  let url: string | undefined;
  let nextEvent = 1;
  let pumping: Promise<void> | undefined;

  const post: SlackEvents["post"] = async (body, { contentType = "application/json", signature, atMs = clock.now(), headers } = {}) => {
    if (url === undefined) throw new Error("connect the events first");
    const timestamp = String(Math.floor(atMs / 1_000));
    const mac = createHmac("sha256", signingSecret).update(`v0:${timestamp}:${body}`).digest("hex");
    const late = new AbortController();
    const cancel = clock.setTimer(ANSWER_MS, () => late.abort());
    try {
      const response = await fetch(url, {
        method: "POST",
        body,
        signal: AbortSignal.any([late.signal, ending.signal]),
        headers: {
          "content-type": contentType,
          "x-slack-request-timestamp": timestamp,
          "x-slack-signature": signature ?? `v0=${mac}`,
          ...headers,
        },
      });
      return { status: response.status, body: await response.text(), headers: response.headers };
    } finally {
      cancel();
    }
  };

  const attempt = async (eventId: string, body: string, retry: number): Promise<SlackAnswer | undefined> => {
    const headers: Readonly<Record<string, string>> =
      retry === 0 ? {} : { "x-slack-retry-num": String(retry), "x-slack-retry-reason": "http_error" };
    try {
      const answer = await post(body, { headers });
      attempts.push({ eventId, retry, status: answer.status });
      return answer;
    } catch {
      // Nobody listens, or the answer took too long: both are retried.
      attempts.push({ eventId, retry, status: 0 });
      return undefined;
    }
  };

  const pump = async (): Promise<void> => {
    for (let head = queue[0]; head && url !== undefined && !ending.signal.aborted; head = queue[0]) {
      const answer = await attempt(head.eventId, head.body, head.retry);
      if (ending.signal.aborted) return;
      const isDone = answer !== undefined && (answer.status < 300 || answer.headers.get("x-slack-no-retry") === "1");
      if (isDone || head.retry >= retriesMax) queue.shift();
      else {
        head.retry += 1;
        await new Promise<void>((resolve) => clock.setTimer(retryMs, resolve));
      }
      changed();
    }
  };

  const wake = (): void => {
    pumping ??= pump().finally(() => {
      pumping = undefined;
      if (queue.length > 0 && url !== undefined && !ending.signal.aborted) wake();
    });
  };

  return {
    connect: (target) => {
      url = target;
      wake();
    },
    push: (event, eventId = `Ev${nextEvent}`) => {
      if (queue.length >= QUEUE_MAX) throw new Error(`more than ${QUEUE_MAX} events wait; confirm some`);
      nextEvent += 1;
      const envelope = {
        type: "event_callback",
        team_id: "T1",
        api_app_id: "A1",
        event_id: eventId,
        event_time: Math.floor(clock.now() / 1_000),
        event,
      };
      queue.push({ eventId, body: JSON.stringify(envelope), retry: 0 });
      wake();
      changed();
      return eventId;
    },
    post,
    unconfirmed: () => queue.map(({ eventId }) => eventId),
    attempts: () => attempts,
    close: async () => {
      ending.abort();
      await pumping;
    },
  };
}
