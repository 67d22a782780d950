/**
 * Discord's REST API over the built-in `fetch`: one request for one call, no queue and no repetition, so that the runtime sees every
 * limit and every doubt itself.
 * @see https://discord.com/developers/docs/topics/rate-limits (`retry_after` is in seconds)
 */
import type { Clock } from "../../ports/clock.ts";
import { networkFailure } from "./failure.ts";
import type { Failure, Redact, ThrottleScope } from "./failure.ts";

export interface RestCall {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** After the version, such as `/channels/1/messages`. */
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
  /** Set where the path carries a token of its own, which then must not stand in an error. */
  readonly isPublic?: true;
}

export type RestResult = { readonly kind: "ok"; readonly body: unknown; readonly headers: Headers } | Failure;

export interface Rest {
  /** Never throws. */
  readonly call: (call: RestCall) => Promise<RestResult>;
}

export interface RestOptions {
  readonly token: string;
  readonly apiRoot: string;
  readonly clock: Clock;
  readonly redact: Redact;
}

/** @see https://discord.com/developers/docs/reference#user-agent: requests without this form are refused. */
export const USER_AGENT = "DiscordBot (https://www.npmjs.com/package/satibot, 1)";
export const API_VERSION = "10";
/** Longest time for one request, answer included, in milliseconds. */
const REQUEST_MS = 30_000;
/** Longest body that is read, in bytes; a page of 100 long messages with embeds stays under 2 MiB. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** Wait after a 429 that does not say how long. */
const THROTTLED_MS = 5_000;

function throttled(response: Response, body: unknown): Failure {
  const said = (body ?? {}) as { readonly retry_after?: unknown; readonly global?: unknown; readonly message?: unknown };
  const header = Number(response.headers.get("retry-after") ?? Number.NaN);
  const seconds = typeof said.retry_after === "number" ? said.retry_after : header;
  // A 429 in another form than Discord's comes from what stands before it, and means the whole address.
  const isGlobal = said.global === true || response.headers.get("x-ratelimit-scope") === "global" || typeof said.retry_after !== "number";
  const scope: ThrottleScope = isGlobal ? "channel" : "chat";
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * 1_000) : THROTTLED_MS;
  const text = typeof said.message === "string" ? said.message : "too many requests";
  return { kind: "throttled", text, retryAfterMs, scope };
}

/** Makes a client that remembers nothing. */
export function createRest({ token, apiRoot, clock, redact }: RestOptions): Rest {
  const request = async ({ method, path, body, isPublic }: RestCall, signal: AbortSignal): Promise<RestResult> => {
    const response = await fetch(`${apiRoot}/v${API_VERSION}${path}`, {
      method,
      redirect: "error",
      signal,
      headers: {
        "user-agent": USER_AGENT,
        ...(isPublic ? {} : { authorization: `Bot ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { status, headers } = response;
    if (Number(headers.get("content-length") ?? 0) > BODY_BYTES_MAX) {
      await response.body?.cancel();
      return { kind: "garbled", status, text: `an answer of more than ${BODY_BYTES_MAX} bytes` };
    }
    const text = await response.text();
    let answer: unknown;
    try {
      answer = text === "" ? undefined : JSON.parse(text);
    } catch {
      if (status === 429) return throttled(response, undefined);
      return { kind: "garbled", status, text: `HTTP ${status} without JSON; check apiRoot` };
    }
    if (response.ok) return { kind: "ok", body: answer, headers };
    if (status === 429) return throttled(response, answer);
    const said = (answer ?? {}) as { readonly message?: unknown; readonly code?: unknown };
    if (typeof said !== "object" || typeof said.message !== "string")
      return { kind: "garbled", status, text: `HTTP ${status} without Discord's message` };
    return { kind: "answered", status, code: typeof said.code === "number" ? said.code : 0, text: redact(said.message) };
  };

  return {
    call: async (call) => {
      const end = new AbortController();
      const leave = (): void => end.abort(new Error("the request was aborted"));
      const cancel = clock.setTimer(REQUEST_MS, () => end.abort(new Error(`no answer within ${REQUEST_MS} ms`)));
      if (call.signal.aborted) leave();
      else call.signal.addEventListener("abort", leave, { once: true });
      try {
        return await request(call, end.signal);
      } catch (error) {
        return networkFailure(error, redact);
      } finally {
        cancel();
        call.signal.removeEventListener("abort", leave);
      }
    },
  };
}
