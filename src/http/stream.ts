/**
 * Server-sent events of one chat, written to the socket as the runtime tells them.
 *
 *   open ─▶ retry: 1000 ─▶ events of loop.stream, a comment every 15 s ─▶ the reader leaves · the server stops · 1 MiB of backlog · an error
 *
 * Every way out aborts the signal given to `loop.stream` and returns its iterator. Nothing waits for a slow reader: what it does not take
 * piles up in its socket, and beyond the limit the connection is cut; it reconnects with its last id and gets the rest.
 */
import type { ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { ChatKey } from "../core/chat-key.ts";
import { TransientError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { EventLoop, StreamEvent } from "../runtime/api.ts";
import { afterOf } from "./query.ts";
import { type HttpContext, type Route, chatKeyOf, methodRefused, queryOf } from "./routes.ts";
import { SECURITY_HEADERS } from "./security.ts";

const HEARTBEAT_MS = 15_000;
/** Bytes that may wait in the socket of a reader when the next event comes. */
export const BACKLOG_BYTES_MAX = 1024 * 1024;
/** Open streams over all chats. */
const STREAMS_MAX = 1_000;

export interface Streams {
  readonly route: Route;
  /** Ends every stream; readers reconnect where the daemon is next. */
  readonly endAll: () => void;
}

export function createStreams(options: { readonly loop: EventLoop; readonly clock: Clock; readonly log: Log }): Streams {
  const { loop } = options;
  const open = new Set<() => void>();
  const answer = async (c: HttpContext): Promise<Response> => {
    if (c.req.method !== "GET") throw methodRefused(c, "GET");
    const key = chatKeyOf(c);
    const after = afterOf(queryOf(c), c.req.header("last-event-id"));
    if (open.size >= STREAMS_MAX) {
      throw new TransientError("STREAMS_FULL", `${STREAMS_MAX} streams are open already; close one or try again later`);
    }
    // A chat that begins here may be listened to before its first message; any other has to exist.
    if (!loop.mayBegin(key)) await loop.chat(key);
    const { outgoing } = c.env as { outgoing: ServerResponse };
    if (!outgoing.destroyed) {
      const end = startStream({ ...options, key, after, outgoing, onEnd: () => open.delete(end) });
      open.add(end);
    }
    return RESPONSE_ALREADY_SENT;
  };
  return {
    route: { method: "GET", path: "/api/chats/:key/stream", answer },
    endAll: () => {
      for (const end of open) end();
    },
  };
}

interface StreamOptions {
  readonly loop: EventLoop;
  readonly clock: Clock;
  readonly log: Log;
  readonly key: ChatKey;
  readonly after: string | undefined;
  readonly outgoing: ServerResponse;
  /** Called once, never before `startStream` has returned. */
  readonly onEnd: () => void;
}

/** Answers a function that ends the stream; calling it again does nothing. */
function startStream({ loop, clock, log, key, after, outgoing, onEnd }: StreamOptions): () => void {
  const abort = new AbortController();
  const iterator = loop.stream(key, { after, signal: abort.signal })[Symbol.asyncIterator]();
  // Asked before the headers go out: whoever sees them hears everything from then on.
  const first = iterator.next();
  let isOver = false;
  let cancelHeartbeat = (): void => undefined;

  const end = (): void => {
    if (isOver) return;
    isOver = true;
    cancelHeartbeat();
    abort.abort();
    iterator.return?.().catch(() => undefined);
    if (!outgoing.destroyed) outgoing.end();
    onEnd();
  };
  const write = (text: string): void => {
    if (outgoing.writableLength > BACKLOG_BYTES_MAX) {
      log.info({ chat: key, backlogBytes: outgoing.writableLength }, "stream cut: its reader is too slow");
      outgoing.destroy();
      end();
    } else if (!outgoing.destroyed) {
      outgoing.write(text);
    }
  };
  const beat = (): void => {
    write(": heartbeat\n\n");
    if (!isOver) cancelHeartbeat = clock.setTimer(HEARTBEAT_MS, beat);
  };
  const pump = async (): Promise<void> => {
    try {
      for (let step = await first; step.done !== true && !isOver; step = await iterator.next()) {
        write(frameOf(step.value));
        // A burst of stored replies gives the socket its turn.
        if (outgoing.writableNeedDrain) await new Promise<void>((resolve) => clock.soon(resolve));
      }
    } catch (error) {
      if (!isOver) log.warn({ chat: key, err: error }, "stream ended by an error; its reader reconnects");
    } finally {
      end();
    }
  };

  outgoing.on("close", end);
  outgoing.on("error", end);
  outgoing.writeHead(200, {
    ...SECURITY_HEADERS,
    "Content-Type": "text/event-stream; charset=utf-8",
    Connection: "close",
    "X-Accel-Buffering": "no",
  });
  outgoing.write("retry: 1000\n\n");
  cancelHeartbeat = clock.setTimer(HEARTBEAT_MS, beat);
  void pump();
  return end;
}

/** One event as text. JSON holds no line break, so each takes one data line. */
function frameOf(event: StreamEvent): string {
  switch (event.type) {
    case "delta": {
      const { turnId, attempt, offset, text } = event;
      return frame("delta", { turnId, attempt, offset, text });
    }
    case "reply": {
      const { id, turnId, part, of, content, text, inReplyTo } = event;
      return `id: ${id}\n${frame("reply", { turnId, part, of, content, text, inReplyTo })}`;
    }
    case "state":
      return frame("state", { state: event.state, since: event.since });
    case "turn":
      return frame("turn", { turnId: event.turnId, attempt: event.attempt, status: event.status });
    case "reset":
      return frame("reset", {});
  }
}

function frame(name: StreamEvent["type"], body: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(body)}\n\n`;
}
