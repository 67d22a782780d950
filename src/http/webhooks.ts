/**
 * Requests of the platforms. Who sends them is judged by the channel alone, over the bytes as they were sent: the rules of Host, Origin and
 * token are for people and programs. A large body waits in its socket until it is its turn, so many at once cost no memory.
 */
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { TransientError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLoop } from "../runtime/api.ts";
import { readBytes } from "./body.ts";
import { createGate } from "./gate.ts";
import type { HttpContext, Route } from "./routes.ts";

/** Longest time for one answer; platforms wait no longer, and send again what was stored meanwhile, which is then known. */
const ANSWER_MS = 30_000;
/** A body said to be no longer is read before its turn comes: whoever is slow to send one holds up nobody. */
const SMALL_BYTES = 16 * 1024;
/** Larger bodies held at once, and requests whose bodies wait unread. */
const GATE = { runningMax: 128, waitingMax: 4_096 };
const RETRY_AFTER_S = "5";
/** Of a connection, not of a request. */
const HOP_HEADERS: ReadonlySet<string> = new Set(["connection", "expect", "keep-alive", "transfer-encoding", "upgrade"]);
/** What an answer of a channel may carry beside its body. */
const ANSWER_HEADERS = ["content-type", "retry-after", "allow", "www-authenticate"];

/** `POST` for what happens on a platform, `GET` for its challenge when the webhook is set up. */
export function webhookRoutes(loop: Pick<EventLoop, "webhook">, clock: Pick<Clock, "setTimer">): readonly Route[] {
  const gate = createGate(GATE);
  const answer = async (c: HttpContext): Promise<Response> => {
    const small = isSmall(c) ? await readBytes(c.env.incoming) : undefined;
    return gate.pass(() => pass(c, small, loop, clock));
  };
  return [
    { method: "GET", path: "/webhooks/:channel", answer },
    { method: "POST", path: "/webhooks/:channel", answer },
  ];
}

function isSmall(c: HttpContext): boolean {
  return c.req.method === "POST" && Number(c.req.header("content-length")) <= SMALL_BYTES;
}

async function pass(
  c: HttpContext,
  small: Uint8Array | undefined,
  loop: Pick<EventLoop, "webhook">,
  clock: Pick<Clock, "setTimer">,
): Promise<Response> {
  const body = c.req.method === "POST" ? (small ?? (await readBytes(c.env.incoming))) : undefined;
  const headers = new Headers();
  for (const [name, value] of c.req.raw.headers) if (!HOP_HEADERS.has(name)) headers.append(name, value);
  const method = c.req.method === "HEAD" ? "GET" : c.req.method;
  const request = new Request(c.req.url, { method, headers, ...(body === undefined ? {} : { body: body as RequestInit["body"] }) });
  const given = await within(ANSWER_MS, clock, loop.webhook(c.req.path.split("/")[2] ?? "", request));
  // A channel that fails says nothing of why to whoever asked.
  if (given.status >= 500) {
    c.header("Retry-After", given.headers.get("retry-after") ?? RETRY_AFTER_S);
    return c.body("not taken; send it again", 503);
  }
  for (const name of ANSWER_HEADERS) {
    const value = given.headers.get(name);
    if (value !== null) c.header(name, value);
  }
  const bytes = await given.arrayBuffer();
  const status = given.status as ContentfulStatusCode;
  return bytes.byteLength === 0 ? c.body(null, status) : c.body(bytes, status);
}

/** @throws TransientError NOT_READY when no answer comes in time */
function within(waitMs: number, clock: Pick<Clock, "setTimer">, answer: Promise<Response>): Promise<Response> {
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(waitMs, () =>
      reject(new TransientError("NOT_READY", "this took too long; send it again", { retryAfterMs: 5_000 })),
    );
    answer.then(resolve, reject).finally(cancel);
  });
}
