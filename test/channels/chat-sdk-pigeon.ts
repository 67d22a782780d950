/** The smallest adapter there can be, and its platform in memory: pigeons carry letters between lofts, and wait until they are let in. */
import { Message, parseMarkdown, stringifyMarkdown } from "chat";
import type { Adapter, AdapterPostableMessage, ChatInstance, RawMessage, WebhookOptions } from "chat";
import type { Channel } from "../../src/ports/channel.ts";
import { systemClock } from "./clocks.ts";

export interface Letter {
  readonly id: string;
  /** Thread id without the adapter's name: `loft` or `loft:perch`. */
  readonly to: string;
  readonly from: string;
  readonly text: string;
}

export interface Pigeon extends Adapter<string, Letter> {
  readonly chat: () => ChatInstance;
  /** Letters that the platform took. */
  readonly taken: string[];
  /** Thrown by the next posts. */
  readonly faults: unknown[];
  /** Runs in place of parsing a letter. */
  parse: (letter: Letter) => Message<Letter> | Promise<Message<Letter>>;
  /** Runs in place of dispatching a request's letters. */
  dispatch: (letters: readonly Letter[], options: WebhookOptions | undefined) => void | Promise<void>;
  connect: () => Promise<void>;
  isConnected: boolean;
}

export function messageOf(letter: Letter, overlay: object = {}): Message<Letter> {
  return new Message({
    id: letter.id,
    threadId: `pigeon:${letter.to}`,
    text: letter.text,
    formatted: parseMarkdown(letter.text),
    raw: letter,
    author: { userId: letter.from, userName: letter.from, fullName: "", isBot: "unknown", isMe: letter.from === "coop" },
    metadata: { dateSent: new Date(0), edited: false },
    attachments: [],
    ...overlay,
  });
}

function textOf(message: AdapterPostableMessage): string {
  if (typeof message === "string") return message;
  if ("markdown" in message) return message.markdown;
  if ("raw" in message) return message.raw;
  return "ast" in message ? stringifyMarkdown(message.ast) : "a card";
}

export function createPigeon(): Pigeon {
  let chat: ChatInstance | undefined;
  let posted = 0;
  const never = (): never => {
    throw new Error("pigeons cannot");
  };
  const pigeon: Pigeon = {
    name: "pigeon",
    userName: "coop",
    isConnected: false,
    taken: [],
    faults: [],
    chat: () => chat!,
    connect: async () => undefined,
    initialize: async (instance) => {
      chat = instance;
      await pigeon.connect();
      pigeon.isConnected = true;
    },
    disconnect: async () => {
      pigeon.isConnected = false;
    },
    parse: (letter) => messageOf(letter),
    dispatch: (letters, options) => {
      for (const letter of letters)
        void chat!.processMessage(pigeon, `pigeon:${letter.to}`, async () => pigeon.parse(letter), options).catch(() => undefined);
    },
    handleWebhook: async (request, options) => {
      const body: unknown = await request.json();
      await pigeon.dispatch(body as readonly Letter[], options);
      return new Response("coo", { status: 200 });
    },
    postMessage: async (threadId, message): Promise<RawMessage<Letter>> => {
      if (pigeon.faults.length > 0) throw pigeon.faults.shift();
      pigeon.taken.push(textOf(message));
      posted += 1;
      return { id: `p${posted}`, threadId, raw: { id: `p${posted}`, to: threadId, from: "coop", text: textOf(message) } };
    },
    isDM: (threadId) => threadId.startsWith("pigeon:home"),
    channelIdFromThreadId: (threadId) => threadId.split(":").slice(0, 2).join(":"),
    decodeThreadId: (threadId) => threadId,
    encodeThreadId: (threadId) => threadId,
    parseMessage: (letter) => messageOf(letter),
    renderFormatted: (content) => stringifyMarkdown(content),
    startTyping: async () => undefined,
    addReaction: never,
    removeReaction: never,
    deleteMessage: never,
    editMessage: never,
    fetchMessages: async () => ({ messages: [] }),
    fetchThread: never,
  };
  return pigeon;
}

export const requestOf = (...letters: readonly Letter[]): Request =>
  new Request("http://127.0.0.1/webhooks/pigeon", { method: "POST", body: JSON.stringify(letters) });

/** Carries letters to a channel one after the other, each until it is let in. */
export function createLoft(channel: Channel): {
  readonly say: (text: string) => void;
  readonly unconfirmed: () => number;
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => void;
} {
  const queue: Letter[] = [];
  const waiters = new Set<{ readonly condition: () => boolean; readonly resolve: () => void }>();
  let isClosed = false;
  let said = 0;
  let flight: Promise<void> | undefined;
  const changed = (): void => {
    for (const waiter of waiters) {
      if (!waiter.condition()) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };
  const fly = async (): Promise<void> => {
    while (queue[0] && !isClosed) {
      const { status } = await channel.webhook!(requestOf(queue[0]));
      if (status === 200) queue.shift();
      else await new Promise<void>((resolve) => void systemClock.setTimer(2, resolve));
      changed();
    }
    flight = undefined;
  };
  return {
    say: (text) => {
      said += 1;
      queue.push({ id: `l${said}`, to: "home", from: "ann", text });
      flight ??= fly();
    },
    unconfirmed: () => queue.length,
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    close: () => {
      isClosed = true;
    },
  };
}
