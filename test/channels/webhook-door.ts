import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Channel } from "../../src/ports/channel.ts";

export interface WebhookDoor {
  /** What a channel gets as its public base URL. */
  readonly url: string;
  /** Requests to `/webhooks/<name>` go to this channel from now on. */
  readonly lead: (channel: Channel) => void;
  readonly close: () => Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** The route that the daemon has, over a real socket. */
export async function openWebhookDoor(): Promise<WebhookDoor> {
  let channel: Channel | undefined;
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const body = await bodyOf(incoming);
      const isHere = incoming.url === `/webhooks/${channel?.name}`;
      const request = new Request(`http://127.0.0.1${incoming.url}`, {
        method: incoming.method ?? "POST",
        headers: Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]),
        ...(incoming.method === "GET" ? {} : { body }),
      });
      const response = (isHere && (await channel?.webhook?.(request))) || new Response(null, { status: 404 });
      outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text());
    })();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead: (to) => {
      channel = to;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
