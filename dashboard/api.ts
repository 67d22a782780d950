/** The HTTP API as the page uses it. Every failure is an ApiError that says whether trying again makes sense. */
import type { WireChatDetail, WireWhy } from "../src/http/wire.ts";
import type { StreamEvent } from "../src/runtime/api.ts";
import type { Edge } from "./edge.ts";
import { createSseParser, type SseEvent } from "./sse.ts";

/** Longest wait for an answer. */
const ANSWER_MS = 20_000;
/** The server sends at least a comment every 15 s; a stream silent for longer is dead. */
const SILENCE_MS = 40_000;

/** `status` 0: no answer came. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  constructor(status: number, code: string, message: string, retryAfterMs?: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** True when the same request may succeed later: no answer, or the server's own trouble. */
export function isPassing(error: ApiError): boolean {
  return error.status === 0 || error.status === 408 || error.status >= 500;
}

export interface StreamReader {
  /** The server listens from here on: no later event is missed. */
  readonly onOpen: () => void;
  /** The events of one arrival, in order. */
  readonly onEvents: (events: readonly StreamEvent[]) => void;
}

export interface Api {
  readonly chat: (key: string) => Promise<WireChatDetail>;
  readonly why: (key: string) => Promise<WireWhy>;
  /** 202 after the commit; the same `messageId` is stored once. */
  readonly post: (key: string, message: { readonly text: string; readonly messageId: string }) => Promise<{ readonly seq: number }>;
  readonly stop: (key: string) => Promise<WireChatDetail>;
  readonly retry: (key: string, skip: boolean) => Promise<WireChatDetail>;
  /** Resolves when the server ends the stream; rejects with an ApiError. */
  readonly stream: (key: string, after: string | undefined, reader: StreamReader, signal: AbortSignal) => Promise<void>;
}

export function createApi(edge: Pick<Edge, "setTimer">, fetcher: typeof fetch): Api {
  const call = async <T>(path: string, body?: object): Promise<T> => {
    const abort = new AbortController();
    const cancel = edge.setTimer(ANSWER_MS, () => abort.abort());
    try {
      const init: RequestInit = { signal: abort.signal, credentials: "same-origin", headers: { Accept: "application/json" } };
      const answer = await reach(fetcher, path, body === undefined ? init : { ...init, method: "POST", body: JSON.stringify(body) });
      if (!answer.ok) throw await refusalOf(answer);
      return (await answer.json()) as T;
    } catch (error) {
      throw error instanceof ApiError ? error : unreachable();
    } finally {
      cancel();
    }
  };
  const at = (key: string, rest = ""): string => `/api/chats/${encodeURIComponent(key)}${rest}`;
  return {
    chat: (key) => call(at(key)),
    why: (key) => call(at(key, "/why")),
    post: (key, message) => call(at(key, "/messages"), message),
    stop: (key) => call(at(key, "/stop"), {}),
    retry: (key, skip) => call(at(key, "/retry"), { skip }),
    stream: (key, after, reader, signal) =>
      readStream(edge, fetcher, at(key, after === undefined ? "/stream" : `/stream?after=${after}`), reader, signal),
  };
}

async function readStream(
  edge: Pick<Edge, "setTimer">,
  fetcher: typeof fetch,
  path: string,
  reader: StreamReader,
  signal: AbortSignal,
): Promise<void> {
  const abort = new AbortController();
  const end = (): void => abort.abort();
  signal.addEventListener("abort", end, { once: true });
  let cancel = edge.setTimer(SILENCE_MS, end);
  try {
    const answer = await reach(fetcher, path, {
      signal: abort.signal,
      credentials: "same-origin",
      headers: { Accept: "text/event-stream" },
      cache: "no-store",
    });
    if (!answer.ok || answer.body === null) throw await refusalOf(answer);
    reader.onOpen();
    const parser = createSseParser();
    const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      cancel();
      cancel = edge.setTimer(SILENCE_MS, end);
      const events = parser.feed(piece.value).flatMap((event) => streamEventOf(event) ?? []);
      if (events.length > 0 && !signal.aborted) reader.onEvents(events);
    }
  } catch (error) {
    throw error instanceof ApiError ? error : unreachable();
  } finally {
    cancel();
    signal.removeEventListener("abort", end);
    abort.abort();
  }
}

const NAMES: ReadonlySet<string> = new Set(["delta", "reply", "state", "turn", "reset"]);

/** Undefined for what this version does not know. */
function streamEventOf({ name, id, text }: SseEvent): StreamEvent | undefined {
  if (!NAMES.has(name)) return undefined;
  try {
    return { ...(JSON.parse(text) as object), type: name, id } as StreamEvent;
  } catch {
    return undefined;
  }
}

async function reach(fetcher: typeof fetch, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetcher(path, init);
  } catch {
    throw unreachable();
  }
}

function unreachable(): ApiError {
  return new ApiError(0, "UNREACHABLE", "satibot does not answer");
}

async function refusalOf(answer: Response): Promise<ApiError> {
  const seconds = Number(answer.headers.get("retry-after") ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? Math.max(0, seconds) * 1_000 : undefined;
  const body = (await answer.json().catch(() => undefined)) as { error?: { code?: unknown; message?: unknown } } | undefined;
  const code = typeof body?.error?.code === "string" ? body.error.code : `HTTP_${answer.status}`;
  const message = typeof body?.error?.message === "string" ? body.error.message : `the server answered ${answer.status}`;
  return new ApiError(answer.status, code, message, retryAfterMs);
}
