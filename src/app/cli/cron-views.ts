/** How schedules, jobs and runs are shown to people: in the local time of each job, whatever the zone of this machine. */
import { formatDuration } from "../../core/duration.ts";
import type { Schedule } from "../../ports/store/records.ts";
import type { WirePage } from "../../http/wire.ts";
import type { WireJob, WirePlan, WireRun, WireSchedule } from "../../http/wire-jobs.ts";
import type { View } from "./chat-views.ts";
import { wordsOf } from "./cron-words.ts";
import { isoIn, type Explanation } from "./explain.ts";
import { facts, table } from "./table.ts";
import { fit, oneLine, wrap } from "./text.ts";
import { relative } from "./when.ts";

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** Names and values stand under each other from this column on. */
const LABEL = 6;

/** How much of an instant is told. */
interface Told {
  readonly hasWeekday?: boolean;
  readonly hasSeconds?: boolean;
}

/** `Mon 2030-01-31 09:00 +01:00` of an ISO local time with offset; with seconds where there are any. */
function longInstant(iso: string, { hasWeekday = true }: Told = {}): string {
  const { day, date, time, offset } = partsOf(iso);
  return `${hasWeekday ? `${WEEKDAYS[day.getUTCDay()]} ` : ""}${date} ${time} ${offset}`;
}

/** `Mon 31 Jan 09:00`, with the year where it is not that of now. */
function shortInstant(iso: string, nowIso: string, { hasWeekday = true, hasSeconds = needsSeconds(iso) }: Told = {}): string {
  const { day, date } = partsOf(iso);
  const year = date.slice(0, 4) === nowIso.slice(0, 4) ? "" : ` ${date.slice(0, 4)}`;
  const weekday = hasWeekday ? `${WEEKDAYS[day.getUTCDay()]} ` : "";
  return `${weekday}${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]}${year} ${iso.slice(11, hasSeconds ? 19 : 16)}`;
}

function needsSeconds(iso: string): boolean {
  return iso.slice(17, 19) !== "00";
}

function partsOf(iso: string): { readonly day: Date; readonly date: string; readonly time: string; readonly offset: string } {
  const date = iso.slice(0, 10);
  return { day: new Date(`${date}T00:00:00Z`), date, time: iso.slice(11, needsSeconds(iso) ? 19 : 16), offset: iso.slice(19) };
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
    const line = `${longInstant(local, { hasWeekday: !isNarrow(columns) })}  ${relative(at - nowMs)}`;
    return columns === undefined ? line : fit(line, columns);
  });
  const notes = warnings.map(({ message }) => wrap(`! ${message}`, columns, "  "));
  return [oneLine(said), wrap(sentence, columns), rows.join("\n"), notes.join("\n")].filter((part) => part !== "").join("\n\n");
}

export function viewJobs(page: WirePage<WireJob>, view: View): string {
  return page.items.map((job) => viewJob(job, view)).join("\n\n");
}

/** A few lines: what it is, when it comes next, how the last run went. */
export function viewJob(job: WireJob, view: View): string {
  const { columns, nowMs } = view;
  const { id, name, state, origin, owner, staggerBy, stagger, why, status } = job;
  const head = [id, name === id ? "" : `(${name})`, state, `from ${origin === "chat" && owner !== undefined ? owner : origin}`];
  const lines: readonly (readonly [label: string, value: string])[] = [
    ["when", `${wordsOfWire(job.schedule) ?? textOf(job.schedule)} (${job.timezone})`],
    status === "active" ? ["next", nextOf(job, nowMs)] : ["why", why],
    ["last", job.lastRun === undefined ? "" : lastOf(job.lastRun, job.timezone, nowMs)],
    ["late", staggerBy > 0 ? `starts ${formatDuration(staggerBy)} after each instant (stagger ${formatDuration(stagger)})` : ""],
    ["to", targetsOf(job)],
  ];
  const body = lines
    .filter(([, value]) => value !== "")
    .map(([label, value]) => {
      const line = `${tied(label.padEnd(LABEL))}${value}`;
      return `  ${wrap(line, columns === undefined ? undefined : columns - 2, " ".repeat(LABEL + 2))}`;
    });
  return [wrap(head.filter((part) => part !== "").join("  "), columns, "  "), ...body].join("\n").replaceAll(TIE, " ");
}

/** Every setting of one job. */
export function viewJobDetail(job: WireJob, view: View): string {
  const { columns } = view;
  const some = (ms: number | undefined): string | undefined => (ms === undefined || ms === 0 ? undefined : formatDuration(ms));
  const settings = facts(
    [
      ["message", job.message],
      ["runs in", job.chat],
      ["deliver when", job.deliver?.when],
      ["silence", job.deliver?.silence],
      ["missed", job.missed === "all" ? `all, at most ${job.missedMax}` : job.missed],
      ["grace", some(job.grace)],
      ["overlap", job.overlap],
      ["attempts", job.retry?.attempts?.toString()],
      ["backoff", some(job.retry?.backoff)],
      ["timeout", some(job.timeout)],
      ["stagger", some(job.stagger)],
      ["jitter", some(job.jitter)],
      ["until", job.until === undefined ? undefined : longInstant(isoIn(job.timezone, job.until))],
      ["runs", job.maxRuns === undefined ? String(job.runs) : `${job.runs} of ${job.maxRuns}`],
      ["failures", job.disableAfter === 0 ? String(job.failures) : `${job.failures} in a row, disabled at ${job.disableAfter}`],
      ["added", longInstant(isoIn(job.timezone, job.createdAt))],
    ],
    columns,
  );
  return `${viewJob(job, view)}\n\n${settings}`;
}

export function viewRuns(page: WirePage<WireRun>, timezone: string, { columns, nowMs }: View): string {
  const nowIso = isoIn(timezone, nowMs);
  const narrow = isNarrow(columns);
  const instants = page.items.map(({ instant }) => isoIn(timezone, instant));
  const told: Told = { hasWeekday: !narrow, hasSeconds: instants.some(needsSeconds) };
  return table<WireRun>(
    page.items,
    [
      { title: `INSTANT (${timezone})`, cell: ({ instant }) => shortInstant(isoIn(timezone, instant), nowIso, told), shrinksTo: 15 },
      { title: "STATUS", cell: ({ status, count }) => (count === undefined ? status : `${status} (${count})`) },
      { title: "DELIVERY", cell: ({ delivery }) => (delivery === "none" ? "" : delivery) },
      { title: "TOOK", cell: (run) => (narrow ? "" : tookOf(run)), right: true },
      { title: "BY", cell: ({ trigger }) => (trigger === "schedule" ? "" : trigger === "catchUp" ? "catch-up" : trigger) },
      { title: "ERROR", cell: ({ error }) => (error === undefined ? "" : `${error.code}: ${error.message}`), shrinksTo: 10 },
    ],
    columns,
  );
}

export function viewPlan(id: string, { would, chat, message, deliverTo }: WirePlan, columns: number | undefined): string {
  const what: Readonly<Record<string, string>> = {
    run: `Job ${id} would run now.`,
    skip: `Job ${id} would not run: a run is under way, and its overlap policy is skip.`,
    queue: `Job ${id} would run after the run that is under way.`,
    replace: `Job ${id} would run in the place of the run that is under way.`,
  };
  const rest = facts(
    [
      ["in chat", chat],
      ["message", message],
      ["deliver to", deliverTo.length === 0 ? "nowhere" : deliverTo.join(", ")],
    ],
    columns,
  );
  return `${wrap(what[would] ?? would, columns)}\n${rest}`;
}

/** Too narrow for weekdays and durations. */
function isNarrow(columns: number | undefined): boolean {
  return columns !== undefined && columns < 60;
}

/** Stands for a space at which no line is broken. */
const TIE = "\u00a0";
const tied = (text: string): string => text.replaceAll(" ", TIE);

function nextOf({ nextInstants, timezone, why }: WireJob, nowMs: number): string {
  if (nextInstants.length === 0) return why;
  const nowIso = isoIn(timezone, nowMs);
  const all = nextInstants.map((at) => isoIn(timezone, at));
  // The offset is told where the clocks change in between.
  const hasChange = new Set([nowIso, ...all].map((iso) => partsOf(iso).offset)).size > 1;
  const hasSeconds = all.some(needsSeconds);
  return all
    .map((iso, place) => {
      const offset = hasChange ? ` ${partsOf(iso).offset}` : "";
      const until = place === 0 ? ` ${tied(`(${relative((nextInstants[0] ?? 0) - nowMs)})`)}` : "";
      return `${tied(`${shortInstant(iso, nowIso, { hasSeconds })}${offset}`)}${until}`;
    })
    .join(", ");
}

function lastOf(run: WireRun, timezone: string, nowMs: number): string {
  const { status, delivery, instant, error, count } = run;
  const at = tied(shortInstant(isoIn(timezone, instant), isoIn(timezone, nowMs)));
  const went = [status, DELIVERED[delivery]].filter((part) => part !== undefined).join(", ");
  const many = count === undefined ? "" : ` (${count} instants)`;
  return `${at}: ${went}${many}${error === undefined ? "" : `: ${error.message} (${error.code})`}`;
}

const WHEN_WORDS: Readonly<Record<string, string>> = {
  failure: "only failures",
  nonEmpty: "when there is something to say",
  answer: "answers, no failures",
};
const DELIVERED: Readonly<Record<string, string>> = { delivered: "delivered", waiting: "not delivered yet", failed: "not delivered" };

function targetsOf({ deliver }: WireJob): string {
  if (deliver === undefined) return "";
  const chats = [...(deliver.chat === undefined ? [] : [deliver.chat]), ...(deliver.chats ?? [])].join(", ");
  const when = WHEN_WORDS[deliver.when];
  return when === undefined ? chats : `${chats} (${when})`;
}

function tookOf({ startedAt, endedAt, status }: WireRun): string {
  if (status === "missed" || status === "skipped") return "";
  return endedAt === undefined ? "…" : formatDuration(Math.max(0, endedAt - startedAt));
}

function wordsOfWire(schedule: WireSchedule): string | undefined {
  if ("every" in schedule) {
    const { every, anchor, within } = schedule;
    return `${wordsOf({ kind: "every", everyMs: every, anchorMs: anchor })}${within === undefined ? "" : ` from ${within.from} to ${within.to}`}`;
  }
  if ("at" in schedule) return wordsOf({ kind: "at", atMs: schedule.at });
  return wordsOf({ kind: "cron", expression: schedule.cron, timezone: schedule.timezone });
}

function textOf(schedule: WireSchedule): string {
  return "cron" in schedule ? schedule.cron : "";
}
