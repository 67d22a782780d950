import { type Command, InvalidArgumentError } from "commander";
import { RequestError, RuntimeError } from "../../core/errors.ts";
import type { ScheduleInput } from "../../runtime/job-api.ts";
import type { Schedule } from "../../ports/store/records.ts";
import { nextTickAfter, parseSchedule } from "../../runtime/schedule.ts";
import { scheduleOfText, zoneOf } from "../../runtime/schedule/schedule-text.ts";
import type { WireJob } from "../../http/wire-jobs.ts";
import { nearest } from "../config/check.ts";
import type { DaemonApi, JobReader } from "./chat-reader.ts";
import { type ConnectionOptions, withDaemon, withReader } from "./connection.ts";
import { type AddOptions, jobOfOptions, withJobOptions } from "./cron-add.ts";
import { usage } from "./cron-usage.ts";
import { viewExplanation, viewJob, viewJobDetail, viewJobs, viewPlan, viewRuns } from "./cron-views.ts";
import { explainSchedule } from "./explain.ts";
import { CommandError, EXIT } from "./io.ts";
import { oneLine, wrap } from "./text.ts";
import { type Tools, withConnection, withJson } from "./tools.ts";

interface Shown extends ConnectionOptions {
  readonly json?: boolean;
}

const ID = "id of the job, as `cron list` shows it";
/** Ids named when one is not known. */
const KNOWN_MAX = 10;
const HOW = 'satibot cron add daily --cron "0 9 * * *" --message "What is new?" --deliver telegram:123';

/** `satibot cron …`: jobs, their runs, and what a schedule means. */
export function addCronCommands(program: Command, tools: Tools): void {
  const cron = program.command("cron").description("look at scheduled jobs, add and change them, and explain schedules");
  addReaders(cron, tools);
  addAdd(cron, tools);
  addActions(cron, tools);
  addRun(cron, tools);
  addExplain(cron, tools);
}

function addReaders(cron: Command, { io, access, print }: Tools): void {
  const view = () => ({ columns: io.columns, nowMs: io.now() });
  const read = <T>(options: Shown, ask: (reader: JobReader) => Promise<T>): Promise<T> =>
    withReader(io, access, options, { daemon: ask, store: ask });

  withJson(withConnection(cron.command("list").description("list jobs with their next three instants and their last run")))
    .option("--status <status>", "only jobs that are active, paused, disabled or completed", statusName)
    .option("--limit <count>", "jobs on one page, 1 to 1000", pageSize, 100)
    .option("--cursor <cursor>", "go on after this id")
    .action(async (options: Shown & { status?: string; limit: number; cursor?: string }) => {
      const { status, limit, cursor } = options;
      const page = await read(options, (reader) => reader.jobs({ status, limit, cursor }));
      const empty =
        status === undefined && cursor === undefined
          ? wrap(`No jobs yet. Add one: ${HOW}`, io.columns, "  ")
          : `No job is ${status ?? "left"}.`;
      print(options, page, () => (page.items.length === 0 ? empty : viewJobs(page, view())));
      if (page.next !== null && options.json !== true) io.err(`More: add --cursor ${JSON.stringify(page.next)}`);
    });

  withJson(withConnection(cron.command("show").description("show one job with all its settings").argument("<id>", ID))).action(
    async (id: string, options: Shown) => {
      const job = await read(options, (reader) => known(reader, id, reader.job(id)));
      print(options, job, () => viewJobDetail(job, view()));
    },
  );

  withJson(withConnection(cron.command("runs").description("show how a job went, the newest first").argument("<id>", ID)))
    .option("--limit <count>", "runs on one page, 1 to 1000", pageSize, 20)
    .option("--cursor <cursor>", "go on after this run")
    .action(async (id: string, options: Shown & { limit: number; cursor?: string }) => {
      const { limit, cursor } = options;
      const { page, zone } = await read(options, async (reader) => ({
        page: await known(reader, id, reader.runs(id, { limit, cursor })),
        // Runs are kept of jobs that are gone, too.
        zone: await reader.job(id).then(
          ({ timezone }) => timezone,
          () => zoneOf(undefined),
        ),
      }));
      print(options, page, () => (page.items.length === 0 ? `Job ${oneLine(id)} has not run yet.` : viewRuns(page, zone, view())));
      if (page.next !== null && options.json !== true) io.err(`More: add --cursor ${JSON.stringify(page.next)}`);
    });
}

function addAdd(cron: Command, { io, access, print }: Tools): void {
  const command = cron
    .command("add")
    .description("add a job")
    .argument("[id]", "short name (default: the first words of --name or --message)");
  withJobOptions(withJson(withConnection(command))).action(async (id: string | undefined, options: Shown & AddOptions) => {
    const job = jobOfOptions(id, options, io.now());
    const added = await withDaemon(io, access, options, (api) => api.addJob(job));
    const note =
      added.deliver === undefined
        ? `\n\n${wrap("Its answers stay in its own chat; --deliver CHAT would send them somewhere.", io.columns)}`
        : "";
    print(options, added, () => `Added:\n${viewJob(added, { columns: io.columns, nowMs: io.now() })}${note}`);
  });
}

function addActions(cron: Command, { io, access, print }: Tools): void {
  const act = async (id: string, options: Shown, ask: (api: DaemonApi) => Promise<WireJob>): Promise<void> => {
    const job = await withDaemon(io, access, options, (api) => known(api, id, ask(api)));
    print(options, job, () => viewJob(job, { columns: io.columns, nowMs: io.now() }));
  };
  const command = (name: string, description: string): Command =>
    withJson(withConnection(cron.command(name).description(description).argument("<id>", ID)));

  command("pause", "let a job rest; a run under way goes on").action((id: string, options: Shown) =>
    act(id, options, (api) => api.pauseJob(id)),
  );
  command("resume", "let a paused or disabled job go on").action((id: string, options: Shown) =>
    act(id, options, (api) => api.resumeJob(id)),
  );
  command("remove", "remove a job; a run under way goes on, and its runs are kept").action(async (id: string, options: Shown) => {
    const removed = await withDaemon(io, access, options, (api) => known(api, id, api.removeJob(id)));
    print(options, removed, () => `Job ${oneLine(removed.id)} is removed.`);
  });
}

function addRun(cron: Command, { io, access, print }: Tools): void {
  withJson(withConnection(cron.command("run").description("run a job now; its schedule does not move").argument("<id>", ID)))
    .option("--dry", "say what would happen, and do nothing")
    .action(async (id: string, options: Shown & { dry?: boolean }) => {
      if (options.dry === true) {
        const plan = await withDaemon(io, access, options, (api) => known(api, id, api.planJob(id)));
        return print(options, plan, () => viewPlan(oneLine(id), plan, io.columns));
      }
      const run = await withDaemon(io, access, options, (api) => known(api, id, api.runJob(id)));
      const how = run.error === undefined ? "" : `: ${run.error.message}`;
      print(options, run, () =>
        run.status === "running"
          ? wrap(`Job ${oneLine(id)} runs, as run ${run.runId}; \`satibot cron runs ${oneLine(id)}\` shows how it goes.`, io.columns)
          : wrap(`Job ${oneLine(id)} was ${run.status}${how}.`, io.columns),
      );
    });
}

function addExplain(cron: Command, { io, print }: Tools): void {
  withJson(cron.command("explain").description("say what a schedule means and when it comes next; needs no daemon"))
    .argument("<schedule>", '"0 9 * * MON-FRI", "@daily", "every 30m", "in 20m" or "at 2030-01-31 09:00"')
    .option("--tz <zone>", "time zone, such as Europe/Paris (default: that of this machine)")
    .action((text: string, options: { tz?: string; json?: boolean }) => {
      const nowMs = io.now();
      const said = usage(() => explained(text, options.tz, nowMs));
      print(options, { schedule: text, ...said, words: said.words ?? null }, () =>
        viewExplanation(text, said, { columns: io.columns, nowMs }),
      );
    });
}

function explained(text: string, timezone: string | undefined, nowMs: number): ReturnType<typeof explainSchedule> {
  return explainSchedule(scheduleOf(scheduleOfText(text, timezone), nowMs), zoneOf(timezone), nowMs);
}

/** As `parseSchedule`, but what never matches is an answer here and no mistake. @throws RequestError BAD_SCHEDULE */
function scheduleOf(input: ScheduleInput, nowMs: number): Schedule {
  try {
    return parseSchedule(input, nowMs);
  } catch (error) {
    if (!(error instanceof RequestError) || !("cron" in input) || input.timezone === undefined) throw error;
    const schedule: Schedule = { kind: "cron", expression: input.cron, timezone: input.timezone };
    try {
      if (nextTickAfter(schedule, nowMs) === undefined) return schedule;
    } catch {
      // Not readable at all: the refusal says why.
    }
    throw error;
  }
}

/** What was asked of a job; of one that nobody knows it is said which there are. @throws CommandError 1 */
async function known<T>(reader: Pick<JobReader, "jobs">, id: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== "JOB_UNKNOWN") throw error;
    const { items, next } = await reader.jobs({ limit: 1_000 });
    const ids = items.map((job) => job.id);
    const near = nearest(id, ids);
    const some = ids.slice(0, KNOWN_MAX).map(oneLine).join(", ");
    const there =
      ids.length === 0
        ? "there are none yet"
        : `there ${ids.length === 1 ? "is" : "are"} ${some}${ids.length > KNOWN_MAX || next !== null ? " and more (`satibot cron list`)" : ""}`;
    throw new CommandError(
      EXIT.failed,
      `there is no job ${oneLine(id)}; ${near === undefined ? there : `did you mean ${oneLine(near)}? (${there})`}`,
      {
        cause: error,
      },
    );
  }
}

function pageSize(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && size >= 1 && size <= 1_000) return size;
  throw new InvalidArgumentError("Write a whole number from 1 to 1000.");
}

function statusName(text: string): string {
  if (["active", "paused", "disabled", "completed"].includes(text)) return text;
  throw new InvalidArgumentError("Write one of active, paused, disabled, completed.");
}
