/** The real runtime behind the real HTTP server, with the page of a given build; in this process, or in one that a test may kill. */
import { fileURLToPath } from "node:url";
import { createEchoAgent } from "../../src/agents/echo.ts";
import { createGateway } from "../../src/app/gateway.ts";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { createWebChannel } from "../../src/channels/web/channel.ts";
import { createHttpServer } from "../../src/http/server.ts";
import type { EventLoop } from "../../src/runtime/api.ts";

export interface ChatServerOptions {
  readonly pageDirectory: string;
  readonly store?: string;
  readonly port?: number;
  readonly token?: string;
  /** Pause between two words of an answer. */
  readonly wordDelayMs?: number;
  readonly inboxPerChat?: number;
}

export interface ChatServer {
  readonly url: string;
  readonly port: number;
  readonly loop: EventLoop;
  readonly close: () => Promise<void>;
}

export async function openChatServer(options: ChatServerOptions): Promise<ChatServer> {
  const clock = createSystemClock();
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const loop = createGateway({
    agent: createEchoAgent({ clock, wordDelayMs: options.wordDelayMs }),
    store: options.store ?? "memory:",
    channels: [createWebChannel()],
    limits: { concurrentTurns: 4, drainTimeout: 500, inboxPerChat: options.inboxPerChat ?? 100 },
    http: false,
    clock,
    log,
  });
  await loop.start();
  const { pageDirectory, token } = options;
  const server = createHttpServer({ loop, host: "127.0.0.1", port: options.port ?? 0, token, pageDirectory, clock, log });
  const { port } = await server.start();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    loop,
    close: async () => {
      await server.stop({ graceMs: 0 });
      await loop.shutdown();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port } = await openChatServer(JSON.parse(process.argv[2] ?? "{}") as ChatServerOptions);
  process.stdout.write(`${port}\n`);
}
