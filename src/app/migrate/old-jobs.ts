/** SatiBot's `cron_jobs.json` as entries of `cron` in the configuration. */
import { cronJob } from "../config/cron-fields.ts";
import { HEARTBEAT_ID } from "../../runtime/heartbeat/heartbeat.ts";
import { isPlainObject } from "../config/plain-object.ts";
import type { NewChannel } from "./new-channels.ts";
import { brief, type Leftovers } from "./report.ts";

/** One entry of `cron`, every value checked. */
export interface NewJob {
  readonly id: string;
  readonly name: string;
  readonly message: string;
  readonly schedule: { readonly every: string } | { readonly at: string } | { readonly cron: string; readonly timezone: string };
  readonly deliverTo: string | undefined;
}

const JOBS_MAX = 1_000;
const EVERY_MIN_MS = 1_000;
const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;
/** An instant that `Date` can say. */
const INSTANT_MAX = 8.64e15;

/** To whom anything can be delivered. */
export interface Targets {
  readonly channels: readonly NewChannel[];
  /** The chat that SatiBot told its news to; digits, with a minus for a group. */
  readonly telegramChatId: string | undefined;
}

export interface OldJobsOptions {
  readonly targets: Targets;
  readonly nowMs: number;
  /** Of this machine; SatiBot has none of its own. */
  readonly timezone: string;
}

/** @param value - what `cron_jobs.json` holds: `{ jobs: [...] }`, or the list itself; undefined when there is none */
export function readOldJobs(value: unknown, options: OldJobsOptions, left: Leftovers): readonly NewJob[] {
  if (value === undefined) return [];
  const list = isPlainObject(value) ? value.jobs : value;
  if (!Array.isArray(list)) {
    left.add("cron_jobs.json", "holds no list of jobs", "Correct it, then run this again.");
    return [];
  }
  if (list.length > JOBS_MAX)
    left.add("cron_jobs.json", `has ${list.length} jobs; the first ${JOBS_MAX} were looked at`, "Take the others over by hand.");
  const jobs = new Map<string, NewJob>();
  for (const [place, job] of list.slice(0, JOBS_MAX).entries()) {
    const taken = readJob(job, `cron_jobs.json jobs[${place}]`, options, left);
    if (taken === undefined) continue;
    if (jobs.has(taken.id))
      left.add(
        `cron_jobs.json jobs[${place}]`,
        `its id ${brief(taken.id)} is that of an earlier job`,
        "Give it another id and run this again.",
      );
    else jobs.set(taken.id, taken);
  }
  return [...jobs.values()];
}

function readJob(job: unknown, at: string, options: OldJobsOptions, left: Leftovers): NewJob | undefined {
  const refuse = (why: string, todo: string): undefined => left.add(at, why, todo);
  if (!isPlainObject(job)) return refuse("is no job", "Correct it, then run this again.");
  const payload = isPlainObject(job.payload) ? job.payload : {};
  const id = typeof job.id === "number" ? String(job.id) : job.id;
  if (typeof id !== "string" || id === "") return refuse("has no id", "Give it one, then run this again.");
  if (id === HEARTBEAT_ID) return refuse("has the id of the heartbeat", "Give it another one, then run this again.");
  const name = typeof job.name === "string" && job.name.trim() !== "" && job.name.isWellFormed() ? job.name : id;
  const where = `${at} (${brief(name, 40)})`;
  if (typeof payload.message !== "string") return left.add(where, "has no payload.message", "Write one, then run this again.");
  if (job.enabled === false) {
    left.add(
      where,
      "is switched off in SatiBot, and jobs of a configuration cannot be",
      "Write it into the configuration when you need it again.",
    );
    return undefined;
  }
  const schedule = scheduleOf(job, where, options, left);
  if (schedule === undefined) return undefined;
  const deliverTo = targetOf(payload, where, options, left);
  const taken: NewJob = { id, name, message: payload.message, schedule, deliverTo };
  const checked = cronJob.safeParse({
    id,
    name,
    message: payload.message,
    schedule,
    ...(deliverTo === undefined ? {} : { deliver: { chat: deliverTo } }),
  });
  if (checked.success) return taken;
  left.add(where, checked.error.issues.map((issue) => issue.message).join("; "), "Correct it, then run this again.");
  return undefined;
}

function scheduleOf(
  job: Readonly<Record<string, unknown>>,
  where: string,
  { nowMs, timezone }: OldJobsOptions,
  left: Leftovers,
): NewJob["schedule"] | undefined {
  const schedule = isPlainObject(job.schedule) ? job.schedule : {};
  const state = isPlainObject(job.state) ? job.state : {};
  const refuse = (why: string, todo: string): undefined => left.add(where, why, todo);
  const { kind, every_ms: everyMs, at_ms: atMs, cron_expr: expression } = schedule;
  if (kind === "every") {
    if (!isInstant(everyMs) || everyMs < EVERY_MIN_MS)
      return refuse("its schedule.every_ms is no number of at least 1000", "Correct it, then run this again.");
    const nextMs = state.next_run_at_ms;
    const next =
      isInstant(nextMs) && nextMs > nowMs
        ? `SatiBot's next run would have been ${new Date(nextMs).toISOString()}`
        : "SatiBot's last instant is over";
    left.add(where, `${next}; here its time is counted from the first start`, "For a fixed hour write a cron schedule instead.");
    return { every: durationOf(everyMs) };
  }
  if (kind === "at") {
    if (!isInstant(atMs)) return refuse("its schedule.at_ms is no instant", "Correct it, then run this again.");
    if (atMs <= nowMs) return refuse(`its instant ${new Date(atMs).toISOString()} is over`, "Nothing to do.");
    return { at: new Date(atMs).toISOString() };
  }
  if (kind === "cron" && typeof expression === "string") {
    left.add(
      where,
      `SatiBot ran "${brief(expression)}" each hour or each day; here it is read as a cron expression, in ${timezone}`,
      "Check its schedule in the configuration.",
    );
    return { cron: expression, timezone };
  }
  return refuse(
    `its schedule.kind ${brief(JSON.stringify(kind) ?? "is missing", 40)} is not known`,
    "Write at or every, then run this again.",
  );
}

function isInstant(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 && value <= INSTANT_MAX;
}

function durationOf(ms: number): string {
  const [unit, size] = UNITS.find(([, unitMs]) => ms % unitMs === 0) ?? ["ms", 1];
  return `${Math.round(ms / size)}${unit}`;
}

/** What a chat of a platform looks like in `to`, once it is in digits. */
const TO: ReadonlyMap<unknown, { readonly form: RegExp; readonly is: string }> = new Map([
  ["telegram", { form: /^-?\d{1,20}$/, is: "numeric chat id" }],
  ["discord", { form: /^\d{15,20}$/, is: "id of a Discord channel" }],
  ["whatsapp", { form: /^\d{3,20}$/, is: "phone number" }],
]);

/** The chat that SatiBot told its news to, where there is a channel for it. */
export function newsChat({ channels, telegramChatId }: Targets): string | undefined {
  const isThere = channels.some(({ name, lacks }) => name === "telegram" && lacks.length === 0);
  return isThere && telegramChatId !== undefined ? `telegram:${telegramChatId}` : undefined;
}

/** SatiBot keeps where a result goes, and delivers nothing; here it is delivered, where there is a channel for it. */
function targetOf(
  payload: Readonly<Record<string, unknown>>,
  where: string,
  { targets }: OldJobsOptions,
  left: Leftovers,
): string | undefined {
  if (payload.deliver !== true) return undefined;
  const nobody = (why: string): undefined =>
    left.add(where, why, "It runs and delivers to nobody; write deliver: { chat: … } into the configuration.");
  const name = payload.channel ?? "telegram";
  const channel = targets.channels.find((known) => known.name === name);
  const chat = TO.get(name);
  if (chat === undefined) return nobody(`delivers over ${brief(JSON.stringify(name), 40)}, which satibot does not know`);
  if (channel === undefined) return nobody(`delivers over ${JSON.stringify(name)}, and config.json has no bot for it`);
  if (channel.lacks.length > 0) return nobody(`delivers over ${channel.name}, which lacks something yet`);
  const given = typeof payload.to === "number" ? String(payload.to) : payload.to;
  if (given === undefined || given === null || given === "")
    return (channel.name === "telegram" ? newsChat(targets) : undefined) ?? nobody("does not say to whom it delivers");
  const to = typeof given === "string" && channel.name === "whatsapp" ? given.replace(/^\+|[\s().-]/g, "") : given;
  return typeof to === "string" && chat.form.test(to)
    ? `${channel.name}:${to}`
    : nobody(`delivers to ${brief(JSON.stringify(given), 40)}, which is no ${chat.is}`);
}
