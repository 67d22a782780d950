/** What a migration came to, for people and as JSON. Secrets are named, never shown; everything that was read is made harmless. */
import { facts, table } from "../cli/table.ts";
import { oneLine } from "../cli/text.ts";

/** Something of the old home that was not taken as it was: where it stands, why, and what to do about it. */
export interface Leftover {
  readonly where: string;
  readonly why: string;
  readonly todo: string;
}

/** Most leftovers listed; the others are counted. */
const LEFTOVERS_MAX = 500;
const NAME_MAX = 100;
const WHY_MAX = 400;

export interface Leftovers {
  /** Answers undefined, which is what its callers could take. */
  readonly add: (where: string, why: string, todo: string) => undefined;
  readonly list: () => readonly Leftover[];
  /** How many are not in the list. */
  readonly more: () => number;
}

export function createLeftovers(): Leftovers {
  const kept: Leftover[] = [];
  let more = 0;
  return {
    add: (where, why, todo) => {
      if (kept.length < LEFTOVERS_MAX) kept.push({ where: brief(where, NAME_MAX), why: brief(why, WHY_MAX), todo: brief(todo, WHY_MAX) });
      else more += 1;
      return undefined;
    },
    list: () => kept,
    more: () => more,
  };
}

/** A name or text from outside on one line, cut after `max` characters. */
export function brief(text: string, max = NAME_MAX): string {
  const line = oneLine(text.slice(0, max * 4));
  const letters = [...line];
  return letters.length > max || text.length > max * 4 ? `${letters.slice(0, max).join("")}…` : line;
}

export interface TakenJob {
  readonly id: string;
  /** As the configuration writes it, such as `every 2h`. */
  readonly schedule: string;
  readonly deliverTo: string | undefined;
}

export interface TakenChat {
  readonly chat: string;
  /** File under `sessions/`. */
  readonly file: string;
  /** Entries of the conversation taken by this run, or (dry run) that would be. */
  readonly messages: number;
  /** Messages of the file that an earlier run has taken or left. */
  readonly before: number;
}

/** `written`, `extended`: by this run. `complete`: nothing is missing. `kept`: it exists and lacks something, which is shown instead. `none`: nothing belongs there. */
export type FileFate = "written" | "extended" | "complete" | "kept" | "none";

export interface MigrationReport {
  readonly dryRun: boolean;
  readonly home: string;
  readonly config: {
    readonly fate: FileFate;
    readonly file: string;
    /** What to merge by hand into a file that was kept. */ readonly fragment?: string;
  };
  readonly environment: { readonly fate: FileFate; readonly file: string; readonly names: readonly string[] };
  /** What SatiBot was to look after by itself. */
  readonly heartbeat: { readonly fate: FileFate; readonly file: string };
  readonly store: string | undefined;
  readonly jobs: readonly TakenJob[];
  readonly chats: readonly TakenChat[];
  readonly left: readonly Leftover[];
  readonly leftMore: number;
}

/** True when this run or an earlier one took something. */
export function hasTaken({ config, environment, heartbeat, jobs, chats }: MigrationReport): boolean {
  return jobs.length + chats.length + environment.names.length > 0 || config.fate !== "none" || heartbeat.fate !== "none";
}

/** The report as text. */
export function viewReport(report: MigrationReport, columns: number | undefined): string {
  const { dryRun, home, jobs, chats, left, leftMore } = report;
  const taken = chats.reduce((sum, chat) => sum + chat.messages, 0);
  const sections = [
    dryRun
      ? `Dry run: this is what \`satibot migrate\` would take from ${brief(home)}. Nothing was written.`
      : `Taken from ${brief(home)}:`,
    facts(
      [
        ["configuration", configLine(report)],
        ["secrets", environmentLine(report)],
        ["heartbeat", heartbeatLine(report)],
        ["cron jobs", jobs.length === 0 ? "none" : String(jobs.length)],
        ["conversations", chats.length === 0 ? "none" : `${taken} messages in ${chats.length} chats, ${report.store ?? "no store"}`],
      ],
      undefined,
    ),
  ];
  if (jobs.length > 0) sections.push(viewJobs(jobs, columns));
  if (chats.length > 0) sections.push(viewChats(chats, columns));
  if (report.config.fragment !== undefined)
    sections.push(`${report.config.file} is never changed. Merge this into it:\n\n${indent(report.config.fragment)}`);
  if (left.length === 0) sections.push("Nothing was left behind.");
  else {
    const lines = grouped(left).map(({ where, why, todo }) => `- ${where}\n    ${why}. ${todo}`);
    const rest = leftMore > 0 ? `\n… and ${leftMore} more` : "";
    sections.push(`Not taken, or not as it was (${left.length + leftMore}):\n\n${lines.join("\n")}${rest}`);
  }
  if (!dryRun && hasTaken(report))
    sections.push("Next: npx satibot config check, then npx satibot start. Stop SatiBot first: one bot token has one reader.");
  return sections.join("\n\n");
}

function configLine({ config, dryRun }: MigrationReport): string {
  if (config.fate === "none") return "nothing to write";
  if (config.fate === "complete") return `${config.file} has all of it already`;
  if (config.fate === "kept") return `${config.file} exists and is left alone; what it lacks is below`;
  return `${config.file} ${dryRun ? "would be written" : "written"}`;
}

function environmentLine({ environment, dryRun }: MigrationReport): string {
  const { fate, file, names } = environment;
  if (fate === "none") return "none";
  if (fate === "complete") return `${file} has them already: ${names.join(", ")}`;
  const done = fate === "extended" ? "extended" : "written";
  return `${file} ${dryRun ? `would be ${done}` : done}, for you alone to read: ${names.join(", ")}`;
}

function heartbeatLine({ heartbeat: { fate, file }, dryRun }: MigrationReport): string {
  if (fate === "none") return "none";
  if (fate === "complete") return `${file} is here already`;
  if (fate === "kept") return `another ${file} is here and left alone`;
  return `${file} ${dryRun ? "would be copied" : "copied"}`;
}

function viewJobs(jobs: readonly TakenJob[], columns: number | undefined): string {
  return table(
    jobs,
    [
      { title: "JOB", cell: (job) => job.id, shrinksTo: 12 },
      { title: "SCHEDULE", cell: (job) => job.schedule },
      { title: "DELIVERS TO", cell: (job) => job.deliverTo ?? "nobody", shrinksTo: 12 },
    ],
    columns,
  );
}

function viewChats(chats: readonly TakenChat[], columns: number | undefined): string {
  return table(
    chats,
    [
      { title: "CHAT", cell: (chat) => chat.chat, shrinksTo: 12 },
      { title: "MESSAGES", cell: (chat) => String(chat.messages), right: true },
      { title: "TAKEN BEFORE", cell: (chat) => (chat.before === 0 ? "" : String(chat.before)), right: true },
      { title: "FROM", cell: (chat) => chat.file, shrinksTo: 12 },
    ],
    columns,
  );
}

/** Leftovers with the same reason stand together. */
function grouped(left: readonly Leftover[]): readonly Leftover[] {
  const groups = new Map<string, Leftover>();
  for (const one of left) {
    const key = `${one.why}\n${one.todo}`;
    const known = groups.get(key);
    groups.set(key, known === undefined ? one : { ...known, where: `${known.where}, ${one.where}` });
  }
  return [...groups.values()];
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "    ");
}
