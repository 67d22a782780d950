/**
 * Very many jobs at once: 100,000 that are due at the same second beside people who write, against the same people without the jobs, in one
 * run; what was missed, at the pace that is set; and a year of a thousand jobs in virtual time.
 * People write at a fixed rate and are timed from their message to the reply at the platform; every turn takes a few milliseconds.
 */
import { join } from "node:path";
import type { ChatKey } from "../src/core/chat-key.ts";
import { DEFAULT_LIMITS } from "../src/core/limits.ts";
import type { Store } from "../src/ports/store/store.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { job } from "../src/testing/store-rows.ts";
import { simulateYear } from "../test/cron/year.ts";
import { clock, inGroups, openLoop, pause, quiet, until } from "./loop.ts";
import { openFolder, percentile, printTable, sized, spread } from "./machine.ts";

const JOBS = sized(100_000, 5_000);
const PEOPLE = 200;
const PER_SECOND = 50;
const SECONDS = sized(40, 8);
const TURN_MS = 2;
const MISSED = sized(1_000, 200);
const PACE = 100;

const folder = openFolder();

/** Jobs that run once, at `atMs`. */
const putJobs = (store: Store, count: number, atMs: number): Promise<void> =>
  inGroups(count, (n) =>
    store.jobs.put(job({ id: `j${n}`, chat: `cron:j${n}`, schedule: { kind: "at", atMs }, nextAtMs: atMs, startAtMs: atMs })),
  );

async function storm(): Promise<void> {
  const store = createSqliteStore({ file: join(folder, "storm.db"), clock });
  const latenciesMs: number[] = [];
  const sentAtMs = new Map<ChatKey, number>();
  let begun = 0;
  let lastBegunMs = 0;
  const { loop, keyOf, post } = openLoop(store, {
    platforms: 1,
    limits: { concurrentTurns: DEFAULT_LIMITS.concurrentTurns, drainTimeoutMs: 300 },
    onReply: (chat) => void latenciesMs.push(performance.now() - (sentAtMs.get(chat) ?? Number.NaN)),
    agent: async function* (turn) {
      if (turn.trigger === "cron") {
        begun += 1;
        lastBegunMs = performance.now();
      }
      await pause(TURN_MS);
      yield "done";
    },
  });
  await store.start();
  const dueMs = clock.now() + sized(150_000, 25_000);
  await putJobs(store, JOBS, dueMs);
  await store.stop();
  await loop.start();
  let said = 0;
  /** People write until told to stop; answers how long each waited. */
  const talk = async (isOver: () => boolean): Promise<readonly number[]> => {
    latenciesMs.length = 0;
    const startMs = performance.now();
    for (let n = 0; !isOver(); n += 1) {
      await pause(Math.max(0, startMs + (n * 1_000) / PER_SECOND - performance.now()));
      const chat = keyOf(said % PEOPLE);
      sentAtMs.set(chat, performance.now());
      post(chat, `m${said}`, "hello");
      said += 1;
    }
    await pause(500);
    return [...latenciesMs];
  };
  // Everybody has been here before.
  await talk(() => said >= PEOPLE);
  const idleEndMs = performance.now() + SECONDS * 1_000;
  const idle = await talk(() => performance.now() > idleEndMs);
  await until(() => clock.now() >= dueMs);
  const stormMs = performance.now();
  const during = await talk(() => performance.now() > stormMs + SECONDS * 1_000);
  const [besidePeople, aloneMs] = [begun, performance.now()];
  await until(() => begun >= JOBS, 20);
  await quiet(loop);
  await loop.shutdown();
  const beside = (besidePeople / (aloneMs - stormMs)) * 1_000;
  const alone = ((begun - besidePeople) / (lastBegunMs - aloneMs)) * 1_000;
  const row = (name: string, share: number): readonly string[] => {
    const [idleMs, besideMs] = [percentile(idle, share), percentile(during, share)];
    return [name, idleMs.toFixed(1), besideMs.toFixed(1), (besideMs / idleMs).toFixed(2), "≤ 2"];
  };
  printTable(
    `a person's message → reply, ms, at ${PER_SECOND}/s; ${DEFAULT_LIMITS.concurrentTurns} slots, turns of ${TURN_MS} ms; ${begun.toLocaleString("en")} jobs due at one second ran at ${beside.toFixed(0)}/s beside people, then at ${alone.toFixed(0)}/s`,
    [
      ["", `idle (${idle.length})`, `beside the jobs (${during.length})`, "ratio", "aim"],
      row("p50", 0.5),
      row("p99", 0.99),
      row("longest", 1),
    ],
  );
}

async function catchUp(): Promise<void> {
  const store = createSqliteStore({ file: join(folder, "missed.db"), clock });
  const startedAtMs: number[] = [];
  const { loop } = openLoop(store, {
    limits: { concurrentTurns: DEFAULT_LIMITS.concurrentTurns, catchUpPerSecond: PACE, drainTimeoutMs: 300 },
    agent: async function* () {
      startedAtMs.push(performance.now());
      yield "done";
    },
  });
  await store.start();
  await putJobs(store, MISSED, clock.now() - 3_600_000);
  await store.stop();
  await loop.start();
  await until(() => startedAtMs.length >= MISSED, 20);
  await quiet(loop);
  await loop.shutdown();
  const firstMs = startedAtMs[0] ?? 0;
  const perSecond = new Map<number, number>();
  for (const atMs of startedAtMs) {
    const second = Math.floor((atMs - firstMs) / 1_000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  }
  const whole = [...perSecond.values()].slice(0, -1);
  printTable(`${MISSED.toLocaleString("en")} jobs that were missed, catchUpPerSecond ${PACE}: runs begun in a second`, [
    ["seconds", "median (fewest–most)", "set"],
    [whole.length, spread(whole), PACE],
  ]);
}

await storm();
await catchUp();
const year = await simulateYear({ seed: 1, jobs: 1_000, days: sized(365, 10) });
const again = await simulateYear({ seed: 1, jobs: 1_000, days: sized(30, 10) });
const short = await simulateYear({ seed: 1, jobs: 1_000, days: sized(30, 10) });
printTable(`${sized(365, 10)} days of 1,000 jobs in virtual time`, [
  ["runs", "instants", "without a row", "seconds", "the same twice (a month of it)"],
  [
    year.runs.toLocaleString("en"),
    year.instants.toLocaleString("en"),
    year.lost,
    (year.wallMs / 1_000).toFixed(1),
    again.digest === short.digest ? "yes" : "NO",
  ],
]);
