/** How the runtime is, in a few lines for an agent to judge: facts, no opinions. */
import { formatDuration } from "../../core/duration.ts";
import type { ErrorNote } from "../../core/errors.ts";
import { formatOffset, wallClockAt } from "../../core/time-zone.ts";
import type { ChannelStatus } from "../api.ts";

export interface HealthFacts {
  readonly nowMs: number;
  /** In which the time is told. */
  readonly timezone: string;
  readonly queue: { readonly waiting: number; readonly running: number; readonly slots: number; readonly abandoned: number };
  readonly chats: { readonly known: number; readonly quarantined: number; readonly waitingRows: number };
  /** Parts of replies that nobody will get unless they are sent again. */
  readonly deadParts: number;
  readonly channels: readonly ChannelStatus[];
  /** Jobs whose last run failed, or that were disabled. */
  readonly failingJobs: readonly {
    readonly id: string;
    readonly failures: number;
    readonly isDisabled: boolean;
    readonly error: ErrorNote | undefined;
  }[];
  readonly loopDelayMs: { readonly p50: number; readonly p99: number };
  readonly memoryBytes: number;
  /** Of the file system that holds the store; undefined when it cannot be told. */
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number } | undefined;
}

/** Channels and jobs named one by one; of more than these the rest is counted. */
const NAMED_MAX = 10;
const REASON_MAX = 120;

/** One fact a line; at most some 5,000 characters, whatever the runtime holds. */
export function healthSummary(facts: HealthFacts): string {
  const { nowMs, timezone, queue, chats, loopDelayMs, disk } = facts;
  const lines = [
    `time: ${localTime(timezone, nowMs)} (${timezone})`,
    `turns: ${queue.running} running of ${queue.slots}, ${queue.waiting} waiting${queue.abandoned > 0 ? `, ${queue.abandoned} that were abandoned and go on` : ""}`,
    `chats: ${chats.known} known, ${chats.waitingRows} messages waiting, ${chats.quarantined} quarantined`,
    `replies that could not be delivered: ${facts.deadParts}`,
    ...channelLines(facts.channels, nowMs),
    ...jobLines(facts.failingJobs),
    `event loop delay: p50 ${loopDelayMs.p50.toFixed(1)} ms, p99 ${loopDelayMs.p99.toFixed(1)} ms`,
    `memory: ${inUnits(facts.memoryBytes)}`,
    disk === undefined ? "" : `free disk space: ${inUnits(disk.freeBytes)} of ${inUnits(disk.totalBytes)} (${percent(disk)}%)`,
  ];
  return lines
    .filter((line) => line !== "")
    .map((line) => `- ${line}`)
    .join("\n");
}

function channelLines(channels: readonly ChannelStatus[], nowMs: number): readonly string[] {
  if (channels.length === 0) return [];
  const down = channels.filter(({ state }) => state !== "online");
  const up = `channels: ${channels.length - down.length} of ${channels.length} online`;
  const named = down.slice(0, NAMED_MAX).map(({ name, state, since, reason }) => {
    const why = reason === undefined ? "" : ` (${shortened(reason)})`;
    return `channel ${name}: ${state} for ${formatDuration(Math.max(0, nowMs - since))}${why}`;
  });
  return [up, ...named, ...andMore(down.length, "channels that are not online")];
}

function jobLines(jobs: HealthFacts["failingJobs"]): readonly string[] {
  if (jobs.length === 0) return ["scheduled jobs that fail: 0"];
  const named = jobs.slice(0, NAMED_MAX).map(({ id, failures, isDisabled, error }) => {
    const why = error === undefined ? "" : `: ${shortened(error.message)}`;
    return `scheduled job ${id}: ${isDisabled ? "disabled after" : "failed"} ${failures} ${failures === 1 ? "run" : "runs"}${isDisabled ? "" : " in a row"}${why}`;
  });
  return [...named, ...andMore(jobs.length, "scheduled jobs that fail")];
}

function andMore(count: number, what: string): readonly string[] {
  return count > NAMED_MAX ? [`and ${count - NAMED_MAX} more ${what}`] : [];
}

/** One line: what comes from platforms and agents may hold anything. */
function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > REASON_MAX ? `${line.slice(0, REASON_MAX - 1).toWellFormed()}…` : line;
}

function localTime(timezone: string, atMs: number): string {
  const wallMs = wallClockAt(timezone, atMs);
  const weekday = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"][new Date(wallMs).getUTCDay()];
  return `${weekday} ${new Date(wallMs).toISOString().slice(0, 16).replace("T", " ")} ${formatOffset(wallMs - atMs)}`;
}

function inUnits(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

function percent({ freeBytes, totalBytes }: NonNullable<HealthFacts["disk"]>): number {
  return totalBytes > 0 ? Math.round((100 * freeBytes) / totalBytes) : 0;
}
