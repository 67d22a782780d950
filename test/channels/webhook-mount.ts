/** A channel's webhook on a real HTTP server, as the daemon mounts it but for its limits. */
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Channel } from "../../src/ports/channel.ts";

export interface WebhookMount {
  readonly url: string;
  readonly close: () => Promise<void>;
}

async function requestOf(incoming: IncomingMessage): Promise<Request> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const { method = "GET", url = "/", headers } = incoming;
  const sent = Object.entries(headers).flatMap(([name, value]): [string, string][] => (typeof value === "string" ? [[name, value]] : []));
  return new Request(`http://127.0.0.1${url}`, { method, headers: sent, ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}) });
}

/** Answers 503 where the channel throws. */
export async function mountWebhook(channel: Pick<Channel, "webhook">): Promise<WebhookMount> {
  const server = createServer((incoming, outgoing) => {
    requestOf(incoming)
      .then(async (request) => {
        const answer = (await channel.webhook?.(request)) ?? new Response("", { status: 404 });
        outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
      })
      .catch(() => outgoing.writeHead(503).end());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
