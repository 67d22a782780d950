/** One million pending timers in the scheduling queue, beside the host's own. */
import { createActor, fromTransition, type AnyActorRef, type EventObject } from "xstate";
import type { Clock } from "../src/ports/clock.ts";
import { createSchedulingQueue } from "../src/runtime/scheduler.ts";
import { printTable, release } from "./machine.ts";

const COUNT = Number(process.env.BENCH_TIMERS ?? 1_000_000);
const ACTORS = COUNT / 10;

let nowMs = 0;
let wake: (() => void) | undefined;
const soon: (() => void)[] = [];
const clock: Clock = {
  now: () => nowMs,
  monotonic: () => performance.now(),
  setTimer: (_, run) => {
    wake = run;
    return () => undefined;
  },
  soon: (run) => void soon.push(run),
};
let fired = 0;
let early = 0;
const dueOf = (n: number): number => ((n * 7_919) % COUNT) + 1;
const logic = fromTransition((state: null, event: EventObject & { dueAtMs: number }) => {
  fired += 1;
  if (event.dueAtMs > nowMs) early += 1;
  return state;
}, null);
const sinks = Array.from({ length: ACTORS }, () => createActor(logic).start() as AnyActorRef);
const queue = createSchedulingQueue(clock);
const cpu = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / COUNT;
};

release();
const heapBefore = process.memoryUsage().heapUsed;
const scheduleUs = cpu(() => {
  for (let n = 0; n < COUNT; n += 1) {
    const sink = sinks[n % ACTORS]!;
    queue.scheduleAt(sink, sink, { type: "due", dueAtMs: dueOf(n) } as EventObject, dueOf(n), `t${Math.floor(n / ACTORS)}`);
  }
});
release();
const bytes = (process.memoryUsage().heapUsed - heapBefore) / COUNT;
const fireUs = cpu(() => {
  for (nowMs = 0; nowMs <= COUNT; nowMs += COUNT / 1_000) {
    wake?.();
    for (let run = soon.shift(); run; run = soon.shift()) run();
  }
});

const handles: NodeJS.Timeout[] = [];
const hostUs = cpu(() => {
  for (let n = 0; n < COUNT; n += 1) handles.push(setTimeout(() => undefined, 3_600_000 + dueOf(n)));
});
const clearUs = cpu(() => handles.forEach(clearTimeout));
printTable(`${COUNT.toLocaleString("en")} timers of ${ACTORS.toLocaleString("en")} actors, µs of CPU each`, [
  ["", "figure", "aim"],
  ["schedule", scheduleUs.toFixed(2), ""],
  ["fire, the actor's transition included", fireUs.toFixed(2), ""],
  ["schedule + fire", (scheduleUs + fireUs).toFixed(2), "< 2"],
  ["setTimeout + clearTimeout", (hostUs + clearUs).toFixed(2), ""],
  ["bytes a pending timer, event and id included", Math.round(bytes), ""],
  ["fired", fired, COUNT],
  ["fired early", early, 0],
]);
