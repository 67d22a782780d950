/** Reads `channels`: each key is the name of an instance, and its kind says what may stand there. */
import type * as z from "zod";
import { RESERVED_CHANNELS, isChannelName } from "../../core/chat-key.ts";
import { ADAPTERS, CHANNEL_KINDS, isChannelKind, kindOf } from "../channels/kinds.ts";
import type { ChannelAccess } from "../../ports/channel.ts";
import { chatSdk, discord, onOff, telegram, whatsapp } from "./channel-fields.ts";
import { check, nearest } from "./check.ts";
import { type Environment, allowFrom } from "./environment.ts";
import { isPlainObject } from "./plain-object.ts";
import type { Problem } from "./problem.ts";

/** What every platform has: its name, and who may write over it. `allow` undefined: whoever is paired. */
interface Instance extends ChannelAccess {
  /** Instance name: the part of a chat key before the colon. */
  readonly name: string;
}

export type TelegramConfig = Instance &
  Omit<z.output<typeof telegram>, "kind" | "mode" | keyof ChannelAccess> & {
    readonly kind: "telegram";
    readonly mode: "polling" | "webhook";
  };
export type DiscordConfig = Instance & Omit<z.output<typeof discord>, "kind" | keyof ChannelAccess> & { readonly kind: "discord" };
export type WhatsAppConfig = Instance & Omit<z.output<typeof whatsapp>, "kind" | keyof ChannelAccess> & { readonly kind: "whatsapp" };
export type ChatSdkConfig = Instance & Omit<z.output<typeof chatSdk>, "kind" | keyof ChannelAccess> & { readonly kind: "chat-sdk" };

/** A channel to be opened. */
export type ChannelConfig = TelegramConfig | DiscordConfig | WhatsAppConfig | ChatSdkConfig;

export interface ChannelsConfig {
  readonly channels: readonly ChannelConfig[];
  /** Undefined: on where the daemon is started from a terminal. */
  readonly terminal: boolean | undefined;
  /** The page at `/`. */
  readonly web: boolean;
}

/** Where problems go, and what they are told from. */
interface Reading {
  readonly env: Environment;
  /** The file, when its keys stand in it as they were written. */
  readonly text: string | undefined;
  readonly problems: Problem[];
}

type Values = Readonly<Record<string, unknown>>;

/** What has to be there, and where it comes from when it is not. */
const REQUIRED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  telegram: { token: "write the token from @BotFather" },
  discord: { token: "write the token from the developer portal of Discord" },
  whatsapp: {
    accessToken: "write the access token of a system user of the Meta business",
    phoneNumberId: "write the phone number id from WhatsApp Manager, in quotes",
    appSecret: "write the app secret of the Meta app",
    verifyToken: "write a word of your own, the same as in the webhook's settings",
  },
  "chat-sdk": { adapter: "name a package such as @chat-adapter/slack" },
};
/** Variables that may stand in for what is missing in the channel that is named like its kind. */
const VARIABLES: Readonly<Record<string, string>> = {
  "telegram.token": "TELEGRAM_BOT_TOKEN",
  "discord.token": "DISCORD_BOT_TOKEN",
  "whatsapp.accessToken": "WHATSAPP_ACCESS_TOKEN",
  "whatsapp.phoneNumberId": "WHATSAPP_PHONE_NUMBER_ID",
  "whatsapp.appSecret": "WHATSAPP_APP_SECRET",
  "whatsapp.verifyToken": "WHATSAPP_VERIFY_TOKEN",
};
/** Never used: it lets the rest be checked where something is missing. */
const PLACEHOLDER = "10000";

/** Reads `channels`. Those that are `false` stay closed. */
export function readChannels(value: unknown, reading: Reading): ChannelsConfig {
  const { problems } = reading;
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
    else if (name === "terminal" || name === "web") {
      // A key with nothing behind it counts as absent.
      const isOn = given === null ? undefined : check(onOff, given, path, problems);
      if (isOn !== undefined) switches[name] = isOn;
    } else if (kind === "terminal" || kind === "web")
      problems.push({ path, message: `there is one ${kind} channel; write channels.${kind}` });
    else if (given !== false) {
      const channel = readPlatform(name, kind ?? "", given, reading);
      if (channel) channels.push(channel);
    }
  }
  findTwins(channels, problems);
  return { channels, ...switches };
}

function nameProblem(name: string, kind: string | undefined): string | undefined {
  if (!isChannelName(name)) return "is no channel name; write a lower-case letter, then at most 31 of a-z, 0-9 and -";
  if (RESERVED_CHANNELS.has(name)) return `${name} belongs to the runtime; write another name`;
  if (isChannelKind(kind)) return undefined;
  const near = nearest(kind ?? name, CHANNEL_KINDS);
  if (near !== undefined) return `unknown channel; did you mean "${near}"?`;
  return `unknown channel; begin its name with its kind (telegram, telegram-2), or write kind: telegram or an adapter`;
}

function readPlatform(name: string, kind: string, given: unknown, reading: Reading): ChannelConfig | undefined {
  const { problems, env } = reading;
  const path = ["channels", name];
  const usual = ADAPTERS[kind];
  const written = given === true || given === null ? {} : isPlainObject(given) ? without(given, null) : given;
  const values = usual !== undefined && isPlainObject(written) ? { adapter: usual, ...written } : written;
  const family = usual === undefined ? kind : "chat-sdk";
  const found = isPlainObject(values) ? filled(name, family, values, path, problems) : { values, isWhole: true };
  const read = <T>(schema: z.ZodType<T>): T | undefined => {
    const checked = check(schema, found.values, path, problems);
    return found.isWhole ? checked : undefined;
  };
  if (isPlainObject(values)) findLostDigits(values.groups, [...path, "groups"], reading);
  switch (family) {
    case "telegram": {
      const bot = read(telegram);
      return bot && { ...bot, name, kind: "telegram", mode: modeOf(bot, path, problems), allow: bot.allow ?? allowFrom(env) };
    }
    case "discord": {
      const bot = read(discord);
      return bot && { ...bot, name, kind: "discord", allow: bot.allow };
    }
    case "whatsapp": {
      const number = read(whatsapp);
      return number && { ...number, name, kind: "whatsapp", allow: number.allow };
    }
    default: {
      const adapter = read(chatSdk);
      return adapter && { ...adapter, name, kind: "chat-sdk", allow: adapter.allow };
    }
  }
}

/** Tells of each thing that is missing, and stands something in for it. */
function filled(
  name: string,
  family: string,
  values: Values,
  path: readonly string[],
  problems: Problem[],
): { values: Values; isWhole: boolean } {
  const missing = Object.entries(REQUIRED[family] ?? {}).filter(([key]) => values[key] === undefined);
  for (const [key, advice] of missing) {
    const variable = name === family ? VARIABLES[`${family}.${key}`] : undefined;
    problems.push({ path: [...path, key], message: `is missing; ${advice}${variable === undefined ? "" : `, or set ${variable}`}` });
  }
  return { values: { ...values, ...Object.fromEntries(missing.map(([key]) => [key, PLACEHOLDER])) }, isWhole: missing.length === 0 };
}

/** The mode follows from what is written for it; what has no effect beside polling is refused. */
function modeOf(
  { mode, webhookUrl, secretToken }: Pick<z.output<typeof telegram>, "mode" | "webhookUrl" | "secretToken">,
  path: readonly string[],
  problems: Problem[],
): TelegramConfig["mode"] {
  const written = webhookUrl === undefined ? (secretToken === undefined ? undefined : "secretToken") : "webhookUrl";
  if (mode === "polling" && written !== undefined)
    problems.push({ path: [...path, written], message: "goes with webhooks and not with mode: polling; remove one of them" });
  if (mode === "webhook" && written === undefined) {
    const message = "is missing; write the https address of this daemon, or a secretToken where somebody else calls setWebhook";
    problems.push({ path: [...path, "webhookUrl"], message });
  }
  return mode ?? (written === undefined ? "polling" : "webhook");
}

/** Ids of 17 digits and more that stand in YAML without quotes are read as numbers, and end in other digits than they were written with. */
function findLostDigits(groups: unknown, path: readonly string[], { text, problems }: Reading): void {
  if (!isPlainObject(groups) || text === undefined) return;
  for (const id of Object.keys(groups)) {
    if (/^-?\d{16,}$/.test(id) && !text.includes(id))
      problems.push({ path: [...path], message: `holds an id that was read as the number ${id} and has lost digits; write it in quotes` });
  }
}

/** One connection for one account: a second would answer everything twice, or push the first out. */
function findTwins(channels: readonly ChannelConfig[], problems: Problem[]): void {
  const seen = new Map<string, string>();
  for (const channel of channels) {
    if (channel.kind === "chat-sdk") continue;
    const [key, value] =
      channel.kind === "whatsapp" ? (["phoneNumberId", channel.phoneNumberId] as const) : (["token", channel.token] as const);
    const before = seen.get(`${channel.kind} ${value}`);
    seen.set(`${channel.kind} ${value}`, before ?? channel.name);
    if (before === undefined) continue;
    const what = key === "token" ? "token" : "phone number id";
    problems.push({
      path: ["channels", channel.name, key],
      message: `is also the ${what} of ${before}, and a bot can have one connection; write another ${what}`,
    });
  }
}

/** What the runtime is told of who may write over a channel. */
export function accessOf({ allow, admins, rate }: ChannelConfig): ChannelAccess {
  return { allow, ...(admins ? { admins } : {}), ...(rate ? { rate } : {}) };
}

function without(values: Values, unwanted: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== unwanted));
}
