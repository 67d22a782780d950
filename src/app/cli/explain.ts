/**
 * What a schedule comes to: its words, its next instants, and what a person should know before they trust it. Nothing is stored or asked of
 * a daemon.
 */
import { clockChanges, formatOffset, wallClockAt, type ClockChange } from "../../core/time-zone.ts";
import type { Schedule } from "../../ports/store/records.ts";
import { nextTickAfter } from "../../runtime/schedule.ts";
import { hasEitherDay, wordsOf } from "./cron-words.ts";

export type ExplainWarning =
  /** No instant at all, or none any more. */
  | "never"
  /** Fewer instants are left than were asked for. */
  | "ends"
  /** The clocks skip a local time: it is left out, or moved. */
  | "skipped"
  /** The clocks repeat a local time: it runs once, or both times. */
  | "repeated"
  /** Day and weekday are given, and either is enough. */
  | "eitherDay"
  /** An interval counts elapsed time, so its local time moves with the clocks. */
  | "drifts";

export interface Explanation {
  readonly kind: Schedule["kind"];
  /** Absent when there are no words for the expression. */
  readonly words: string | undefined;
  readonly timezone: string;
  readonly instants: readonly { readonly at: number; /** ISO 8601 with the zone's offset. */ readonly local: string }[];
  readonly warnings: readonly { readonly type: ExplainWarning; readonly message: string }[];
}

const YEAR_MS = 366 * 86_400_000;
const DAY_MS = 86_400_000;
const SECOND_MS = 1_000;
/** Local times looked at in the hour or so that one change of the clocks skips or repeats. */
const TIMES_MAX = 5_000;

/**
 * @param timezone - in which instants are shown; that of the expression for cron
 * @param count - instants wanted
 * @throws Error of croner for what is no cron expression
 */
export function explainSchedule(schedule: Schedule, timezone: string, nowMs: number, count = 10): Explanation {
  const zone = schedule.kind === "cron" ? schedule.timezone : timezone;
  const instants: number[] = [];
  for (let afterMs = nowMs; instants.length < count;) {
    const next = nextTickAfter(schedule, afterMs);
    if (next === undefined) break;
    instants.push(next);
    afterMs = next;
  }
  return {
    kind: schedule.kind,
    words: wordsOf(schedule),
    timezone: zone,
    instants: instants.map((at) => ({ at, local: isoIn(zone, at) })),
    warnings: [...endWarnings(schedule, instants, count, nowMs), ...dayWarnings(schedule), ...clockWarnings(schedule, zone, nowMs)],
  };
}

/** ISO 8601 local time of a zone with its offset, such as `2030-01-31T09:00:00+01:00`. */
export function isoIn(zone: string, atMs: number): string {
  const wallMs = wallClockAt(zone, atMs);
  return `${new Date(wallMs).toISOString().slice(0, -5)}${formatOffset(wallMs - atMs)}`;
}

function endWarnings(schedule: Schedule, instants: readonly number[], count: number, nowMs: number): Explanation["warnings"] {
  if (schedule.kind === "at") {
    return schedule.atMs > nowMs ? [] : [{ type: "never", message: "This instant has passed: it never runs." }];
  }
  if (instants.length === 0) return [{ type: "never", message: "It never matches: check day, month and year." }];
  if (instants.length < count) {
    const some = instants.length === 1 ? "This is the last instant." : `Only these ${instants.length} instants are left.`;
    return [{ type: "ends", message: some }];
  }
  return [];
}

function dayWarnings(schedule: Schedule): Explanation["warnings"] {
  if (schedule.kind !== "cron" || !hasEitherDay(schedule.expression)) return [];
  const message =
    "Day of the month and weekday are both given, and either is enough; write + before the weekday (+MON) to ask for both at once.";
  return [{ type: "eitherDay", message }];
}

function clockWarnings(schedule: Schedule, zone: string, nowMs: number): Explanation["warnings"] {
  if (schedule.kind === "at") return [];
  const changes = clockChanges(zone, nowMs, nowMs + YEAR_MS);
  if (schedule.kind === "cron") return changes.flatMap((change) => changeWarning(schedule, change));
  if (changes.length === 0 || schedule.everyMs % DAY_MS !== 0) return [];
  const message =
    "An interval counts elapsed time: its local time moves when the clocks change. Use a cron expression to keep the local time.";
  return [{ type: "drifts", message }];
}

function changeWarning(schedule: Schedule & { readonly kind: "cron" }, change: ClockChange): Explanation["warnings"] {
  const { atMs, offsetBeforeMs, offsetAfterMs } = change;
  const wallBefore = atMs + offsetBeforeMs;
  const wallAfter = atMs + offsetAfterMs;
  const times = wallTimes(schedule.expression, Math.min(wallBefore, wallAfter), Math.max(wallBefore, wallAfter));
  const [first] = times;
  if (first === undefined) return [];
  const day = new Date(wallBefore).toISOString().slice(0, 10);
  const many = times.length === 1 ? clock(first) : `${times.length} local times from ${clock(first)} on`;
  if (wallAfter > wallBefore) {
    const head = `On ${day} the clocks go from ${clock(wallBefore)} to ${clock(wallAfter)}: ${many} ${times.length === 1 ? "does" : "do"} not exist`;
    const next = nextTickAfter(schedule, atMs - 1);
    const isMoved = next !== undefined && !isWallTime(schedule.expression, wallClockAt(schedule.timezone, next));
    const tail = isMoved
      ? `it runs at ${clock(wallClockAt(schedule.timezone, next))} instead`
      : `${times.length === 1 ? "it is" : "they are"} left out`;
    return [{ type: "skipped", message: `${head}; ${tail}.` }];
  }
  const head = `On ${day} the clocks go back from ${clock(wallBefore)} to ${clock(wallAfter)}: ${many} ${times.length === 1 ? "comes" : "come"} twice`;
  const isSecondRun = times.some((wallMs) => isInstant(schedule, wallMs - offsetAfterMs));
  const isFirstRun = times.some((wallMs) => isInstant(schedule, wallMs - offsetBeforeMs));
  const it = times.length === 1 ? "it runs" : "they run";
  return [
    {
      type: "repeated",
      message: `${head}; ${it} ${isFirstRun && isSecondRun ? "both times" : `once, at the ${isFirstRun ? "first" : "second"}`}.`,
    },
  ];
}

/** Wall clocks in a span that the expression names, as if clocks never changed. */
function wallTimes(expression: string, fromMs: number, beforeMs: number): readonly number[] {
  const times: number[] = [];
  for (let next = nextWallTime(expression, fromMs - SECOND_MS); next !== undefined && next < beforeMs && times.length < TIMES_MAX;) {
    times.push(next);
    next = nextWallTime(expression, next);
  }
  return times;
}

function isWallTime(expression: string, wallMs: number): boolean {
  return nextWallTime(expression, wallMs - SECOND_MS) === wallMs;
}

function nextWallTime(expression: string, afterMs: number): number | undefined {
  return nextTickAfter({ kind: "cron", expression, timezone: "UTC" }, afterMs);
}

function isInstant(schedule: Schedule, atMs: number): boolean {
  return nextTickAfter(schedule, atMs - 1) === atMs;
}

/** `02:30` of a wall clock, with seconds where there are any. */
function clock(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(11, wallMs % 60_000 === 0 ? 16 : 19);
}
