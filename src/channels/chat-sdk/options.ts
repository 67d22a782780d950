/** What a Chat SDK channel is made from. The types of the SDK stay inside this folder: who uses satibot without it needs none of them. */
import { isChannelName, RESERVED_CHANNELS } from "../../core/chat-key.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";

/** What `create…Adapter()` of an adapter package returns; its full shape is checked before it is used. */
export interface ChatSdkAdapter {
  readonly name: string;
  readonly userName: string;
}

export interface ChatSdkOptions {
  /** Channel instance; the first part of its chat keys and the last of its webhook's path. */
  readonly name: string;
  /**
   * A package such as `@chat-adapter/slack`, or a file such as `./my-adapter.js`, whose `create…Adapter` is called with `options` at each
   * start; `#name` behind it chooses among several. Or an adapter, or what makes one for each start.
   */
  readonly adapter: string | ChatSdkAdapter | (() => ChatSdkAdapter | Promise<ChatSdkAdapter>);
  /** Given to the factory of a named package. Every string in it that may be a secret is kept out of logs and errors. */
  readonly options?: Readonly<Record<string, unknown>>;
  /**
   * User and channel ids of the platform, or `*` for everybody. Absent: whoever sends the pairing code first owns the bot; empty: only who
   * is approved. Names are refused: on many platforms everybody chooses their own.
   */
  readonly allow?: readonly string[];
  /** Outside of direct messages: answer when mentioned, and from then on in that thread (`mention`, the default), or everything (`all`). */
  readonly groups?: "mention" | "all";
  /** Longest text of one message in UTF-16 units, at least 100. Default: 11,000 for Slack, 2,000 for others. */
  readonly textUnits?: number;
  /** Whether the platform lets a bot edit its messages; streamed replies need it. Default: true for Slack, false for others. */
  readonly canEdit?: boolean;
  readonly clock: Clock;
  readonly random?: Random;
  readonly log?: Log;
}

/** The options as given, normalised and with their defaults. */
export interface CheckedOptions extends ChatSdkOptions {
  readonly groups: "mention" | "all";
}

function refuse(path: string, why: string): never {
  throw new ConfigError("CONFIG_INVALID", `${path} ${why}`, { path });
}

function checkAllow(allow: readonly string[]): readonly string[] {
  return allow.map((entry, index) => {
    const text = typeof entry === "string" ? entry.trim().toLowerCase() : "";
    const where = `allow[${index}]`;
    if (text === "") refuse(where, `is ${JSON.stringify(entry)}; write a user or channel id of the platform, or "*"`);
    if (text.startsWith("@")) refuse(where, `is ${JSON.stringify(entry)}; write the id, since names can be chosen by everybody`);
    return text;
  });
}

/** @throws ConfigError CONFIG_INVALID with the path of the bad option */
export function checkOptions(options: ChatSdkOptions): CheckedOptions {
  const { name, adapter, groups = "mention", allow, textUnits } = options;
  if (!isChannelName(name) || RESERVED_CHANNELS.has(name))
    refuse("name", `is ${JSON.stringify(name)}; use a lower-case letter, then at most 31 of a-z, 0-9 and -, and none of api, cron, system`);
  if (typeof adapter === "string" && adapter.trim() === "")
    refuse("adapter", "is empty; name a package such as @chat-adapter/slack, or a file such as ./my-adapter.js");
  if (groups !== "mention" && groups !== "all") refuse("groups", `is ${JSON.stringify(groups)}; write "mention" or "all"`);
  if (textUnits !== undefined && !(Number.isInteger(textUnits) && textUnits >= 100))
    refuse("textUnits", `is ${textUnits}; write a whole number of at least 100`);
  return { ...options, groups, ...(allow ? { allow: checkAllow(allow) } : {}) };
}
