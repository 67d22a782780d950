import type { Clock } from "../ports/clock.ts";
import { type ErrorCode, RequestError } from "../core/errors.ts";
import type { EventLoop, Health, ReloadAnswer } from "../runtime/api.ts";
import { type Page, isFromBrowser } from "./page.ts";
import { type HttpContext, type Route, queryOf } from "./routes.ts";
import type { TokenRules } from "./security.ts";

/** Longest that `/healthz` waits for the loop and its store. */
const HEALTH_WAIT_MS = 5_000;

/** Routes of the system: health, readiness, status, channels, and reading the configuration again. */
export function systemRoutes(loop: EventLoop, clock: Clock, reload?: () => Promise<ReloadAnswer>): readonly Route[] {
  return [
    { method: "GET", path: "/healthz", answer: (c) => answerHealth(c, loop, clock) },
    { method: "GET", path: "/readyz", answer: (c) => answerReadiness(c, loop, clock) },
    { method: "GET", path: "/api/system", answer: async (c) => c.json(await loop.status()) },
    { method: "POST", path: "/api/reload", answer: async (c) => c.json(await (reload ?? refuseReload)()) },
    { method: "GET", path: "/api/channels", answer: async (c) => c.json({ items: (await loop.status()).channels, next: null }) },
  ];
}

/** `GET /`: signs a browser in with `?token=` and drops the token from its address; otherwise shows it the page, and lists the routes to programs. */
export function indexRoute(tokens: TokenRules, others: readonly Route[], page: Page | undefined): Route {
  return {
    method: "GET",
    path: "/",
    answer: (c) => {
      const query = queryOf(c);
      const given = query.get("token");
      if (given === null && page && isFromBrowser(c)) return page.index(c);
      if (given === null) return c.json({ name: "satibot", routes: ["GET /", ...others.map(({ method, path }) => `${method} ${path}`)] });
      const cookie = tokens.login(given);
      if (cookie !== undefined) c.header("Set-Cookie", cookie);
      query.delete("token");
      return c.redirect(query.size === 0 ? "/" : `/?${query.toString()}`, 303);
    },
  };
}

function refuseReload(): never {
  throw new RequestError("WRONG_STATE", "this satibot was started by a program and not from a configuration; restart that program");
}

async function answerHealth(c: HttpContext, loop: EventLoop, clock: Clock): Promise<Response> {
  const health = await within(HEALTH_WAIT_MS, clock, loop.health());
  const { loopDelayMs, lastCommitAt } = health ?? {};
  if (health?.healthy === true) return c.json({ status: "ok", loopDelayMs, lastCommitAt });
  const message = "the event loop stalls or the store does not commit; see the log of the daemon";
  return unavailable(c, { status: "unhealthy", loopDelayMs, lastCommitAt, error: { code: "NOT_READY", message } });
}

async function answerReadiness(c: HttpContext, loop: EventLoop, clock: Clock): Promise<Response> {
  const isReady = loop.isReady() && (await within(HEALTH_WAIT_MS, clock, loop.health()))?.healthy === true;
  if (isReady) return c.json({ status: "ready" });
  const message = "messages are not accepted while satibot boots, drains or has no store; try again";
  return unavailable(c, { status: "unavailable", error: { code: "NOT_READY", message } });
}

/** A 503 of the health routes: an error like any other, beside the facts. */
interface Unavailable extends Partial<Pick<Health, "loopDelayMs" | "lastCommitAt">> {
  readonly status: "unhealthy" | "unavailable";
  readonly error: { readonly code: ErrorCode; readonly message: string };
}

function unavailable(c: HttpContext, body: Unavailable): Response {
  c.header("Retry-After", "1");
  return c.json(body, 503);
}

/** Undefined when the promise rejects or takes longer. */
function within(waitMs: number, clock: Clock, promise: Promise<Health>): Promise<Health | undefined> {
  return new Promise((resolve) => {
    const cancel = clock.setTimer(waitMs, () => resolve(undefined));
    const settle = (health: Health | undefined): void => {
      cancel();
      resolve(health);
    };
    promise.then(settle, () => settle(undefined));
  });
}
