import { isChannelName, RESERVED_CHANNELS } from "../../core/chat-key.ts";
import { ConfigError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";

export interface WhatsAppOptions {
  /** Channel instance; the first part of its chat keys and the last of its webhook's path. Default `whatsapp`. */
  readonly name?: string;
  /** Of a system user of the Meta business, with `whatsapp_business_messaging`; never logged, never part of an error. */
  readonly accessToken: string;
  /** Id of the business phone number (not the number itself), as WhatsApp Manager shows it. */
  readonly phoneNumberId: string;
  /** Of the Meta app: what webhooks are signed with. */
  readonly appSecret: string;
  /** A word of your own choice that Meta repeats when the webhook is set up. */
  readonly verifyToken: string;
  /** Root of the Graph API with its version. Default `https://graph.facebook.com/v25.0`. */
  readonly apiUrl?: string;
  /** Phone numbers, business-scoped user ids, `@usernames`, or `*` for everybody. Absent: whoever sends the pairing code first owns the bot; empty: only who is approved. */
  readonly allow?: readonly string[];
  readonly clock: Clock;
  readonly log?: Log;
}

/** The options with defaults filled in and ids in the form that WhatsApp sends. */
export interface CheckedOptions extends WhatsAppOptions {
  readonly name: string;
  readonly apiUrl: string;
}

/** @see https://developers.facebook.com/docs/graph-api/changelog/versions (a version is served for two years and longer) */
const API_URL = "https://graph.facebook.com/v25.0";
/** A phone number as digits. */
const NUMBER = /^\d{5,20}$/;
/** A business-scoped user id, which stands in where somebody hides the number. @see https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids */
const USER_ID = /^[a-z]{2}\.(?:ent\.)?[a-z0-9]{1,128}$/i;
const USERNAME = /^@[^\s@]{1,64}$/;

/** True for what Meta calls `wa_id`: a phone number as digits. */
export function isNumber(text: string): boolean {
  return NUMBER.test(text);
}

/** True for a business-scoped user id such as `US.13491208655302741918`. */
export function isUserId(text: string): boolean {
  return USER_ID.test(text);
}

function refuse(path: string, why: string): never {
  throw new ConfigError("CONFIG_INVALID", `whatsapp ${path} ${why}`, { path });
}

function secretOf(path: "accessToken" | "appSecret" | "verifyToken", text: string, advice: string): string {
  const value = text.trim();
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  return refuse(path, `${value === "" ? "is empty" : "has characters that no such secret has"}; ${advice}`);
}

/** `+1 (650) 555-1234` is `16505551234`. */
function allowEntry(entry: string, index: number): string {
  const text = String(entry).trim().toLowerCase();
  const digits = text.replace(/[\s().+-]/g, "");
  if (/^\+?[\d\s().-]+$/.test(text) && isNumber(digits)) return digits;
  if (text === "*" || isUserId(text) || USERNAME.test(text)) return text;
  return refuse(
    `allow[${index}]`,
    `is ${JSON.stringify(text)}; write a phone number such as "+16505551234", a user id such as "US.134…", "@username" or "*"`,
  );
}

/** @throws ConfigError CONFIG_INVALID with the path of the bad option, never with its value where that is a secret */
export function checkOptions(options: WhatsAppOptions): CheckedOptions {
  const { name = "whatsapp", phoneNumberId, apiUrl = API_URL, allow } = options;
  if (!isChannelName(name) || RESERVED_CHANNELS.has(name))
    refuse("name", `is ${JSON.stringify(name)}; use a lower-case letter, then at most 31 of a-z, 0-9 and -, and none of api, cron, system`);
  if (!/^\d{5,32}$/.test(phoneNumberId.trim()))
    refuse("phoneNumberId", "is no id; copy the digits of “Phone number ID” from WhatsApp Manager, not the phone number");
  if (!URL.canParse(apiUrl) || !/^https?:$/.test(new URL(apiUrl).protocol))
    refuse("apiUrl", `is no http(s) URL; write one such as ${API_URL}`);
  return {
    ...options,
    name,
    phoneNumberId: phoneNumberId.trim(),
    apiUrl: apiUrl.replace(/\/+$/, ""),
    accessToken: secretOf("accessToken", options.accessToken, "make one for a system user in the Meta business settings"),
    appSecret: secretOf("appSecret", options.appSecret, "copy it from the basic settings of the Meta app"),
    verifyToken: secretOf("verifyToken", options.verifyToken, "write the word that you gave when you set up the webhook"),
    ...(allow ? { allow: allow.map(allowEntry) } : {}),
  };
}
