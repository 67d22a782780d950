/**
 * The Graph API over the built-in `fetch`: one request, one answer, never a retry. What went wrong is told apart by what the caller may
 * conclude (taken, refused, or unknown), and no text leaves here with a secret in it.
 */
import type { Clock } from "../../ports/clock.ts";

export type GraphFailure =
  /** The Graph API said no, in its own words. */
  | {
      readonly kind: "answered";
      readonly status: number;
      /** The API's own error number; undefined where only the HTTP status is known. */
      readonly code: number | undefined;
      readonly text: string;
      readonly retryAfterMs?: number;
    }
  /** Something answered that is not the Graph API. */
  | { readonly kind: "garbled"; readonly status: number; readonly text: string }
  /** No connection was made: the request was surely not taken. */
  | { readonly kind: "unreached"; readonly text: string }
  /** The connection ended, or the time, before an answer came. */
  | { readonly kind: "unanswered"; readonly text: string };

export type GraphAnswer<T> = { readonly body: T; readonly failure?: undefined } | { readonly failure: GraphFailure };

export interface GraphApi {
  /** `path` begins with a slash. */
  readonly get: (path: string, signal: AbortSignal) => Promise<GraphAnswer<Readonly<Record<string, unknown>>>>;
  readonly post: (path: string, payload: object, signal: AbortSignal) => Promise<GraphAnswer<Readonly<Record<string, unknown>>>>;
  /** Opens a file by the address that the API gave for it; the body is still to be read, and ended by the signal. */
  readonly download: (url: string, signal: AbortSignal) => Promise<GraphAnswer<Response>>;
  readonly redact: (text: string) => string;
}

export interface GraphOptions {
  readonly apiUrl: string;
  readonly accessToken: string;
  /** Further texts that must not leave. */
  readonly secrets: readonly string[];
  readonly clock: Pick<Clock, "setTimer">;
}

interface GraphRequest {
  readonly method?: "POST";
  readonly redirect?: "error";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Longest time for one request. */
const REQUEST_MS = 30_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Calls that fail before a byte is sent. */
const CONNECT_CALLS: ReadonlySet<string> = new Set(["connect", "getaddrinfo"]);
const CONNECT_CODES = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|CERT_.*|\w*SELF_SIGNED_CERT\w*|UNABLE_TO_.*)$/;

function isUnreached(fault: unknown, depth = 0): boolean {
  if (typeof fault !== "object" || fault === null || depth > 4) return false;
  const { code, syscall, errors, cause } = fault as Readonly<Record<string, unknown>>;
  if (typeof code === "string" && CONNECT_CODES.test(code)) return true;
  if (typeof syscall === "string" && CONNECT_CALLS.has(syscall)) return true;
  if (Array.isArray(errors) && errors.length > 0) return errors.every((one) => isUnreached(one, depth + 1));
  return isUnreached(cause, depth + 1);
}

function innermost(fault: unknown, depth = 0): string {
  if (!(fault instanceof Error)) return String(fault);
  return depth < 4 && fault.cause instanceof Error ? innermost(fault.cause, depth + 1) : fault.message || fault.name;
}

/** Whole milliseconds of a `Retry-After` in seconds; a date is not sent by this API. */
function retryAfterOf(headers: Headers): number | undefined {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * 1_000) : undefined;
}

/** The answer as text, or undefined when it is larger than any answer of this API. */
async function textOf(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** @param options.apiUrl - without a slash at its end */
export function createGraphApi({ apiUrl, accessToken, secrets, clock }: GraphOptions): GraphApi {
  const forms = [accessToken, ...secrets].flatMap((secret) => [secret, encodeURIComponent(secret)]);
  const redact = (text: string): string => forms.reduce((left, form) => left.replaceAll(form, "<secret>"), text);

  /** The failure that an answer is, or undefined for a success. */
  const refusalOf = (response: Response, body: Readonly<Record<string, unknown>> | undefined): GraphFailure | undefined => {
    const error = body?.error as
      | { readonly code?: unknown; readonly message?: unknown; readonly error_data?: { readonly details?: unknown } }
      | null
      | undefined;
    if (typeof error !== "object" || error === null) {
      if (response.ok && body) return undefined;
      return { kind: "garbled", status: response.status, text: `HTTP ${response.status} without an answer of the Graph API` };
    }
    const details = error.error_data?.details;
    const said = [error.message, details].filter((text) => typeof text === "string" && text !== "").join(": ");
    const retryAfterMs = retryAfterOf(response.headers);
    return {
      kind: "answered",
      status: response.status,
      code: typeof error.code === "number" ? error.code : undefined,
      text: redact(said || `HTTP ${response.status}`).slice(0, 300),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  };

  const failureOf = (error: unknown): GraphFailure => {
    const text = redact(innermost(error));
    return isUnreached(error) ? { kind: "unreached", text } : { kind: "unanswered", text };
  };

  /** Runs `use` on the response, both within the time of one request; `keep` leaves the signal in force for a body that is read later. */
  const request = async <T>(
    url: string,
    init: GraphRequest,
    signal: AbortSignal,
    use: (response: Response) => Promise<GraphAnswer<T>>,
    keep = false,
  ): Promise<GraphAnswer<T>> => {
    const bridge = new AbortController();
    const abort = (): void => bridge.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    const cancel = clock.setTimer(REQUEST_MS, () => bridge.abort(new Error(`no answer within ${REQUEST_MS / 1_000} s`)));
    let isKept = false;
    try {
      const headers = { Authorization: `Bearer ${accessToken}`, "User-Agent": "satibot", ...init.headers };
      const answer = await use(await fetch(url, { ...init, headers, signal: bridge.signal }));
      isKept = keep && !answer.failure;
      return answer;
    } catch (error) {
      return { failure: failureOf(bridge.signal.aborted ? bridge.signal.reason : error) };
    } finally {
      cancel();
      if (!isKept) signal.removeEventListener("abort", abort);
    }
  };

  const asObject = async (response: Response): Promise<GraphAnswer<Readonly<Record<string, unknown>>>> => {
    const body = parsed(await textOf(response));
    const failure = refusalOf(response, body);
    return failure ? { failure } : { body: body ?? {} };
  };

  return {
    redact,
    get: (path, signal) => request(`${apiUrl}${path}`, { redirect: "error" }, signal, asObject),
    post: (path, payload, signal) =>
      request(
        `${apiUrl}${path}`,
        { method: "POST", redirect: "error", headers: { "Content-Type": "application/json" }, body: JSON.stringify(payload) },
        signal,
        asObject,
      ),
    download: (url, signal) =>
      request<Response>(
        url,
        {},
        signal,
        async (response) => {
          if (response.ok) return { body: response };
          const failure = refusalOf(response, parsed(await textOf(response)));
          return failure ? { failure } : { body: response };
        },
        true,
      ),
  };
}
