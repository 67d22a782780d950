/**
 * A front before `telegram-test-api`, which forgets an update once it was fetched, never holds a poll and never fails: the front keeps what
 * no offset has confirmed, holds polls, and lets calls fail. Everything else, and the form of every message, is that server's.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { TelegramServer } from "telegram-test-api/lib/telegramServer.js";
import { RIG_RETRY_AFTER_MS, type RigFault } from "../../src/testing/channel-contract.ts";

interface Update {
  readonly update_id: number;
}

export interface TestApiFront {
  readonly server: TelegramServer;
  readonly apiRoot: string;
  readonly token: string;
  readonly say: (text: string) => void;
  readonly unconfirmed: () => number;
  readonly taken: () => readonly string[];
  readonly failNext: (fault: RigFault) => void;
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

const TOKEN = "sample:Token-of-the-bot";
/** How each fault is answered; `unanswered` takes effect first. */
const ANSWERS: Readonly<Record<Exclude<RigFault, "unanswered">, readonly [number, object]>> = {
  refused: [400, { description: "Bad Request: message is too long" }],
  unavailable: [500, { description: "Internal Server Error" }],
  throttled: [429, { description: "Too Many Requests", parameters: { retry_after: RIG_RETRY_AFTER_MS / 1_000 } }],
};

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** Opens both. */
export async function openTestApiFront(): Promise<TestApiFront> {
  const server = new TelegramServer({ host: "127.0.0.1", port: await freePort() });
  await server.start();
  const client = server.getClient(TOKEN, { timeout: 5_000 });
  const faults: RigFault[] = [];
  const waiters = new Set<{ readonly condition: () => boolean; readonly resolve: () => void }>();
  let waiting: readonly Update[] = [];
  let said = 0;
  let confirmed = 0;
  let arrived = Promise.resolve();
  let wake: (() => void) | undefined;
  const changed = (): void => {
    for (const waiter of waiters) {
      if (!waiter.condition()) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };

  const forward = async (url: string, body: string): Promise<{ readonly status: number; readonly text: string }> => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${server.config.apiURL}${url}`, { method: "POST", headers, body: body === "" ? "{}" : body });
    return { status: response.status, text: await response.text() };
  };

  const poll = async (url: string, body: string, request: IncomingMessage): Promise<readonly Update[]> => {
    const { offset = 0, timeout = 0 } = JSON.parse(body) as { offset?: number; timeout?: number };
    const before = waiting.length;
    waiting = waiting.filter((update) => update.update_id >= offset);
    confirmed += before - waiting.length;
    changed();
    for (;;) {
      const { result } = JSON.parse((await forward(url, body)).text) as { result: Update[] };
      waiting = [...waiting, ...result];
      if (waiting.length > 0 || timeout === 0 || request.socket.destroyed) return waiting;
      await new Promise<void>((resolve) => {
        wake = resolve;
        request.socket.once("close", resolve);
      });
    }
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const url = request.url ?? "";
    const write = (status: number, text: string): void => {
      if (!response.destroyed) response.writeHead(status, { "content-type": "application/json" }).end(text);
    };
    if (url.endsWith("/getUpdates")) return write(200, JSON.stringify({ ok: true, result: await poll(url, body, request) }));
    const fault = url.endsWith("/sendMessage") ? faults.shift() : undefined;
    if (fault !== undefined && fault !== "unanswered") {
      const [status, answer] = ANSWERS[fault];
      return write(status, JSON.stringify({ ok: false, error_code: status, ...answer }));
    }
    const { status, text } = await forward(url, body);
    if (fault === "unanswered") request.socket.destroy();
    else write(status, text);
    changed();
  };

  const front = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    front.listen(0, "127.0.0.1", resolve);
  });

  return {
    server,
    apiRoot: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    token: TOKEN,
    say: (text) => {
      said += 1;
      arrived = arrived.then(async () => {
        await client.sendMessage(client.makeMessage(text));
        wake?.();
      });
    },
    unconfirmed: () => said - confirmed,
    taken: () => server.storage.botMessages.map(({ message }) => message.text),
    failNext: (fault) => void faults.push(fault),
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    close: async () => {
      await arrived;
      wake?.();
      await new Promise<void>((resolve) => {
        front.close(() => resolve());
        front.closeAllConnections();
      });
      await server.stop();
    },
  };
}
