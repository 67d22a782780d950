/** The table of routes on Hono: paths are matched as they were sent, so that a percent-encoded key stays one segment and is decoded once. */
import type { HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";
import { parseChatKey, type ChatKey } from "../core/chat-key.ts";
import { RequestError } from "../core/errors.ts";

/** Bindings that the Node adapter supplies. */
export interface HttpEnv {
  readonly Bindings: HttpBindings;
}

export type HttpContext = Context<HttpEnv>;

export interface Route {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly answer: (c: HttpContext) => Response | Promise<Response>;
}

/** The path as it was sent, without query and fragment: nothing decoded. */
export function rawPathOf(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.slice(start).search(/[?#]/);
  return end < 0 ? url.slice(start) : url.slice(start, start + end);
}

export function queryOf(c: HttpContext): URLSearchParams {
  return new URL(c.req.url).searchParams;
}

/** The chat key of `/api/chats/:key…`, decoded exactly once. @throws RequestError BAD_CHAT_KEY */
export function chatKeyOf(c: HttpContext): ChatKey {
  const segment = c.req.path.split("/")[3] ?? "";
  let key: string;
  try {
    key = decodeURIComponent(segment);
  } catch (cause) {
    throw new RequestError("BAD_CHAT_KEY", "the chat key in the path is not valid percent-encoding; encode its UTF-8 bytes, a % as %25", {
      path: "key",
      cause,
    });
  }
  return parseChatKey(key);
}

/** Adds the routes; a known path with another method is 405 with `Allow`, an unknown path 404. */
export function addRoutes(app: Hono<HttpEnv>, routes: readonly Route[]): void {
  const methods = new Map<string, string[]>();
  for (const { method, path, answer } of routes) {
    app.on(method, path, answer);
    methods.set(path, [...(methods.get(path) ?? []), method]);
  }
  for (const [path, known] of methods) {
    const allow = known.flatMap((method) => (method === "GET" && !path.endsWith("/stream") ? ["GET", "HEAD"] : [method])).join(", ");
    app.all(path, (c) => {
      throw methodRefused(c, allow);
    });
  }
  app.notFound((c) => {
    throw absent(c);
  });
}

/** 405 with the methods that the path has. */
export function methodRefused(c: HttpContext, allow: string): RequestError {
  c.header("Allow", allow);
  return new RequestError("METHOD_NOT_ALLOWED", `${c.req.method.slice(0, 20)} does not go here; this path takes ${allow}`);
}

function absent(c: HttpContext): RequestError {
  return new RequestError(
    "NOT_FOUND",
    `${c.req.method.slice(0, 20)} ${c.req.path.slice(0, 100)} does not exist in this version; GET / lists the routes that do`,
  );
}
