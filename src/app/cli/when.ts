import { formatDuration } from "../../core/duration.ts";

const DAY_MS = 86_400_000;

/** Local time and how far from now: `14:03:22 (3 s ago)`, `2026-01-31 09:00 (in 2 d 4 h)`; empty for no instant. */
export function when(atMs: number | undefined, nowMs: number): string {
  if (atMs === undefined) return "";
  const at = new Date(atMs);
  const two = (number: number): string => String(number).padStart(2, "0");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const isToday = Math.abs(nowMs - atMs) < DAY_MS && at.getDate() === new Date(nowMs).getDate();
  const local = isToday ? `${time}:${two(at.getSeconds())}` : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
  return `${local} (${relative(atMs - nowMs)})`;
}

/** `3 s ago`, `in 5 min`, `now` within a second. */
export function relative(differenceMs: number): string {
  if (Math.abs(differenceMs) < 1_000) return "now";
  const seconds = Math.round(Math.abs(differenceMs) / 1_000) * 1_000;
  return differenceMs < 0 ? `${formatDuration(seconds)} ago` : `in ${formatDuration(seconds)}`;
}
