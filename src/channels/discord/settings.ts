import { isChannelName } from "../../core/chat-key.ts";
import { ConfigError } from "../../core/errors.ts";

/** What is answered in servers: only what is said to the bot, or everything. */
export type GroupMode = "mention" | "all";

const ALLOW_ENTRY = /^(\*|\d{1,20}|@[a-z0-9._]{1,64})$/;
const GROUP_ENTRY = /^(\*|\d{1,20})$/;

function refuse(path: string, message: string): never {
  throw new ConfigError("CONFIG_INVALID", message, { path });
}

/**
 * The token without white space and without the word `Bot`, which belongs to the header.
 * @throws ConfigError TOKEN_REFUSED
 */
export function checkToken(token: string): string {
  const text = token.trim().replace(/^Bot\s+/i, "");
  if (/^[\w.-]+$/.test(text)) return text;
  const why = text === "" ? "is empty" : "has characters that no token has";
  throw new ConfigError("TOKEN_REFUSED", `the Discord token ${why}; copy the one under Bot › Token in the developer portal`, {
    path: "token",
  });
}

/** @throws ConfigError CONFIG_INVALID */
export function checkRoot(apiRoot: string): string {
  if (URL.canParse(apiRoot) && /^https?:$/.test(new URL(apiRoot).protocol)) return apiRoot.replace(/\/+$/, "");
  return refuse("apiRoot", "the Discord apiRoot is no http(s) URL; write one such as https://discord.com/api");
}

/** @throws ConfigError CONFIG_INVALID */
export function checkName(name: string): string {
  if (isChannelName(name)) return name;
  return refuse("name", `channel name ${JSON.stringify(name)}: use a lower-case letter, then at most 31 of a-z, 0-9 and -`);
}

/**
 * The allow list as it is written here: user, channel or server ids, `@usernames` (any case), or `*`.
 * @throws ConfigError CONFIG_INVALID naming the entry that is none of these
 */
export function checkAllow(allow: readonly string[] | undefined): readonly string[] | undefined {
  return allow?.map((entry, index) => {
    const text = String(entry).trim().toLowerCase();
    if (ALLOW_ENTRY.test(text)) return text;
    const path = `allow[${index}]`;
    return refuse(path, `discord ${path} is ${JSON.stringify(text)}; write a user, channel or server id (digits), "@username" or "*"`);
  });
}

/** @throws ConfigError CONFIG_INVALID naming the entry */
export function checkGroups(groups: Readonly<Record<string, GroupMode>> = {}): ReadonlyMap<string, GroupMode> {
  for (const [id, mode] of Object.entries(groups)) {
    const path = `groups.${id}`;
    if (!GROUP_ENTRY.test(id)) refuse(path, `discord ${path}: write a channel or server id (digits), or "*" for all others`);
    if (mode !== "mention" && mode !== "all") refuse(path, `discord ${path} is ${JSON.stringify(mode)}; write "mention" or "all"`);
  }
  return new Map(Object.entries(groups));
}

/** @throws ConfigError CONFIG_INVALID unless `value` is whole and within the bounds */
export function checkCount(path: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  return refuse(path, `discord ${path} is ${value}; write a whole number from ${min} to ${max}`);
}
