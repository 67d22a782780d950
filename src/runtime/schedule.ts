/** Schedules as pure functions: what is due next, what passed, and the words of an input as a stored schedule. No timers. */
import { nextActive } from "../core/active-hours.ts";
import { parseDuration } from "../core/duration.ts";
import { RequestError } from "../core/errors.ts";
import { isTimeZone, localTimeZone } from "../core/time-zone.ts";
import type { Schedule } from "../ports/store/records.ts";
import type { ScheduleInput } from "./job-api.ts";
import { cronPattern } from "./schedule/cron-pattern.ts";
import { nextCronTick } from "./schedule/cron-tick.ts";

/** Shortest interval of a job, milliseconds. */
export const EVERY_MIN_MS = 1_000;
/** Longest cron expression, characters. */
const EXPRESSION_MAX = 200;
/** The end of the year 9999: there are no instants beyond it. */
const LAST_MS = Date.UTC(10_000, 0, 1) - 1;

/**
 * The first nominal instant strictly after `afterMs`, epoch milliseconds; undefined when there is none up to the year 9999.
 * What happens where clocks change is in schedule/cron-tick.ts.
 * @throws Error for an expression or a zone that cannot be read
 */
export function nextTickAfter(schedule: Schedule, afterMs: number): number | undefined {
  switch (schedule.kind) {
    case "at":
      return schedule.atMs > afterMs ? schedule.atMs : undefined;
    case "every": {
      if (schedule.within) return nextActive(schedule.within, schedule.everyMs, afterMs);
      // The anchor may lie ahead: when the clock that set it did, or because a person chose so.
      const passed = Math.floor((afterMs - schedule.anchorMs) / schedule.everyMs);
      const nextMs = schedule.anchorMs + (passed + 1) * schedule.everyMs;
      return nextMs > LAST_MS ? undefined : nextMs;
    }
    case "cron":
      return nextCronTick(schedule.expression, schedule.timezone, afterMs);
  }
}

/** The last instant up to and with `untilMs` that is later than `afterMs`; undefined when there is none. */
export function lastTickUpTo(schedule: Schedule, afterMs: number, untilMs: number): number | undefined {
  let found = nextTickAfter(schedule, afterMs);
  if (found === undefined || found > untilMs) return undefined;
  if (schedule.kind === "every" && !schedule.within)
    return schedule.anchorMs + Math.floor((untilMs - schedule.anchorMs) / schedule.everyMs) * schedule.everyMs;
  // Halves what is between an instant that is there and one after which none is.
  let noneAfterMs = untilMs;
  while (found < noneAfterMs) {
    const middleMs = Math.floor((found + noneAfterMs) / 2);
    const next = nextTickAfter(schedule, middleMs);
    if (next !== undefined && next <= untilMs) found = next;
    else {
      noneAfterMs = middleMs;
      // The middle of two neighbours is the first: what is left to look at is whether the first has a follower.
      if (middleMs === found) break;
    }
  }
  return found;
}

/** How many instants are after `afterMs` and not after `untilMs`; a count stops at `max`. */
export function countTicks(schedule: Schedule, afterMs: number, untilMs: number, max: number): number {
  if (schedule.kind === "every" && !schedule.within) {
    const until = Math.floor((untilMs - schedule.anchorMs) / schedule.everyMs);
    const after = Math.floor((afterMs - schedule.anchorMs) / schedule.everyMs);
    return Math.min(max, Math.max(0, until - after));
  }
  let count = 0;
  for (
    let next = nextTickAfter(schedule, afterMs);
    next !== undefined && next <= untilMs && count < max;
    next = nextTickAfter(schedule, next)
  )
    count += 1;
  return count;
}

/** The first `count` instants strictly after `afterMs`. */
export function nextTicks(schedule: Schedule, afterMs: number, count: number): readonly number[] {
  const ticks: number[] = [];
  for (let next = nextTickAfter(schedule, afterMs); next !== undefined && ticks.length < count; next = nextTickAfter(schedule, next))
    ticks.push(next);
  return ticks;
}

/**
 * Turns what a person wrote into a stored schedule; `every` is anchored at `nowMs` unless the input says otherwise.
 * An instant that has passed is a schedule too: one without a next instant.
 * @throws RequestError BAD_SCHEDULE, BAD_DURATION
 */
export function parseSchedule(input: ScheduleInput, nowMs: number): Schedule {
  if ("every" in input) {
    const everyMs = parseDuration(input.every);
    if (everyMs < EVERY_MIN_MS) return refuse(`every ${everyMs} ms is too often; the shortest interval is ${EVERY_MIN_MS} ms`);
    return { kind: "every", everyMs, anchorMs: input.anchor === undefined ? nowMs : parseInstant(input.anchor, nowMs) };
  }
  if ("at" in input) return { kind: "at", atMs: parseInstant(input.at, nowMs) };
  const { cron: expression, timezone = localTimeZone() } = input;
  if (!isTimeZone(timezone)) return refuse(`${JSON.stringify(timezone)} is no time zone; write one such as Europe/Paris or UTC`);
  if (expression.length > EXPRESSION_MAX) return refuse(`a cron expression of ${expression.length} characters is over ${EXPRESSION_MAX}`);
  let hasTick: boolean;
  try {
    hasTick = cronPattern(expression).next(0) !== undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
    return refuse(`"${expression}" is no cron expression: ${why}; write 5, 6 or 7 fields such as 0 9 * * *, or @daily`, error);
  }
  if (!hasTick) return refuse(`"${expression}" never matches; check day, month and year`);
  return { kind: "cron", expression, timezone };
}

/**
 * `2026-12-24T18:00:00Z`, `in 20m`, epoch milliseconds or a Date, as epoch milliseconds.
 * @throws RequestError BAD_SCHEDULE, BAD_DURATION
 */
export function parseInstant(input: string | number | Date, nowMs: number): number {
  if (typeof input === "string") {
    const wait = /^\s*in\s+(.+)$/i.exec(input)?.[1];
    if (wait !== undefined) return nowMs + parseDuration(wait);
    if (!ZONED.test(input)) {
      const isLocal = Number.isFinite(Date.parse(input));
      const advice = isLocal ? "has no zone; add Z or an offset such as +01:00" : 'is no instant; write 2026-12-24T18:00:00Z or "in 20m"';
      return refuse(`${JSON.stringify(input)} ${advice}`);
    }
  }
  const atMs = typeof input === "number" ? input : new Date(input).getTime();
  // Seconds instead of milliseconds would be an instant of 1970.
  if (!Number.isSafeInteger(atMs) || atMs < FIRST_MS || atMs > LAST_MS)
    return refuse(`${JSON.stringify(input)} is no instant; write 2026-12-24T18:00:00Z, "in 20m" or milliseconds since 1970`);
  return atMs;
}

const ZONED = /\d(?:z|[+-]\d\d:?\d\d)$/i;
const FIRST_MS = Date.UTC(1971, 0, 1);

function refuse(why: string, cause?: unknown): never {
  throw new RequestError("BAD_SCHEDULE", why, { path: "schedule", cause });
}
