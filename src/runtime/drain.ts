/**
 * The way down: stop claiming, stop intake, let turns finish, abort the rest shortly before the deadline, send what can be sent, store
 * every chat. What was received stays.
 */
import type { Channels } from "./channels.ts";
import type { Chats } from "./chats.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Intake } from "./intake.ts";
import type { Jobs } from "./jobs.ts";
import { pause, type Kernel } from "./kernel.ts";
import type { TurnCommits } from "./turn-commit.ts";
import type { TurnRunner } from "./turn-runner.ts";

/** Part of the drain time kept for aborting, storing and closing; at most this long. */
const RESERVE_MAX_MS = 3_000;
const LOOK_EVERY_MS = 20;
/** Chats stored at once. */
const PARK_BATCH = 1_000;

export interface DrainParts {
  readonly chats: Chats;
  readonly deliveries: Deliveries;
  readonly channels: Channels;
  readonly jobs: Jobs;
  readonly intake: Intake;
  readonly runner: TurnRunner;
  readonly commits: TurnCommits;
}

export async function drain(kernel: Kernel, parts: DrainParts): Promise<void> {
  const { clock, turnQueue, limits, log } = kernel;
  const { chats, deliveries, channels, jobs, intake, runner, commits } = parts;
  const startedMs = clock.monotonic();
  const reserveMs = Math.min(RESERVE_MAX_MS, limits.drainTimeoutMs / 4);
  const abortAtMs = startedMs + limits.drainTimeoutMs - reserveMs;
  const quietAtMs = startedMs + limits.drainTimeoutMs - reserveMs / 2;
  const until = async (deadlineMs: number, isDone: () => boolean): Promise<boolean> => {
    while (!isDone()) {
      if (clock.monotonic() >= deadlineMs) return false;
      await pause(kernel, LOOK_EVERY_MS);
    }
    return true;
  };

  turnQueue.close();
  jobs.close();
  const running = [...runner.runs()].length;
  log.info({ running, live: chats.liveCount() }, "draining");
  await Promise.race([channels.drain(), pause(kernel, Math.max(0, quietAtMs - clock.monotonic()))]);
  if (!(await until(abortAtMs, () => !hasRuns(runner) && commits.pending() === 0))) {
    const rest = [...runner.runs()].filter((run) => !run.outcome);
    log.warn({ turns: rest.length }, "turns did not finish in time; they are aborted and run again at the next start");
    for (const run of rest) {
      run.isDraining = true;
      chats.send(run.key, { type: "turn.abort" });
    }
  }
  // A part whose next try comes after the deadline is not waited for: it is sent at the next start.
  const quietAt = clock.now() + (quietAtMs - clock.monotonic());
  await until(quietAtMs, () => !hasRuns(runner) && commits.pending() === 0 && intake.pending() === 0 && deliveries.active(quietAt) === 0);
  deliveries.close();
  const all = [...chats.live()];
  for (let from = 0; from < all.length; from += PARK_BATCH) await Promise.all(all.slice(from, from + PARK_BATCH).map(chats.park));
  log.info({ chats: all.length, ms: Math.round(clock.monotonic() - startedMs) }, "drained");
}

function hasRuns(runner: TurnRunner): boolean {
  return !runner.runs().next().done;
}
