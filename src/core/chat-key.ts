import { RequestError } from "./errors.ts";

/** `channel:rest`. Opaque to the runtime beyond its channel; never changes. */
export type ChatKey = `${string}:${string}`;

/** Most Unicode code points in a chat key, channel and colon included. */
export const CHAT_KEY_MAX = 128;

/** Channel names that belong to the runtime and cannot be configured. */
export const RESERVED_CHANNELS: ReadonlySet<string> = new Set(["api", "cron", "system"]);

const CHANNEL_NAME = /^[a-z][a-z0-9-]{0,31}$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f]/;

export function isChannelName(name: string): boolean {
  return CHANNEL_NAME.test(name);
}

/** As JSON, with DEL and the C1 controls escaped too: those can steer a terminal and JSON leaves them as they are. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`);
}

/**
 * Checks a chat key and normalises it to NFC.
 * @throws RequestError BAD_CHAT_KEY with the rule that was broken
 */
export function parseChatKey(text: string): ChatKey {
  const colon = text.indexOf(":");
  const refuse = (why: string): never => {
    throw new RequestError("BAD_CHAT_KEY", `chat key ${quoted(text.slice(0, 60))}: ${why}`, { path: "key" });
  };
  if (colon < 0) return refuse('needs the form "channel:rest", such as "api:alice"');
  if (!isChannelName(text.slice(0, colon))) {
    return refuse("the channel before the colon is a lower-case letter, then at most 31 of a-z, 0-9 and -");
  }
  if (colon === text.length - 1) return refuse("needs at least one character after the colon");
  if (!text.isWellFormed()) return refuse("has a lone surrogate; send well-formed Unicode");
  if (FORBIDDEN.test(text)) return refuse("has a control character; remove it");
  const key = text.normalize("NFC");
  if ([...key].length > CHAT_KEY_MAX) return refuse(`has more than ${CHAT_KEY_MAX} characters; shorten it`);
  return key as ChatKey;
}

export function channelOf(key: ChatKey): string {
  return key.slice(0, key.indexOf(":"));
}
