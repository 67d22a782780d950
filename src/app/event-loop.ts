import type { Limits } from "../core/limits.ts";
import { ConfigError } from "../core/errors.ts";
import type { Agent } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store/store.ts";
import type { EventLoop } from "../runtime/api.ts";
import { assembleEventLoop } from "../runtime/event-loop.ts";
import { createEchoAgent } from "../agents/echo.ts";
import { createMemoryStore } from "../stores/memory/store.ts";
import { createSqliteStore } from "../stores/sqlite/store.ts";
import { diskSpaceOf } from "./disk-space.ts";
import { createLoopDelayMeter } from "./loop-delay.ts";
import { createSystemClock } from "./system-clock.ts";
import { createSystemRandom } from "./system-random.ts";
import { readVersion } from "./version.ts";

export interface OverlapOptions {
  /** Only `queue` in this version: each message is its own turn. */
  readonly policy?: string;
  readonly debounceMs?: number;
}

export interface EventLoopOptions {
  /** Absent: the echo agent. */
  readonly agent?: Agent;
  /** `memory:` (default), `sqlite:FILE`, or a store. */
  readonly store?: string | Store;
  readonly limits?: Partial<Limits>;
  readonly overlap?: OverlapOptions;
  /** Absent: silent. A pino logger will do. */
  readonly log?: Log;
  readonly clock?: Clock;
  readonly random?: Random;
}

export const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * The actor system without channels: chats and cron jobs, in this process, on a store.
 * @throws ConfigError CONFIG_UNSUPPORTED for what this version cannot do
 */
export function createEventLoop(options: EventLoopOptions = {}): EventLoop {
  const clock = options.clock ?? createSystemClock();
  return assembleWithHost({
    agent: options.agent ?? createEchoAgent({ clock }),
    store: storeOf(options.store ?? "memory:", clock),
    clock,
    random: options.random ?? createSystemRandom(),
    log: options.log ?? SILENT,
    limits: options.limits,
    overlap: options.overlap,
    channels: [],
  });
}

/** Measures the host while the loop runs, and stops measuring with it. */
export function assembleWithHost(
  parts: Omit<Parameters<typeof assembleEventLoop>[0], "host" | "debounceMs"> & { readonly overlap: OverlapOptions | undefined },
): EventLoop {
  requireQueue(parts.overlap);
  let meter: ReturnType<typeof createLoopDelayMeter> | undefined;
  const loop = assembleEventLoop({
    ...parts,
    host: {
      version: readVersion(),
      node: `${process.pid}`,
      loopDelayMs: () => {
        const { p50, p99, current } = meter?.read() ?? { p50: 0, p99: 0, current: 0 };
        return { p50, p99, now: current };
      },
      memoryBytes: () => process.memoryUsage.rss(),
      disk: () => diskSpaceOf(parts.store),
    },
  });
  const start = async (): Promise<void> => {
    meter ??= createLoopDelayMeter(parts.clock);
    try {
      await loop.start();
    } catch (error) {
      meter.stop();
      throw error;
    }
  };
  return {
    ...loop,
    start,
    run: async () => {
      await start();
      await loop.run();
    },
    shutdown: async () => {
      await loop.shutdown();
      meter?.stop();
    },
  };
}

function requireQueue(overlap: OverlapOptions | undefined): void {
  if (overlap?.policy !== undefined && overlap.policy !== "queue") {
    throw new ConfigError(
      "CONFIG_UNSUPPORTED",
      `overlap.policy ${JSON.stringify(overlap.policy)} does not exist in this version; write "queue" or remove it`,
      {
        path: "overlap.policy",
      },
    );
  }
  if (overlap?.debounceMs !== undefined && overlap.debounceMs > 0) {
    throw new ConfigError(
      "CONFIG_UNSUPPORTED",
      "overlap.debounceMs goes with the policy collect, which does not exist in this version; remove it",
      {
        path: "overlap.debounceMs",
      },
    );
  }
}

/** @throws ConfigError CONFIG_INVALID for a store that is neither `memory:` nor `sqlite:FILE` */
export function storeOf(store: string | Store, clock: Clock): Store {
  if (typeof store !== "string") return store;
  if (store === "memory:" || store === "memory") return createMemoryStore();
  const file = /^sqlite:(?:\/\/)?(.+)$/.exec(store)?.[1];
  if (file !== undefined) return createSqliteStore({ file, clock });
  throw new ConfigError(
    "CONFIG_INVALID",
    `store ${JSON.stringify(store.replace(/:[^:@/]*@/, ":***@"))} is not known; write "memory:" or "sqlite:FILE"`,
    { path: "store" },
  );
}
