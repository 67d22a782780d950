/** Jobs as people see them. Reading changes nothing. */
import { RequestError } from "../../core/errors.ts";
import { localTimeZone } from "../../core/time-zone.ts";
import type { JobFilter, JobRecord, RunRecord } from "../../ports/store/job-records.ts";
import type { Page, PageRequest } from "../../ports/store/records.ts";
import type { JobPlan, JobView } from "../job-api.ts";
import type { Jobs } from "../jobs.ts";
import type { Kernel } from "../kernel.ts";
import { nextTicks } from "../schedule.ts";
import { explain } from "../why.ts";
import { staggerOf } from "./instants.ts";

const NEXT_SHOWN = 3;

export interface JobViews {
  /** @throws RequestError JOB_UNKNOWN */
  readonly record: (id: string) => Promise<JobRecord>;
  readonly view: (job: JobRecord) => Promise<JobView>;
  readonly list: (page: PageRequest, filter: JobFilter) => Promise<Page<JobView>>;
  readonly plan: (id: string) => Promise<JobPlan>;
}

export function createJobViews({ store, clock }: Pick<Kernel, "store" | "clock">, jobs: Pick<Jobs, "stateOf">): JobViews {
  const record = async (id: string): Promise<JobRecord> => {
    const job = await store.jobs.get(id);
    if (job) return job;
    throw new RequestError("JOB_UNKNOWN", `there is no cron job ${JSON.stringify(id)}; \`satibot cron list\` shows all`, { path: "id" });
  };

  const viewOf = (job: JobRecord, lastRun: RunRecord | undefined): JobView => {
    const live = jobs.stateOf(job.id);
    const state = live?.state ?? stateOf(job, lastRun);
    const sinceMs = live?.sinceMs ?? job.changedAtMs;
    const why = explain("cron-job", state, {
      nowMs: clock.now(),
      sinceMs,
      subject: job.id,
      dueAtMs: job.startAtMs,
      failures: job.failures,
    });
    return {
      ...job,
      state,
      why: why.sentence,
      timezone: job.schedule.kind === "cron" ? job.schedule.timezone : localTimeZone(),
      next: nextOf(job),
      staggerByMs: staggerOf(job),
      lastRun,
    };
  };

  const view = async (job: JobRecord): Promise<JobView> => viewOf(job, (await store.jobs.newestRuns([job.id]))[0]);

  return {
    record,
    view,
    list: async (page, filter) => {
      const { items, next } = await store.jobs.list(page, filter);
      const newest = await store.jobs.newestRuns(items.map((job) => job.id));
      const runs = new Map(newest.map((run) => [run.jobId, run]));
      return { items: items.map((job) => viewOf(job, runs.get(job.id))), next };
    },
    plan: async (id) => {
      const job = await record(id);
      const [underWay] = await store.jobs.underWay([id]);
      const { chat, message, deliverTo, overlap } = job;
      return { job: await view(job), would: underWay ? overlap : "run", atMs: clock.now(), chat, message, deliverTo };
    },
  };
}

/** Of a job without an actor: what its rows say. */
function stateOf({ status }: JobRecord, lastRun: RunRecord | undefined): string {
  if (lastRun?.status === "running") return "running";
  return status === "active" ? "scheduled" : status;
}

/** The next instants of an active job; a schedule that cannot be read has none. */
function nextOf(job: JobRecord): JobView["next"] {
  const { status, nextAtMs, startAtMs, schedule, untilMs = Number.MAX_SAFE_INTEGER, maxRuns, runs } = job;
  if (status !== "active" || nextAtMs === undefined || startAtMs === undefined) return [];
  const first = { atMs: nextAtMs, startAtMs };
  const left = Math.min(NEXT_SHOWN, maxRuns === undefined ? NEXT_SHOWN : maxRuns - runs);
  try {
    const later = nextTicks(schedule, nextAtMs, left - 1).filter((atMs) => atMs <= untilMs);
    return [first, ...later.map((atMs) => ({ atMs, startAtMs: atMs + staggerOf(job) }))];
  } catch {
    return [first];
  }
}
