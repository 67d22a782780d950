import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../../core/duration.ts";
import { RequestError } from "../../core/errors.ts";
import type { CronJobInput, ScheduleInput } from "../../runtime/job-api.ts";
import { parseSchedule } from "../../runtime/schedule.ts";
import { atText, cronText } from "../../runtime/schedule/schedule-text.ts";
import { usage } from "./cron-usage.ts";
import { CommandError, EXIT } from "./io.ts";

/** What `cron add` was given, as commander names it. */
export interface AddOptions {
  readonly every?: string;
  readonly at?: string;
  readonly cron?: string;
  readonly tz?: string;
  readonly message?: string;
  readonly name?: string;
  readonly deliver?: readonly string[];
  readonly when?: "always" | "failure" | "nonEmpty" | "answer";
  readonly silence?: string;
  readonly session?: "job" | "chat";
  readonly missed?: "skip" | "once" | "all";
  readonly missedMax?: number;
  readonly grace?: string;
  readonly overlap?: "skip" | "queue" | "replace";
  readonly attempts?: number;
  readonly backoff?: string;
  readonly timeout?: string;
  readonly stagger?: string;
  readonly jitter?: string;
  readonly until?: string;
  readonly maxRuns?: number;
  readonly disableAfter?: number;
  readonly paused?: boolean;
}

const ID_WORDS = 3;
const ID_MAX = 40;

/** Adds the options of `cron add`. */
export function withJobOptions(command: Command): Command {
  return command
    .option("--every <duration>", "run at this interval, such as 30m or 24h")
    .option("--at <instant>", 'run once, at "2030-01-31 09:00" or "in 20m"')
    .option("--cron <expression>", 'run by a cron expression, such as "0 9 * * MON-FRI" or @daily')
    .option("--tz <zone>", "time zone of --cron and --at, such as Europe/Paris (default: that of this machine)")
    .option("--message <text>", "what the agent is asked at each instant")
    .option("--name <text>", "name for people (default: the id)")
    .option("--deliver <chat>", "chat that gets the answer; may be given several times", collect)
    .option(
      "--when <when>",
      "deliver always, failure (only failures), nonEmpty (failures, and what there is to say) or answer (no failures)",
      oneOf("always", "failure", "nonEmpty", "answer"),
    )
    .option("--silence <text>", "an answer that is exactly this counts as empty")
    .option("--session <where>", "job: a conversation of its own; chat: in the chat that gets the answer", oneOf("job", "chat"))
    .option("--missed <policy>", "instants that nobody saw in time: skip, once or all", oneOf("skip", "once", "all"))
    .option("--missed-max <count>", "most missed instants that `all` runs", wholeNumber(1))
    .option("--grace <duration>", "an instant found later than this never runs")
    .option("--overlap <policy>", "an instant during a run: skip, queue or replace", oneOf("skip", "queue", "replace"))
    .option("--attempts <count>", "attempts of one run before it has failed", wholeNumber(1))
    .option("--backoff <duration>", "wait before the second attempt")
    .option("--timeout <duration>", "longest that one attempt may take")
    .option("--stagger <duration>", "start later by a fixed part of this that follows from the id")
    .option("--jitter <duration>", "start later by a part of this that is drawn each time")
    .option("--until <instant>", "no instants after this")
    .option("--max-runs <count>", "runs after which the job is completed", wholeNumber(1))
    .option("--disable-after <count>", "failed runs in a row after which it is disabled; 0 never", wholeNumber(0))
    .option("--paused", "add it paused");
}

/** The job that the options describe. @throws CommandError 64 naming what is missing or wrong */
export function jobOfOptions(id: string | undefined, options: AddOptions, nowMs: number): CronJobInput & { readonly paused?: boolean } {
  const { message, name, deliver, when, silence, attempts, backoff, until, tz } = options;
  if (message === undefined || message.trim() === "") throw new CommandError(EXIT.usage, 'write what the agent is asked: --message "…"');
  if (deliver === undefined && (when ?? silence ?? options.session) !== undefined) {
    const stray = when !== undefined ? "--when" : silence !== undefined ? "--silence" : "--session";
    throw new CommandError(EXIT.usage, `${stray} is about the chats of --deliver, and there is none; write --deliver CHAT too`);
  }
  const job = {
    id: id ?? idOf(name ?? message),
    name,
    message,
    schedule: usage(() => scheduleOf(options, nowMs)),
    deliver: deliver && { ...(deliver.length === 1 ? { chat: deliver[0] } : { chats: deliver }), when, silence },
    session: options.session,
    missed: options.missed,
    missedMax: options.missedMax,
    grace: milliseconds("--grace", options.grace),
    overlap: options.overlap,
    retry: attempts === undefined && backoff === undefined ? undefined : { attempts, backoff: milliseconds("--backoff", backoff) },
    timeout: milliseconds("--timeout", options.timeout),
    stagger: milliseconds("--stagger", options.stagger),
    jitter: milliseconds("--jitter", options.jitter),
    until: until === undefined ? undefined : usage(() => untilOf(until, tz)),
    maxRuns: options.maxRuns,
    disableAfter: options.disableAfter,
    paused: options.paused,
  };
  return job;
}

/** Exactly one of --every, --at and --cron, checked here so that a mistake is told before a daemon is asked. @throws RequestError BAD_SCHEDULE, BAD_DURATION */
function scheduleOf({ every, at, cron, tz }: AddOptions, nowMs: number): ScheduleInput {
  const given = [every, at, cron].filter((one) => one !== undefined).length;
  if (given !== 1)
    throw new RequestError(
      "BAD_SCHEDULE",
      `write ${given === 0 ? "" : "only "}one of --every 30m, --at "2030-01-31 09:00" and --cron "0 9 * * *"`,
    );
  if (every !== undefined && tz !== undefined)
    throw new RequestError("BAD_SCHEDULE", "an interval has no local time; leave out --tz, or write --cron");
  const schedule = every !== undefined ? { every: every.trim() } : at !== undefined ? atText(at, tz) : cronText(cron ?? "", tz);
  const parsed = parseSchedule(schedule, nowMs);
  if (parsed.kind === "at" && parsed.atMs <= nowMs) throw new RequestError("BAD_SCHEDULE", `${at} has passed; write a time to come`);
  return schedule;
}

function untilOf(text: string, zone: string | undefined): string | number | Date {
  const found = atText(text, zone);
  return "at" in found ? found.at : text;
}

function milliseconds(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseDuration(text.trim());
  } catch (error) {
    if (error instanceof RequestError) throw new CommandError(EXIT.usage, `${option}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** A name from the first words: `Drink a glass of water` is `drink-a-glass`. */
function idOf(text: string): string {
  const words = text
    .normalize("NFKD")
    .toLowerCase()
    .match(/[\p{Letter}\p{Number}]+/gu);
  const id = (words ?? []).slice(0, ID_WORDS).join("-").slice(0, ID_MAX);
  if (id !== "") return id;
  throw new CommandError(EXIT.usage, "write an id for the job: satibot cron add ID …");
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").map((chat) => chat.trim())].filter((chat) => chat !== "");
}

function oneOf(...values: readonly string[]): (text: string) => string {
  return (text) => {
    if (values.includes(text)) return text;
    throw new InvalidArgumentError(`Write one of ${values.join(", ")}.`);
  };
}

function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && Number.isSafeInteger(number)) return number;
    throw new InvalidArgumentError(`Write a whole number from ${min}.`);
  };
}
