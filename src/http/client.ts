/** The API from the caller's side, for the command line: typed calls, one timeout each, errors that say whether a daemon answered at all. */
import { type ErrorCode, RuntimeError, TransientError } from "../core/errors.ts";
import type { Sender } from "../ports/store/records.ts";
import type { CronJobInput } from "../runtime/job-api.ts";
import type { ReloadAnswer, SystemStatus } from "../runtime/api.ts";
import type { WireChat, WireChatDetail, WireEvent, WirePage, WirePairing, WirePart, WirePairingCode, WirePerson, WireWhy } from "./wire.ts";
import type { WireJob, WirePlan, WireRun } from "./wire-jobs.ts";

const TIMEOUT_MS = 30_000;

/** No daemon answered: refused, broken, too late, or something else listens there. The network's error is the cause. */
export class DaemonUnreachableError extends TransientError {
  constructor(message: string, options?: ErrorOptions) {
    super("DAEMON_UNREACHABLE", message, options);
  }
}

/** The daemon refused a call; `code` and `message` are its own. */
export class ApiError extends RuntimeError {
  /** HTTP status. */
  readonly status: number;
  /** What was wrong, such as `body.text`. */
  readonly path: string | undefined;
  /** Set on 429 and 503. */
  readonly retryAfterMs: number | undefined;
  constructor(
    code: ErrorCode,
    message: string,
    facts: { readonly status: number; readonly path?: string; readonly retryAfterMs?: number },
  ) {
    super(code, message);
    this.status = facts.status;
    this.path = facts.path;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

export interface ChatQuery {
  readonly state?: string;
  readonly channel?: string;
  /** Part of the key. */
  readonly q?: string;
  /** 1 to 1000. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface JobQuery {
  /** config, api, chat, library or system. */
  readonly origin?: string;
  /** active, paused, disabled or completed. */
  readonly status?: string;
  /** 1 to 1000. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** Every call rejects with DaemonUnreachableError or ApiError. */
export interface ApiClient {
  readonly system: () => Promise<SystemStatus>;
  /** Reads the configuration again. */
  readonly reload: () => Promise<ReloadAnswer>;
  readonly chats: (query?: ChatQuery) => Promise<WirePage<WireChat>>;
  readonly chat: (key: string) => Promise<WireChatDetail>;
  readonly why: (key: string) => Promise<WireWhy>;
  readonly events: (key: string, query?: { readonly from?: number; readonly limit?: number }) => Promise<WirePage<WireEvent>>;
  readonly sendMessage: (
    key: string,
    body: { readonly text: string; readonly messageId?: string; readonly sender?: Sender },
  ) => Promise<{ readonly seq: number; readonly duplicate: boolean }>;
  /** Delivers a text to the person without a turn; answers with the outbox id of its first part. */
  readonly sendOut: (key: string, body: { readonly text: string }) => Promise<{ readonly id: string }>;
  readonly stop: (key: string) => Promise<WireChatDetail>;
  readonly reset: (key: string) => Promise<WireChatDetail>;
  readonly retry: (key: string, options?: { readonly skip?: boolean }) => Promise<WireChatDetail>;
  readonly passivate: (key: string) => Promise<WireChatDetail>;
  /** Everything known of a chat. */
  readonly exportChat: (key: string) => Promise<object>;
  readonly erase: (key: string) => Promise<{ readonly key: string }>;
  readonly jobs: (query?: JobQuery) => Promise<WirePage<WireJob>>;
  readonly job: (id: string) => Promise<WireJob>;
  readonly runs: (id: string, query?: { readonly limit?: number; readonly cursor?: string }) => Promise<WirePage<WireRun>>;
  readonly addJob: (job: CronJobInput & { readonly paused?: boolean }) => Promise<WireJob>;
  readonly pauseJob: (id: string) => Promise<WireJob>;
  readonly resumeJob: (id: string) => Promise<WireJob>;
  readonly removeJob: (id: string) => Promise<{ readonly id: string }>;
  readonly runJob: (id: string) => Promise<WireRun>;
  /** What `runJob` would do; nothing runs. */
  readonly planJob: (id: string) => Promise<WirePlan>;
  readonly outbox: (query: {
    readonly status?: string;
    readonly chat?: string;
    readonly limit?: number;
    readonly cursor?: string;
  }) => Promise<WirePage<WirePart>>;
  readonly retryPart: (id: string) => Promise<WirePart>;
  readonly purgePart: (id: string) => Promise<{ readonly id: string }>;
  readonly pairing: () => Promise<WirePage<WirePairing>>;
  /** A new one-time code; the one before it ends. */
  readonly pairingCode: (channel: string) => Promise<WirePairingCode>;
  readonly approve: (channel: string, id: string) => Promise<WirePerson>;
  readonly revoke: (channel: string, id: string) => Promise<{ readonly id: string }>;
}

export interface ApiClientOptions {
  /** Such as `http://127.0.0.1:7330`. */
  readonly baseUrl: string;
  readonly token?: string;
  /** Longest one call may take; 30,000 by default. */
  readonly timeoutMs?: number;
}

export function createApiClient(options: ApiClientOptions): ApiClient {
  const chatPath = (key: string, rest = ""): string => `/api/chats/${encodeURIComponent(key.toWellFormed())}${rest}`;
  const pairingPath = (channel: string, rest: string): string => `/api/pairing/${encodeURIComponent(channel.toWellFormed())}${rest}`;
  const jobPath = (id: string, rest = ""): string => `/api/jobs/${encodeURIComponent(id.toWellFormed())}${rest}`;
  const get = <T>(path: string, query: object = {}): Promise<T> => {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
    return call<T>(options, "GET", given.size === 0 ? path : `${path}?${given.toString()}`);
  };
  const post = <T>(path: string, body: object = {}): Promise<T> => call<T>(options, "POST", path, body);
  return {
    system: () => get("/api/system"),
    reload: () => post("/api/reload"),
    chats: (query) => get("/api/chats", query),
    chat: (key) => get(chatPath(key)),
    why: (key) => get(chatPath(key, "/why")),
    events: (key, query) => get(chatPath(key, "/events"), query),
    sendMessage: (key, body) => post(chatPath(key, "/messages"), body),
    sendOut: (key, body) => post(chatPath(key, "/messages"), { ...body, direction: "out" }),
    stop: (key) => post(chatPath(key, "/stop")),
    reset: (key) => post(chatPath(key, "/reset")),
    retry: (key, { skip = false } = {}) => post(chatPath(key, "/retry"), { skip }),
    passivate: (key) => post(chatPath(key, "/passivate")),
    exportChat: (key) => get(chatPath(key, "/export")),
    erase: (key) => call(options, "DELETE", chatPath(key)),
    jobs: (query) => get("/api/jobs", query),
    job: (id) => get(jobPath(id)),
    runs: (id, query) => get(jobPath(id, "/runs"), query),
    addJob: (job) => post("/api/jobs", job),
    pauseJob: (id) => call(options, "PATCH", jobPath(id), { paused: true }),
    resumeJob: (id) => call(options, "PATCH", jobPath(id), { paused: false }),
    removeJob: (id) => call(options, "DELETE", jobPath(id)),
    runJob: (id) => post(jobPath(id, "/run")),
    planJob: (id) => post(jobPath(id, "/run"), { dry: true }),
    outbox: (query) => get("/api/outbox", query),
    retryPart: (id) => post(`/api/outbox/${encodeURIComponent(id.toWellFormed())}/retry`),
    purgePart: (id) => call(options, "DELETE", `/api/outbox/${encodeURIComponent(id.toWellFormed())}`),
    pairing: () => get("/api/pairing"),
    pairingCode: (channel) => post(pairingPath(channel, "/code")),
    approve: (channel, id) => post(pairingPath(channel, "/approve"), { id }),
    revoke: (channel, id) => post(pairingPath(channel, "/revoke"), { id }),
  };
}

/** The answer is trusted to have the shape of this version's API: client and daemon come from one package. */
async function call<T>(
  { baseUrl, token, timeoutMs = TIMEOUT_MS }: ApiClientOptions,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const base = baseUrl.replace(/\/+$/, "");
  const headers: Record<string, string> = { Accept: "application/json" };
  if (token !== undefined && token !== "") headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    response = await fetch(`${base}${path}`, {
      method,
      headers,
      signal,
      redirect: "manual",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch (cause) {
    throw new DaemonUnreachableError(`no satibot answers at ${base}; start it, or name the address of a running one`, { cause });
  }
  const answer = parseJson(text);
  if (response.ok && answer !== undefined) return answer as T;
  const refusal = refusalOf(answer);
  if (refusal === undefined)
    throw new DaemonUnreachableError(`what answers at ${base} is not satibot (status ${response.status}); check the address`);
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  throw new ApiError(refusal.code, refusal.message, {
    status: response.status,
    path: refusal.path,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : undefined,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusalOf(answer: unknown): { readonly code: ErrorCode; readonly message: string; readonly path?: string } | undefined {
  const error = (
    answer as { readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly path?: unknown } } | null | undefined
  )?.error;
  if (typeof error?.code !== "string" || typeof error.message !== "string") return undefined;
  return { code: error.code as ErrorCode, message: error.message, path: typeof error.path === "string" ? error.path : undefined };
}
