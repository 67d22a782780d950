import { RequestError } from "../../core/errors.ts";
import { instantOfWallClock, isTimeZone, localTimeZone, wallClockAt } from "../../core/time-zone.ts";
import type { ScheduleInput } from "../job-api.ts";

const ZONED = /(?:z|[+-]\d\d:?\d\d)$/i;
const LOCAL = /^(\d{4})-(\d\d)-(\d\d)(?:[t ](\d\d):(\d\d)(?::(\d\d))?)?$/i;

/**
 * A schedule as a person writes it in one text: `every 30m`, `in 20m`, `at 2030-01-31 09:00` (in `timezone`, or with an offset of its own),
 * `@daily`, or a cron expression of 5 to 7 fields. `timezone` is that of this machine unless given.
 * @throws RequestError BAD_SCHEDULE for what is none of these
 */
export function scheduleOfText(text: string, timezone: string | undefined): ScheduleInput {
  const given = text.trim().replace(/\s+/g, " ");
  const [, word = "", rest = ""] = /^(every|in|at)\b\s*(.*)$/i.exec(given) ?? [];
  switch (word.toLowerCase()) {
    case "every":
      return { every: rest };
    case "in":
      return { at: `in ${rest}` };
    case "at":
      return atText(rest, timezone);
    default:
      return cronText(given, timezone);
  }
}

/** `--at`: `in 20m`, an instant with its offset, or a local time in `timezone`. @throws RequestError BAD_SCHEDULE */
export function atText(text: string, timezone: string | undefined): ScheduleInput {
  const given = text.trim();
  if (/^in\b/i.test(given)) return { at: given.toLowerCase() };
  if (/^\d{1,2}:\d\d/.test(given))
    throw new RequestError("BAD_SCHEDULE", `${given} has no date; write it before the time, such as 2030-01-31 ${given.padStart(5, "0")}`);
  if (ZONED.test(given) && !LOCAL.test(given)) return { at: given.replace(" ", "T") };
  const found = LOCAL.exec(given);
  if (!found)
    throw new RequestError(
      "BAD_SCHEDULE",
      `${JSON.stringify(given)} is no instant; write "2030-01-31 09:00", "2030-01-31T09:00:00Z" or "in 20m"`,
    );
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found
    .slice(1)
    .map((part: string | undefined) => Number(part ?? 0));
  const wallMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const wall = new Date(wallMs);
  if (wall.getUTCMonth() !== month - 1 || wall.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    throw new RequestError("BAD_SCHEDULE", `${given} is no day or time of the calendar; check month, day and time`);
  const zone = zoneOf(timezone);
  const atMs = instantOfWallClock(zone, wallMs);
  const shown = wallClockAt(zone, atMs);
  if (shown === wallMs) return { at: atMs };
  const later = new Date(shown).toISOString().slice(0, 16).replace("T", " ");
  throw new RequestError("BAD_SCHEDULE", `${given} does not exist in ${zone}: its clocks are set forward then; write ${later}`);
}

/** `--cron`, always with a zone. @throws RequestError BAD_SCHEDULE for an unknown zone */
export function cronText(expression: string, timezone: string | undefined): ScheduleInput {
  return { cron: expression.trim().replace(/\s+/g, " "), timezone: zoneOf(timezone) };
}

/** The zone given, or that of this machine. @throws RequestError BAD_SCHEDULE */
export function zoneOf(timezone: string | undefined): string {
  const zone = timezone ?? localTimeZone();
  if (isTimeZone(zone)) return zone;
  throw new RequestError("BAD_SCHEDULE", `${JSON.stringify(zone)} is no time zone; write one such as Europe/Paris or UTC`, {
    path: "timezone",
  });
}
