/**
 * The configuration: file + environment + defaults, checked as a whole. Everything that is wrong is told at once, each line with its path.
 *
 *   satibot.config.* ─ ${VAR} ─▶ environment wins ─▶ what this version cannot do ─▶ zod ─▶ Config
 */
import { resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import { channelOf, type ChatKey } from "../../core/chat-key.ts";
import type { NamedHooks } from "../../http/hooks.ts";
import type { CronJobInput } from "../../runtime/job-api.ts";
import { HEARTBEAT_ID } from "../../runtime/heartbeat/heartbeat.ts";
import { type ChannelConfig, readChannels } from "./channels.ts";
import { check } from "./check.ts";
import { readConfigFile } from "./config-file.ts";
import { type Environment, substitute, withEnvironment } from "./environment.ts";
import { type HeartbeatConfig, type PingConfig, heartbeatConfig } from "./heartbeat-fields.ts";
import { isPlainObject } from "./plain-object.ts";
import { type Problem, type Source, configError } from "./problem.ts";
import { type logLevels, sections } from "./sections.ts";
import { splitUnsupported } from "./unsupported.ts";

export type StoreConfig = { readonly kind: "memory" } | { readonly kind: "sqlite"; /** Absolute. */ readonly file: string };

export interface HttpConfig {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly token: string | undefined;
  readonly allowedHosts: readonly string[];
}

export type LogLevel = (typeof logLevels)[number];

/** What the daemon runs by: complete, checked, durations in milliseconds. */
export interface Config {
  /** The file that it came from; undefined when there is none. */
  readonly file: string | undefined;
  readonly store: StoreConfig;
  readonly channels: readonly ChannelConfig[];
  /** Undefined: on where the daemon is started from a terminal. */
  readonly terminal: boolean | undefined;
  /** The page at `/`. */
  readonly web: boolean;
  readonly cron: readonly CronJobInput[];
  /** Undefined: the runtime does not look around by itself. */
  readonly heartbeat: HeartbeatConfig | undefined;
  /** Undefined: nobody is told that the daemon works. */
  readonly ping: PingConfig | undefined;
  /** Triggers at `/hooks/<name>`. */
  readonly hooks: NamedHooks;
  readonly limits: Limits;
  readonly http: HttpConfig;
  /** `watch`: the file is read again whenever it changes. */
  readonly reload: { readonly watch: boolean };
  /** Undefined: `info`, and `warn` at a prompt. */
  readonly log: { readonly level: LogLevel | undefined };
}

export interface LoadOptions {
  readonly cwd: string;
  /** From `--config`, relative to `cwd`; otherwise the one `satibot.config.*` in `cwd` is taken, if there is one. */
  readonly configPath?: string;
  readonly env: Environment;
}

/**
 * Reads and checks the whole configuration; without file and environment it is the defaults.
 * @throws ConfigError CONFIG_INVALID with a line for each problem, or CONFIG_UNSUPPORTED when all of them ask for what this version cannot do
 */
export async function loadConfig(options: LoadOptions): Promise<Config> {
  return readConfig(options, undefined);
}

/** What a command needs to find the daemon and its store. */
export type ClientConfig = Pick<Config, "file" | "store" | "http">;

/**
 * Reads `store` and `http` alone, so that `satibot status` works in a shell that does not have the secrets of the other sections.
 * @throws ConfigError as `loadConfig`, for these two sections
 */
export async function loadClientConfig(options: LoadOptions): Promise<ClientConfig> {
  return readConfig(options, ["store", "http"]);
}

async function readConfig({ cwd, configPath, env }: LoadOptions, only: readonly string[] | undefined): Promise<Config> {
  const found = await readConfigFile(cwd, configPath);
  const said = found?.value ?? {};
  if (!isPlainObject(said)) {
    throw new ConfigError(
      "CONFIG_INVALID",
      `${found?.file ?? "The configuration"} must hold sections such as channels and limits, not a list or a single value`,
    );
  }
  const chosen = only === undefined ? said : Object.fromEntries(Object.entries(said).filter(([key]) => only.includes(key)));
  const split = splitUnsupported(withoutNulls(chosen));
  const problems: Problem[] = [...split.problems];
  const filled = substitute(split.rest, env, [], problems);
  const { values, variables } = withEnvironment(isPlainObject(filled) ? filled : {}, env, { hasChannels: only === undefined });
  const source: Source = { file: found?.file, text: found?.text, variables };

  const { channels: channelValues, ...rest } = values;
  if (rest.heartbeat === false) delete rest.heartbeat;
  if (rest.heartbeat === true) rest.heartbeat = {};
  const channels = readChannels(channelValues, { env, text: found?.text, problems });
  const checked = check(sections, rest, [], problems);
  const store = checked === undefined ? undefined : readStore(checked.store, cwd, problems);
  if (checked !== undefined) checkTogether(checked, only === undefined, problems);
  if (checked !== undefined) checkHooks(checked.hooks, channels.channels, problems);
  if (problems.length > 0 || checked === undefined || store === undefined) throw configError(problems, source);
  const { limits, http } = checked;
  return {
    file: found?.file,
    store,
    ...channels,
    cron: checked.cron,
    heartbeat: undefined,
    ping: undefined,
    ...(checked.heartbeat === undefined ? {} : heartbeatConfig(checked.heartbeat, cwd)),
    hooks: checked.hooks,
    limits: {
      concurrentTurns: limits.concurrentTurns,
      inboxPerChat: limits.inboxPerChat,
      turnTimeoutMs: limits.turnTimeout,
      maxAttempts: limits.maxAttempts,
      idleTimeoutMs: limits.idleTimeout,
      drainTimeoutMs: limits.drainTimeout,
      outboxMaxAgeMs: limits.outboxMaxAge,
      eventRetentionMs: limits.eventRetention,
      dedupeRetentionMs: limits.dedupeRetention,
      inboxRetentionMs: limits.inboxRetention,
      historyRetentionMs: limits.historyRetention,
      runRetentionMs: limits.runRetention,
      jobsPerChat: limits.jobsPerChat,
      catchUpPerSecond: limits.catchUpPerSecond,
    },
    http: { host: http.host, port: http.port, token: http.token, allowedHosts: http.allowedHosts },
    reload: { watch: checked.reload.watch },
    log: { level: checked.log.level },
  };
}

/** True for an address that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** A section or setting with nothing behind it, as YAML allows, counts as absent. */
function withoutNulls(file: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = (value: Readonly<Record<string, unknown>>): [string, unknown][] => Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(
    kept(file).map(([key, item]) => [key, isPlainObject(item) && key !== "channels" ? Object.fromEntries(kept(item)) : item]),
  );
}

function readStore(text: string, cwd: string, problems: Problem[]): StoreConfig | undefined {
  if (text === "memory:" || text === "memory") return { kind: "memory" };
  const file = /^sqlite:(?:\/\/)?(.+)$/.exec(text)?.[1];
  if (file !== undefined && file !== ":memory:") return { kind: "sqlite", file: resolve(cwd, file) };
  if (/^postgres(ql)?:/.test(text)) {
    problems.push({
      path: ["store"],
      message: 'PostgreSQL does not exist in this version; write "sqlite:./data/satibot.db" or "memory:"',
      unsupported: true,
    });
  } else {
    problems.push({ path: ["store"], message: `${JSON.stringify(text)} is no store; write "sqlite:./data/satibot.db" or "memory:"` });
  }
  return undefined;
}

/** A hook writes into a chat that can exist: of a channel that is configured, or one of HTTP. */
function checkHooks(
  hooks: Readonly<Record<string, { readonly chat: ChatKey }>>,
  channels: readonly ChannelConfig[],
  problems: Problem[],
): void {
  const known = ["api", "web", "terminal", ...channels.map(({ name }) => name)];
  for (const [name, { chat }] of Object.entries(hooks)) {
    if (known.includes(channelOf(chat))) continue;
    problems.push({
      path: ["hooks", name, "chat"],
      message: `is of no channel that is configured; write one of ${known.join(", ")} before the colon`,
    });
  }
}

function checkTogether(
  checked: {
    readonly heartbeat?: object | undefined;
    readonly http: { readonly host: string; readonly token?: string };
    readonly cron: readonly CronJobInput[];
  },
  asDaemon: boolean,
  problems: Problem[],
): void {
  if (asDaemon && checked.http.token === undefined && !isLoopback(checked.http.host)) {
    const message = `is required because http.host ${checked.http.host} is reachable from other machines; write a token, set SATIBOT_TOKEN, or listen on 127.0.0.1`;
    problems.push({ path: ["http", "token"], message });
  }
  const seen = new Set<string>();
  for (const [place, job] of checked.cron.entries()) {
    if (seen.has(job.id))
      problems.push({ path: ["cron", place, "id"], message: `${JSON.stringify(job.id)} is used by an earlier job; write another id` });
    seen.add(job.id);
    if (job.id === HEARTBEAT_ID && checked.heartbeat !== undefined)
      problems.push({
        path: ["cron", place, "id"],
        message: `${JSON.stringify(job.id)} is the job of the heartbeat section; write another id`,
      });
  }
}
