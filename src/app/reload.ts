/**
 * Reading the configuration again while the daemon runs. What can change does, all of it checked before any of it is applied; the rest is
 * named, and waits for a restart. A file that is wrong changes nothing.
 */
import { InvariantError, RuntimeError } from "../core/errors.ts";
import type { ReloadAnswer } from "../runtime/api.ts";
import type { Config } from "./config/config.ts";
import { changedPaths } from "./config/changes.ts";
import { accessOf } from "./config/channels.ts";
import { secretsOf } from "./config/describe.ts";
import type { PingConfig } from "./config/heartbeat-fields.ts";
import type { Gateway } from "./gateway.ts";
import { heartbeatOf } from "./heartbeat-file.ts";
import type { AdjustableLog } from "./log.ts";

export interface Reloader {
  /**
   * One at a time; whoever asks while one waits for its turn shares its answer. The log tells of the answer too.
   * @throws ConfigError for a configuration that is wrong: everything stays as it was
   * @throws TransientError when the store could not take the new jobs; nothing else has changed
   */
  readonly reload: (why: string) => Promise<ReloadAnswer>;
  /** What the daemon runs by now. */
  readonly config: () => Config;
}

export interface ReloaderOptions {
  /** What the daemon was started with. */
  readonly config: Config;
  /** Reads and checks the configuration. @throws ConfigError */
  readonly load: () => Promise<Config>;
  readonly gateway: Pick<Gateway, "reconcileJobs" | "configure" | "access" | "setHooks">;
  readonly log: AdjustableLog;
  /** Asks this URL from now on, or none. */
  readonly ping: (ping: PingConfig | undefined) => void;
  readonly levelOf: (config: Config) => Parameters<AdjustableLog["setLevel"]>[0];
}

export function createReloader({ config, load, gateway, log, ping, levelOf }: ReloaderOptions): Reloader {
  let running = config;
  let last: Promise<unknown> = Promise.resolve();
  let waiting: Promise<ReloadAnswer> | undefined;

  const apply = async (next: Config): Promise<ReloadAnswer> => {
    const applied: string[] = [];
    const { added, changed, removed } = await gateway.reconcileJobs(next.cron);
    for (const id of [...added, ...changed, ...removed].sort()) applied.push(`cron.${id}`);
    running = { ...running, cron: next.cron };

    applied.push(...changedPaths(running.limits, next.limits).map((name) => `limits.${name.replace(/Ms$/, "")}`));
    const heartbeat = changedPaths({ heartbeat: running.heartbeat }, { heartbeat: next.heartbeat });
    await gateway.configure({ limits: next.limits, heartbeat: next.heartbeat ? heartbeatOf(next.heartbeat) : false });
    applied.push(...heartbeat.map((path) => path.replace(/Ms$/, "")));
    running = { ...running, limits: next.limits, heartbeat: next.heartbeat };

    if (changedPaths({ ping: running.ping }, { ping: next.ping }).length > 0) applied.push("heartbeat.pingUrl");
    ping(next.ping);
    running = { ...running, ping: next.ping };

    if (levelOf(next) !== levelOf(running)) applied.push("log.level");
    log.setLevel(levelOf(next));
    running = { ...running, log: next.log };

    for (const wanted of next.channels) {
      const { name, allow, admins, rate } = wanted;
      const channel = running.channels.find((one) => one.name === name);
      const paths = channel ? changedPaths(accessOf(channel), accessOf(wanted)) : [];
      if (!channel || paths.length === 0) continue;
      gateway.access.configure(name, accessOf(wanted));
      applied.push(...paths.map((path) => `channels.${name}.${path}`));
      running = { ...running, channels: running.channels.map((one) => (one === channel ? { ...channel, allow, admins, rate } : one)) };
    }
    const hooks = changedPaths(running.hooks, next.hooks);
    if (hooks.length > 0) gateway.setHooks(next.hooks);
    applied.push(...hooks.map((path) => `hooks.${path}`));
    running = { ...running, hooks: next.hooks };
    return { applied, needsRestart: restartsFor(running, next) };
  };

  const reload = async (why: string): Promise<ReloadAnswer> => {
    try {
      const next = await load();
      log.hide(secretsOf(next));
      const answer = await apply(next);
      const { applied, needsRestart } = answer;
      if (needsRestart.length > 0) log.warn({ why, applied, needsRestart }, "configuration reloaded; some of it needs a restart");
      else log.info({ why, applied }, applied.length > 0 ? "configuration reloaded" : "configuration read again; nothing has changed");
      return answer;
    } catch (error) {
      const isKnown = error instanceof RuntimeError && !(error instanceof InvariantError);
      const facts = isKnown ? { code: error.code, problem: error.message } : { err: error };
      log.error({ why, ...facts }, "the configuration was not reloaded; the one before it stays in force");
      throw error;
    }
  };

  return {
    config: () => running,
    reload: (why) => {
      waiting ??= last.then(() => {
        waiting = undefined;
        const answer = reload(why);
        last = answer.catch(() => undefined);
        return answer;
      });
      return waiting;
    },
  };
}

/** Paths of what differs and cannot change while the daemon runs. Values are never told: they may be secrets. */
function restartsFor(running: Config, next: Config): readonly string[] {
  const { channels: before, file: _, ...rest } = running;
  const { channels: after, file: __, ...wanted } = next;
  const names = [...new Set([...before, ...after].map(({ name }) => name))].sort();
  const ofChannels = names.flatMap((name) => {
    const [one, other] = [before.find((channel) => channel.name === name), after.find((channel) => channel.name === name)];
    if (!one || !other) return [`channels.${name}`];
    return changedPaths(one, other).map((path) => `channels.${name}.${path}`);
  });
  const ofRest = changedPaths(rest, wanted).map((path) => (path === "web" || path === "terminal" ? `channels.${path}` : path));
  return [...ofRest, ...ofChannels];
}
