/** A server on a free port over a fake event loop, with a clock whose timers a test fires, and a raw client that can lie about its Host. */
import { request } from "node:http";
import { connect } from "node:net";
import { inspect } from "node:util";
import type { Clock } from "../../src/ports/clock.ts";
import type { Log } from "../../src/ports/log.ts";
import { type HttpServer, type HttpServerOptions, createHttpServer } from "../../src/http/server.ts";
import { type FakeEventLoop, createFakeEventLoop } from "./fake-event-loop.ts";

export interface TestClock extends Clock {
  /** Moves time on and fires what is due. */
  readonly advance: (ms: number) => void;
}

export function createTestClock(): TestClock {
  let nowMs = 1_000_000;
  const timers = new Map<object, { readonly dueMs: number; readonly wake: () => void }>();
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    setTimer: (delayMs, wake) => {
      const id = {};
      timers.set(id, { dueMs: nowMs + delayMs, wake });
      return () => timers.delete(id);
    },
    soon: (run) => void setImmediate(run),
    advance: (ms) => {
      nowMs += ms;
      for (const [id, { dueMs, wake }] of Array.from(timers)) {
        if (dueMs <= nowMs && timers.delete(id)) wake();
      }
    },
  };
}

export interface Rig extends FakeEventLoop {
  readonly server: HttpServer;
  readonly clock: TestClock;
  readonly url: string;
  readonly port: number;
  /** Every log line with its facts, as text. */
  readonly lines: string[];
}

const rigs: Rig[] = [];

export async function openRig(options: Partial<HttpServerOptions> = {}): Promise<Rig> {
  const fake = createFakeEventLoop();
  const clock = createTestClock();
  const lines: string[] = [];
  const write = (facts: object, line: string): void => {
    const { err, ...rest } = facts as { err?: unknown };
    lines.push([line, JSON.stringify(rest), inspect(err)].join(" "));
  };
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const server = createHttpServer({ loop: fake.loop, host: "127.0.0.1", port: 0, clock, log, ...options });
  const { port } = await server.start();
  const rig: Rig = { ...fake, server, clock, lines, port, url: `http://127.0.0.1:${port}` };
  rigs.push(rig);
  return rig;
}

/** Stops every server that a test opened. */
export async function closeRigs(): Promise<void> {
  for (const { server, clock } of rigs.splice(0)) {
    const stopped = server.stop();
    clock.advance(60_000);
    await stopped;
  }
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request with exactly these headers and this path. */
export function raw(
  { port }: { readonly port: number },
  {
    method = "GET",
    path = "/api/system",
    headers = {},
    body,
  }: { method?: string; path?: string; headers?: Record<string, string>; body?: string | Uint8Array },
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Bytes to the socket as they are; resolves to everything that came back until the server closed. */
export function rawBytes({ port }: { readonly port: number }, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
}

export interface SseReader {
  readonly response: Response;
  /** Resolves to the next block (up to an empty line); undefined at the end. */
  readonly next: () => Promise<string | undefined>;
  readonly leave: () => Promise<void>;
}

export async function readEvents(rig: { readonly url: string }, path: string, headers: Record<string, string> = {}): Promise<SseReader> {
  const abort = new AbortController();
  const response = await fetch(`${rig.url}${path}`, { headers, signal: abort.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    response,
    next: async () => {
      for (;;) {
        const end = text.indexOf("\n\n");
        if (end >= 0) {
          const block = text.slice(0, end);
          text = text.slice(end + 2);
          return block;
        }
        const chunk = await reader?.read();
        if (chunk === undefined || chunk.done) return undefined;
        text += chunk.value;
      }
    },
    leave: async () => {
      abort.abort();
      await reader?.cancel().catch(() => undefined);
    },
  };
}
