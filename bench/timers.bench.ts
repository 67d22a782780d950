/**
 * One million pending timers in the scheduling queue, beside the host's own: the queue by itself (what fires only counts), with actors
 * that take a transition for each, and `setTimeout`. The queue's due times are a million different milliseconds of a clock that the
 * bench turns; the host's fall on one second, so that they can be waited for.
 */
import { createActor, fromTransition, type AnyActorRef, type EventObject } from "xstate";
import type { Clock } from "../src/ports/clock.ts";
import { createSchedulingQueue } from "../src/runtime/scheduler.ts";
import { heapBytes, printTable, sized, spread } from "./machine.ts";

const COUNT = Number(process.env.BENCH_TIMERS ?? sized(1_000_000, 50_000));
const ACTORS = COUNT / 10;
const ROUNDS = 3;
/** Instants at which the queue is woken. */
const STEPS = 1_000;
const HOST_SPAN_MS = 1_000;

interface DueEvent extends EventObject {
  readonly dueAtMs: number;
}

interface Round {
  readonly scheduleUs: number;
  readonly fireUs: number;
  readonly cancelUs: number;
  readonly bytes: number;
  readonly fired: number;
  readonly early: number;
}

/** In an order that is neither rising nor falling. */
const dueOf = (n: number): number => ((n * 7_919) % COUNT) + 1;

/** µs of CPU for each timer. */
function cpu(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / COUNT;
}

function measureQueue(hasActors: boolean): Round {
  let nowMs = 0;
  let wake: (() => void) | undefined;
  let later: (() => void)[] = [];
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    setTimer: (_, run) => {
      wake = run;
      return () => undefined;
    },
    soon: (run) => void later.push(run),
  };
  let fired = 0;
  let early = 0;
  const note = (event: EventObject): void => {
    fired += 1;
    if ((event as DueEvent).dueAtMs > nowMs) early += 1;
  };
  const logic = fromTransition((state: null, event: EventObject) => {
    note(event);
    return state;
  }, null);
  const targets = Array.from({ length: ACTORS }, (): AnyActorRef => {
    const actor = createActor(logic).start();
    return hasActors ? actor : Object.assign(actor, { send: note });
  });
  const queue = createSchedulingQueue(clock);
  const scheduleAll = (): void => {
    for (let n = 0; n < COUNT; n += 1) {
      const target = targets[n % ACTORS]!;
      const event: DueEvent = { type: "due", dueAtMs: dueOf(n) };
      queue.scheduleAt(target, target, event, dueOf(n), `t${Math.floor(n / ACTORS)}`);
    }
  };

  const heapBefore = heapBytes();
  const scheduleUs = cpu(scheduleAll);
  const bytes = (heapBytes() - heapBefore) / COUNT;
  const fireUs = cpu(() => {
    for (nowMs = 0; nowMs <= COUNT; nowMs += COUNT / STEPS) {
      wake?.();
      while (later.length > 0) {
        const due = later;
        later = [];
        for (const run of due) run();
      }
    }
  });
  nowMs = 0;
  scheduleAll();
  const cancelUs = cpu(() => {
    for (let n = 0; n < COUNT; n += 1) queue.cancel(targets[n % ACTORS]!, `t${Math.floor(n / ACTORS)}`);
  });
  if (queue.size() !== 0) throw new Error(`${queue.size()} timers are left after each was fired or cancelled`);
  queue.close();
  return { scheduleUs, fireUs, cancelUs, bytes, fired, early };
}

async function measureHost(): Promise<Round> {
  let fired = 0;
  let early = 0;
  let finish = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const handles: NodeJS.Timeout[] = [];
  const heapBefore = heapBytes();
  const before = process.cpuUsage();
  for (let n = 0; n < COUNT; n += 1) {
    const delayMs = 1 + (dueOf(n) % HOST_SPAN_MS);
    const dueMs = performance.now() + delayMs;
    handles.push(
      setTimeout(() => {
        fired += 1;
        if (performance.now() < dueMs) early += 1;
        if (fired === COUNT) finish();
      }, delayMs),
    );
  }
  const { user, system } = process.cpuUsage(before);
  const bytes = (heapBytes() - heapBefore) / COUNT;
  const started = process.cpuUsage();
  await done;
  const ended = process.cpuUsage(started);
  handles.length = 0;
  for (let n = 0; n < COUNT; n += 1) handles.push(setTimeout(() => undefined, 3_600_000 + (dueOf(n) % HOST_SPAN_MS)));
  const cancelUs = cpu(() => handles.forEach(clearTimeout));
  return { scheduleUs: (user + system) / COUNT, fireUs: (ended.user + ended.system) / COUNT, cancelUs, bytes, fired, early };
}

const variants: readonly (readonly [name: string, measure: () => Round | Promise<Round>])[] = [
  ["the queue by itself", () => measureQueue(false)],
  ["with an actor's transition", () => measureQueue(true)],
  ["setTimeout", measureHost],
];
const columns: Round[][] = [];
for (const [name, measure] of variants) {
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measure());
  columns.push(rounds);
  console.log(`${name}: done`);
}
const row = (name: string, aim: string, pick: (round: Round) => number, digits = 2): string[] => [
  name,
  ...columns.map((rounds) => spread(rounds.map(pick), digits)),
  aim,
];
printTable(
  `${COUNT.toLocaleString("en")} timers of ${ACTORS.toLocaleString("en")} actors, µs of CPU each; median (lowest–highest) of ${ROUNDS}`,
  [
    ["", ...variants.map(([name]) => name), "aim"],
    row("schedule", "", (round) => round.scheduleUs),
    row("fire", "", (round) => round.fireUs),
    row("schedule + fire", "< 2", (round) => round.scheduleUs + round.fireUs),
    row("cancel", "", (round) => round.cancelUs),
    row("bytes of heap while pending, event and id included", "", (round) => round.bytes, 0),
    row("fired", COUNT.toLocaleString("en"), (round) => round.fired, 0),
    row("fired early", "0", (round) => round.early, 0),
  ],
);
