import { RequestError } from "./errors.ts";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * `"30s"`, `"5m"`, `"24h"`, `"7d"`, `"250ms"` or a number of milliseconds, as milliseconds.
 * @throws RequestError BAD_DURATION when it is neither, negative or over 10 years
 */
export function parseDuration(value: string | number): number {
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(value.trim()) : undefined;
  const ms = typeof value === "number" ? value : match ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS] : Number.NaN;
  if (Number.isFinite(ms) && ms >= 0 && ms <= 3_650 * UNIT_MS.d) return Math.round(ms);
  throw new RequestError("BAD_DURATION", `${JSON.stringify(value)} is no duration; write "30s", "5m", "24h", "7d" or milliseconds`);
}

/** A duration for people: `850 ms`, `3.2 s`, `4 min`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, "")} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
