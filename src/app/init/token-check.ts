import { oneLine } from "../cli/text.ts";

export const TELEGRAM_API_ROOT = "https://api.telegram.org";
/** Longest that the platform is waited for. */
const ANSWER_MAX_MS = 10_000;
/** An answer to getMe is a few hundred characters. */
const ANSWER_MAX_CHARS = 65_536;

/** What the platform says about a token. Texts come from outside and are made harmless. */
export type TokenCheck =
  | { readonly kind: "accepted"; readonly username: string; readonly name: string }
  /** The platform knows no such bot. */
  | { readonly kind: "refused"; readonly why: string }
  /** Nobody who can tell was reached. */
  | { readonly kind: "unknown"; readonly why: string };

/**
 * Asks a Bot API server whose token this is. Never throws, takes at most 10 s, and no answer carries the token.
 * @see https://core.telegram.org/bots/api#getme
 */
export async function checkTelegramToken(apiRoot: string, token: string): Promise<TokenCheck> {
  let status: number;
  let body: unknown;
  try {
    // A redirect would carry the token elsewhere.
    const response = await fetch(`${apiRoot}/bot${token}/getMe`, { redirect: "error", signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    status = response.status;
    body = JSON.parse((await response.text()).slice(0, ANSWER_MAX_CHARS));
  } catch (error) {
    return { kind: "unknown", why: reasonOf(error, new URL(apiRoot).host) };
  }
  if (isRecord(body) && body.ok === true && isRecord(body.result) && typeof body.result.username === "string") {
    const { username, first_name: name } = body.result;
    return { kind: "accepted", username: oneLine(username), name: oneLine(typeof name === "string" ? name : username) };
  }
  const said = oneLine(isRecord(body) && typeof body.description === "string" ? body.description : "no reason given").slice(0, 200);
  // 404 is the answer to something that does not even look like a token, 401 to one that was revoked.
  if (isRecord(body) && body.ok === false && (status === 401 || status === 404)) return { kind: "refused", why: `${status} ${said}` };
  return { kind: "unknown", why: `${new URL(apiRoot).host} answered ${status}: ${said}` };
}

function reasonOf(error: unknown, host: string): string {
  if (error instanceof SyntaxError) return `${host} answered something that is not Telegram's`;
  if (error instanceof DOMException && error.name === "TimeoutError") return `${host} did not answer within ${ANSWER_MAX_MS / 1_000} s`;
  const cause = error instanceof Error ? error.cause : undefined;
  const code = isRecord(cause) && typeof cause.code === "string" ? ` (${oneLine(cause.code)})` : "";
  return `${host} was not reached${code}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
