/** Cron jobs over HTTP. Whatever only reads moves nothing. */
import { RequestError } from "../core/errors.ts";
import type { JobFilter, JobOrigin, JobStatus } from "../ports/store/job-records.ts";
import type { CronJobInput, JobView } from "../runtime/job-api.ts";
import type { EventLoop } from "../runtime/api.ts";
import { readJsonBody } from "./body.ts";
import { type JobPatch, parseJobBody, parseJobPatch, parseRunBody } from "./job-body.ts";
import { pageOf } from "./query.ts";
import { queryOf, type HttpContext, type Route } from "./routes.ts";
import { parseChatKey } from "../core/chat-key.ts";
import { wireJob, wirePlan, wireRun } from "./wire-jobs.ts";

type JobCalls = Pick<
  EventLoop,
  "addCronJob" | "removeCronJob" | "job" | "jobs" | "jobRuns" | "pauseJob" | "resumeJob" | "runJob" | "planJob"
>;

const ORIGINS = ["config", "api", "chat", "library", "system"] as const satisfies readonly JobOrigin[];
const STATUSES = ["active", "paused", "disabled", "completed"] as const satisfies readonly JobStatus[];

export function jobRoutes(loop: JobCalls): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/jobs",
      answer: async (c) => {
        const query = queryOf(c);
        const page = await loop.jobs(pageOf(query), filterOf(query));
        return c.json({ items: page.items.map(wireJob), next: page.next ?? null });
      },
    },
    {
      method: "POST",
      path: "/api/jobs",
      answer: async (c) => {
        const { job, paused } = parseJobBody(await readJsonBody(c.env.incoming));
        const added = await loop.addCronJob({ ...job, origin: "api" }, { isNew: true });
        return c.json(wireJob(paused ? await loop.pauseJob(added.id) : added), 201);
      },
    },
    { method: "GET", path: "/api/jobs/:id", answer: async (c) => c.json(wireJob(await loop.job(idOf(c)))) },
    {
      method: "PATCH",
      path: "/api/jobs/:id",
      answer: async (c) => {
        const id = idOf(c);
        const patch = parseJobPatch(await readJsonBody(c.env.incoming));
        return c.json(wireJob(await change(loop, await loop.job(id), patch)));
      },
    },
    {
      method: "DELETE",
      path: "/api/jobs/:id",
      answer: async (c) => {
        const job = await loop.job(idOf(c));
        refuseFixed(job, "pausing it is possible");
        await loop.removeCronJob(job.id);
        return c.json({ id: job.id });
      },
    },
    {
      method: "POST",
      path: "/api/jobs/:id/run",
      answer: async (c) => {
        const id = idOf(c);
        const { dry } = parseRunBody(await readJsonBody(c.env.incoming));
        return dry ? c.json(wirePlan(await loop.planJob(id))) : c.json(wireRun(await loop.runJob(id)), 202);
      },
    },
    {
      method: "GET",
      path: "/api/jobs/:id/runs",
      answer: async (c) => {
        const id = idOf(c);
        const page = await loop.jobRuns(id, pageOf(queryOf(c)));
        // Runs are kept longer than jobs: only an id without either is not known.
        if (page.items.length === 0) await loop.job(id);
        return c.json({ items: page.items.map(wireRun), next: page.next ?? null });
      },
    },
  ];
}

/** Definition first, so that a refused one changes nothing. */
async function change(loop: JobCalls, job: JobView, { fields, cleared, paused }: JobPatch): Promise<JobView> {
  let now = job;
  if (Object.keys(fields).length > 0 || cleared.length > 0) {
    refuseFixed(job, "it can be paused and resumed");
    const before = Object.entries(inputOf(job)).filter(([name]) => !cleared.includes(name));
    now = await loop.addCronJob({ ...(Object.fromEntries(before) as unknown as CronJobInput), ...fields }, { keepsState: true });
  }
  if (paused === true && now.status !== "paused") now = await loop.pauseJob(job.id);
  if (paused === false && now.status !== "active") now = await loop.resumeJob(job.id);
  return now;
}

/** The job as it would be added again. */
function inputOf(job: JobView): CronJobInput {
  const { chat: _, ...rest } = wireJob(job);
  const { id, name, message, schedule, deliver, missed, grace, missedMax, overlap, retry, timeout, stagger, jitter } = rest;
  const settings = { id, name, message, schedule, deliver, missed, grace, missedMax, overlap, retry, timeout, stagger, jitter };
  const { until, maxRuns, disableAfter, owner } = rest;
  const session = job.chat === `cron:${id}` ? "job" : "chat";
  const { origin, turnClass } = job;
  const all = { ...settings, until, maxRuns, disableAfter, owner, session, origin, turnClass };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as CronJobInput;
}

/** @throws RequestError WRONG_STATE for what the next reload of the configuration would put back */
function refuseFixed({ id, origin }: JobView, besides: string): void {
  if (origin !== "config" && origin !== "system") return;
  const where = origin === "config" ? "comes from the configuration" : "belongs to the heartbeat section of the configuration";
  throw new RequestError("WRONG_STATE", `job ${id} ${where}; change it there and run \`satibot config reload\` (${besides})`, {
    path: "id",
  });
}

function filterOf(query: URLSearchParams): JobFilter {
  const one = <T extends string>(name: string, known: readonly T[]): T | undefined => {
    const given = query.get(name) ?? "";
    if (given === "") return undefined;
    const found = known.find((value) => value === given);
    if (found === undefined)
      throw new RequestError("BAD_REQUEST", `query parameter ${name}: must be one of ${known.join(", ")}`, { path: `query.${name}` });
    return found;
  };
  const owner = query.get("owner") ?? "";
  const filter = { origin: one("origin", ORIGINS), status: one("status", STATUSES), owner: owner === "" ? undefined : parseChatKey(owner) };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** The id of `/api/jobs/:id…`, decoded exactly once. */
function idOf(c: HttpContext): string {
  try {
    return decodeURIComponent(c.req.path.split("/")[3] ?? "");
  } catch (cause) {
    throw new RequestError("BAD_REQUEST", "the job id in the path is not valid percent-encoding; encode its UTF-8 bytes, a % as %25", {
      path: "id",
      cause,
    });
  }
}
