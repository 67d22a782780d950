import { isPlainObject } from "./plain-object.ts";
import type { Problem } from "./problem.ts";

/** Environment variables by name, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Deepest nesting that is looked into; also what ends a value that contains itself. */
const DEPTH_MAX = 16;

const VARIABLES = [
  ["SATIBOT_STORE", "store"],
  ["SATIBOT_HOST", "http.host"],
  ["SATIBOT_PORT", "http.port"],
  ["SATIBOT_TOKEN", "http.token"],
  ["SATIBOT_LOG_LEVEL", "log.level"],
] as const;

/** Variables of channels. One that `opens` makes the channel appear although the file does not name it; the others only fill in. */
const CHANNEL_VARIABLES = [
  { name: "TELEGRAM_BOT_TOKEN", channel: "telegram", key: "token", opens: true },
  { name: "DISCORD_BOT_TOKEN", channel: "discord", key: "token", opens: true },
  { name: "WHATSAPP_PHONE_NUMBER_ID", channel: "whatsapp", key: "phoneNumberId", opens: true },
  { name: "WHATSAPP_ACCESS_TOKEN", channel: "whatsapp", key: "accessToken", opens: false },
  { name: "WHATSAPP_APP_SECRET", channel: "whatsapp", key: "appSecret", opens: false },
  { name: "WHATSAPP_VERIFY_TOKEN", channel: "whatsapp", key: "verifyToken", opens: false },
] as const;

/** The value of a variable; an empty one counts as not set. */
export function variable(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value.trim() === "" ? undefined : value;
}

/**
 * Lays the environment over what the file says: a variable wins over the file.
 * TELEGRAM_BOT_TOKEN opens the channel `telegram` unless the file turns it off, and so for the other platforms; SATIBOT_ALLOW
 * (comma-separated) is the list of every Telegram channel that has none of its own.
 * @param options.hasChannels - false leaves the channels as the file has them
 * @returns the values, and which variable gave which path
 */
export function withEnvironment(
  file: Readonly<Record<string, unknown>>,
  env: Environment,
  { hasChannels = true }: { readonly hasChannels?: boolean } = {},
): { readonly values: Record<string, unknown>; readonly variables: ReadonlyMap<string, string> } {
  const values: Record<string, unknown> = { ...file };
  const variables = new Map<string, string>();
  for (const [name, path] of VARIABLES) {
    const value = variable(env, name);
    if (value === undefined) continue;
    const [section = "", key] = path.split(".");
    if (key === undefined) values[section] = value;
    else if (values[section] === undefined || values[section] === null) values[section] = { [key]: value };
    else if (isPlainObject(values[section])) values[section] = { ...values[section], [key]: value };
    else continue;
    variables.set(path, name);
  }
  if (hasChannels) {
    for (const { name, channel, key, opens } of CHANNEL_VARIABLES) {
      const value = variable(env, name);
      const channels = withVariable(values.channels ?? {}, channel, key, value, opens);
      if (channels === undefined) continue;
      values.channels = channels;
      variables.set(`channels.${channel}.${key}`, name);
    }
  }
  return { values, variables };
}

/** The channels with the value in its place; undefined where it has none. */
function withVariable(channels: unknown, channel: string, key: string, value: string | undefined, opens: boolean): object | undefined {
  if (value === undefined || !isPlainObject(channels)) return undefined;
  const given = channels[channel];
  if (given === false || (!opens && !Object.hasOwn(channels, channel))) return undefined;
  const options = given === undefined || given === null || given === true ? {} : given;
  return isPlainObject(options) ? { ...channels, [channel]: { ...options, [key]: value } } : undefined;
}

/** SATIBOT_ALLOW as a list, or undefined when it is not set. */
export function allowFrom(env: Environment): readonly string[] | undefined {
  const entries = variable(env, "SATIBOT_ALLOW")
    ?.split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  return entries?.length === 0 ? undefined : entries;
}

/**
 * Replaces `${NAME}` in every text by the environment variable; `$${` stands for a literal `${`.
 * A variable that is not set is a problem at the path that names it.
 */
export function substitute(value: unknown, env: Environment, path: Problem["path"], problems: Problem[]): unknown {
  if (path.length > DEPTH_MAX) {
    problems.push({ path: path.slice(0, 3), message: `is nested deeper than ${DEPTH_MAX} levels, or contains itself; write it flat` });
    return undefined;
  }
  if (typeof value === "string") {
    return value.replace(/\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, name: string | undefined) => {
      if (name === undefined) return "${";
      const found = env[name];
      if (found === undefined)
        problems.push({ path, message: `the environment variable ${name} is not set; set it, or write the value here` });
      return found ?? whole;
    });
  }
  if (Array.isArray(value)) return value.map((item: unknown, place) => substitute(item, env, [...path, place], problems));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substitute(item, env, [...path, key], problems)]));
}
