/** Thread ids of adapters as chat keys. The id itself is the address; the key only has to be stable, valid and readable. */
import { bodyHash } from "../../core/body-hash.ts";
import { parseChatKey } from "../../core/chat-key.ts";
import type { ChatKey } from "../../core/chat-key.ts";

/** Marks a key that holds a hash of its thread id in place of the id. */
const HASHED = "~";
const READABLE_MAX = 48;

/** A thread id without the adapter's name before it and the empty parts behind it: `slack:D7:` and `slack:D7` are one place, `D7`. */
export function placeOf(threadId: string, adapterName: string): string {
  const prefix = `${adapterName}:`;
  return (threadId.startsWith(prefix) ? threadId.slice(prefix.length) : threadId).replace(/:+$/, "");
}

function isKeyText(place: string): boolean {
  try {
    return !place.includes(HASHED) && parseChatKey(`x:${place}`) === `x:${place}`;
  } catch {
    return false;
  }
}

/**
 * The key of a thread's chat: the channel's name and the thread's place. A place that no key can hold (over 128 characters with the
 * name, control characters, not NFC) becomes its readable beginning, `~` and a hash of 106 bits.
 */
export function chatKeyOf(name: string, threadId: string, adapterName: string): ChatKey {
  const place = placeOf(threadId, adapterName);
  const plain: ChatKey = `${name}:${place}`;
  if (isKeyText(place) && [...plain].length <= 128) return plain;
  const beginning = place.replaceAll(/[^\w./@+-]+/g, "-").slice(0, READABLE_MAX);
  return `${name}:${beginning}${HASHED}${bodyHash(threadId)}`;
}

/** The thread id that a key names; undefined where the key holds a hash. */
export function threadIdOf(chat: ChatKey, adapterName: string): string | undefined {
  const place = chat.slice(chat.indexOf(":") + 1);
  return place.includes(HASHED) ? undefined : `${adapterName}:${place}`;
}
