/** What a Chat SDK channel is made from. The types of the SDK stay inside this folder: who uses satibot without it needs none of them. */
import { isChannelName, RESERVED_CHANNELS } from "../../core/chat-key.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";

/** What `create…Adapter()` of an adapter package returns; its full shape is checked when the channel starts. */
export interface ChatSdkAdapter {
  readonly name: string;
  readonly userName: string;
}

export interface ChatSdkOptions {
  /** Channel instance; the first part of its chat keys and the last of its webhook's path. */
  readonly name: string;
  /** A package such as `@chat-adapter/slack`, whose `create…Adapter` is called with `options`; or an adapter; or what makes one for each start. */
  readonly adapter: string | ChatSdkAdapter | (() => ChatSdkAdapter | Promise<ChatSdkAdapter>);
  /** Given to the factory of a named package as they are. Every string in it of 8 characters or more is kept out of logs and errors. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** User ids, channel ids, `@usernames`, or `*` for everybody. Absent: whoever sends the pairing code first owns the bot; empty: only who is approved. */
  readonly allow?: readonly string[];
  /** Outside of direct messages: answer when mentioned, and from then on in that thread (`mention`, the default), or everything (`all`). */
  readonly groups?: "mention" | "all";
  /** Longest text of one message in UTF-16 units, where it is not that of a known adapter. At least 100. */
  readonly textUnits?: number;
  readonly clock: Clock;
  readonly random?: Random;
  readonly log?: Log;
}

/** The options as given, or what is wrong with them. */
export interface CheckedOptions extends ChatSdkOptions {
  readonly groups: "mention" | "all";
}

function refuse(path: string, why: string): never {
  throw new ConfigError("CONFIG_INVALID", `${path} ${why}`, { path });
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
  for (const [index, entry] of (allow ?? []).entries()) {
    if (typeof entry !== "string" || entry.trim() === "")
      refuse(`allow[${index}]`, `is ${JSON.stringify(entry)}; write a user or channel id of the platform, "@username" or "*"`);
  }
  return { ...options, groups, ...(allow ? { allow: allow.map((entry) => entry.trim().toLowerCase()) } : {}) };
}
