/** Checks of the options, each naming the option that is wrong; what they give is what the channel works with. */
import { createHmac } from "node:crypto";
import { isChannelName } from "../../core/chat-key.ts";
import { ConfigError } from "../../core/errors.ts";

/** What is answered in a group: only what addresses the bot, or everything it can read. */
export type GroupRule = "mention" | "all";

export interface WebhookSettings {
  /** Told to Telegram; undefined where somebody else does that. */
  readonly url: string | undefined;
  readonly secretToken: string;
}

function wrong(path: string, message: string): ConfigError {
  return new ConfigError("CONFIG_INVALID", message, { path });
}

/** @throws ConfigError TOKEN_REFUSED */
export function checkToken(token: string): string {
  const text = token.trim();
  if (text !== "" && /^[\w:.-]+$/.test(text)) return text;
  const why = text === "" ? "is empty" : "has characters that no token has";
  throw new ConfigError("TOKEN_REFUSED", `the Telegram token ${why}; copy the one that @BotFather gave`, { path: "token" });
}

/** Without the slashes at its end. @throws ConfigError CONFIG_INVALID */
export function checkRoot(apiRoot: string): string {
  if (isHttp(apiRoot)) return apiRoot.replace(/\/+$/, "");
  throw wrong("apiRoot", "the Telegram apiRoot is no http(s) URL; write one such as https://api.telegram.org");
}

/** @throws ConfigError CONFIG_INVALID */
export function checkName(name: string): string {
  if (isChannelName(name)) return name;
  throw wrong("name", `channel name ${JSON.stringify(name)}: use a lower-case letter, then at most 31 of a-z, 0-9 and -`);
}

/** @throws ConfigError CONFIG_INVALID */
export function checkTimeout(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= 50) return seconds;
  throw wrong("pollTimeoutS", `pollTimeoutS is ${seconds}; write whole seconds from 0 to 50`);
}

/** A rule for each chat id and for `*`. @throws ConfigError CONFIG_INVALID naming the entry */
export function checkGroups(groups: Readonly<Record<string, GroupRule>> | undefined): ReadonlyMap<string, GroupRule> {
  const rules = new Map<string, GroupRule>();
  for (const [chat, rule] of Object.entries(groups ?? {})) {
    if (!/^(\*|-\d{1,20})$/.test(chat)) {
      throw wrong(`groups.${chat}`, `groups has the key ${JSON.stringify(chat)}; write the id of a group, such as -1001234567890, or "*"`);
    }
    if (rule !== "mention" && rule !== "all") throw wrong(`groups.${chat}`, `groups[${JSON.stringify(chat)}] must be "mention" or "all"`);
    rules.set(chat, rule);
  }
  return rules;
}

/**
 * Undefined for polling. The secret is derived from the token where Telegram is told by us: then nobody needs to see it.
 * @throws ConfigError CONFIG_INVALID
 */
export function checkWebhook(
  options: { readonly mode?: string; readonly webhookUrl?: string; readonly secretToken?: string },
  name: string,
  token: string,
): WebhookSettings | undefined {
  const { mode = "polling", webhookUrl, secretToken } = options;
  if (mode === "polling") return undefined;
  if (mode !== "webhook") throw wrong("mode", `mode is ${JSON.stringify(mode)}; write "polling" or "webhook"`);
  if (secretToken !== undefined && !/^[\w-]{1,256}$/.test(secretToken)) {
    throw wrong("secretToken", "secretToken has a character that Telegram does not take; write 1 to 256 of A-Z, a-z, 0-9, _ and -");
  }
  if (webhookUrl === undefined) {
    if (secretToken !== undefined) return { url: undefined, secretToken };
    throw wrong(
      "webhookUrl",
      "webhook mode needs webhookUrl, the public https address of this daemon, or the secretToken of a webhook set elsewhere",
    );
  }
  if (!isHttp(webhookUrl) || /[?#]/.test(webhookUrl)) {
    throw wrong("webhookUrl", "webhookUrl is no plain URL; write the public address of this daemon, such as https://bot.example.org");
  }
  const secret = secretToken ?? createHmac("sha256", token).update(`satibot webhook ${name}`).digest("hex");
  return { url: `${webhookUrl.replace(/\/+$/, "")}/webhooks/${name}`, secretToken: secret };
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}
