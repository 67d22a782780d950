/** How schedules, jobs and runs are shown to people. */
import type { Schedule } from "../../ports/store/records.ts";
import type { View } from "./chat-views.ts";
import type { Explanation } from "./explain.ts";
import { fit, oneLine, wrap } from "./text.ts";
import { relative } from "./when.ts";

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** `Mon 2030-01-31 09:00 +01:00` of an ISO local time with offset; with seconds where there are any. */
export function localInstant(iso: string): string {
  const [date = "", rest = ""] = iso.split("T");
  const time = rest.slice(0, 8).endsWith(":00") ? rest.slice(0, 5) : rest.slice(0, 8);
  return `${WEEKDAYS[new Date(`${date}T00:00:00Z`).getUTCDay()]} ${date} ${time} ${rest.slice(8)}`;
}

const ZONE_WORDS: Readonly<Record<Schedule["kind"], (words: string, zone: string) => string>> = {
  cron: (words, zone) => `${words}, ${zone} time.`,
  every: (words, zone) => `${words}, counted from when it is added. Local times are those of ${zone}.`,
  at: (words, zone) => `${words}. Local time is that of ${zone}.`,
};

export function viewExplanation(said: string, explanation: Explanation, { columns, nowMs }: View): string {
  const { kind, words, timezone, instants, warnings } = explanation;
  const sentence = ZONE_WORDS[kind](words ?? "There are no words for this expression", timezone);
  const rows = instants.map(({ at, local }) => {
    const line = `${localInstant(local)}  ${relative(at - nowMs)}`;
    return columns === undefined ? line : fit(line, columns);
  });
  const notes = warnings.map(({ message }) => wrap(`! ${message}`, columns, "  "));
  return [oneLine(said), wrap(sentence, columns), rows.join("\n"), notes.join("\n")].filter((part) => part !== "").join("\n\n");
}
