/** Jobs without time: a map of what was added, with the defaults of the runtime; runs never end. */
import { parseChatKey } from "../../src/core/chat-key.ts";
import { RequestError } from "../../src/core/errors.ts";
import type { RunRecord } from "../../src/ports/store/job-records.ts";
import type { Schedule } from "../../src/ports/store/records.ts";
import type { CronJobInput, JobView } from "../../src/runtime/job-api.ts";
import type { EventLoop } from "../../src/runtime/api.ts";

export type JobCalls = Pick<
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

const NOW = 1_000_000;

export function createFakeJobs(): JobCalls & { readonly all: Map<string, JobView>; readonly runsOf: Map<string, RunRecord[]> } {
  const all = new Map<string, JobView>();
  const runsOf = new Map<string, RunRecord[]>();
  const get = (id: string): JobView => {
    const job = all.get(id);
    if (job) return job;
    throw new RequestError("JOB_UNKNOWN", `there is no job ${id}; \`satibot cron list\` shows those there are`, { path: "id" });
  };
  const put = (job: JobView): JobView => (all.set(job.id, job), job);
  return {
    all,
    runsOf,
    addCronJob: async (input, { isNew = false, keepsState = false } = {}) => {
      if (isNew && all.has(input.id)) throw new RequestError("JOB_EXISTS", `there is a job ${input.id} already`, { path: "id" });
      const before = keepsState ? all.get(input.id) : undefined;
      return put({ ...viewOf(input), ...(before && { status: before.status, state: before.state, next: before.next }) });
    },
    removeCronJob: async (id) => all.delete(id),
    reconcileJobs: async () => ({ added: [], changed: [], removed: [], unchanged: [] }),
    job: async (id) => get(id),
    jobs: async (page = { limit: 100 }, { origin, status, owner } = {}) => {
      const fits = (job: JobView): boolean =>
        (origin ?? job.origin) === job.origin && (status ?? job.status) === job.status && (owner ?? job.owner) === job.owner;
      const rest = [...all.values()].filter((job) => fits(job) && job.id > (page.cursor ?? ""));
      const items = rest.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, page.limit);
      return { items, next: rest.length > items.length ? items.at(-1)?.id : undefined };
    },
    jobRuns: async (id) => ({ items: runsOf.get(id) ?? [], next: undefined }),
    pauseJob: async (id) => put({ ...get(id), status: "paused", state: "paused", next: [] }),
    resumeJob: async (id) => put({ ...get(id), status: "active", state: "scheduled" }),
    runJob: async (id) => {
      const run: RunRecord = {
        runId: `run-${id}`,
        jobId: get(id).id,
        instantMs: NOW,
        count: 1,
        firstMs: NOW,
        trigger: "hand",
        startedAtMs: NOW,
        endedAtMs: undefined,
        status: "running",
        delivery: "none",
        error: undefined,
      };
      runsOf.set(id, [run, ...(runsOf.get(id) ?? [])]);
      return run;
    },
    planJob: async (id) => {
      const job = get(id);
      return { job, would: "run", atMs: NOW, chat: job.chat, message: job.message, deliverTo: job.deliverTo };
    },
    nextInstants: () => [],
  };
}

export function viewOf(input: CronJobInput): JobView {
  const chats = [input.deliver?.chat, ...(input.deliver?.chats ?? [])].filter((chat) => chat !== undefined).map(parseChatKey);
  return {
    id: input.id,
    name: input.name ?? input.id,
    message: input.message,
    schedule: scheduleOf(input.schedule),
    chat: input.session === "chat" && chats[0] ? chats[0] : parseChatKey(`cron:${input.id}`),
    deliverTo: chats,
    deliverWhen: input.deliver?.when ?? "always",
    silence: input.deliver?.silence,
    missed: input.missed ?? "once",
    graceMs: input.grace === undefined ? undefined : Number(input.grace),
    missedMax: input.missedMax ?? 10,
    overlap: input.overlap ?? "skip",
    attempts: input.retry?.attempts,
    backoffMs: input.retry?.backoff === undefined ? undefined : Number(input.retry.backoff),
    timeoutMs: input.timeout === undefined ? undefined : Number(input.timeout),
    staggerMs: Number(input.stagger ?? 0),
    jitterMs: Number(input.jitter ?? 0),
    untilMs: input.until === undefined ? undefined : Number(input.until),
    maxRuns: input.maxRuns,
    disableAfter: input.disableAfter ?? 10,
    turnClass: input.turnClass ?? "cron",
    origin: input.origin ?? "library",
    owner: input.owner === undefined ? undefined : parseChatKey(input.owner),
    status: "active",
    nextAtMs: NOW + 60_000,
    startAtMs: NOW + 60_000,
    runs: 0,
    failures: 0,
    createdAtMs: NOW,
    changedAtMs: NOW,
    state: "scheduled",
    why: "Waits for its next instant.",
    timezone: "Europe/Paris",
    next: [1, 2, 3].map((place) => ({ atMs: NOW + place * 60_000, startAtMs: NOW + place * 60_000 })),
    staggerByMs: 0,
    lastRun: undefined,
  };
}

function scheduleOf(input: CronJobInput["schedule"]): Schedule {
  if ("every" in input) return { kind: "every", everyMs: Number(input.every), anchorMs: Number(input.anchor ?? NOW) };
  if ("at" in input) return { kind: "at", atMs: Number(input.at) };
  return { kind: "cron", expression: input.cron, timezone: input.timezone ?? "UTC" };
}
