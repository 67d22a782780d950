/**
 * The HTTP API on Node: Hono behind one listener.
 *
 *   request ─▶ Host and Origin ─▶ token ─▶ route ─▶ runtime ─▶ JSON
 *              (not for health and webhooks)       any error ─▶ the table of errors.ts
 */
import { type Server, type ServerResponse, createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { ConfigError, InvariantError, RequestError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { EventLoop, ReloadAnswer } from "../runtime/api.ts";
import { chatRoutes } from "./chats.ts";
import { answerTo } from "./errors.ts";
import { type Hooks, type NamedHooks, createHooks } from "./hooks.ts";
import { jobRoutes } from "./jobs.ts";
import { outboxRoutes } from "./outbox.ts";
import { createPage, isFromBrowser, loginAnswer } from "./page.ts";
import { pairingRoutes } from "./pairing.ts";
import { type HttpContext, type HttpEnv, addRoutes, rawPathOf } from "./routes.ts";
import { type Bound, SECURITY_HEADERS, createHostRules, createTokenRules, isLoopbackHost } from "./security.ts";
import { createStreams } from "./stream.ts";
import { indexRoute, systemRoutes } from "./system.ts";
import { webhookRoutes } from "./webhooks.ts";

const GRACE_MS = 2_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const CONNECTIONS_MAX = 4_096;

export interface HttpServerOptions {
  readonly loop: EventLoop;
  /** Address or name to listen on. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Asked of every caller when set; required when `host` is not a loopback address. Never logged. */
  readonly token?: string;
  /** Further Host headers to let in: `name` with any port, or `name:port`. */
  readonly allowedHosts?: readonly string[];
  /** `false`: no page, `/` is the list of routes for browsers too. Default `true`. */
  readonly page?: boolean;
  /** Triggers at `/hooks/<name>`, each with a token of its own. */
  readonly hooks?: NamedHooks;
  /** `POST /api/reload`: reads the configuration again. Without it the route says that there is none. */
  readonly reload?: () => Promise<ReloadAnswer>;
  /** Where the built page lies; default beside the compiled server. */
  readonly pageDirectory?: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HttpServer {
  /**
   * Listens, and resolves to the address bound. May be called once.
   * @throws ConfigError CONFIG_INVALID (http.token, http.host, http.port) or PORT_IN_USE
   */
  readonly start: () => Promise<{ host: string; port: number }>;
  /** Accepts nothing more, ends streams, lets requests finish for `graceMs` (default 2,000), then cuts what is left. Idempotent. */
  readonly stop: (options?: { readonly graceMs?: number }) => Promise<void>;
  /** From the next request on there are these hooks. @throws ConfigError CONFIG_INVALID; then there are those of before */
  readonly setHooks: (hooks: NamedHooks) => void;
  readonly app: Hono<HttpEnv>;
}

/** The HTTP API of a runtime; serves nothing until `start`. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { loop, clock, log } = options;
  const streams = createStreams({ loop, clock, log });
  let bound: Bound | undefined;
  let phase: "new" | "started" | "stopping" = "new";
  let stopped: Promise<void> | undefined;
  const answering = new Set<ServerResponse>();

  const hooks = createHooks(loop, options.hooks ?? {});
  const app = createApp(options, streams, hooks, () => bound);
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    // For probes in HTTP/1.0 that send no Host; the Host rule refuses them everywhere but on the health routes.
    hostname: "localhost",
    errorHandler: (error) => {
      // Only what is no request at all comes here: Hono answers every error of a route itself.
      const isTarget = error instanceof Error && error.name === "RequestError";
      const refusal = isTarget
        ? new RequestError("BAD_REQUEST", "the request target or the Host header is not usable; send a plain path")
        : error;
      return errorResponse(refusal, log);
    },
  });
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS }, (incoming, outgoing) => {
    answering.add(outgoing);
    if (phase === "stopping") outgoing.setHeader("Connection", "close");
    outgoing.on("close", () => {
      answering.delete(outgoing);
      if (phase === "stopping") clock.soon(() => server.closeIdleConnections());
    });
    outgoing.on("error", () => undefined);
    void listener(incoming, outgoing);
  });
  server.maxConnections = CONNECTIONS_MAX;

  return {
    app,
    setHooks: hooks.configure,
    start: async () => {
      if (phase !== "new") throw new InvariantError("the HTTP server was started before; create a new one");
      refuseOpenServer(options);
      phase = "started";
      bound = await listen(server, options);
      if (stopped !== undefined) await close(server, clock, 0);
      log.info({ host: bound.host, port: bound.port }, "HTTP API listens");
      return { ...bound };
    },
    stop: ({ graceMs = GRACE_MS } = {}) => {
      phase = "stopping";
      stopped ??= close(server, clock, graceMs);
      for (const outgoing of answering) if (!outgoing.headersSent) outgoing.setHeader("Connection", "close");
      streams.endAll();
      return stopped;
    },
  };
}

function createApp(
  options: HttpServerOptions,
  streams: ReturnType<typeof createStreams>,
  hooks: Hooks,
  boundTo: () => Bound | undefined,
): Hono<HttpEnv> {
  const { loop, clock, log, allowedHosts = [], host } = options;
  const hosts = createHostRules({ host, allowedHosts });
  const tokens = createTokenRules(options.token);
  const page = options.page === false ? undefined : createPage(options.pageDirectory);
  const app = new Hono<HttpEnv>({ getPath: rawPathOf });
  app.onError((error, c) => {
    const isSignedOut = error instanceof RequestError && error.code === "UNAUTHORIZED" && c.req.path === "/";
    if (page && isSignedOut && isFromBrowser(c)) return loginAnswer(c, { isWrong: c.req.query("token") !== undefined });
    return errorResponse(error, log, c);
  });
  app.use("*", async (c, next) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
    const { path } = c.req;
    const isHealth = path === "/healthz" || path === "/readyz";
    // A platform proves itself to its channel, a hook's caller by the hook's own token.
    const isWebhook = path.startsWith("/webhooks/");
    const hasOwnToken = isWebhook || path.startsWith("/hooks/");
    if (!isHealth && !isWebhook) hosts.check(callerOf(c), boundTo());
    const isLogin = path === "/" && c.req.method === "GET" && c.req.query("token") !== undefined;
    if (!isHealth && !isLogin && !hasOwnToken)
      tokens.check({ authorization: c.req.header("authorization"), cookie: c.req.header("cookie") });
    await next();
  });
  const routes = [
    ...systemRoutes(loop, clock, options.reload),
    ...chatRoutes(loop),
    ...jobRoutes(loop),
    ...outboxRoutes(loop),
    ...pairingRoutes(loop),
    ...webhookRoutes(loop, clock),
    ...hooks.routes,
    streams.route,
  ];
  addRoutes(app, [indexRoute(tokens, routes, page), ...routes, ...(page ? [page.route] : [])]);
  return app;
}

function callerOf(c: HttpContext): Parameters<ReturnType<typeof createHostRules>["check"]>[0] {
  const { incoming } = c.env;
  // A target such as `GET http://name/path` names a host of its own, which then counts too and makes two.
  const isAbsolute = !(incoming.url ?? "/").startsWith("/");
  const sent = "headersDistinct" in incoming ? (incoming.headersDistinct.host ?? []) : [];
  return {
    hosts: isAbsolute ? [...sent, new URL(c.req.url).host] : sent,
    origin: c.req.header("origin"),
    localAddress: incoming.socket?.localAddress,
  };
}

function errorResponse(error: unknown, log: Log, c?: HttpContext): Response {
  const { status, body, retryAfterS, isUnexpected } = answerTo(error);
  // Without the query, which may hold a token.
  if (isUnexpected) log.error({ err: error, method: c?.req.method, path: c?.req.path }, "HTTP request failed");
  const headers: Record<string, string> = {};
  if (retryAfterS !== undefined) headers["Retry-After"] = String(retryAfterS);
  if (status === 401) headers["WWW-Authenticate"] = 'Bearer realm="satibot"';
  if (c !== undefined) return c.json(body, status, headers);
  return new Response(JSON.stringify(body), { status, headers: { ...SECURITY_HEADERS, ...headers, "Content-Type": "application/json" } });
}

function refuseOpenServer({ host, token }: HttpServerOptions): void {
  if (isLoopbackHost(host) || (token !== undefined && token !== "")) return;
  throw new ConfigError(
    "CONFIG_INVALID",
    `http.token is required because http.host ${host} is reachable from other machines; set it or SATIBOT_TOKEN, or listen on 127.0.0.1`,
    { path: "http.token" },
  );
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<Bound> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => reject(listenError(cause, host, port));
    server.once("error", fail);
    server.listen({ host: host.replace(/^\[|\]$/g, ""), port }, () => {
      server.off("error", fail);
      const address = server.address();
      if (typeof address === "object" && address !== null) resolve({ host: address.address, port: address.port });
      else reject(new InvariantError("the HTTP server listens without an address"));
    });
  });
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): Error {
  if (cause.code === "EADDRINUSE") {
    const advice = "stop what listens there (perhaps another satibot), or set http.port or SATIBOT_PORT to a free one";
    return new ConfigError("PORT_IN_USE", `port ${port} on ${host} is in use; ${advice}`, { path: "http.port", cause });
  }
  if (cause.code === "EACCES") {
    return new ConfigError("CONFIG_INVALID", `port ${port} needs privileges that satibot does not have; set http.port to 1024 or more`, {
      path: "http.port",
      cause,
    });
  }
  return new ConfigError(
    "CONFIG_INVALID",
    `cannot listen on http.host ${host} (${cause.code ?? cause.message}); set it to an address of this machine`,
    {
      path: "http.host",
      cause,
    },
  );
}

function close(server: Server, clock: Clock, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    const cancel = clock.setTimer(graceMs, () => server.closeAllConnections());
    server.close(() => {
      cancel();
      resolve();
    });
  });
}
