import * as z from "zod";
import { formatMinute } from "../../core/active-hours.ts";
import { formatDuration } from "../../core/duration.ts";
import { MASK, describeChannel, secretsOfChannel } from "./channel-secrets.ts";
import type { Config } from "./config.ts";
import type { HeartbeatConfig } from "./heartbeat-fields.ts";
import { wholeFile } from "./sections.ts";

/**
 * The configuration as it will be used, as JSON-safe values for people and logs: every secret is masked.
 * Of a Telegram token the bot's id stays, which is public.
 */
export function describeConfig(config: Config): Readonly<Record<string, unknown>> {
  return {
    file: config.file ?? "none (defaults and environment)",
    store: config.store.kind === "memory" ? "memory:" : `sqlite:${config.store.file}`,
    agent: "echo",
    channels: {
      terminal: config.terminal ?? "on a terminal",
      web: config.web,
      ...Object.fromEntries(config.channels.map((channel) => [channel.name, describeChannel(channel)])),
    },
    cron: config.cron.map(({ id, schedule, deliver, message: _, name: __, ...policies }) => ({
      id,
      schedule,
      deliver: deliver ?? "nowhere",
      ...policies,
    })),
    heartbeat: config.heartbeat === undefined ? "off" : describeHeartbeat(config.heartbeat),
    ping: config.ping === undefined ? "none" : { url: MASK, every: formatDuration(config.ping.everyMs) },
    hooks: Object.fromEntries(Object.entries(config.hooks).map(([name, hook]) => [name, { ...hook, token: MASK }])),
    limits: Object.fromEntries(
      Object.entries(config.limits).map(([key, value]: [string, number]) =>
        key.endsWith("Ms") ? [key.slice(0, -2), formatDuration(value)] : [key, value],
      ),
    ),
    http: { ...config.http, token: config.http.token === undefined ? "none" : MASK },
    reload: config.reload,
    log: { level: config.log.level ?? "info, at a prompt warn" },
  };
}

function describeHeartbeat({ everyMs, file, activeHours, deliverTo, history, timeoutMs }: HeartbeatConfig): object {
  return {
    every: formatDuration(everyMs),
    file,
    activeHours:
      activeHours === undefined
        ? "always"
        : `${formatMinute(activeHours.fromMinute)} to ${formatMinute(activeHours.toMinute)} ${activeHours.timezone}`,
    deliver: deliverTo.length === 0 ? "nowhere" : deliverTo,
    history,
    timeout: timeoutMs === undefined ? "limits.turnTimeout" : formatDuration(timeoutMs),
  };
}

/** Every secret of a configuration, for the log to mask. */
export function secretsOf(config: Config): readonly string[] {
  const hooks = Object.values(config.hooks).map(({ token }) => token);
  const channels = config.channels.flatMap(secretsOfChannel);
  return [config.http.token, config.ping?.url, ...channels, ...hooks].filter((secret) => secret !== undefined);
}

/** The JSON Schema (draft 2020-12) of a configuration file. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(wholeFile, { io: "input", unrepresentable: "any" });
  return { ...schema, title: "satibot configuration" };
}
