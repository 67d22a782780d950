/** Chats that their platform renamed: what comes under the new name goes to the chat that keeps the old key. Few, so all are in memory. */
import type { ChatKey } from "../core/chat-key.ts";
import type { ChannelHost, InboundMessage } from "../ports/channel.ts";
import { identityOf } from "./access/identity.ts";
import type { Kernel } from "./kernel.ts";

export interface Aliases {
  /** Reads them all; at boot. */
  readonly load: () => Promise<void>;
  /** The chat that a key stands for: mostly itself. */
  readonly of: (key: ChatKey) => ChatKey;
  /** A message as one of the chat that its key stands for. Allow lists may go on to call that place as they did before it moved. */
  readonly own: (message: InboundMessage) => InboundMessage;
  /** Stores a move. A chat that moves twice stays one chat. */
  readonly move: ChannelHost["moved"];
}

/** @param moved - told after the commit */
export function createAliases({ store, clock, log }: Kernel, moved: (key: ChatKey, address: string) => void): Aliases {
  const chats = new Map<ChatKey, ChatKey>();
  const of = (key: ChatKey): ChatKey => chats.get(key) ?? key;
  return {
    of,
    own: (message) => {
      const chat = of(message.chat);
      if (chat === message.chat) return message;
      const before = identityOf(chat.slice(chat.indexOf(":") + 1));
      return { ...message, chat, identities: [...(message.identities ?? []), before] };
    },
    load: async () => {
      for (const { alias, chat } of await store.chats.aliases()) chats.set(alias, chat);
    },
    move: async ({ from, to, address }) => {
      const chat = of(from);
      await store.chats.move({ from: chat, to, address, atMs: clock.now() });
      if (to !== chat) chats.set(to, chat);
      log.info({ chat, address }, "the platform moved a chat; its key stays");
      moved(chat, address);
    },
  };
}
