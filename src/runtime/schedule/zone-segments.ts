/** The clocks of a zone as spans of one offset each: what translates between local times and instants, cached since it is asked for each tick. */
import { clockChanges, offsetAt } from "../../core/time-zone.ts";

/** Clocks are `offsetMs` ahead of UTC from `fromMs` until before `toMs`. The next one may have the same offset: a year begins a new one. */
export interface ZoneSegment {
  readonly fromMs: number;
  readonly toMs: number;
  readonly offsetMs: number;
}

/** Years of zones that are kept; a year takes about a millisecond to look through and 300 bytes to keep. */
const YEARS_MAX = 2_000;
const years = new Map<string, readonly ZoneSegment[]>();

/** The span that an instant is in. @throws RangeError for an unknown zone */
export function segmentAt(zone: string, atMs: number): ZoneSegment {
  const segments = segmentsOfYear(zone, new Date(atMs).getUTCFullYear());
  return segments.findLast((segment) => segment.fromMs <= atMs) ?? segments[0]!;
}

/** The latest local time, as a wall clock, that the zone has shown up to and with an instant: later than its own when clocks were set back. */
export function latestWallClock(zone: string, atMs: number): number {
  let segment = segmentAt(zone, atMs);
  let latestMs = atMs + segment.offsetMs;
  while (segment.fromMs > atMs - LONGEST_CHANGE_MS) {
    const untilMs = segment.fromMs;
    segment = segmentAt(zone, untilMs - 1);
    latestMs = Math.max(latestMs, untilMs + segment.offsetMs - 1);
  }
  return latestMs;
}

/** Clocks have never been set back or forward by more: a zone that crossed the date line moved by a day. */
export const LONGEST_CHANGE_MS = 27 * 3_600_000;

function segmentsOfYear(zone: string, year: number): readonly ZoneSegment[] {
  const key = `${zone} ${year}`;
  const known = years.get(key);
  if (known) return known;
  const fromMs = Date.UTC(year, 0, 1);
  const endMs = Date.UTC(year + 1, 0, 1);
  // A change at the very end belongs to the year that begins with it.
  const changes = clockChanges(zone, fromMs, endMs).filter((change) => change.atMs < endMs);
  const starts = [
    { fromMs, offsetMs: offsetAt(zone, fromMs) },
    ...changes.map(({ atMs, offsetAfterMs }) => ({ fromMs: atMs, offsetMs: offsetAfterMs })),
  ];
  const segments = starts.map((start, place) => ({ ...start, toMs: starts[place + 1]?.fromMs ?? endMs }));
  if (years.size >= YEARS_MAX) years.delete(years.keys().next().value ?? "");
  years.set(key, segments);
  return segments;
}
