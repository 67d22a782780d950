import * as z from "zod";
import { minuteOfDay } from "../../core/active-hours.ts";
import { localTimeZone } from "../../core/time-zone.ts";
import { timezone } from "./cron-fields.ts";
import { chatKey, duration, url, wholeNumber } from "./fields.ts";
import { resolve } from "node:path";
import type { ActiveHours } from "../../core/active-hours.ts";

const MINUTE_MS = 60_000;

const timeOfDay = z.string({ error: 'must be a time of day such as "08:00"' }).transform((given, context) => {
  const minute = minuteOfDay(given);
  if (minute !== undefined) return minute;
  context.addIssue({ code: "custom", message: 'must be a time of day such as "08:00", up to "24:00"' });
  return z.NEVER;
});

const activeHours = z
  .strictObject(
    { from: timeOfDay, to: timeOfDay, timezone: timezone.optional() },
    { error: 'must be { from: "08:00", to: "22:00", timezone: Europe/Paris }' },
  )
  .transform(({ from, to, timezone: zone = localTimeZone() }, context) => {
    if (from === to) context.addIssue({ code: "custom", message: "begin and end at the same time; remove activeHours for the whole day" });
    if (from === 1_440) context.addIssue({ code: "custom", path: ["from"], message: 'is the end of the day; write "00:00"' });
    return { fromMinute: from, toMinute: to, timezone: zone };
  });

/** The section `heartbeat`. */
export const heartbeat = z.strictObject(
  {
    every: duration("Time between two heartbeats.", 1_000).default(30 * MINUTE_MS),
    file: z
      .string({ error: "must be the name of a file such as HEARTBEAT.md" })
      .min(1, { error: "must not be empty" })
      .default("HEARTBEAT.md")
      .meta({ description: "What the agent looks after, read anew each time. Empty or comments only: no turn." }),
    activeHours: activeHours
      .optional()
      .meta({ description: "Only in this part of the day, which may pass midnight. The first heartbeat comes at its beginning." }),
    deliver: z
      .strictObject(
        { chat: chatKey.optional(), chats: z.array(chatKey, { error: "must be a list of chat keys" }).optional() },
        { error: 'must be { chat: "telegram:123" }' },
      )
      .refine(({ chat, chats = [] }) => chat !== undefined || chats.length > 0, {
        error: 'needs chat or chats, such as { chat: "telegram:123" }',
      })
      .optional()
      .meta({ description: "Who gets an answer that is not exactly HEARTBEAT_OK. Absent: it stays in the chat system:heartbeat." }),
    history: wholeNumber("Entries of earlier heartbeats that the agent gets; older ones are deleted.", 0, 200).default(20),
    timeout: duration("Longest that one heartbeat may take; by default limits.turnTimeout.", 10).optional(),
    pingUrl: url("Asked with GET while satibot really works, for a service that tells you when it stops. Never logged.").optional(),
    pingEvery: duration("Time between two pings.", 1_000).default(MINUTE_MS),
  },
  { error: (issue) => (issue.code === "invalid_type" ? "must be a section such as { every: 30m }" : undefined) },
);

/** When the runtime looks around by itself. */
export interface HeartbeatConfig {
  readonly everyMs: number;
  /** Absolute. */
  readonly file: string;
  readonly activeHours: ActiveHours | undefined;
  /** Chats that get what is to be said; empty leaves it in the heartbeat's own chat. */
  readonly deliverTo: readonly string[];
  /** Entries of earlier heartbeats that are kept. */
  readonly history: number;
  readonly timeoutMs: number | undefined;
}

/** A URL that is asked while the daemon works, and how often. */
export interface PingConfig {
  /** A secret: whoever knows it can pretend that all is well. */
  readonly url: string;
  readonly everyMs: number;
}

/** The section as it is used. */
export function heartbeatConfig(
  given: z.infer<typeof heartbeat>,
  cwd: string,
): { readonly heartbeat: HeartbeatConfig; readonly ping: PingConfig | undefined } {
  const { every, file, activeHours: hours, deliver, history, timeout, pingUrl, pingEvery } = given;
  return {
    heartbeat: {
      everyMs: every,
      file: resolve(cwd, file),
      activeHours: hours,
      deliverTo: [...(deliver?.chat === undefined ? [] : [deliver.chat]), ...(deliver?.chats ?? [])],
      history,
      timeoutMs: timeout,
    },
    ping: pingUrl === undefined ? undefined : { url: pingUrl, everyMs: pingEvery },
  };
}
