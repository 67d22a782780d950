import { Cron } from "croner";
import * as z from "zod";
import { parseChatKey } from "../../core/chat-key.ts";
import { parseContent } from "../../core/content.ts";
import { RequestError } from "../../core/errors.ts";
import type { CronJobInput, ScheduleInput } from "../../runtime/api.ts";
import { chatKey, duration } from "./fields.ts";

const ZONED = /(?:[zZ]|[+-]\d{2}:?\d{2})$/;

const scheduleShape = z.strictObject(
  {
    cron: z.string({ error: 'must be a cron expression such as "0 9 * * *"' }).optional(),
    timezone: z
      .string({ error: "must be a time zone such as Europe/Paris" })
      .refine(isTimezone, { error: "is no time zone; write one such as Europe/Paris" })
      .optional(),
    every: duration("Time between two instants.", 1_000).optional(),
    at: z
      .union([z.string(), z.number(), z.date()], { error: 'must be an instant such as "2030-01-31T09:00:00Z"' })
      .refine((at) => typeof at === "number" || at instanceof Date || (ZONED.test(at) && !Number.isNaN(Date.parse(at))), {
        error: 'must be an instant with its zone, such as "2030-01-31T09:00:00Z" or "2030-01-31T09:00:00+01:00"',
      })
      .optional(),
  },
  { error: 'must be one of { cron: "0 9 * * *", timezone: Europe/Paris }, { every: 30m }, { at: "2030-01-31T09:00:00Z" }' },
);

const schedule = scheduleShape.transform((given, context): ScheduleInput => {
  const kinds = (["cron", "every", "at"] as const).filter((kind) => given[kind] !== undefined);
  if (kinds.length !== 1) context.addIssue({ code: "custom", message: "needs exactly one of cron, every and at" });
  if (given.timezone !== undefined && given.cron === undefined)
    context.addIssue({ code: "custom", path: ["timezone"], message: "belongs to cron only; remove it" });
  if (given.every !== undefined) return { every: given.every };
  if (given.at !== undefined) return { at: given.at };
  const expression = given.cron ?? "";
  const wrong = given.cron === undefined ? undefined : wrongExpression(expression);
  if (wrong !== undefined) context.addIssue({ code: "custom", path: ["cron"], message: wrong });
  return given.timezone === undefined ? { cron: expression } : { cron: expression, timezone: given.timezone };
});

/** One entry of `cron`. */
export const cronJob = z
  .strictObject(
    {
      id: z.string({ error: "is missing; write a short name such as daily_report" }),
      name: z.string({ error: "must be a text" }).optional(),
      message: z.string({ error: "is missing; write what the agent is asked at each instant" }),
      schedule,
      deliver: z.strictObject({ chat: chatKey }, { error: 'must be { chat: "telegram:123" }' }).optional(),
    },
    { error: "must be a job with id, message and schedule" },
  )
  .transform((job, context): CronJobInput => {
    for (const [path, check] of [
      ["id", () => parseChatKey(`cron:${job.id}`)],
      ["message", () => parseContent(job.message, "message")],
    ] as const) {
      try {
        check();
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        context.addIssue({ code: "custom", path: [path], message: error.message });
      }
    }
    return job;
  });

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).format(0) !== "";
  } catch {
    return false;
  }
}

function wrongExpression(expression: string): string | undefined {
  try {
    const next = new Cron(expression, { paused: true }).nextRun();
    return next === null ? "never comes true; write an expression that has a next instant" : undefined;
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}; write a cron expression such as "0 9 * * *"`;
  }
}
