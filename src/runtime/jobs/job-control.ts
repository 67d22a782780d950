/** What the ways in do with cron jobs: add, change, pause, run by hand, and make those of the configuration what the file says. */
import { RequestError } from "../../core/errors.ts";
import type { JobDefinition, JobRecord, JobStatus } from "../../ports/store/job-records.ts";
import type { PassedInstants } from "../../ports/store/job-store.ts";
import type { CronJobInput, JobView, ReconciledJobs } from "../job-api.ts";
import type { EventLoop } from "../api.ts";
import type { Jobs } from "../jobs.ts";
import type { Kernel } from "../kernel.ts";
import { nextTicks, parseSchedule } from "../schedule.ts";
import { chatOfJob, definitionOf, isSameDefinition, isSameSchedule, isSameTiming } from "./definition.ts";
import { instantByHand, passedBy, positionAfter } from "./instants.ts";
import { createJobViews } from "./job-views.ts";

export type JobControl = Pick<
  EventLoop,
  | "addCronJob"
  | "removeCronJob"
  | "reconcileJobs"
  | "job"
  | "jobs"
  | "jobRuns"
  | "pauseJob"
  | "resumeJob"
  | "runJob"
  | "planJob"
  | "nextInstants"
>;

const PAGE = 500;
/** Jobs of a configuration. */
const CONFIGURED_MAX = 10_000;
const INSTANTS_MAX = 1_000;
const TRIES_MAX = 10;

export function createJobControl(kernel: Kernel, jobs: Jobs, requireOpen: () => void): JobControl {
  const { store, clock, random, log, limits } = kernel;
  const views = createJobViews(kernel, jobs);

  const started = (definition: JobDefinition, nowMs: number): JobRecord => ({
    ...definition,
    ...positionAfter(definition, nowMs, { status: "active", runs: 0, chance: random.next() }),
    runs: 0,
    failures: 0,
    createdAtMs: nowMs,
    changedAtMs: nowMs,
  });

  /** The job by another definition: its state is kept, and its next instant where its schedule is the same. */
  const redefined = (known: JobRecord, definition: JobDefinition, nowMs: number): JobRecord => {
    if (known.isUnreadable) return started(definition, nowMs);
    if (isSameDefinition(definition, known)) return known;
    if (isSameTiming(definition, known)) return { ...known, ...definition, changedAtMs: nowMs };
    const status = known.status === "completed" ? "active" : known.status;
    // Of the same instants none is passed over, also when its start is still to come.
    const afterMs = known.nextAtMs !== undefined && isSameSchedule(definition, known) ? known.nextAtMs - 1 : nowMs;
    const position = positionAfter(definition, afterMs, { status, runs: known.runs, chance: random.next() });
    return { ...known, ...definition, ...position, changedAtMs: nowMs };
  };

  const addCronJob: EventLoop["addCronJob"] = async (input, { isNew = false, keepsState = false } = {}) => {
    requireOpen();
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const added = await tryToAdd(input, isNew, keepsState);
      if (added) return added;
    }
    throw movesOn(input.id);
  };

  /** Undefined when the job moved on meanwhile, and what was made of its state is stale. */
  const tryToAdd = async (input: CronJobInput, isNew: boolean, keepsState: boolean): Promise<JobView | undefined> => {
    const nowMs = clock.now();
    const known = await store.jobs.get(input.id);
    if (known?.origin === "system")
      throw new RequestError("JOB_EXISTS", `${input.id} is the id of a job of the runtime itself; choose another`, { path: "id" });
    const definition = definitionOf(input, nowMs);
    const before = keepsState ? known : undefined;
    const job = before ? redefined(before, definition, nowMs) : started(definition, nowMs);
    const isDone = before?.status === "completed" && isSameTiming(job, before);
    if (job.nextAtMs === undefined && !isDone)
      throw new RequestError("BAD_SCHEDULE", `job ${job.id} has no instant left: it has passed, or until comes before it`, {
        path: "schedule",
      });
    const stored = await store.jobs.put(job, { isNew, ownerMax: limits.jobsPerChat, from: before });
    if (stored === "moved") return undefined;
    if (stored === "exists")
      throw new RequestError("JOB_EXISTS", `there is a cron job ${JSON.stringify(job.id)} already; choose another id or remove it`, {
        path: "id",
      });
    if (stored === "full")
      throw new RequestError("JOBS_FULL", `${job.owner} has ${limits.jobsPerChat} cron jobs (limits.jobsPerChat); remove one first`, {
        path: "owner",
      });
    jobs.changed(job);
    return views.view(job);
  };

  /** Moves a job to another status; tries again when it moved meanwhile. */
  const change = async (id: string, next: (job: JobRecord) => Parameters<typeof store.jobs.advance>[0] | undefined): Promise<JobView> => {
    requireOpen();
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const job = await views.record(id);
      const move = next(job);
      if (move && !(await store.jobs.advance(move))) continue;
      const changed = move ? await views.record(id) : job;
      if (move) jobs.changed(changed);
      return views.view(changed);
    }
    throw movesOn(id);
  };

  const movesOn = (id: string): RequestError =>
    new RequestError("WRONG_STATE", `cron job ${JSON.stringify(id)} moves on at this moment; try again`, { path: "id" });

  const resumed = (job: JobRecord): Parameters<typeof store.jobs.advance>[0] => {
    const nowMs = clock.now();
    const passed = passedBy(job, nowMs);
    const keeps = { status: "active" as JobStatus, nextAtMs: job.nextAtMs, startAtMs: job.startAtMs };
    const to = passed ? positionAfter(job, passed.lastMs, { status: "active", runs: job.runs, chance: random.next() }) : keeps;
    return { jobId: job.id, fromMs: job.nextAtMs, to, passed: passed && skippedWhile(job.status, passed), isForgiven: true, atMs: nowMs };
  };

  const skippedWhile = (status: JobStatus, passed: Pick<PassedInstants, "firstMs" | "lastMs" | "count">): PassedInstants => ({
    ...passed,
    runId: random.id(),
    status: "skipped",
    error: { code: "JOB_PAUSED", message: `the job was ${status}` },
  });

  const runJob: EventLoop["runJob"] = async (id) => {
    requireOpen();
    const job = await views.record(id);
    if (job.isUnreadable) throw new RequestError("WRONG_STATE", `cron job ${id} cannot be read; add it again or remove it`, { path: "id" });
    const request = {
      fromMs: undefined,
      passed: undefined,
      instantMs: instantByHand(job, clock.now()),
      to: undefined,
      trigger: "hand",
    } as const;
    const prepared = await jobs.claims.prepare(job);
    if (prepared.type === "skip")
      throw new RequestError("WRONG_STATE", `cron job ${id} has nothing to do: ${prepared.why.message}`, { path: "id" });
    const claimed = await jobs.claims.claim(prepared.job, request);
    if (claimed.status === "gone") {
      await views.record(id);
      throw movesOn(id);
    }
    if (claimed.status === "claimed" && claimed.appended.status === "accepted") jobs.began(id, claimed.replaced.length);
    return claimed.run;
  };

  /** What a job of the configuration becomes. */
  const reconciled = (input: CronJobInput, known: JobRecord | undefined, nowMs: number): JobRecord => {
    const anchorMs = known?.schedule.kind === "every" ? known.schedule.anchorMs : nowMs;
    const definition = definitionOf({ ...input, origin: "config" }, nowMs, anchorMs);
    return known ? redefined(known, definition, nowMs) : started(definition, nowMs);
  };

  /** The job as it is stored: made anew of a state that moved on meanwhile. */
  const putConfigured = async (input: CronJobInput, before: JobRecord | undefined, planned: JobRecord): Promise<JobRecord> => {
    let [from, job] = [before, planned];
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if ((await store.jobs.put(job, { from })) !== "moved") return job;
      from = await store.jobs.get(input.id);
      job = reconciled(input, from, clock.now());
    }
    throw movesOn(input.id);
  };

  const configured = async (): Promise<Map<string, JobRecord>> => {
    const found = new Map<string, JobRecord>();
    let cursor: string | undefined;
    do {
      const page = await store.jobs.list({ limit: PAGE, cursor }, { origin: "config" });
      for (const job of page.items) found.set(job.id, job);
      cursor = page.next;
    } while (cursor !== undefined);
    return found;
  };

  const reconcileJobs: EventLoop["reconcileJobs"] = async (inputs) => {
    requireOpen();
    const nowMs = clock.now();
    requireReconcilable(inputs);
    const known = await configured();
    // All are read before anything is changed.
    const wanted: { readonly before: JobRecord | undefined; readonly job: JobRecord }[] = [];
    for (const input of inputs) {
      const before = known.get(input.id) ?? (await store.jobs.get(input.id));
      wanted.push({ before, job: reconciled(input, before, nowMs) });
    }
    const result = { added: [] as string[], changed: [] as string[], removed: [] as string[], unchanged: [] as string[] };
    for (const [place, { before, job: planned }] of wanted.entries()) {
      known.delete(planned.id);
      if (planned === before) {
        result.unchanged.push(planned.id);
        continue;
      }
      const job = await putConfigured(inputs[place]!, before, planned);
      jobs.changed(job);
      (before ? result.changed : result.added).push(job.id);
      if (job.nextAtMs === undefined) log.warn({ job: job.id }, "a cron job of the configuration has no instant left");
    }
    for (const id of known.keys()) {
      await store.jobs.remove(id);
      jobs.removed(id);
      result.removed.push(id);
    }
    const { unchanged, ...news } = result;
    if (news.added.length + news.changed.length + news.removed.length > 0)
      log.info({ ...news, unchanged: unchanged.length }, "cron jobs of the configuration");
    return result satisfies ReconciledJobs;
  };

  return {
    addCronJob,
    removeCronJob: async (id) => {
      const isKnown = await store.jobs.remove(id);
      jobs.removed(id);
      return isKnown;
    },
    reconcileJobs,
    job: async (id) => views.view(await views.record(id)),
    jobs: (page = { limit: 100 }, filter = {}) => views.list(page, filter),
    jobRuns: (id, page = { limit: 100 }) => store.jobs.runs(id, page),
    pauseJob: (id) =>
      change(id, (job) => {
        if (job.status === "completed") throw new RequestError("WRONG_STATE", `cron job ${id} is completed; there is nothing to pause`);
        if (job.status === "paused") return undefined;
        const { nextAtMs, startAtMs } = job;
        return { jobId: id, fromMs: nextAtMs, to: { status: "paused", nextAtMs, startAtMs }, atMs: clock.now() };
      }),
    resumeJob: (id) =>
      change(id, (job) => {
        if (job.status === "completed")
          throw new RequestError("WRONG_STATE", `cron job ${id} is completed: it has no instant left; add it again with another schedule`);
        return job.status === "active" ? undefined : resumed(job);
      }),
    runJob,
    planJob: views.plan,
    nextInstants: (schedule, afterMs, count) => {
      const stored = "kind" in schedule ? schedule : parseSchedule(schedule, afterMs);
      return nextTicks(stored, afterMs, Math.min(INSTANTS_MAX, count));
    },
  };
}

/** Twice the same id, or an instant that would move with each start, is refused before anything is changed. */
function requireReconcilable(inputs: readonly CronJobInput[]): void {
  if (inputs.length > CONFIGURED_MAX)
    throw new RequestError("BAD_REQUEST", `the configuration has ${inputs.length} cron jobs; at most ${CONFIGURED_MAX}`, { path: "cron" });
  const ids = new Set<string>();
  for (const { id, schedule } of inputs) {
    chatOfJob(id);
    if (ids.has(id))
      throw new RequestError("BAD_REQUEST", `the configuration has two cron jobs named ${JSON.stringify(id)}`, { path: "cron" });
    ids.add(id);
    if ("at" in schedule && typeof schedule.at === "string" && /^\s*in\b/i.test(schedule.at))
      throw new RequestError("BAD_SCHEDULE", `job ${id}: "${schedule.at}" would begin anew at each start; write an instant with its zone`, {
        path: "schedule",
      });
  }
}
