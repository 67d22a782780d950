/**
 * The heartbeat: the runtime looks around by itself, from time to time. It is a job of the runtime in a chat of its own, with a class of
 * turns of its own; what it asks is made anew each time from what a file says and from how the runtime is. An answer that is exactly
 * HEARTBEAT_OK counts as none, where what a run says is decided (jobs/run-delivery.ts), before the outbox.
 */
import { parseChatKey, type ChatKey } from "../../core/chat-key.ts";
import { TransientError, noteOf } from "../../core/errors.ts";
import { localTimeZone } from "../../core/time-zone.ts";
import type { CancelTimer } from "../../ports/clock.ts";
import type { JobDefinition, JobRecord } from "../../ports/store/job-records.ts";
import type { HeartbeatOptions } from "../api.ts";
import type { Jobs } from "../jobs.ts";
import type { Prepared } from "../jobs/claims.ts";
import { isSameDefinition } from "../jobs/definition.ts";
import { positionAfter } from "../jobs/instants.ts";
import type { Kernel } from "../kernel.ts";
import { healthSummary, type HealthFacts } from "./health-summary.ts";
import { instructionsOf } from "./instructions.ts";

/** The id of its job; no other job may have it. */
export const HEARTBEAT_ID = "heartbeat";
export const HEARTBEAT_CHAT: ChatKey = "system:heartbeat";
/** The answer that says that nothing needs attention. */
export const HEARTBEAT_OK = "HEARTBEAT_OK";

const HISTORY_DEFAULT = 20;
/** A heartbeat that nobody saw in time is not made up for: the next one looks at the same things. */
const GRACE_MS = 60_000;
/** Longest that its instructions may take to be read: other jobs wait for that. */
const READ_MAX_MS = 5_000;

export interface Heartbeat {
  /** Makes it this, or none; its row keeps what a person paused. Idempotent. */
  readonly configure: (options: HeartbeatOptions | undefined) => Promise<void>;
  /** Undefined for any other job. */
  readonly prepare: (job: JobRecord) => Promise<Prepared | undefined>;
}

export function createHeartbeat(
  { store, clock, log }: Pick<Kernel, "store" | "clock" | "log">,
  parts: {
    readonly jobs: Pick<Jobs, "changed" | "removed">;
    readonly facts: () => Promise<Omit<HealthFacts, "nowMs" | "timezone">>;
  },
): Heartbeat {
  let current: HeartbeatOptions | undefined;
  /** Why the last instant ran nothing. */
  let told: string | undefined;
  /** Instructions are being read; a read that hangs is not joined by others. */
  let isReading = false;

  const inTime = async (read: HeartbeatOptions["instructions"]): Promise<string | undefined> => {
    if (isReading) throw new TransientError("INTERNAL", "an earlier read of it has not come to an end");
    isReading = true;
    const reading = Promise.resolve()
      .then(read)
      .finally(() => {
        isReading = false;
      });
    let cancel: CancelTimer = () => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = clock.setTimer(READ_MAX_MS, () => reject(new TransientError("INTERNAL", `that takes longer than ${READ_MAX_MS} ms`)));
    });
    return Promise.race([reading, late]).finally(() => cancel());
  };

  const nothing = (code: string, message: string): Prepared => {
    if (message !== told) log.info({ why: message }, "the heartbeat has nothing to do");
    told = message;
    return { type: "skip", why: { code, message } };
  };

  const instructions = async ({ instructions: read, source }: HeartbeatOptions): Promise<string | Prepared> => {
    let file: string | undefined;
    try {
      file = await inTime(read);
    } catch (error) {
      const { message } = noteOf(error);
      if (message !== told) log.warn({ source, err: error }, "the heartbeat cannot read what it is to look after");
      told = message;
      return { type: "skip", why: { code: "HEARTBEAT_UNREADABLE", message: `${source} cannot be read: ${message}` } };
    }
    if (file === undefined) return nothing("HEARTBEAT_EMPTY", `there is no ${source}; write there what is to be looked after`);
    const text = instructionsOf(file);
    return text ?? nothing("HEARTBEAT_EMPTY", `${source} asks for nothing: it is empty, or holds only headings and comments`);
  };

  return {
    configure: async (options) => {
      current = options;
      told = undefined;
      const known = await store.jobs.get(HEARTBEAT_ID);
      if (known && known.origin !== "system") {
        if (options) log.error({ job: HEARTBEAT_ID }, "there is a job of this id, so there is no heartbeat; remove the job and reload");
        return;
      }
      if (!options) {
        if (!known) return;
        await store.jobs.remove(HEARTBEAT_ID);
        return parts.jobs.removed(HEARTBEAT_ID);
      }
      const job = heartbeatJob(options, known, clock.now());
      if (job === known) return;
      await store.jobs.put(job);
      parts.jobs.changed(job);
    },
    prepare: async (job) => {
      if (job.id !== HEARTBEAT_ID || job.origin !== "system") return undefined;
      const options = current;
      if (!options) return nothing("HEARTBEAT_OFF", "no heartbeat is configured");
      const text = await instructions(options);
      if (typeof text !== "string") return text;
      told = undefined;
      await store.chats.trim(HEARTBEAT_CHAT, options.history ?? HISTORY_DEFAULT);
      const timezone = options.activeHours?.timezone ?? localTimeZone();
      const state = healthSummary({ ...(await parts.facts()), nowMs: clock.now(), timezone });
      // The first of a series of failures is told; an hourly notice of the same would only tire.
      const deliverWhen = job.failures === 0 ? job.deliverWhen : "answer";
      return { type: "run", job: { ...job, message: messageOf(text, state), deliverWhen } };
    },
  };
}

function messageOf(instructions: string, state: string): string {
  return [
    `This is a heartbeat: look after what follows. If nothing needs attention, answer exactly ${HEARTBEAT_OK} and nothing else.`,
    instructions,
    `How satibot is:\n${state}`,
  ].join("\n\n");
}

/** The job of the heartbeat; the one that is known when nothing differs. */
function heartbeatJob(options: HeartbeatOptions, known: JobRecord | undefined, nowMs: number): JobRecord {
  const { everyMs, activeHours, deliverTo = [], timeoutMs } = options;
  const anchorMs = known?.schedule.kind === "every" && known.schedule.everyMs === everyMs ? known.schedule.anchorMs : nowMs;
  const definition: JobDefinition = {
    id: HEARTBEAT_ID,
    name: "Heartbeat",
    message: `What ${options.source} says, and how satibot is.`,
    schedule: { kind: "every", everyMs, anchorMs, ...(activeHours === undefined ? {} : { within: activeHours }) },
    chat: HEARTBEAT_CHAT,
    deliverTo: deliverTo.map(parseChatKey),
    deliverWhen: "nonEmpty",
    silence: HEARTBEAT_OK,
    missed: "skip",
    graceMs: GRACE_MS,
    missedMax: 1,
    overlap: "skip",
    attempts: 1,
    backoffMs: undefined,
    timeoutMs,
    staggerMs: 0,
    jitterMs: 0,
    untilMs: undefined,
    maxRuns: undefined,
    // It goes on: what fails is seen in its runs, and the next one may be well.
    disableAfter: 0,
    turnClass: "heartbeat",
    origin: "system",
    owner: undefined,
  };
  if (known && isSameDefinition(definition, known)) return known;
  const status = known?.status === "paused" ? "paused" : "active";
  const position = positionAfter(definition, nowMs, { status, runs: 0, chance: 0 });
  const before = known ?? { runs: 0, failures: 0, createdAtMs: nowMs };
  return { ...definition, ...position, runs: before.runs, failures: before.failures, createdAtMs: before.createdAtMs, changedAtMs: nowMs };
}
