import * as z from "zod";
import { RequestError } from "../../core/errors.ts";
import { isTimeZone } from "../../core/time-zone.ts";
import type { CronJobInput, ScheduleInput } from "../../runtime/job-api.ts";
import { definitionOf } from "../../runtime/jobs/definition.ts";
import { parseSchedule } from "../../runtime/schedule.ts";
import { atText } from "../../runtime/schedule/schedule-text.ts";
import { chatKey, duration, wholeNumber } from "./fields.ts";

const ZONED = /(?:[zZ]|[+-]\d{2}:?\d{2})$/;
const ZONED_EXAMPLES = 'such as "2030-01-31T09:00:00Z" or "2030-01-31T09:00:00+01:00"';

/** A point in time: ISO text with its zone, epoch milliseconds, or a date of YAML. */
const instant = z.union([z.string(), z.number(), z.date()], { error: `must be an instant ${ZONED_EXAMPLES}` });
const zonedInstant = instant.refine((at) => typeof at !== "string" || isZoned(at), {
  error: `must be an instant with its zone, ${ZONED_EXAMPLES}`,
});
const oneOf = <const T extends readonly string[]>(values: T) => z.enum(values, { error: `must be one of ${values.join(", ")}` });

/** A name of an IANA zone. */
export const timezone = z
  .string({ error: "must be a time zone such as Europe/Paris" })
  .refine(isTimeZone, { error: "is no time zone; write one such as Europe/Paris" });

const scheduleShape = z.strictObject(
  {
    cron: z
      .string({ error: 'must be a cron expression such as "0 9 * * *"' })
      .meta({ description: "5 to 7 fields, or @daily and its like." })
      .optional(),
    timezone: timezone.optional(),
    every: duration("Time between two instants.", 1_000).optional(),
    anchor: zonedInstant.meta({ description: "From when `every` counts; by default from when the job was added." }).optional(),
    at: instant.optional(),
  },
  { error: 'must be one of { cron: "0 9 * * *", timezone: Europe/Paris }, { every: 30m }, { at: "2030-01-31T09:00:00Z" }' },
);

const schedule = scheduleShape.transform((given, context): ScheduleInput => {
  const issue = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
  const kinds = (["cron", "every", "at"] as const).filter((kind) => given[kind] !== undefined);
  if (kinds.length !== 1) context.addIssue({ code: "custom", message: "needs exactly one of cron, every and at" });
  if (given.timezone !== undefined && given.every !== undefined)
    issue("timezone", "belongs to cron and to a local time in at; an interval has none, remove it");
  if (given.anchor !== undefined && given.every === undefined) issue("anchor", "belongs to every only; remove it");
  if (given.every !== undefined) return { every: given.every, ...(given.anchor === undefined ? {} : { anchor: given.anchor }) };
  if (given.at !== undefined) return atOf(given.at, given.timezone, (message) => issue("at", message));
  const cron: ScheduleInput = { cron: given.cron ?? "", ...(given.timezone === undefined ? {} : { timezone: given.timezone }) };
  const wrong = given.cron === undefined ? undefined : refusalOf(() => parseSchedule(cron, Date.now()));
  if (wrong !== undefined) issue("cron", wrong);
  return cron;
});

const deliver = z
  .strictObject(
    {
      chat: chatKey.optional(),
      chats: z.array(chatKey, { error: 'must be a list such as ["telegram:123", "telegram:456"]' }).optional(),
      when: oneOf(["always", "failure", "nonEmpty", "answer"])
        .meta({
          description: "failure: only failures; nonEmpty: failures, and answers that are not empty; answer: those alone. Default always.",
        })
        .optional(),
      silence: z
        .string({ error: "must be a text" })
        .min(1, { error: "must not be empty; remove it" })
        .meta({ description: "An answer that is exactly this counts as empty." })
        .optional(),
    },
    { error: 'must be { chat: "telegram:123" }' },
  )
  .refine(({ chat, chats = [] }) => chat !== undefined || chats.length > 0, {
    error: 'needs chat or chats, such as { chat: "telegram:123" }; remove it to deliver nothing',
  });

const retry = z.strictObject(
  {
    attempts: wholeNumber("Attempts of one run before it has failed; by default limits.maxAttempts.", 1, 1_000).optional(),
    backoff: duration("Wait before the second attempt; it doubles.", 1).optional(),
  },
  { error: "must be { attempts: 3, backoff: 30s }" },
);

/** Policies of a job; each has a default, which docs/cron.md names. */
const policies = {
  deliver: deliver.optional(),
  session: oneOf(["job", "chat"])
    .meta({ description: "job: turns run in cron:ID. chat: in the first chat of deliver, with its history. Default job." })
    .optional(),
  missed: oneOf(["skip", "once", "all"])
    .meta({ description: "What becomes of instants that nobody saw in time. Default once." })
    .optional(),
  grace: duration("An instant found later than this never runs.", 0).optional(),
  missedMax: wholeNumber("Most missed instants that `missed: all` runs: the newest. Default 10.", 1, 1_000).optional(),
  overlap: oneOf(["skip", "queue", "replace"])
    .meta({ description: "What becomes of an instant while a run of the job is under way. Default skip." })
    .optional(),
  retry: retry.optional(),
  timeout: duration("Longest that one attempt may take; by default limits.turnTimeout.", 10).optional(),
  stagger: duration("Starts come later by a part of this that follows from the id and never changes.").optional(),
  jitter: duration("Starts come later by a part of this that is drawn anew each time.").optional(),
  until: zonedInstant.meta({ description: "Instants after this are none of the job's." }).optional(),
  maxRuns: wholeNumber("Runs after which the job is completed.", 1, 1_000_000_000).optional(),
  disableAfter: wholeNumber(
    "Failed runs in a row after which the job is disabled and its chats are told; 0 never. Default 10.",
    0,
    1_000_000,
  ).optional(),
};

/** One entry of `cron`. */
export const cronJob = z
  .strictObject(
    {
      id: z.string({ error: "is missing; write a short name such as daily_report" }),
      name: z.string({ error: "must be a text" }).optional(),
      message: z.string({ error: "is missing; write what the agent is asked at each instant" }),
      schedule,
      ...policies,
    },
    { error: "must be a job with id, message and schedule" },
  )
  .transform((job, context): CronJobInput => {
    if (context.issues.length > 0) return job;
    try {
      definitionOf(job, Date.now());
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const { path = "", message } = error;
      const steps = path.split(".").filter((step) => step !== "");
      context.addIssue({ code: "custom", path: steps, message: message.startsWith(`${path} `) ? message.slice(path.length + 1) : message });
    }
    return job;
  });

function isZoned(text: string): boolean {
  return ZONED.test(text) && !Number.isNaN(Date.parse(text));
}

/** An instant, or a local time in the zone beside it. A time counted from now would be another at each start. */
function atOf(at: string | number | Date, zone: string | undefined, issue: (message: string) => void): ScheduleInput {
  if (typeof at !== "string" || isZoned(at)) {
    if (zone !== undefined) issue("has a zone of its own; remove timezone, or write a local time such as 2030-01-31 09:00");
    return { at };
  }
  if (/^in\b/i.test(at.trim()))
    issue("is counted from now, which is another time at each start; write an instant, or use `satibot cron add`");
  else if (zone === undefined) issue(`must be an instant with its zone, ${ZONED_EXAMPLES}, or a local time with timezone beside it`);
  else {
    try {
      return atText(at, zone);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      issue(error.message);
    }
  }
  return { at };
}

/** The message of a RequestError that `check` throws. */
function refusalOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RequestError) return error.message;
    throw error;
  }
}
