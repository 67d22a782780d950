/** What of a channel must not be seen: for people and logs. */
import { isPlainObject } from "./plain-object.ts";
import { formatRate } from "../channels/rate.ts";
import type { ChannelConfig } from "./channels.ts";

/** What stands where a secret was. */
export const MASK = "***";

const SECRET_FIELDS = ["token", "secretToken", "accessToken", "appSecret", "verifyToken"] as const;
/** Names of options of an adapter whose values are kept from view; of the others nobody knows, so they are shown. */
const SECRET_NAME = /token|secret|password|passphrase|credential|private|auth|cookie|apikey|api_key|(?:^|[a-z_])key$/i;

/** Every text below `options` that looks like a secret by its name. */
function secretsIn(options: unknown, isSecret = false): readonly string[] {
  if (typeof options === "string") return isSecret && options !== "" ? [options] : [];
  if (Array.isArray(options)) return options.flatMap((item) => secretsIn(item, isSecret));
  if (!isPlainObject(options)) return [];
  return Object.entries(options).flatMap(([name, value]) => secretsIn(value, isSecret || SECRET_NAME.test(name)));
}

function masked(options: unknown, isSecret = false): unknown {
  if (Array.isArray(options)) return options.map((item) => masked(item, isSecret));
  if (isPlainObject(options)) {
    return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, masked(value, isSecret || SECRET_NAME.test(name))]));
  }
  return isSecret && options !== null ? MASK : options;
}

/** Every secret of a channel, for the log to mask. */
export function secretsOfChannel(channel: ChannelConfig): readonly string[] {
  const fields = channel as unknown as Readonly<Record<string, unknown>>;
  const own = SECRET_FIELDS.flatMap((name) => (typeof fields[name] === "string" ? [fields[name]] : []));
  return channel.kind === "chat-sdk" ? [...own, ...secretsIn(channel.options)] : own;
}

/** A URL without the password in it. */
export function withoutCredentials(text: string): string {
  const url = new URL(text);
  if (url.username === "" && url.password === "") return text;
  url.username = MASK;
  url.password = "";
  return url.href;
}

/** The channel for people: every secret masked. Of a Telegram token the bot's id stays, which is public. */
export function describeChannel(channel: ChannelConfig): object {
  const { name: _, kind, allow, rate, ...rest } = channel;
  const shown = Object.entries(rest).flatMap(([key, value]: [string, unknown]): [string, unknown][] => {
    if (value === undefined) return [];
    if (key === "token" && kind === "telegram") return [[key, channel.token.replace(/^(\d+:)?.*$/, `$1${MASK}`)]];
    if (SECRET_FIELDS.some((secret) => secret === key)) return [[key, MASK]];
    if (key === "options") return [[key, masked(value)]];
    return [[key, typeof value === "string" && /^https?:/.test(value) ? withoutCredentials(value) : value]];
  });
  const rates = Object.entries(rate ?? {}).map(([who, one]) => [who, formatRate(one)]);
  return {
    kind,
    ...Object.fromEntries(shown),
    allow: allow ?? "who is paired",
    ...(rates.length > 0 ? { rate: Object.fromEntries(rates) as object } : {}),
  };
}
