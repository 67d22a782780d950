/** A year of a thousand jobs in virtual time: every policy, every kind, zones with and without summer time. By its seed it is always the same year. */
import { bodyHash } from "../../src/core/body-hash.ts";
import type { CronJobInput } from "../../src/runtime/job-api.ts";
import type { Store } from "../../src/ports/store/store.ts";
import { assembleEventLoop } from "../../src/runtime/event-loop.ts";
import { countTicks, nextTicks } from "../../src/runtime/schedule.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock, type VirtualClock } from "../../src/testing/virtual-clock.ts";
import { ZONES } from "./zones.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * DAY_MS;
const START_MS = Date.UTC(2026, 0, 1);

export interface YearResult {
  readonly runs: number;
  readonly failed: number;
  readonly jobs: number;
  /** Instants of all schedules, and those of them without a row. */
  readonly instants: number;
  readonly lost: number;
  /** Of every attempt in the order of its start. */
  readonly digest: string;
  readonly wallMs: number;
}

/** The jobs of a seed, as people have them: most run each week or month. */
function jobsOf(seed: number, count: number): readonly CronJobInput[] {
  const random = createSeededRandom(seed);
  const roll = (below: number): number => Math.floor(random.next() * below);
  return Array.from({ length: count }, (_, place): CronJobInput => {
    const timezone = ZONES[roll(ZONES.length)] ?? "UTC";
    const [minute, hour] = [roll(60), roll(24)];
    // One in fifty runs each day, one in five hundred each hour.
    const schedules: readonly CronJobInput["schedule"][] = [
      { cron: `${minute} ${hour} * * ${roll(7)}`, timezone },
      { cron: `${minute} ${hour} * * ${roll(7)}#${1 + roll(4)}`, timezone },
      { cron: `${minute} ${hour} ${1 + roll(28)} * *`, timezone },
      { cron: `${minute} ${hour} L * *`, timezone },
      { cron: `${minute} ${hour} 15W ${1 + roll(12)} *`, timezone },
      { every: `${72 + roll(400)}h` },
      { at: START_MS + roll(YEAR_MS) },
    ];
    const common = schedules[roll(schedules.length)] ?? { every: "7d" };
    const schedule =
      place % 500 === 0
        ? { cron: `${minute} * * * *`, timezone }
        : place % 50 === 0
          ? { cron: `${minute} ${hour} * * *`, timezone }
          : common;
    return {
      id: `job-${place}`,
      message: "tick",
      schedule,
      overlap: (["skip", "queue", "replace"] as const)[roll(3)] ?? "skip",
      missed: (["skip", "once", "all"] as const)[roll(3)] ?? "once",
      ...(roll(4) === 0 ? { stagger: "10m", jitter: "1m" } : {}),
      ...(roll(3) === 0 ? { deliver: { chat: `api:${roll(10)}` } } : {}),
      disableAfter: 0,
      retry: { attempts: 2, backoff: "1m" },
    };
  });
}

export async function simulateYear({
  seed,
  jobs,
  days = 365,
}: {
  readonly seed: number;
  readonly jobs: number;
  readonly days?: number;
}): Promise<YearResult> {
  const startedMs = performance.now();
  const clock = createVirtualClock({ startMs: START_MS });
  const random = createSeededRandom(seed);
  const store = createMemoryStore();
  const nothing = (): void => undefined;
  const begun: string[] = [];
  let digest = "";
  let runs = 0;
  let failed = 0;
  const loop = assembleEventLoop({
    store,
    clock,
    random,
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    limits: { idleTimeoutMs: 60_000, runRetentionMs: 2 * YEAR_MS },
    agent: async function* (turn) {
      begun.push(`${clock.now()} ${turn.chat} ${turn.attempt}`);
      if (begun.length >= 1_000) digest = bodyHash([digest, ...begun.splice(0)].join("\n"));
      runs += turn.attempt === 1 ? 1 : 0;
      const chance = random.next();
      if (chance < 0.02) {
        failed += 1;
        throw new Error("no");
      }
      // Some take long enough that instants meet.
      if (chance < 0.05) await new Promise<void>((resolve) => void clock.setTimer(chance * DAY_MS, resolve));
      yield "done";
    },
  });
  await loop.start();
  for (const job of jobsOf(seed, jobs)) await loop.addCronJob(job);
  await pass(clock, days * DAY_MS);
  const wallMs = performance.now() - startedMs;
  const { instants, lost } = await account(store, clock.now());
  return { runs, failed, jobs, instants, lost, digest: bodyHash([digest, ...begun].join("\n")), wallMs };
}

/** Every instant of every job from its beginning on has a row: it ran, or the row says why not. */
async function account(store: Store, nowMs: number): Promise<{ readonly instants: number; readonly lost: number }> {
  let instants = 0;
  let lost = 0;
  const { items: jobs } = await store.jobs.list({ limit: 10_000 });
  for (const job of jobs) {
    const { items: runs } = await store.jobs.runs(job.id, { limit: 100_000 });
    const rows = new Set(runs.map((run) => run.instantMs));
    // Those that have not started yet wait for their stagger.
    const count = countTicks(job.schedule, job.createdAtMs, nowMs - HOUR_MS, 100_000);
    const expected = nextTicks(job.schedule, job.createdAtMs, count);
    instants += expected.length;
    lost += expected.filter((atMs) => !rows.has(atMs)).length;
  }
  return { instants, lost };
}

/** Runs everything that is due within a time. Between two timers all that can settle does: the queue of promises is empty at each `setImmediate`. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  const untilMs = clock.monotonic() + ms;
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const nextMs = clock.nextInMs();
    if (nextMs === undefined || clock.monotonic() + nextMs > untilMs) return;
    clock.runNext();
  }
}

if (process.argv[1]?.endsWith("year.ts"))
  process.stdout.write(
    `${JSON.stringify(await simulateYear({ seed: 1, jobs: Number(process.argv[2] ?? 1_000), days: Number(process.argv[3] ?? 10) }))}\n`,
  );
