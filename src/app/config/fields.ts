/** The kinds of single values that a configuration is made of; each says what to write when it is something else. */
import * as z from "zod";
import { parseChatKey } from "../../core/chat-key.ts";
import { parseDuration } from "../../core/duration.ts";
import { RequestError } from "../../core/errors.ts";

/** Adds the message of a RequestError that `check` throws as an issue. */
function refusing<T>(context: z.RefinementCtx, check: () => T): T | typeof z.NEVER {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    context.addIssue({ code: "custom", message: error.message });
    return z.NEVER;
  }
}

/** Milliseconds, written as `"30s"`, `"5m"`, `"24h"`, `"7d"` or a number. */
export function duration(description: string, minMs = 0): z.ZodType<number, string | number> {
  return z
    .union([z.string(), z.number()], { error: 'must be a duration such as "30s", "5m", "24h", "7d", or a number of milliseconds' })
    .meta({ description: `${description} A duration such as "30s", "5m", "24h", "7d", or a number of milliseconds.` })
    .transform((value, context) => {
      const ms = refusing(context, () => parseDuration(value));
      if (ms < minMs) context.addIssue({ code: "custom", message: `is too short; write at least ${minMs} ms` });
      return ms;
    });
}

/** A whole number in a range; also as text, so that `${VAR}` can give it. */
export function wholeNumber(description: string, min: number, max: number): z.ZodType<number, string | number> {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .union([z.number(), z.string().regex(/^\d+$/, { error: message })], { error: message })
    .meta({ description: `${description} From ${min} to ${max}.` })
    .transform((value, context) => {
      const number = Number(value);
      if (!Number.isSafeInteger(number) || number < min || number > max) context.addIssue({ code: "custom", message });
      return number;
    });
}

/** A token that fits into an HTTP header or URL. */
export function secret(description: string): z.ZodType<string, string> {
  return z
    .string({ error: "must be a text" })
    .regex(/^[\x21-\x7e]+$/, { error: "must be printable ASCII without spaces, and not empty" })
    .meta({ description });
}

export function url(description: string): z.ZodType<string, string> {
  return z
    .string({ error: "must be a URL such as https://example.org" })
    .refine((text) => URL.canParse(text) && /^https?:/.test(text), { error: "must be a URL such as https://example.org" })
    .transform((text) => text.replace(/\/+$/, ""))
    .meta({ description });
}

const idList = z
  .array(z.union([z.string(), z.number()]), { error: 'must be a list such as ["12345", "*"]' })
  .refine((entries) => entries.every((entry) => typeof entry === "string" || Number.isSafeInteger(entry)), {
    error: "has a number of more digits than a number can hold; write long ids in quotes",
  })
  .transform((entries) => entries.map((entry) => String(entry).trim()));

/** Ids and names of people, or `"*"`; numbers are taken as ids. */
export const allowList = idList
  .refine((entries) => entries.every((entry) => entry !== ""), {
    error: 'has an empty entry; write ids such as "12345", or "*" for everyone',
  })
  .meta({ description: 'Who may talk: ids of people as the platform writes them, or "*" for everyone. Absent: the channel is closed.' });

/** Ids of people; numbers are taken as ids. Names are refused, since others can come by them. */
export const peopleList = idList
  .refine((entries) => entries.every((entry) => entry !== "" && entry !== "*" && !entry.startsWith("@")), {
    error: 'has an entry that is no id of a person; write ids such as "12345"',
  })
  .meta({ description: "Ids of people as the platform writes them." });

export const chatKey = z
  .string({ error: 'must be a chat key such as "telegram:123"' })
  .transform((text, context) => refusing(context, () => parseChatKey(text)));
