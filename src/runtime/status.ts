/** How the runtime is: for people, for health checks, and for the heartbeat to judge. */
import type { EventLoop } from "./api.ts";
import type { Channels } from "./channels.ts";
import type { Chats } from "./chats.ts";
import type { HealthFacts } from "./heartbeat/health-summary.ts";
import type { Host } from "./host.ts";
import type { Kernel } from "./kernel.ts";
import type { Maintenance } from "./maintenance.ts";
import type { TurnRunner } from "./turn-runner.ts";

export interface Status extends Pick<EventLoop, "status" | "health"> {
  readonly facts: () => Promise<Omit<HealthFacts, "nowMs" | "timezone">>;
}

/** A loop delayed longer than this is not healthy. */
const LOOP_STALL_MS = 2_000;
/** A commit older than this makes a health check try one. */
const COMMIT_FRESH_MS = 10_000;
/** Jobs that fail of which the heartbeat hears. */
const FAILING_MAX = 100;

export function createStatus(
  { store, queue, turnQueue }: Pick<Kernel, "store" | "queue" | "turnQueue">,
  parts: {
    readonly chats: Pick<Chats, "liveCount">;
    readonly runner: Pick<TurnRunner, "abandoned">;
    readonly channels: Pick<Channels, "status">;
    readonly maintenance: Pick<Maintenance, "commits" | "lastCommitAtMs">;
  },
  facts: {
    readonly host: Host;
    /** Of the supervisor. */
    readonly state: () => string;
    readonly startedAtMs: () => number;
  },
): Status {
  const { chats, runner, channels, maintenance } = parts;
  const { host, state, startedAtMs } = facts;
  const turns = () => ({ ...turnQueue.facts(), abandoned: runner.abandoned() });
  return {
    status: async () => {
      const counts = await store.chats.counts();
      const { p50, p99 } = host.loopDelayMs();
      return {
        version: host.version,
        state: state(),
        startedAt: startedAtMs(),
        node: host.node,
        store: store.location,
        queue: turns(),
        timers: queue.size(),
        chats: { known: counts.known, live: chats.liveCount(), quarantined: counts.quarantined },
        loopDelayMs: { p50, p99 },
        memoryBytes: host.memoryBytes(),
        channels: channels.status(),
      };
    },
    health: async () => {
      const loopDelayMs = host.loopDelayMs().now;
      const isFresh = await maintenance.commits(COMMIT_FRESH_MS);
      return { healthy: isFresh && loopDelayMs < LOOP_STALL_MS, loopDelayMs, lastCommitAt: maintenance.lastCommitAtMs() };
    },
    facts: async () => {
      const [counts, failing, disk] = await Promise.all([
        store.chats.counts(),
        store.jobs.list({ limit: FAILING_MAX }, { isFailing: true }),
        host.disk?.(),
      ]);
      const newest = await store.jobs.newestRuns(failing.items.map(({ id }) => id));
      const { p50, p99 } = host.loopDelayMs();
      return {
        queue: turns(),
        chats: counts,
        deadParts: counts.deadParts,
        channels: channels.status(),
        failingJobs: failing.items.map(({ id, failures, status }) => ({
          id,
          failures,
          isDisabled: status === "disabled",
          error: newest.find((run) => run.jobId === id)?.error,
        })),
        loopDelayMs: { p50, p99 },
        memoryBytes: host.memoryBytes(),
        disk,
      };
    },
  };
}
