/** The bot's presence in a chat: messages shown as read, and "typing…". Both name a message of the person, and neither is worth an error. */
import type { Log } from "../../ports/log.ts";
import type { GraphApi } from "./graph.ts";

export interface Presence {
  /** Shows a message, and all before it in its chat, as read; skipped while too many are under way. */
  readonly read: (address: string, messageId: string, signal: AbortSignal) => void;
  /** Shows "typing…" for 25 seconds or until a message is sent, where the person has written since the process began. */
  readonly typing: (address: string, signal: AbortSignal) => Promise<void>;
}

/** Addresses whose last message is remembered. */
const ADDRESSES_MAX = 10_000;
const READS_MAX = 16;

/** @see https://developers.facebook.com/documentation/business-messaging/whatsapp/typing-indicators */
export function createPresence({
  name,
  graph,
  phoneNumberId,
  log,
}: {
  readonly name: string;
  readonly graph: Pick<GraphApi, "post">;
  readonly phoneNumberId: string;
  readonly log: Log | undefined;
}): Presence {
  const lastOf = new Map<string, string>();
  let reads = 0;

  const show = async (messageId: string, extra: object, signal: AbortSignal): Promise<void> => {
    const payload = { messaging_product: "whatsapp", status: "read", message_id: messageId, ...extra };
    const { failure } = await graph.post(`/${phoneNumberId}/messages`, payload, signal);
    if (failure) log?.debug({ channel: name, reason: failure.text }, "a read mark or typing was not shown");
  };

  return {
    read: (address, messageId, signal) => {
      lastOf.delete(address);
      lastOf.set(address, messageId);
      for (const oldest of lastOf.keys()) {
        if (lastOf.size <= ADDRESSES_MAX) break;
        lastOf.delete(oldest);
      }
      if (reads >= READS_MAX) return;
      reads += 1;
      void show(messageId, {}, signal).finally(() => {
        reads -= 1;
      });
    },
    typing: async (address, signal) => {
      const messageId = lastOf.get(address);
      if (messageId !== undefined && !signal.aborted) await show(messageId, { typing_indicator: { type: "text" } }, signal);
    },
  };
}
