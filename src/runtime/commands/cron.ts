/** `/cron`: the jobs of a chat. */
import type { ChatKey } from "../../core/chat-key.ts";
import { bodyHash } from "../../core/body-hash.ts";
import { formatDuration } from "../../core/duration.ts";
import { RequestError } from "../../core/errors.ts";
import { isTimeZone, wallClockAt } from "../../core/time-zone.ts";
import type { Sender } from "../../ports/store/records.ts";
import type { JobView, ScheduleInput } from "../job-api.ts";
import { scheduleOfText } from "../schedule/schedule-text.ts";
import { code, isAdmin, saying, type Command, type CommandAnswer, type CommandContext } from "./command.ts";

/** Jobs that are listed, characters shown of a message, and characters that a message may have. */
const LISTED_MAX = 20;
const EXCERPT_MAX = 80;
const MESSAGE_MAX = 2_000;
/** What a person in a chat asks for runs at most this often: each run costs. */
const EVERY_MIN_MS = 60_000;
/** Instants looked at for that. */
const INSTANTS = 50;

const HOW = [
  "/cron add every 30m | drink water",
  "/cron add in 20m | call mum",
  "/cron add 0 9 * * * Europe/Paris | standup",
  "/cron remove ID, /cron pause ID, /cron resume ID",
];

export const CRON: Command = {
  name: "cron",
  usage: "/cron [add SCHEDULE | MESSAGE, remove ID, pause ID, resume ID]",
  description: "List, add, remove, pause or resume the jobs of this chat",
  who: "everybody",
  run: async (context) => {
    const [, word = "", rest = ""] = /^(\S*)\s*([\s\S]*)$/.exec(context.argument) ?? [];
    switch (word.toLowerCase()) {
      case "":
      case "list":
        return list(context);
      case "add":
        return add(context, rest);
      case "remove":
        return remove(context, rest);
      case "pause":
        return pause(context, rest);
      case "resume":
        return resume(context, rest);
      default:
        return saying(`${code(word, EXCERPT_MAX)} is nothing that /cron knows. Write one of these:`, ...HOW);
    }
  },
};

async function list({ chat, services }: CommandContext): Promise<CommandAnswer> {
  const { ids, isAll } = await services.jobsOf(chat, LISTED_MAX);
  const jobs = await Promise.all(ids.map((id) => services.jobs.job(id).catch(gone)));
  const lines = jobs.filter((job) => job !== undefined).map(lineOf);
  if (lines.length === 0) return saying("This chat has no jobs. Add one like this:", ...HOW.slice(0, 3));
  return saying(...lines, ...(isAll ? [] : ["… and more; `satibot cron list` shows all"]));
}

/** A job that was removed while the list was made. */
function gone(error: unknown): undefined {
  if (!(error instanceof RequestError)) throw error;
}

async function add({ chat, seq, sender, nowMs, services }: CommandContext, rest: string): Promise<CommandAnswer> {
  const id = jobIdOf(chat, seq, sender);
  const before = await services.jobs.job(id).catch(gone);
  // Added by this command before a crash.
  if (before?.owner === chat) return added(before);
  const bar = rest.indexOf("|");
  const message = bar < 0 ? "" : rest.slice(bar + 1).trim();
  if (message === "") return saying("Write the schedule, a bar and the message, like this:", ...HOW.slice(0, 3));
  if ([...message].length > MESSAGE_MAX) return saying(`The message has more than ${MESSAGE_MAX} characters; shorten it.`);
  const schedule = scheduleOf(rest.slice(0, bar));
  const instants = services.jobs.nextInstants(schedule, nowMs, INSTANTS);
  if (instants.length === 0) return saying("That time has passed, or never comes.");
  if (instants.some((atMs, place) => place > 0 && atMs - (instants[place - 1] ?? 0) < EVERY_MIN_MS))
    return saying(`That is too often; jobs of a chat run at most once in ${formatDuration(EVERY_MIN_MS)}.`);
  const input = { id, name: nameOf(message), message, schedule, deliver: { chat }, origin: "chat", owner: chat } as const;
  return added(await services.jobs.addCronJob(input, { isNew: true }));
}

function added(job: JobView): CommandAnswer {
  return saying(`Added ${lineOf(job)}`, `/cron remove ${job.id} removes it.`);
}

/** A zone may stand behind a cron expression or an instant: `0 9 * * * Europe/Paris`. @throws RequestError BAD_SCHEDULE */
function scheduleOf(text: string): ScheduleInput {
  const words = text.trim().split(/\s+/);
  const last = words.at(-1) ?? "";
  const hasZone = words.length > 1 && /^[a-z]/i.test(last) && isTimeZone(last);
  return hasZone ? scheduleOfText(words.slice(0, -1).join(" "), last) : scheduleOfText(words.join(" "), undefined);
}

function nameOf(message: string): string {
  const line = [...message.replace(/\s+/g, " ")];
  return line.length > EXCERPT_MAX ? `${line.slice(0, EXCERPT_MAX - 1).join("")}…` : line.join("");
}

async function remove(context: CommandContext, rest: string): Promise<CommandAnswer> {
  const { job, refusal } = await jobFor(context, rest);
  if (!job) return refusal;
  if (job.origin === "config") return saying(`${code(job.id)} is in the configuration: remove it there, or /cron pause ${job.id}.`);
  await context.services.jobs.removeCronJob(job.id);
  return saying(`Removed ${code(job.id)}: ${code(job.name, EXCERPT_MAX)}.`);
}

async function pause(context: CommandContext, rest: string): Promise<CommandAnswer> {
  const { job, refusal } = await jobFor(context, rest);
  if (!job) return refusal;
  await context.services.jobs.pauseJob(job.id);
  return saying(`Paused ${code(job.id)}: ${code(job.name, EXCERPT_MAX)}. /cron resume ${job.id} lets it go on.`);
}

async function resume(context: CommandContext, rest: string): Promise<CommandAnswer> {
  const { job, refusal } = await jobFor(context, rest);
  if (!job) return refusal;
  return saying(`Resumed ${lineOf(await context.services.jobs.resumeJob(job.id))}`);
}

type Found = { readonly job: JobView; readonly refusal?: never } | { readonly job?: never; readonly refusal: CommandAnswer };

/** The job of this chat that somebody may change: an administrator, or who added it. */
async function jobFor(context: CommandContext, rest: string): Promise<Found> {
  const { chat, sender, services } = context;
  const id = rest.replaceAll("`", "").trim();
  if (!/^\S+$/.test(id)) return { refusal: saying("Write the id of the job behind it, as /cron shows it.") };
  const job = await services.jobs.job(id).catch(gone);
  if (!job || (job.owner !== chat && !job.deliverTo.includes(chat)))
    return { refusal: saying(`This chat has no job ${code(id, EXCERPT_MAX)} (any more); /cron lists those it has.`) };
  if (isAdmin(context) || isCreator(job, sender)) return { job };
  return { refusal: saying(`Only an administrator, or who added it, may change ${code(id)}.`) };
}

/** Says who added it: the same for a command that is carried out again, and for nobody else. */
function jobIdOf(chat: ChatKey, seq: number, sender: Sender | undefined): string {
  return `${seq}-${bodyHash(JSON.stringify([chat, seq, sender?.id ?? null])).slice(2, 12)}`;
}

function isCreator({ id, owner, origin }: JobView, sender: Sender | undefined): boolean {
  return origin === "chat" && owner !== undefined && id === jobIdOf(owner, Number(id.split("-")[0]), sender);
}

function lineOf({ id, message, schedule, timezone, next, status }: JobView): string {
  const times = next.map(({ atMs }) => timeOf(timezone, atMs)).join(", ");
  const what = status === "active" ? `next ${times === "" ? "never" : times} (${timezone})` : status;
  const when =
    schedule.kind === "every" ? `every ${formatDuration(schedule.everyMs)}` : schedule.kind === "at" ? "once" : code(schedule.expression);
  return `${code(id)} ${when}: ${code(message, EXCERPT_MAX)}, ${what}`;
}

function timeOf(zone: string, atMs: number): string {
  return new Date(wallClockAt(zone, atMs)).toISOString().slice(0, 16).replace("T", " ");
}
