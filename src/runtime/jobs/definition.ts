/** The words of an author as the definition of a job: checked, with every default filled in. */
import { channelOf, parseChatKey, type ChatKey } from "../../core/chat-key.ts";
import { parseContent } from "../../core/content.ts";
import { formatDuration, parseDuration } from "../../core/duration.ts";
import { RequestError, RuntimeError } from "../../core/errors.ts";
import type { DeliverWhen, JobDefinition, JobOverlap, MissedPolicy } from "../../ports/store/job-records.ts";
import type { CronJobInput } from "../job-api.ts";
import { parseInstant, parseSchedule } from "../schedule.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Longest `timeout` of a job. */
export const JOB_TIMEOUT_MAX_MS = DAY_MS;
/** Longest `stagger` and `jitter`. */
const SPREAD_MAX_MS = DAY_MS;
const CHATS_MAX = 20;
const NAME_MAX = 200;
const MISSED_MAX = 1_000;
const ATTEMPTS_MAX = 100;
const COUNT_MAX = 1_000_000_000;
/** An instant that comes later than this is one that was missed, unless the job says otherwise. */
export const ON_TIME_MS = MINUTE_MS;

const MISSED = ["skip", "once", "all"] as const satisfies readonly MissedPolicy[];
const OVERLAPS = ["skip", "queue", "replace"] as const satisfies readonly JobOverlap[];
const WHEN = ["always", "failure", "nonEmpty", "answer"] as const satisfies readonly DeliverWhen[];
const SESSIONS = ["job", "chat"] as const;

/** The chat in which the turns of a job run. @throws RequestError BAD_CHAT_KEY for an id that no job may have */
export function chatOfJob(id: string): ChatKey {
  return parseChatKey(`cron:${id}`);
}

/** True for a chat in which only jobs have turns, each with a limit of its own. */
export function isJobChat(key: ChatKey): boolean {
  const channel = channelOf(key);
  return channel === "cron" || channel === "system";
}

/**
 * @param anchorMs - what an interval counts from, unless the input says it
 * @throws RequestError BAD_SCHEDULE, BAD_DURATION, BAD_CHAT_KEY, BAD_CONTENT, BAD_REQUEST, each with the path of what is wrong
 */
export function definitionOf(input: CronJobInput, nowMs: number, anchorMs = nowMs): JobDefinition {
  const own = at("id", () => chatOfJob(input.id));
  at("message", () => parseContent(input.message, "message"));
  const { name = input.id, deliver = {}, retry = {} } = input;
  if (name.length > NAME_MAX) refuse("name", `is longer than ${NAME_MAX} characters`);
  const deliverTo = chatsOf(deliver);
  const session = oneOf("session", input.session ?? "job", SESSIONS);
  if (session === "chat" && deliverTo.length === 0) refuse("session", "is chat, which needs deliver.chat: the chat in which it runs");
  const missed = oneOf("missed", input.missed ?? "once", MISSED);
  return {
    id: input.id,
    name,
    message: input.message,
    schedule: at("schedule", () => parseSchedule(input.schedule, anchorMs)),
    chat: session === "chat" ? (deliverTo[0] ?? own) : own,
    deliverTo,
    deliverWhen: oneOf("deliver.when", deliver.when ?? "always", WHEN),
    silence: deliver.silence,
    missed,
    graceMs: duration("grace", input.grace, { max: 3_650 * DAY_MS }) ?? (missed === "skip" ? ON_TIME_MS : undefined),
    missedMax: count("missedMax", input.missedMax ?? 10, 1, MISSED_MAX),
    overlap: oneOf("overlap", input.overlap ?? "skip", OVERLAPS),
    attempts: retry.attempts === undefined ? undefined : count("retry.attempts", retry.attempts, 1, ATTEMPTS_MAX),
    backoffMs: duration("retry.backoff", retry.backoff, { max: DAY_MS }),
    timeoutMs: duration("timeout", input.timeout, { min: 10, max: JOB_TIMEOUT_MAX_MS }),
    staggerMs: duration("stagger", input.stagger, { max: SPREAD_MAX_MS }) ?? 0,
    jitterMs: duration("jitter", input.jitter, { max: SPREAD_MAX_MS }) ?? 0,
    untilMs: input.until === undefined ? undefined : at("until", () => parseInstant(input.until ?? 0, nowMs)),
    maxRuns: input.maxRuns === undefined ? undefined : count("maxRuns", input.maxRuns, 1, COUNT_MAX),
    disableAfter: count("disableAfter", input.disableAfter ?? 10, 0, COUNT_MAX),
    turnClass: input.turnClass ?? "cron",
    origin: input.origin ?? "library",
    owner: input.owner === undefined ? undefined : at("owner", () => parseChatKey(input.owner ?? "")),
  };
}

function chatsOf({ chat, chats = [] }: NonNullable<CronJobInput["deliver"]>): readonly ChatKey[] {
  const keys = [...(chat === undefined ? [] : [chat]), ...chats].map((key) => at("deliver.chat", () => parseChatKey(key)));
  if (keys.length > CHATS_MAX) refuse("deliver.chats", `names ${keys.length} chats; at most ${CHATS_MAX}`);
  return [...new Set(keys)];
}

/** Names what is wrong by its place in the job. */
function at<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RuntimeError) throw new RequestError(error.code, error.message, { path, cause: error });
    throw error;
  }
}

function refuse(path: string, why: string): never {
  throw new RequestError("BAD_REQUEST", `${path} ${why}`, { path });
}

function oneOf<T extends string>(path: string, value: T, values: readonly T[]): T {
  return values.includes(value) ? value : refuse(path, `is ${JSON.stringify(value)}; write ${values.join(", ")}`);
}

function count(path: string, value: number, min: number, max: number): number {
  return Number.isInteger(value) && value >= min && value <= max ? value : refuse(path, `is no whole number from ${min} to ${max}`);
}

function duration(
  path: string,
  value: string | number | undefined,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): number | undefined {
  if (value === undefined) return undefined;
  const ms = at(path, () => parseDuration(value));
  return ms >= min && ms <= max ? ms : refuse(path, `is out of range: from ${formatDuration(min)} to ${formatDuration(max)}`);
}

const KEYS: Readonly<Record<keyof JobDefinition, true>> = {
  id: true,
  name: true,
  message: true,
  schedule: true,
  chat: true,
  deliverTo: true,
  deliverWhen: true,
  silence: true,
  missed: true,
  graceMs: true,
  missedMax: true,
  overlap: true,
  attempts: true,
  backoffMs: true,
  timeoutMs: true,
  staggerMs: true,
  jitterMs: true,
  untilMs: true,
  maxRuns: true,
  disableAfter: true,
  turnClass: true,
  origin: true,
  owner: true,
};

/** True when nothing that an author decides differs. */
export function isSameDefinition(one: JobDefinition, other: JobDefinition): boolean {
  return (Object.keys(KEYS) as (keyof JobDefinition)[]).every((key) => isSame(one[key], other[key]));
}

/** True when both have the same instants and starts. */
export function isSameTiming(one: JobDefinition, other: JobDefinition): boolean {
  return (["schedule", "staggerMs", "jitterMs", "untilMs", "maxRuns"] as const).every((key) => isSame(one[key], other[key]));
}

/** True when both have the same nominal instants, but for where they end. */
export function isSameSchedule(one: JobDefinition, other: JobDefinition): boolean {
  return isSame(one.schedule, other.schedule);
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || canonical(one) === canonical(other);
}

/** JSON with the keys of objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
