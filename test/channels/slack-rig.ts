import type { SlackAdapterConfig } from "@chat-adapter/slack";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createChatSdkChannel } from "../../src/channels/chat-sdk/channel.ts";
import type { ChatSdkChannel, ChatSdkOptions } from "../../src/channels/chat-sdk/channel.ts";
import type { Channel } from "../../src/ports/channel.ts";
import { openSlackServer } from "../../src/testing/slack-server.ts";
import type { SlackServer, SlackServerOptions } from "../../src/testing/slack-server.ts";
import { systemClock } from "./clocks.ts";

export interface Mount {
  readonly url: string;
  readonly close: () => Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** The channel's webhook at a real address, as the daemon's server mounts it. */
export async function mountWebhook(channel: Channel): Promise<Mount> {
  const server = createServer((incoming, outgoing) => {
    const answer = async (): Promise<void> => {
      const body = await bodyOf(incoming);
      const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
      const request = new Request(`http://127.0.0.1${incoming.url}`, { method: "POST", headers, body });
      const response = await channel.webhook!(request);
      outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(Buffer.from(await response.arrayBuffer()));
    };
    answer().catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/${channel.name}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface SlackRig {
  readonly slack: SlackServer;
  readonly channel: ChatSdkChannel;
  readonly close: () => Promise<void>;
}

/** Slack, the real adapter and the bridge, joined over sockets. */
export async function openSlackRig(options: Partial<ChatSdkOptions> = {}, server: Partial<SlackServerOptions> = {}): Promise<SlackRig> {
  const slack = await openSlackServer({ clock: systemClock, ...server });
  const adapterOptions: SlackAdapterConfig = {
    botToken: slack.token,
    signingSecret: slack.signingSecret,
    apiUrl: slack.apiUrl,
    fileTransport: slack.fileTransport,
  };
  const channel = createChatSdkChannel({
    name: "slack",
    adapter: "@chat-adapter/slack",
    allow: ["*"],
    clock: systemClock,
    ...options,
    options: { ...adapterOptions, ...options.options },
  });
  const mount = await mountWebhook(channel);
  slack.events.connect(mount.url);
  return {
    slack,
    channel,
    close: async () => {
      await slack.close();
      await mount.close();
    },
  };
}
