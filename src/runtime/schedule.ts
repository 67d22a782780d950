/** Schedules as pure functions: what is due next, and the words of an input as a stored schedule. No timers. */
import { Cron } from "croner";
import { parseDuration } from "../core/duration.ts";
import { RequestError } from "../core/errors.ts";
import type { Schedule } from "../ports/store/records.ts";
import type { ScheduleInput } from "./api.ts";

/** Shortest interval of a job, milliseconds. */
export const EVERY_MIN_MS = 1_000;

/**
 * The first nominal instant strictly after `afterMs`, epoch milliseconds; undefined when there is none.
 * Cron expressions are computed by croner in their time zone.
 */
export function nextTickAfter(schedule: Schedule, afterMs: number): number | undefined {
  switch (schedule.kind) {
    case "at":
      return schedule.atMs > afterMs ? schedule.atMs : undefined;
    case "every": {
      // The anchor may lie ahead, when the clock that set it did.
      const passed = Math.floor((afterMs - schedule.anchorMs) / schedule.everyMs);
      return schedule.anchorMs + (passed + 1) * schedule.everyMs;
    }
    case "cron":
      return new Cron(schedule.expression, { timezone: schedule.timezone, paused: true }).nextRun(new Date(afterMs))?.getTime();
  }
}

/**
 * Turns what a person wrote into a stored schedule; `every` is anchored at `nowMs`.
 * @throws RequestError BAD_SCHEDULE
 */
export function parseSchedule(input: ScheduleInput, nowMs: number): Schedule {
  const refuse = (why: string, cause?: unknown): never => {
    throw new RequestError("BAD_SCHEDULE", why, { path: "schedule", cause });
  };
  if ("every" in input) {
    const everyMs = parseDuration(input.every);
    if (everyMs < EVERY_MIN_MS) return refuse(`every ${everyMs} ms is too often; the shortest interval is ${EVERY_MIN_MS} ms`);
    return { kind: "every", everyMs, anchorMs: nowMs };
  }
  if ("at" in input) {
    const atMs = typeof input.at === "number" ? input.at : new Date(input.at).getTime();
    if (!Number.isFinite(atMs))
      return refuse(`${JSON.stringify(input.at)} is no instant; write ISO 8601 with a zone, such as 2026-12-24T18:00:00Z`);
    if (typeof input.at === "string" && !/(?:Z|[+-]\d\d:?\d\d)$/i.test(input.at))
      return refuse(`${input.at} has no zone; add Z or an offset such as +01:00`);
    return { kind: "at", atMs };
  }
  const timezone = input.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  try {
    const cron = new Cron(input.cron, { timezone, paused: true });
    if (!cron.nextRun(new Date(nowMs))) return refuse(`"${input.cron}" never matches; check day, month and year`);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    return refuse(
      `"${input.cron}" in ${timezone} is no schedule: ${error instanceof Error ? error.message : String(error)}; write 5 or 6 fields and an IANA zone`,
      error,
    );
  }
  return { kind: "cron", expression: input.cron, timezone };
}
