/** Local time of IANA zones by what `Intl` knows. A wall clock is local time written as if it were UTC, in epoch milliseconds. */

const formats = new Map<string, Intl.DateTimeFormat>();
/** Zones whose formatter is kept; a formatter costs about 50 KB. */
const FORMATS_MAX = 64;
const DAY_MS = 86_400_000;
const SECOND_MS = 1_000;

/** Clocks of a zone are set at `atMs`, from one offset to UTC to another, in milliseconds. */
export interface ClockChange {
  readonly atMs: number;
  readonly offsetBeforeMs: number;
  readonly offsetAfterMs: number;
}

/** True for a name that `Intl` knows, such as `Europe/Paris` or `UTC`. */
export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** The zone of this machine. */
export function localTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** What clocks of the zone show at an instant. @throws RangeError for an unknown zone */
export function wallClockAt(zone: string, atMs: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(atMs)) parts[type] = Number(value);
  const wallMs = Date.UTC(parts.year ?? 0, (parts.month ?? 1) - 1, parts.day, parts.hour, parts.minute, parts.second);
  return wallMs + (((atMs % SECOND_MS) + SECOND_MS) % SECOND_MS);
}

/** Milliseconds by which clocks of the zone are ahead of UTC at an instant. */
export function offsetAt(zone: string, atMs: number): number {
  return wallClockAt(zone, atMs) - atMs;
}

/**
 * The instant at which clocks of the zone show `wallMs`. Of a time that comes twice it is the first; for one that is left out it is the
 * end of the gap, which is the next time that exists.
 */
export function instantOfWallClock(zone: string, wallMs: number): number {
  const byBefore = wallMs - offsetAt(zone, wallMs - DAY_MS);
  if (wallClockAt(zone, byBefore) === wallMs) return byBefore;
  const byAfter = wallMs - offsetAt(zone, wallMs + DAY_MS);
  if (wallClockAt(zone, byAfter) === wallMs) return byAfter;
  return changeBetween(zone, Math.min(byBefore, byAfter), Math.max(byBefore, byAfter));
}

/** Every change of the zone's clocks in a span, soonest first, exact to the second; for spans of a few years. */
export function clockChanges(zone: string, fromMs: number, toMs: number): readonly ClockChange[] {
  const changes: ClockChange[] = [];
  let startMs = fromMs;
  let before = offsetAt(zone, startMs);
  while (startMs < toMs) {
    const endMs = Math.min(startMs + DAY_MS, toMs);
    const after = offsetAt(zone, endMs);
    if (after !== before) changes.push({ atMs: changeBetween(zone, startMs, endMs), offsetBeforeMs: before, offsetAfterMs: after });
    before = after;
    startMs = endMs;
  }
  return changes;
}

/** `+01:00`, `-03:30`, `+00:00`. */
export function formatOffset(offsetMs: number): string {
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${offsetMs < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** The first whole second of the new offset; the span holds one change. */
function changeBetween(zone: string, fromMs: number, toMs: number): number {
  const before = offsetAt(zone, fromMs);
  let low = Math.floor(fromMs / SECOND_MS);
  let high = Math.ceil(toMs / SECOND_MS);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle * SECOND_MS) === before) low = middle;
    else high = middle;
  }
  return high * SECOND_MS;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  if (formats.size >= FORMATS_MAX) formats.delete(formats.keys().next().value ?? "");
  formats.set(zone, format);
  return format;
}
