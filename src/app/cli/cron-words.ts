import { createRequire } from "node:module";
import type cronstrue from "cronstrue";
import { formatMinute, type ActiveHours } from "../../core/active-hours.ts";
import { formatDuration } from "../../core/duration.ts";
import type { Schedule } from "../../ports/store/records.ts";

/**
 * A schedule in words, without its zone: `At 09:00, Monday through Friday`, `Every 30 min from 08:00 to 22:00`, `Once`.
 * Undefined for a cron expression for which there are no words.
 */
export function wordsOf(schedule: Schedule): string | undefined {
  switch (schedule.kind) {
    case "every":
      return `Every ${formatDuration(schedule.everyMs)}${schedule.within === undefined ? "" : ` ${wordsOfHours(schedule.within)}`}`;
    case "at":
      return "Once";
    case "cron":
      return wordsOfCron(schedule.expression);
  }
}

function wordsOfHours({ fromMinute, toMinute }: ActiveHours): string {
  return `from ${formatMinute(fromMinute)} to ${formatMinute(toMinute)}`;
}

/** True when both days are given and either of them is enough, which surprises people. */
export function hasEitherDay(expression: string): boolean {
  const fields = expression.trim().split(/\s+/);
  const [day, , weekday] = fields.slice(fields.length === 5 ? 2 : 3);
  return fields.length >= 5 && isRestricted(day) && isRestricted(weekday) && !weekday?.startsWith("+");
}

function wordsOfCron(expression: string): string | undefined {
  const isBoth = /\s\+/.test(expression);
  // What croner writes differently: `+` for both days at once, `MON#L` for the last one.
  const plain = expression
    .trim()
    .replace(/(?<=\s)\+/g, "")
    .replace(/#L\b/gi, "L");
  try {
    const words = toWords(plain, isBoth);
    if (hasEitherDay(expression)) return withOr(words, toWords(withoutWeekday(plain), false));
    return /^At \d\d:\d\d(?::\d\d)?$/.test(words) ? `${words} every day` : words;
  } catch {
    return undefined;
  }
}

/** @throws text for what cronstrue does not know */
function toWords(expression: string, isBoth: boolean): string {
  return loadCronstrue().toString(expression.startsWith("@") ? expression.toLowerCase() : expression, {
    use24HourTimeFormat: true,
    logicalAndDayFields: isBoth,
  });
}

/** The words joined "or" to the weekday: what the words without weekday do not have. */
function withOr(words: string, without: string): string {
  let start = 0;
  while (start < without.length && words[start] === without[start]) start += 1;
  if (start < without.length) start = words.lastIndexOf(", ", start);
  const end = start + words.length - without.length;
  return `${words.slice(0, start)}, or ${words.slice(start, end).replace(/^, (?:and )?/, "")}${words.slice(end)}`;
}

function withoutWeekday(expression: string): string {
  const fields = expression.split(/\s+/);
  fields[fields.length === 5 ? 4 : 5] = "*";
  return fields.join(" ");
}

function isRestricted(field: string | undefined): boolean {
  return field !== undefined && field !== "*" && field !== "?";
}

/** Loaded late: only what shows schedules to people needs it. */
function loadCronstrue(): typeof cronstrue {
  return (createRequire(import.meta.url)("cronstrue") as { readonly default: typeof cronstrue }).default;
}
