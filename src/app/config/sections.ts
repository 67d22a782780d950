/**
 * The sections of a configuration file with their defaults: what zod checks and `config schema` prints.
 * Unknown keys are refused everywhere. Channels stand apart because their shape follows from their kind.
 */
import * as z from "zod";
import { DEFAULT_LIMITS } from "../../core/limits.ts";
import { cronJob } from "./cron-fields.ts";
import { heartbeat } from "./heartbeat-fields.ts";
import { channelsShape, hooks } from "./channel-fields.ts";
import { duration, secret, wholeNumber } from "./fields.ts";
import { mapping } from "./mapping.ts";

export const DEFAULT_STORE = "sqlite:./data/satibot.db";
export const DEFAULT_HOST = "127.0.0.1";
export const DEFAULT_PORT = 7330;

const limits = z
  .strictObject(
    {
      concurrentTurns: wholeNumber("Turns running at once over all chats.", 1, 10_000).default(DEFAULT_LIMITS.concurrentTurns),
      inboxPerChat: wholeNumber("Messages waiting in one chat before a further one is refused.", 1, 1_000_000).default(
        DEFAULT_LIMITS.inboxPerChat,
      ),
      turnTimeout: duration("Longest one attempt of a turn may run.", 10).default(DEFAULT_LIMITS.turnTimeoutMs),
      maxAttempts: wholeNumber("Counted attempts before a turn is given up.", 1, 1_000).default(DEFAULT_LIMITS.maxAttempts),
      idleTimeout: duration("Idle time before a chat leaves memory.").default(DEFAULT_LIMITS.idleTimeoutMs),
      drainTimeout: duration("Time from the first signal to exit.").default(DEFAULT_LIMITS.drainTimeoutMs),
      outboxMaxAge: duration("Age at which an unsent reply expires.", 1_000).default(DEFAULT_LIMITS.outboxMaxAgeMs),
      eventRetention: duration("How long the event log is kept.").default(DEFAULT_LIMITS.eventRetentionMs),
      dedupeRetention: duration("How long a redelivered message is recognised; at least inboxRetention.").default(
        DEFAULT_LIMITS.dedupeRetentionMs,
      ),
      inboxRetention: duration("How long ended messages are kept.").default(DEFAULT_LIMITS.inboxRetentionMs),
      historyRetention: duration("How long conversations are kept.").default(DEFAULT_LIMITS.historyRetentionMs),
      runRetention: duration("How long the runs of cron jobs are kept, and completed jobs.").default(DEFAULT_LIMITS.runRetentionMs),
      jobsPerChat: wholeNumber("Cron jobs of one chat that are not completed.", 0, 100_000).default(DEFAULT_LIMITS.jobsPerChat),
      catchUpPerSecond: wholeNumber("Missed runs of cron jobs begun in a second.", 1, 10_000).default(DEFAULT_LIMITS.catchUpPerSecond),
    },
    mapping,
  )
  .refine((given) => given.dedupeRetention >= given.inboxRetention, {
    path: ["dedupeRetention"],
    error: "is shorter than inboxRetention, so a redelivered message could be answered twice; write at least as long",
  });

const http = z.strictObject(
  {
    host: z
      .string({ error: "must be an address such as 127.0.0.1" })
      .min(1, { error: "must not be empty" })
      .default(DEFAULT_HOST)
      .meta({ description: "Address to listen on." }),
    port: wholeNumber("Port to listen on; 0 takes any free one.", 0, 65_535).default(DEFAULT_PORT),
    token: secret("Asked of every caller. Required when the host is not a loopback address.").optional(),
    allowedHosts: z
      .array(z.string({ error: "must be a host name" }), { error: "must be a list of host names" })
      .default([])
      .meta({ description: "Further values of the Host header that are let in, such as the name of a reverse proxy." }),
  },
  mapping,
);

const overlapPolicies = ["queue", "collect", "latest", "interrupt", "steer", "reject"] as const;
export const logLevels = ["debug", "info", "warn", "error"] as const;
const oneOf = (values: readonly string[]) => `must be one of ${values.join(", ")}`;

/** Every section but `channels`. */
export const sections = z.strictObject(
  {
    store: z.string({ error: 'must be a text such as "sqlite:./data/satibot.db" or "memory:"' }).default(DEFAULT_STORE).meta({
      description: '"sqlite:PATH" or "memory:".',
    }),
    overlap: z
      .strictObject(
        {
          policy: z.enum(overlapPolicies, { error: oneOf(overlapPolicies) }).default("queue"),
          debounceMs: wholeNumber("Quiet time before waiting messages are taken, in milliseconds.", 0, 600_000).default(0),
        },
        mapping,
      )
      .prefault({}),
    cron: z.array(cronJob, { error: "must be a list of jobs" }).default([]),
    heartbeat: heartbeat.optional(),
    hooks: hooks.default({}),
    limits: limits.prefault({}),
    http: http.prefault({}),
    reload: z
      .strictObject(
        {
          watch: z
            .boolean({ error: "must be true or false" })
            .default(false)
            .meta({ description: "Read this file again whenever it changes. SIGHUP and `satibot config reload` always do." }),
        },
        mapping,
      )
      .prefault({}),
    log: z.strictObject({ level: z.enum(logLevels, { error: oneOf(logLevels) }).optional() }, mapping).prefault({}),
  },
  mapping,
);

/** The whole file, as `config schema` prints it. */
export const wholeFile = sections.extend({
  heartbeat: z.union([z.boolean(), heartbeat]).optional(),
  channels: channelsShape.optional(),
});
