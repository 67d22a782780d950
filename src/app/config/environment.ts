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

/** The value of a variable; an empty one counts as not set. */
export function variable(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value.trim() === "" ? undefined : value;
}

/**
 * Lays the environment over what the file says: a variable wins over the file.
 * TELEGRAM_BOT_TOKEN opens the channel `telegram` unless the file turns it off; SATIBOT_ALLOW (comma-separated) is the list of every
 * Telegram channel that has none of its own.
 * @returns the values, and which variable gave which path
 */
export function withEnvironment(
  file: Readonly<Record<string, unknown>>,
  env: Environment,
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
  const token = variable(env, "TELEGRAM_BOT_TOKEN");
  const channels = values.channels ?? {};
  if (token === undefined || !isPlainObject(channels) || channels.telegram === false) return { values, variables };
  const telegram = channels.telegram ?? {};
  if (telegram !== true && !isPlainObject(telegram)) return { values, variables };
  values.channels = { ...channels, telegram: { ...(telegram === true ? {} : telegram), token } };
  variables.set("channels.telegram.token", "TELEGRAM_BOT_TOKEN");
  return { values, variables };
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
