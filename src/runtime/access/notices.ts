/** What administrators and the people they let in are told: through the outbox, so that it is not lost. */
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent, textOf, type Content } from "../../core/content.ts";
import type { InboundMessage } from "../../ports/channel.ts";
import type { Kernel } from "../kernel.ts";
import { publishPart, type Outgoing } from "../turn-commit.ts";
import { harmlessName } from "./identity.ts";
import type { Stranger } from "./strangers.ts";

export interface Notices {
  /** Asks administrators about a stranger, each in their chat. @throws TransientError when that could not be stored */
  readonly ask: (channel: string, stranger: Stranger, chats: readonly ChatKey[]) => Promise<void>;
  /** Tells somebody that they are let in. @throws TransientError when that could not be stored */
  readonly welcome: (stranger: Stranger & { readonly chat: ChatKey }) => Promise<void>;
}

/** Ids that can be written behind a command and stand in a sentence. */
const PLAIN_ID = /^[\w@.:+=-]{1,64}$/;
/** Platforms bound what comes back from a press (Telegram: 64 bytes with the option). */
const BUTTON_ID_MAX = 40;
const QUESTION = /^access:(.+)$/s;
const OPTIONS = [
  { id: "approve", label: "Let in" },
  { id: "deny", label: "Refuse" },
] as const;

/** True when administrators can be asked about somebody of this id. */
export function canBeAskedAbout(id: string): boolean {
  return PLAIN_ID.test(id);
}

/** A press on the buttons of a notice as the command that it stands for; anything else as it is. Whether the presser may is decided with the command. */
export function pressAsCommand(message: InboundMessage): InboundMessage {
  const id = message.questionId === undefined ? undefined : QUESTION.exec(message.questionId)?.[1];
  if (id === undefined) return message;
  const { questionId: _, ...rest } = message;
  // Some platforms say what is written on the button.
  const pressed = textOf(message.content);
  const option = OPTIONS.find((one) => one.id === pressed || one.label === pressed);
  return { ...rest, content: textContent(option && PLAIN_ID.test(id) ? `/${option.id} ${id}` : "/approve") };
}

function noticeOf(channel: string, { id, name }: Stranger): Content {
  const text = `${harmlessName(name)} (\`${id}\`) has written to me over ${channel} and is not let in.\nTo let them in: /approve ${id}\nTo refuse: /deny ${id}`;
  return [
    { type: "text", text },
    ...(id.length > BUTTON_ID_MAX ? [] : [{ type: "buttons" as const, questionId: `access:${id}`, options: OPTIONS }]),
  ];
}

export function createNotices(kernel: Pick<Kernel, "store" | "clock" | "random" | "hub">, outgoing: Outgoing): Notices {
  const { store, clock, random } = kernel;

  const put = async (chat: ChatKey, content: Content, address: string | undefined): Promise<void> => {
    const { isDelivered } = outgoing.wayOf(chat);
    const parts = await store.outbox.put(chat, [content], {
      groupId: `access.${random.id()}`,
      delivered: isDelivered,
      address,
      atMs: clock.now(),
    });
    for (const part of parts) publishPart(kernel, part);
    if (!isDelivered) outgoing.stored(chat, parts);
  };

  return {
    ask: async (channel, stranger, chats) => {
      const content = noticeOf(channel, stranger);
      for (const chat of chats) await put(chat, content, undefined);
    },
    welcome: ({ chat, address }) =>
      put(chat, textContent("You are let in. Write me a message; what you wrote before was not kept."), address),
  };
}
