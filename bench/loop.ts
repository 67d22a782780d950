/** An event loop for benches: real clock and chance, silent, with as many fake platforms as asked for. */
import { createEchoAgent } from "../src/agents/echo.ts";
import { createSystemClock } from "../src/app/system-clock.ts";
import { createSystemRandom } from "../src/app/system-random.ts";
import type { Limits } from "../src/core/limits.ts";
import type { Agent } from "../src/ports/agent.ts";
import type { Store } from "../src/ports/store/store.ts";
import type { EventLoop } from "../src/runtime/api.ts";
import { assembleEventLoop } from "../src/runtime/event-loop.ts";
import { createFakeChannel, createFakePlatform, type FakePlatform } from "../src/testing/fake-channel.ts";

export const clock = createSystemClock();

export interface BenchLoop {
  readonly loop: EventLoop;
  readonly platforms: readonly FakePlatform[];
}

export function openLoop(
  store: Store,
  options: { readonly platforms?: number; readonly agent?: Agent; readonly limits?: Partial<Limits>; readonly batchMax?: number } = {},
): BenchLoop {
  const platforms = Array.from({ length: options.platforms ?? 0 }, () => createFakePlatform({ keptMax: 0 }));
  const complain = (facts: object, line: string): void => console.error(line, facts);
  const loop = assembleEventLoop({
    store,
    agent: options.agent ?? createEchoAgent({ clock }),
    clock,
    random: createSystemRandom(),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: complain },
    limits: { concurrentTurns: 1_000, ...options.limits },
    channels: platforms.map((platform, place) =>
      createFakeChannel({ clock, platform, name: `bench${place}`, batchMax: options.batchMax ?? 100 }),
    ),
  });
  return { loop, platforms };
}

/** Looks every few milliseconds; for what tells nobody when it is done. */
export async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isDone())) await new Promise<void>((resolve) => void clock.setTimer(2, resolve));
}
