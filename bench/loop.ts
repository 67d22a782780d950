/** An event loop for benches: real clock and chance, silent, with as many fake platforms as asked for. */
import { createEchoAgent } from "../src/agents/echo.ts";
import { createSystemClock } from "../src/app/system-clock.ts";
import { createSystemRandom } from "../src/app/system-random.ts";
import type { ChatKey } from "../src/core/chat-key.ts";
import type { Limits } from "../src/core/limits.ts";
import type { Agent } from "../src/ports/agent.ts";
import type { Store } from "../src/ports/store/store.ts";
import type { EventLoop } from "../src/runtime/api.ts";
import { assembleEventLoop } from "../src/runtime/event-loop.ts";
import { createFakeChannel, createFakePlatform } from "../src/testing/fake-channel.ts";

export const clock = createSystemClock();

export interface BenchLoop {
  readonly loop: EventLoop;
  /** A person writes to a chat of `keyOf`. */
  readonly post: (chat: ChatKey, externalId: string, text: string) => void;
  /** The n-th chat, spread over the platforms. */
  readonly keyOf: (n: number) => ChatKey;
}

export interface BenchLoopOptions {
  /** Fake platforms, each with a channel of its own. Default 0. */
  readonly platforms?: number;
  readonly agent?: Agent;
  readonly limits?: Partial<Limits>;
  /** A reply reaches its platform. */
  readonly onReply?: (chat: ChatKey) => void;
}

export function openLoop(store: Store, options: BenchLoopOptions = {}): BenchLoop {
  const { platforms: count = 0, onReply } = options;
  const platforms = Array.from({ length: count }, () =>
    createFakePlatform({
      keptMax: 0,
      latencyMs: ({ chat }) => {
        onReply?.(chat);
        return 0;
      },
    }),
  );
  const complain = (facts: object, line: string): void => console.error(line, facts);
  const loop = assembleEventLoop({
    store,
    agent: options.agent ?? createEchoAgent({ clock }),
    clock,
    random: createSystemRandom(),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: complain },
    limits: { concurrentTurns: 1_000, ...options.limits },
    channels: platforms.map((platform, place) => createFakeChannel({ clock, platform, name: `bench${place}` })),
  });
  return {
    loop,
    keyOf: (n) => (count > 0 ? `bench${n % count}:${n}` : `api:${n}`),
    post: (chat, externalId, text) => {
      const [name = "", address = ""] = chat.split(":");
      platforms[Number(name.slice("bench".length))]?.post({
        chat,
        address,
        externalId,
        content: [{ type: "text", text }],
        sender: { id: address },
      });
    },
  };
}

export const pause = (delayMs: number): Promise<void> => new Promise((resolve) => void clock.setTimer(delayMs, resolve));

/** Looks every few milliseconds; for what tells nobody when it is done. */
export async function until(isDone: () => boolean | Promise<boolean>, everyMs = 2): Promise<void> {
  while (!(await isDone())) await pause(everyMs);
}

/** Resolves once nothing waits and nothing runs. */
export const quiet = (loop: EventLoop): Promise<void> =>
  until(async () => {
    const { queue } = await loop.status();
    return queue.running === 0 && queue.waiting === 0;
  });

/** Calls `act` for 0 … count - 1, some hundreds at once. */
export async function inGroups(count: number, act: (n: number) => Promise<unknown>, group = 500): Promise<void> {
  for (let from = 0; from < count; from += group) {
    await Promise.all(Array.from({ length: Math.min(group, count - from) }, (_, place) => act(from + place)));
  }
}
