import type { ChatKey } from "../../core/chat-key.ts";
import { TerminalError } from "../../core/errors.ts";

const ADDRESS = /^(-?\d{1,20}|@\w{1,64})(?:\/(\d{1,20}))?$/;

export interface TelegramAddress {
  readonly chat_id: number | string;
  readonly message_thread_id?: number;
}

/**
 * Reads `chatId` or `chatId/threadId`, the form that `translate` writes.
 * @throws TerminalError CHANNEL_REFUSED for any other text
 */
export function parseAddress(address: string): TelegramAddress {
  const match = ADDRESS.exec(address);
  if (!match?.[1]) {
    throw new TerminalError(
      "CHANNEL_REFUSED",
      `telegram address ${JSON.stringify(address.slice(0, 60))} is not "chatId" or "chatId/threadId"; correct the chat's address`,
    );
  }
  const chat = match[1].startsWith("@") ? match[1] : Number(match[1]);
  return match[2] === undefined ? { chat_id: chat } : { chat_id: chat, message_thread_id: Number(match[2]) };
}

/** `telegram:-100:7` is `-100/7`: keys and addresses say the same. */
export function addressOfKey(key: ChatKey): string | undefined {
  const address = key.slice(key.indexOf(":") + 1).replace(":", "/");
  return ADDRESS.test(address) ? address : undefined;
}
