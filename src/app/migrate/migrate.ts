/**
 * Takes over the home of a SatiBot: settings and jobs into the configuration, secrets into `.env`, conversations into the store. The old
 * home is only read. Everything that could not be taken, or not as it was, is in the report.
 *
 *   config.json ──▶ .env, satibot.config.yaml      cron_jobs.json ──▶ cron: of the configuration      sessions/ ──▶ the store
 */
import { access, constants, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { ChatKey } from "../../core/chat-key.ts";
import type { Store } from "../../ports/store/store.ts";
import { createSqliteStore } from "../../stores/sqlite/store.ts";
import { CommandError, EXIT } from "../cli/io.ts";
import { type StoreConfig, loadClientConfig } from "../config/config.ts";
import { type Environment, variable } from "../config/environment.ts";
import { withEnvironmentFile } from "../config/environment-file.ts";
import { createSystemClock } from "../system-clock.ts";
import { namesIn, readJsonFile } from "./home-files.ts";
import { decide, importSession, meetChat, twinOf, type HistoryView } from "./import-history.ts";
import { channelsOf } from "./new-channels.ts";
import { writeConfig, writeEnvironment } from "./new-files.ts";
import { readOldConfig } from "./old-config.ts";
import { HEARTBEAT_FILE, takeHeartbeat } from "./old-heartbeat.ts";
import { newsChat, readOldJobs, type NewJob } from "./old-jobs.ts";
import { readOldSession, type OldSession } from "./old-sessions.ts";
import { brief, createLeftovers, type Leftovers, type MigrationReport, type TakenChat } from "./report.ts";
import { viewStore } from "./store-view.ts";

export interface MigrateOptions {
  /** Folder of the SatiBot; `.bots` in the home directory by default. Relative to `cwd`. */
  readonly from: string | undefined;
  readonly dryRun: boolean;
  /** Where the daemon runs. */
  readonly cwd: string;
  readonly env: Environment;
  readonly nowMs: number;
}

/** Session files looked at. */
const SESSIONS_MAX = 10_000;

/** Entries of a home that are read, and what is said about those that are not. */
const READ: ReadonlySet<string> = new Set(["config.json", "cron_jobs.json", "sessions", HEARTBEAT_FILE]);
const NOT_READ: ReadonlyMap<string, readonly [why: string, todo: string]> = new Map([
  ["SOUL.md", ["who the bot is; model agents do not exist in this version", "Put it into your agent's prompt."]],
  ["USER.md", ["who the person is; model agents do not exist in this version", "Put it into your agent's prompt."]],
  ["MEMORY.md", ["long-term memory; model agents do not exist in this version", "Put it into your agent's prompt."]],
  ["last_chat_id.txt", ["chats are known by their histories", "Nothing to do."]],
]);

/**
 * Takes over, or with `dryRun` says what would be taken and touches nothing.
 * @throws CommandError 78 when there is no such home
 * @throws ConfigError for a configuration or store that is there and bad, STORE_LOCKED while a daemon runs; nothing is taken then
 */
export async function migrate(options: MigrateOptions): Promise<MigrationReport> {
  const { cwd, env, nowMs, dryRun } = options;
  const home = await homeOf(options);
  const left = createLeftovers();
  const client = await loadClientConfig({ cwd, env });
  if (!dryRun) await mustWrite(cwd);

  const config = readOldConfig(await readPart(home, "config.json", left), left);
  const channels = channelsOf(config, withEnvironmentFile(env, cwd), left);
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const targets = { channels, telegramChatId: config.telegramChatId };
  const jobs = readOldJobs(await readPart(home, "cron_jobs.json", left), { targets, nowMs, timezone }, left);
  const chats = await takeChats(client.store, home, jobs, options, left);
  await sayWhatElse(home, left);
  const environment = await writeEnvironment(cwd, config.secrets, dryRun, left);
  const heartbeat = await takeHeartbeat(home, cwd, dryRun, left);
  const tell = newsChat(targets);
  const wanted = { channels, agent: config.agent, jobs, heartbeat: heartbeat === "none" ? undefined : { tell } };
  const written = await writeConfig(cwd, wanted, home, dryRun);
  return {
    dryRun,
    home,
    config: written,
    environment,
    heartbeat: { fate: heartbeat, file: HEARTBEAT_FILE },
    store: client.store.kind === "sqlite" ? `sqlite:${client.store.file}` : undefined,
    jobs: jobs.map((job) => ({ id: job.id, schedule: scheduleText(job), deliverTo: job.deliverTo })),
    chats,
    left: left.list(),
    leftMore: left.more(),
  };
}

async function homeOf({ from, cwd, env }: MigrateOptions): Promise<string> {
  const home = from === undefined ? join(variable(env, "HOME") ?? homedir(), ".bots") : resolve(cwd, from);
  const found = await stat(home).catch((error: NodeJS.ErrnoException) => error.code ?? "unknown reason");
  if (typeof found !== "string" && found.isDirectory()) return home;
  const why =
    typeof found === "string" ? (found === "ENOENT" ? "there is no such folder" : `it cannot be read (${found})`) : "it is no folder";
  throw new CommandError(EXIT.config, `${brief(home, 300)} is no SatiBot home: ${why}; name it with --from DIR`);
}

async function mustWrite(folder: string): Promise<void> {
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    throw new CommandError(EXIT.failed, `${folder} cannot be written; go to the folder that satibot is to run in`, { cause });
  });
}

async function readPart(home: string, name: string, left: Leftovers): Promise<unknown> {
  const read = await readJsonFile(join(home, name));
  if (read.kind === "json") return read.value;
  if (read.kind === "bad") left.add(name, read.why, read.todo);
  return undefined;
}

function scheduleText({ schedule }: NewJob): string {
  if ("every" in schedule) return `every ${schedule.every}`;
  return "at" in schedule ? `at ${schedule.at}` : `${schedule.cron} (${schedule.timezone})`;
}

async function takeChats(
  config: StoreConfig,
  home: string,
  jobs: readonly NewJob[],
  { dryRun, nowMs }: MigrateOptions,
  left: Leftovers,
): Promise<readonly TakenChat[]> {
  const files = await sessionFiles(home, left);
  const targets = jobs.map((job) => job.deliverTo).filter((chat) => chat !== undefined);
  if (files.length + targets.length === 0) return [];
  if (config.kind !== "sqlite") {
    left.add("sessions", "the configuration keeps everything in memory", "Write store: sqlite:./data/satibot.db, then run this again.");
    return [];
  }
  const taken: TakenChat[] = [];
  const store = dryRun ? undefined : createSqliteStore({ file: config.file, clock: createSystemClock() });
  // A store is made, and its lock taken, when there is something to put into it.
  let opened: Promise<HistoryView & { readonly close: () => Promise<void> }> | undefined;
  const open = () =>
    (opened ??= store === undefined ? openView(config.file, left) : store.start().then(() => ({ ...store, close: store.stop })));
  try {
    for (const file of files) {
      const session = await readSession(home, file, nowMs, left);
      if (session === undefined) continue;
      const twin = dryRun ? taken.find((other) => other.chat === session.chat) : undefined;
      if (twin !== undefined) left.add(`sessions/${file}`, ...twinOf(session.chat, twin.file));
      const chat = twin === undefined ? await takeSession(await open(), store, session, nowMs, left) : undefined;
      if (chat !== undefined) taken.push(chat);
    }
    if (store && targets.length > 0) {
      await open();
      for (const chat of targets) await meetChat(store, chat as ChatKey, chat.slice(chat.indexOf(":") + 1), nowMs);
    }
    return taken;
  } finally {
    await (await opened?.catch(() => undefined))?.close();
  }
}

async function readSession(home: string, file: string, nowMs: number, left: Leftovers): Promise<OldSession | undefined> {
  const read = await readJsonFile(join(home, "sessions", file));
  if (read.kind === "bad") left.add(`sessions/${file}`, read.why, read.todo);
  return read.kind === "json" ? readOldSession(file, read, nowMs, left) : undefined;
}

async function openView(file: string, left: Leftovers): Promise<HistoryView & { readonly close: () => Promise<void> }> {
  const view = await viewStore(file);
  if (!("why" in view)) return view;
  left.add(file, `was not looked into (${view.why}), so what is in it already counts as new here`, "Stop the daemon before the real run.");
  return viewStore("").then((empty) => ("why" in empty ? Promise.reject(new Error(empty.why)) : empty));
}

async function takeSession(
  view: HistoryView,
  store: Store | undefined,
  session: OldSession,
  nowMs: number,
  left: Leftovers,
): Promise<TakenChat | undefined> {
  const decision = await decide(view, session);
  if (decision.type === "refused") return left.add(`sessions/${session.file}`, decision.why, decision.todo);
  const { chat, file } = session;
  const fresh = decision.type === "done" ? 0 : session.entries.filter((entry) => entry.place >= decision.from).length;
  if (store && decision.type === "take") await importSession(store, session, decision.from, nowMs);
  return { chat, file, messages: fresh, before: decision.from };
}

async function sessionFiles(home: string, left: Leftovers): Promise<readonly string[]> {
  const found = await namesIn(home, "sessions");
  if (found === undefined) return [];
  if ("code" in found) {
    left.add("sessions", `is no folder that can be read (${found.code})`, "Check it, then run this again.");
    return [];
  }
  const files = found.names.filter((name) => name.endsWith(".json"));
  for (const name of found.names)
    if (!name.endsWith(".json")) left.add(`sessions/${name}`, "is no .json file", "Nothing to do, if it is no history.");
  if (files.length > SESSIONS_MAX)
    left.add("sessions", `has ${files.length} files; the first ${SESSIONS_MAX} were looked at`, "Move those away and run this again.");
  return files.slice(0, SESSIONS_MAX);
}

async function sayWhatElse(home: string, left: Leftovers): Promise<void> {
  const found = await namesIn(home);
  if (found === undefined || "code" in found) return left.add(brief(home), "cannot be listed", "Check its permissions.");
  for (const name of found.names) {
    if (READ.has(name)) continue;
    const [why, todo] = NOT_READ.get(name) ?? ["nothing here reads it", "It stays where it is; keep it if you need it."];
    left.add(name, why, todo);
  }
}
