/**
 * An independent answer to "when does this expression run": every minute of a span is looked at with luxon, and the rule of docs/cron.md is
 * applied as it is written there. It shares nothing with the runtime: neither croner, nor its parser, nor its idea of a zone.
 */
import { DateTime, FixedOffsetZone, IANAZone } from "luxon";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

interface Minute {
  readonly atMs: number;
  /** Local time as if it were UTC. */
  readonly wallMs: number;
}

const minutesOf = new Map<string, readonly Minute[]>();

/** Every minute of a span with the local time that clocks of the zone show. */
function minutes(zone: string, fromMs: number, toMs: number): readonly Minute[] {
  const key = `${zone} ${fromMs} ${toMs}`;
  const known = minutesOf.get(key);
  if (known) return known;
  const found: Minute[] = [];
  const iana = IANAZone.create(zone);
  for (let startMs = fromMs; startMs < toMs; startMs += HOUR_MS) {
    const offset = iana.offset(startMs);
    // No clocks were ever set twice in an hour.
    const isConstant = offset === iana.offset(startMs + HOUR_MS);
    for (let atMs = startMs; atMs < startMs + HOUR_MS; atMs += MINUTE_MS)
      found.push({ atMs, wallMs: atMs + (isConstant ? offset : iana.offset(atMs)) * MINUTE_MS });
  }
  if (minutesOf.size > 200) minutesOf.clear();
  minutesOf.set(key, found);
  return found;
}

/** The instants of an expression of five or six fields in a span of at most some days, by the rule. */
export function instantsByRule(expression: string, zone: string, fromMs: number, toMs: number): readonly number[] {
  const fields = expression.split(" ");
  if (fields.length === 5) fields.unshift("0");
  const [second = "0", minute = "*", hour = "*", ...day] = fields;
  const seconds = numbers(second, 0, 59);
  const minuteSet = new Set(numbers(minute, 0, 59));
  const hours = new Set(numbers(hour, 0, 23));
  const isEveryHour = hours.size === 24;
  const days = new Map<number, boolean>();
  const matches = (wallMs: number): boolean => {
    const dayMs = Math.floor(wallMs / DAY_MS) * DAY_MS;
    if (!days.has(dayMs)) days.set(dayMs, isDay(day, dayMs));
    return days.get(dayMs) === true && hours.has(new Date(wallMs).getUTCHours()) && minuteSet.has(new Date(wallMs).getUTCMinutes());
  };
  const found: number[] = [];
  let latestMs = Number.NEGATIVE_INFINITY;
  // Two days earlier: what the clocks have shown before the span.
  for (const { atMs, wallMs } of minutes(zone, fromMs - 2 * DAY_MS, toMs)) {
    let hasRun = false;
    if (!isEveryHour && latestMs !== Number.NEGATIVE_INFINITY)
      for (let skippedMs = latestMs + MINUTE_MS; skippedMs < wallMs && !hasRun; skippedMs += MINUTE_MS) hasRun = matches(skippedMs);
    const isRepeated = wallMs <= latestMs;
    latestMs = Math.max(latestMs, wallMs);
    const runs = matches(wallMs) && (isEveryHour || !isRepeated) ? seconds : [];
    for (const one of hasRun ? [...new Set([0, ...runs])] : runs) if (atMs + one * 1_000 > fromMs) found.push(atMs + one * 1_000);
  }
  return found;
}

/** Every change of a zone's clocks in some years, to the minute. */
export function changesOf(zone: string, fromYear: number, toYear: number): readonly number[] {
  const iana = IANAZone.create(zone);
  const found: number[] = [];
  const stepMs = 5 * DAY_MS;
  for (let atMs = Date.UTC(fromYear, 0, 1); atMs < Date.UTC(toYear, 0, 1); atMs += stepMs) {
    const before = iana.offset(atMs);
    if (before === iana.offset(atMs + stepMs)) continue;
    let low = 0;
    let high = stepMs / MINUTE_MS;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (iana.offset(atMs + middle * MINUTE_MS) === before) low = middle;
      else high = middle;
    }
    found.push(atMs + high * MINUTE_MS);
  }
  return found;
}

function numbers(field: string, min: number, max: number, names: readonly string[] = []): readonly number[] {
  const value = (text: string): number => (names.includes(text) ? names.indexOf(text) + min : Number(text));
  return field.split(",").flatMap((part) => {
    const [range = "", step = "1"] = part.split("/");
    const [from, to] = range === "*" || range === "?" ? [min, max] : range.split("-").map(value);
    const found: number[] = [];
    for (let one = from ?? 0; one <= (to ?? from ?? 0); one += Number(step)) found.push(one);
    return found;
  });
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/** Day of the month, month, weekday and year: either of the two days is enough when both are given, unless the weekday begins with `+`. */
function isDay([dom = "*", month = "*", dow = "*", year = "*"]: readonly string[], dayMs: number): boolean {
  const date = DateTime.fromMillis(dayMs, { zone: FixedOffsetZone.utcInstance });
  if (!numbers(month, 1, 12, MONTHS).includes(date.month)) return false;
  if (year !== "*" && !numbers(year, 1, 9999).includes(date.year)) return false;
  const isMonthDay = dom.split(",").some((part) => isDayOfMonth(part, date));
  const isWeekday = dow
    .replace("+", "")
    .split(",")
    .some((part) => isDayOfWeek(part, date));
  if (dom === "*" || dom === "?") return isWeekday;
  if (dow === "*" || dow === "?") return isMonthDay;
  return dow.startsWith("+") ? isMonthDay && isWeekday : isMonthDay || isWeekday;
}

function isDayOfMonth(part: string, date: DateTime): boolean {
  const length = date.daysInMonth ?? 31;
  if (part === "L") return date.day === length;
  if (part === "LW") return date.day === nearestWeekday(date, length);
  if (part.endsWith("W")) {
    const day = Number(part.slice(0, -1));
    return day <= length && date.day === nearestWeekday(date, day);
  }
  return numbers(part, 1, 31).includes(date.day);
}

/** The weekday nearest to a day, in the same month. */
function nearestWeekday(date: DateTime, day: number): number {
  const { weekday } = date.set({ day });
  const length = date.daysInMonth ?? 31;
  if (weekday === 6) return day === 1 ? 3 : day - 1;
  if (weekday === 7) return day === length ? day - 2 : day + 1;
  return day;
}

function isDayOfWeek(part: string, date: DateTime): boolean {
  const [, days = part, nth] = /^(.+?)(?:#(\d|L)|L)$/i.exec(part) ?? [];
  if (
    !numbers(days, 0, 6, WEEKDAYS)
      .map((day) => day % 7)
      .includes(date.weekday % 7)
  )
    return false;
  if (days === part) return true;
  if (nth === undefined || nth === "L") return date.day + 7 > (date.daysInMonth ?? 31);
  return Math.ceil(date.day / 7) === Number(nth);
}
