/**
 * A cron expression as a function over local times, which knows no zone and no change of clocks. Croner reads the expression and finds the
 * days; the seconds of a day are looked up here, so that the ticks of one day cost croner nothing.
 */
import { Cron } from "croner";

export interface CronPattern {
  /** The first wall clock after one that the expression names, milliseconds; undefined when none follows up to the year 9999. */
  readonly next: (wallMs: number) => number | undefined;
  /** It names every hour of the day. */
  readonly isEveryHour: boolean;
}

/** Patterns kept. Croner holds 80 KB for each: a list of all years. */
const PATTERNS_MAX = 100;
const patterns = new Map<string, CronPattern>();

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

/** @throws Error of croner for what is no cron expression of 5, 6 or 7 fields */
export function cronPattern(expression: string): CronPattern {
  const known = patterns.get(expression);
  if (known) {
    // The map is in the order of use.
    patterns.delete(expression);
    patterns.set(expression, known);
    return known;
  }
  const pattern = compile(expression);
  if (patterns.size >= PATTERNS_MAX) patterns.delete(patterns.keys().next().value ?? "");
  patterns.set(expression, pattern);
  return pattern;
}

/** Croner with an offset of its own reads no zone and needs no `Intl`. Without a function it has no timer. */
const readable = (expression: string): Cron => new Cron(expression, { utcOffset: 0, paused: true });

function compile(expression: string): CronPattern {
  const fields = (readable(expression).getPattern() ?? expression).match(/\S+/g) ?? [];
  if (fields.length === 5) fields.unshift("0");
  if (fields.length === 6) fields.push("*");
  const [seconds = "0", minutes = "0", hours = "0", ...day] = fields;
  const times = { seconds: numbersOf(seconds, 60), minutes: numbersOf(minutes, 60), hours: numbersOf(hours, 24) };
  const nextDay = dayFinder(readable(`0 0 0 ${day.join(" ")}`));
  return {
    isEveryHour: times.hours.length === 24,
    next: (wallMs) => {
      const afterMs = Math.floor(wallMs / SECOND_MS) * SECOND_MS + SECOND_MS;
      const dayMs = Math.floor(afterMs / DAY_MS) * DAY_MS;
      const firstMs = nextDay(dayMs);
      if (firstMs === undefined) return undefined;
      const time = firstMs === dayMs ? timeFrom(times, (afterMs - dayMs) / SECOND_MS) : timeFrom(times, 0);
      if (time !== undefined) return firstMs + time * SECOND_MS;
      const laterMs = nextDay(dayMs + DAY_MS);
      return laterMs === undefined ? undefined : laterMs + (timeFrom(times, 0) ?? 0) * SECOND_MS;
    },
  };
}

/** The first day that matches, from one on. Remembers the last answer, which holds for all days up to it. */
function dayFinder(cron: Cron): (dayMs: number) => number | undefined {
  let fromMs = Number.POSITIVE_INFINITY;
  let foundMs: number | undefined;
  return (dayMs) => {
    if (dayMs >= fromMs && (foundMs === undefined || dayMs <= foundMs)) return foundMs;
    foundMs = cron.nextRun(new Date(dayMs - SECOND_MS))?.getTime();
    fromMs = dayMs;
    return foundMs;
  };
}

interface Times {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
}

/** The first second of the day that matches, from one on. */
function timeFrom({ seconds, minutes, hours }: Times, fromS: number): number | undefined {
  const [hour, minute, second] = [Math.floor(fromS / 3_600), Math.floor(fromS / 60) % 60, fromS % 60];
  const [firstMinute = 0] = minutes;
  const [firstSecond = 0] = seconds;
  for (const h of hours) {
    if (h < hour) continue;
    if (h > hour) return h * 3_600 + firstMinute * 60 + firstSecond;
    for (const m of minutes) {
      if (m < minute) continue;
      const s = m > minute ? firstSecond : seconds.find((one) => one >= second);
      if (s !== undefined) return h * 3_600 + m * 60 + s;
    }
  }
  return undefined;
}

/** What a field of seconds, minutes or hours names, ascending; croner has checked it. */
function numbersOf(field: string, count: number): readonly number[] {
  const named = new Set<number>();
  for (const part of field.replaceAll("?", "*").split(",")) {
    const [range = "", step = "1"] = part.split("/");
    const [from, to] = range === "*" ? [0, count - 1] : range.split("-").map(Number);
    for (let n = from ?? 0; n <= (to ?? from ?? 0); n += Number(step)) named.add(n);
  }
  return [...named].sort((a, b) => a - b);
}
