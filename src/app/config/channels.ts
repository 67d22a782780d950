import { RESERVED_CHANNELS, isChannelName } from "../../core/chat-key.ts";
import { check, nearest } from "./check.ts";
import { type Environment, allowFrom } from "./environment.ts";
import { isPlainObject } from "./plain-object.ts";
import type { Problem } from "./problem.ts";
import { onOff, telegram } from "./sections.ts";
import { CHANNEL_KINDS } from "./unsupported.ts";

export interface TelegramConfig {
  /** Instance name: the part of a chat key before the colon. */
  readonly name: string;
  readonly kind: "telegram";
  readonly token: string;
  readonly mode: "polling";
  readonly apiRoot: string | undefined;
  /** Ids, or `"*"`; undefined closes the channel to everyone. */
  readonly allow: readonly string[] | undefined;
}

/** A channel to be opened. */
export type ChannelConfig = TelegramConfig;

export interface ChannelsConfig {
  readonly channels: readonly ChannelConfig[];
  /** Undefined: on where the daemon is started from a terminal. */
  readonly terminal: boolean | undefined;
  /** The page at `/`. */
  readonly web: boolean;
}

/** Reads `channels`: each key is an instance name whose kind is its beginning (`telegram-2`) or its `kind`. Those that are `false` stay closed. */
export function readChannels(value: unknown, env: Environment, problems: Problem[]): ChannelsConfig {
  const channels: ChannelConfig[] = [];
  const switches: { terminal: boolean | undefined; web: boolean } = { terminal: undefined, web: true };
  if (value === undefined || value === null) return { channels, ...switches };
  if (!isPlainObject(value)) {
    problems.push({ path: ["channels"], message: "must be a section with a key for each channel, such as telegram" });
    return { channels, ...switches };
  }
  for (const [name, given] of Object.entries(value)) {
    const path = ["channels", name];
    const kind = kindOf(name, given);
    const wrongName = nameProblem(name, kind);
    if (wrongName !== undefined) problems.push({ path, message: wrongName });
    else if (CHANNEL_KINDS.get(kind ?? "") === false) {
      if (given !== false && given !== null) {
        problems.push({ path, message: `${kind} channels do not exist in this version; remove it or write false`, unsupported: true });
      }
    } else if (kind === "telegram") {
      const channel = readTelegram(name, given, env, problems);
      if (channel !== undefined) channels.push(channel);
    } else if (name === "terminal" || name === "web") {
      // A key with nothing behind it counts as absent.
      const isOn = given === null ? undefined : check(onOff, given, path, problems);
      if (isOn !== undefined) switches[name] = isOn;
    } else problems.push({ path, message: `there is one ${kind} channel; write channels.${kind}` });
  }
  for (const [place, channel] of channels.entries()) {
    const twin = channels.slice(0, place).find((other) => other.token === channel.token);
    if (twin === undefined) continue;
    problems.push({
      path: ["channels", channel.name, "token"],
      message: `is also the token of ${twin.name}, and a bot can have one connection; write another token`,
    });
  }
  return { channels, ...switches };
}

function kindOf(name: string, given: unknown): string | undefined {
  if (isPlainObject(given) && typeof given.kind === "string") return given.kind;
  return [...CHANNEL_KINDS.keys()].find((kind) => name === kind || name.startsWith(`${kind}-`));
}

function nameProblem(name: string, kind: string | undefined): string | undefined {
  if (!isChannelName(name)) return "is no channel name; write a lower-case letter, then at most 31 of a-z, 0-9 and -";
  if (RESERVED_CHANNELS.has(name)) return `${name} belongs to the runtime; write another name`;
  const kinds = [...CHANNEL_KINDS.keys()];
  if (kind !== undefined && kinds.includes(kind)) return undefined;
  const near = nearest(kind ?? name, kinds);
  if (near !== undefined) return `unknown channel; did you mean "${near}"?`;
  return `unknown channel; begin its name with its kind (telegram, telegram-2) or write kind: telegram`;
}

function readTelegram(name: string, given: unknown, env: Environment, problems: Problem[]): TelegramConfig | undefined {
  if (given === false) return undefined;
  const path = ["channels", name];
  const values = given === true || given === null ? {} : isPlainObject(given) ? without(given, null) : given;
  if (isPlainObject(values) && values.token === undefined) {
    const hint = name === "telegram" ? ", or set TELEGRAM_BOT_TOKEN" : "";
    problems.push({ path: [...path, "token"], message: `is missing; write the token from @BotFather${hint}` });
    // The rest is still worth checking; the token here is never used, since there is a problem.
    check(telegram, { ...values, token: "missing" }, path, problems);
    return undefined;
  }
  const checked = check(telegram, values, path, problems);
  if (checked === undefined) return undefined;
  if (checked.mode === "webhook") {
    problems.push({
      path: [...path, "mode"],
      message: "webhook mode does not exist in this version; write polling or remove it",
      unsupported: true,
    });
    return undefined;
  }
  return {
    name,
    kind: "telegram",
    token: checked.token,
    mode: "polling",
    apiRoot: checked.apiRoot,
    allow: checked.allow ?? allowFrom(env),
  };
}

function without(values: Readonly<Record<string, unknown>>, unwanted: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== unwanted));
}
