/**
 * The instants of a cron expression in a zone.
 *
 * Where clocks change, one rule: each local time that the expression names runs once. A time that occurs twice runs at its first; one that
 * is left out runs at the next valid instant, which is when the clocks have been set forward. An expression that names every hour follows
 * elapsed time instead: it goes on through a repeated hour, and has nothing in one that is left out.
 */
import { cronPattern, type CronPattern } from "./cron-pattern.ts";
import { LONGEST_CHANGE_MS, latestWallClock, segmentAt } from "./zone-segments.ts";

/** Local and universal time lie less than this apart. */
const OFFSET_MAX_MS = LONGEST_CHANGE_MS;
/** Spans of a zone looked through; there are a handful between two instants of any expression. */
const SEGMENTS_MAX = 1_000;

/** The first instant strictly after `afterMs`; undefined when none follows up to the year 9999. @throws Error for a bad expression or zone */
export function nextCronTick(expression: string, zone: string, afterMs: number): number | undefined {
  const pattern = cronPattern(expression);
  return pattern.isEveryHour ? nextElapsed(pattern, zone, afterMs) : nextOnce(pattern, zone, afterMs);
}

function nextOnce(pattern: CronPattern, zone: string, afterMs: number): number | undefined {
  // What the clocks have shown by now has run, in the first of two hours of the same name.
  const wallMs = pattern.next(latestWallClock(zone, afterMs));
  if (wallMs === undefined) return undefined;
  let segment = segmentAt(zone, Math.max(afterMs, wallMs - OFFSET_MAX_MS));
  for (let looked = 0; looked < SEGMENTS_MAX; looked += 1) {
    if (wallMs < segment.toMs + segment.offsetMs) return Math.max(wallMs - segment.offsetMs, segment.fromMs);
    segment = segmentAt(zone, segment.toMs);
  }
  return undefined;
}

function nextElapsed(pattern: CronPattern, zone: string, afterMs: number): number | undefined {
  let segment = segmentAt(zone, afterMs);
  let wallAfterMs = afterMs + segment.offsetMs;
  for (let looked = 0; looked < SEGMENTS_MAX; looked += 1) {
    const { toMs, offsetMs } = segment;
    const wallMs = pattern.next(wallAfterMs);
    if (wallMs === undefined) return undefined;
    if (wallMs - offsetMs < toMs) return wallMs - offsetMs;
    // Local times of before may come again soon; later ones have nothing until `wallMs`.
    const fromMs = toMs < afterMs + OFFSET_MAX_MS ? toMs : Math.max(toMs, wallMs - OFFSET_MAX_MS);
    segment = segmentAt(zone, fromMs);
    wallAfterMs = fromMs + segment.offsetMs - 1;
  }
  return undefined;
}
