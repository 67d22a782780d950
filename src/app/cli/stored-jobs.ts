import { RequestError } from "../../core/errors.ts";
import { localTimeZone } from "../../core/time-zone.ts";
import type { JobRecord, JobStatus, JobOrigin, RunRecord } from "../../ports/store/job-records.ts";
import type { Store } from "../../ports/store/store.ts";
import { type WireJob, wireJob, wireRun } from "../../http/wire-jobs.ts";
import { staggerOf } from "../../runtime/jobs/instants.ts";
import { nextTicks } from "../../runtime/schedule.ts";
import type { JobReader } from "./chat-reader.ts";

/** The reading half of the jobs of a store. */
export type JobRows = Pick<Store["jobs"], "get" | "list" | "runs" | "newestRuns">;

const ROWS_SHOWN = 100;
const NEXT_SHOWN = 3;

/** Shows the jobs of a stopped daemon's store in the shapes of the API. Nothing moves: the next instants are those that its rows name. */
export function createStoredJobs(rows: JobRows): JobReader {
  const recordOf = async (id: string): Promise<JobRecord> => {
    const job = await rows.get(id);
    if (job === undefined)
      throw new RequestError("JOB_UNKNOWN", `there is no job ${id}; \`satibot cron list\` shows those there are`, { path: "id" });
    return job;
  };
  return {
    jobs: async ({ origin, status, limit = ROWS_SHOWN, cursor }) => {
      const filter = {
        ...(origin === undefined ? {} : { origin: origin as JobOrigin }),
        ...(status === undefined ? {} : { status: status as JobStatus }),
      };
      const page = await rows.list({ limit, ...(cursor === undefined ? {} : { cursor }) }, filter);
      const newest = new Map((await rows.newestRuns(page.items.map(({ id }) => id))).map((run) => [run.jobId, run]));
      return { items: page.items.map((job) => wireOf(job, newest.get(job.id))), next: page.next ?? null };
    },
    job: async (id) => {
      const job = await recordOf(id);
      return wireOf(job, (await rows.newestRuns([id]))[0]);
    },
    runs: async (id, { limit = ROWS_SHOWN, cursor }) => {
      const page = await rows.runs(id, { limit, ...(cursor === undefined ? {} : { cursor }) });
      if (page.items.length === 0) await recordOf(id);
      return { items: page.items.map(wireRun), next: page.next ?? null };
    },
  };
}

function wireOf(job: JobRecord, lastRun: RunRecord | undefined): WireJob {
  const { status, schedule } = job;
  return wireJob({
    ...job,
    state: status === "active" ? "scheduled" : status,
    why: status === "active" ? "The daemon is not running." : `It is ${status}, and the daemon is not running.`,
    timezone: schedule.kind === "cron" ? schedule.timezone : localTimeZone(),
    next: instantsOf(job).map((atMs) => ({ atMs, startAtMs: atMs + staggerOf(job) })),
    staggerByMs: staggerOf(job),
    lastRun,
  });
}

/** From the instant that its row names on, also when that has passed: the next start decides about it. */
function instantsOf({ status, schedule, nextAtMs, untilMs = Number.POSITIVE_INFINITY }: JobRecord): readonly number[] {
  if (status !== "active" || nextAtMs === undefined) return [];
  try {
    return [nextAtMs, ...nextTicks(schedule, nextAtMs, NEXT_SHOWN - 1)].filter((atMs) => atMs <= untilMs);
  } catch {
    return [nextAtMs];
  }
}
