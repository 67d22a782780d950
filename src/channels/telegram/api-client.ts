/**
 * grammY's API client over the built-in `fetch`, with two things added: an answer is checked for the shape every Bot API answer has
 * (grammY trusts it), and its HTTP status survives. The built-in `fetch` also closes idle connections before a server does, so that a
 * send seldom meets a connection that is just being closed, which would make it ambiguous. The build of grammY for the web is the one without
 * a `fetch` of its own: 18 MB of memory less.
 */
import { Api } from "grammy/web";

/** The server answered, but not as the Bot API does: no JSON object with `ok`, as proxies and gateways do. */
export class GarbledAnswer extends Error {
  /** HTTP status of the answer. */
  readonly status: number;
  constructor(status: number) {
    super(`HTTP ${status} without the "ok" of a Bot API answer`);
    this.name = "GarbledAnswer";
    this.status = status;
  }
}

/** Longest body that is read, in bytes; a poll of 100 long messages stays under 2 MiB. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

interface BotApiAnswer {
  readonly ok: boolean;
  readonly result?: unknown;
  readonly error_code?: number;
  readonly description?: string;
}

function parseAnswer(status: number, body: string): BotApiAnswer {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new GarbledAnswer(status);
  }
  if (typeof value !== "object" || value === null || !("ok" in value)) throw new GarbledAnswer(status);
  const answer = value as BotApiAnswer;
  if (answer.ok === true && answer.result !== undefined) return answer;
  if (answer.ok !== false) throw new GarbledAnswer(status);
  return {
    ...answer,
    error_code: typeof answer.error_code === "number" ? answer.error_code : status,
    description: typeof answer.description === "string" ? answer.description : `HTTP ${status}`,
  };
}

/** The part of an abort signal that both grammY's own and the built-in one have. */
interface AnySignal {
  readonly aborted: boolean;
  readonly addEventListener: (type: "abort", listener: () => void) => void;
}

/** `fetch` as grammY calls it; its signal is of another class than the built-in `fetch` takes, hence the bridge. */
async function fetchAnswer(
  url: string,
  init: Omit<RequestInit, "signal"> & { readonly signal: AnySignal },
): Promise<{ json: () => Promise<BotApiAnswer> }> {
  const bridge = new AbortController();
  if (init.signal.aborted) bridge.abort();
  else init.signal.addEventListener("abort", () => bridge.abort());
  const response = await fetch(url, { ...init, redirect: "error", signal: bridge.signal });
  if (Number(response.headers.get("content-length") ?? 0) > BODY_BYTES_MAX) {
    bridge.abort();
    throw new GarbledAnswer(response.status);
  }
  const answer = parseAnswer(response.status, await response.text());
  return { json: () => Promise.resolve(answer) };
}

/** grammY types its signals by another package's class; the two have the same behaviour. */
export function signalFor(signal: AbortSignal): Parameters<Api["raw"]["getMe"]>[0] {
  return signal as Parameters<Api["raw"]["getMe"]>[0];
}

/** @param timeoutS - longest time for one whole request, in seconds */
export function createApi(token: string, apiRoot: string, timeoutS: number): Api {
  return new Api(token, { apiRoot, timeoutSeconds: timeoutS, fetch: fetchAnswer });
}
