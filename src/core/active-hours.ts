import { instantOfWallClock, wallClockAt } from "./time-zone.ts";

/** A part of each day in local time: from `fromMinute` on, before `toMinute`, both counted from midnight. It passes midnight when it ends before it begins. */
export interface ActiveHours {
  /** 0 to 1439. */
  readonly fromMinute: number;
  /** 1 to 1440; never `fromMinute`. */
  readonly toMinute: number;
  readonly timezone: string;
}

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;
/** Days looked through: clocks may leave out the whole of a short window, and Samoa has left out a day. */
const DAYS_MAX = 4;

/** Minutes from midnight of `08:00`, or of `24:00` as the end of a day; undefined for anything else. */
export function minuteOfDay(text: string): number | undefined {
  const [, hour, minute] = /^(\d\d?):(\d\d)$/.exec(text.trim()) ?? [];
  const minutes = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && minutes <= 1_440 ? minutes : undefined;
}

/** `08:00` of minutes from midnight. */
export function formatMinute(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/**
 * The first instant after `afterMs` of those that begin with each opening and follow at intervals of `everyMs` until closing time.
 * Undefined only where no day opens any more.
 */
export function nextActive(hours: ActiveHours, everyMs: number, afterMs: number): number | undefined {
  const today = Math.floor(wallClockAt(hours.timezone, afterMs) / DAY_MS) * DAY_MS;
  // Yesterday's hours may pass midnight.
  for (let day = -1; day < DAYS_MAX; day += 1) {
    const { openMs, closeMs } = windowOf(hours, today + day * DAY_MS);
    if (closeMs <= afterMs || closeMs <= openMs) continue;
    if (openMs > afterMs) return openMs;
    const next = openMs + (Math.floor((afterMs - openMs) / everyMs) + 1) * everyMs;
    if (next < closeMs) return next;
  }
  return undefined;
}

/** True from an opening until the closing time after it. */
export function isActive(hours: ActiveHours, atMs: number): boolean {
  const today = Math.floor(wallClockAt(hours.timezone, atMs) / DAY_MS) * DAY_MS;
  return [today - DAY_MS, today].some((midnight) => {
    const { openMs, closeMs } = windowOf(hours, midnight);
    return openMs <= atMs && atMs < closeMs;
  });
}

function windowOf(
  { fromMinute, toMinute, timezone }: ActiveHours,
  midnightMs: number,
): { readonly openMs: number; readonly closeMs: number } {
  const closeMinute = toMinute > fromMinute ? toMinute : toMinute + 1_440;
  return {
    openMs: instantOfWallClock(timezone, midnightMs + fromMinute * MINUTE_MS),
    closeMs: instantOfWallClock(timezone, midnightMs + closeMinute * MINUTE_MS),
  };
}
