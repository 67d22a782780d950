/** Updates as people cause them. */
import type { Clock } from "../../ports/clock.ts";
import type { Payload } from "./answer.ts";
import type { TakenSend } from "./messages.ts";

export interface SayOptions {
  /** Default 7. */
  readonly userId?: number;
  /** Default: the user's private chat. Negative: a supergroup. */
  readonly chatId?: number;
  readonly username?: string;
  /** Laid over the message. */
  readonly extra?: Payload;
}

export interface PressOptions {
  /** Who presses; default 7. */
  readonly userId?: number;
  /** The message with the button; default the last that was sent. */
  readonly messageId?: number;
}

export interface People {
  readonly say: (text: string, options?: SayOptions) => number;
  readonly editSaid: (updateId: number, text: string, extra?: Payload) => number;
  readonly press: (data: string, options?: PressOptions) => number;
  readonly migrate: (from: number, to: number) => void;
  /** True when a press of this id waited for an answer; then it no longer does. */
  readonly answerPress: (id: string) => boolean;
}

/** What the people act on. */
export interface PeopleParts {
  readonly clock: Clock;
  readonly bot: Payload;
  readonly nextMessageId: () => number;
  readonly push: (update: Payload) => number;
  readonly sends: () => readonly TakenSend[];
}

/** Everybody who writes to the bot. */
export function createPeople({ clock, bot, nextMessageId, push, sends }: PeopleParts): People {
  const said = new Map<number, Payload>();
  const presses = new Set<string>();
  let pressCount = 0;
  const inChat = (chatId: number): Payload => ({
    message_id: nextMessageId(),
    date: Math.floor(clock.now() / 1_000),
    chat: chatOf(chatId),
  });
  return {
    say: (text, { userId = 7, chatId = userId, username, extra } = {}) => {
      const message = { ...inChat(chatId), from: userOf(userId, username), text, ...marksIn(text), ...extra };
      const id = push({ message });
      said.set(id, message);
      return id;
    },
    editSaid: (updateId, text, extra) => {
      const before = said.get(updateId);
      if (!before) throw new Error(`update ${updateId} was not said here`);
      const after = { ...before, text, ...marksIn(text), edit_date: Math.floor(clock.now() / 1_000), ...extra };
      said.set(updateId, after);
      return push({ edited_message: after });
    },
    press: (data, { userId = 7, messageId = sends().at(-1)?.messageId ?? 0 } = {}) => {
      const sent = sends().find((send) => send.messageId === messageId);
      pressCount += 1;
      const id = `press-${pressCount}`;
      presses.add(id);
      const message = {
        ...inChat(sent?.chatId ?? userId),
        message_id: messageId,
        from: bot,
        text: sent?.text ?? "",
        ...(sent?.threadId === undefined ? {} : { message_thread_id: sent.threadId, is_topic_message: true }),
        ...(sent?.payload.reply_markup === undefined ? {} : { reply_markup: sent.payload.reply_markup }),
      };
      return push({ callback_query: { id, from: userOf(userId), chat_instance: "1", data, message } });
    },
    migrate: (from, to) => {
      push({ message: { ...inChat(from), from: userOf(7), migrate_to_chat_id: to } });
      push({ message: { ...inChat(to), from: userOf(7), migrate_from_chat_id: from } });
    },
    answerPress: (id) => presses.delete(id),
  };
}

/** Mentions and commands in a text, as Telegram marks them. */
function marksIn(text: string): { readonly entities?: readonly Payload[] } {
  const entities = [...text.matchAll(/(?<=^|\s)(?:\/[A-Za-z0-9_]+(?:@\w+)?|@\w{4,32})/g)].map((match) => ({
    type: match[0].startsWith("/") ? "bot_command" : "mention",
    offset: match.index,
    length: match[0].length,
  }));
  return entities.length > 0 ? { entities } : {};
}

function userOf(userId: number, username?: string): Payload {
  return { id: userId, is_bot: false, first_name: "Person", ...(username === undefined ? {} : { username }) };
}

function chatOf(chatId: number): Payload {
  return chatId < 0 ? { id: chatId, type: "supergroup", title: "Group" } : { id: chatId, type: "private", first_name: "Person" };
}
