/** People who write without end, over HTTP and Telegram, each a few messages ahead of the answers, and repeat what was not acknowledged. */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, DaemonUnreachableError } from "../../src/http/client.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { partsOf } from "../e2e/account.ts";
import { listen, type Listener } from "../e2e/listener.ts";
import type { Rig } from "../e2e/rig.ts";

/** One conversation: what was accepted so far, and what came back. */
export interface Person {
  readonly chat: string;
  readonly accepted: () => number;
  readonly heard: () => readonly string[];
  /** Writes no more; resolves when the message under way is accepted. */
  readonly stop: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface PersonOptions {
  /** Messages that may wait for an answer. */
  readonly ahead: number;
  /** Milliseconds that the agent takes for each, and the person before the next. */
  readonly agentMs: () => number;
  readonly pauseMs: () => number;
}

/** Longest that one message may stay without an acknowledgement. */
const ACCEPT_MS = 60_000;
const LOOK_EVERY_MS = 10;

function converse(chat: string, heard: () => readonly string[], say: (n: number, text: string) => Promise<void>, options: PersonOptions) {
  let accepted = 0;
  let isStopped = false;
  const due = (n: number): number =>
    Array.from({ length: Math.max(0, n) }, (_, place) => partsOf(place + 1)).reduce((sum, parts) => sum + parts, 0);
  const run = async (): Promise<void> => {
    let dueSoFar = 0;
    while (!isStopped) {
      const n = accepted + 1;
      if (n > options.ahead) dueSoFar = n - options.ahead === 1 ? due(1) : dueSoFar + partsOf(n - options.ahead);
      // Repetitions only make the person less patient, never more.
      while (!isStopped && heard().length < dueSoFar) await sleep(LOOK_EVERY_MS);
      if (isStopped) return;
      await say(n, `say ${n} ${partsOf(n)} ${Math.round(options.agentMs())}`);
      accepted = n;
      await sleep(options.pauseMs());
    }
  };
  const done = run();
  done.catch(() => undefined);
  return {
    chat,
    accepted: () => accepted,
    heard,
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

/** Sends until it is acknowledged, always under the same id. @throws Error when that takes too long or the number is another */
async function insist(rig: Rig, chat: string, n: number, text: string): Promise<void> {
  const deadlineMs = performance.now() + ACCEPT_MS;
  for (;;) {
    try {
      const { seq } = await rig.api.sendMessage(chat, { text, messageId: `m${n}` });
      if (seq !== n) throw new Error(`message ${n} of ${chat} was accepted as ${seq}`);
      return;
    } catch (error) {
      const isPassing = error instanceof DaemonUnreachableError || (error instanceof ApiError && [429, 503].includes(error.status));
      if (!isPassing || performance.now() > deadlineMs) throw error;
      await sleep(20);
    }
  }
}

/** A person in the chat `api:<name>`. */
export function personOverHttp(rig: Rig, name: string, options: PersonOptions): Person {
  const chat = `api:${name}`;
  const listener: Listener = listen(rig.url, chat);
  const texts: string[] = [];
  const heard = (): readonly string[] => {
    const replies = listener.heard();
    for (let place = texts.length; place < replies.length; place += 1) texts.push(replies[place]!.text);
    return texts;
  };
  const person = converse(chat, heard, (n, text) => insist(rig, chat, n, text), options);
  return { ...person, close: listener.close };
}

/** A person on Telegram: what they say is acknowledged by Telegram, which offers it until the bot confirms it. */
export function personOverTelegram(telegram: TelegramServer, userId: number, options: PersonOptions): Person {
  const texts: string[] = [];
  let read = 0;
  const heard = (): readonly string[] => {
    const sends = telegram.sends();
    for (; read < sends.length; read += 1) if (sends[read]!.chatId === userId) texts.push(sends[read]!.text);
    return texts;
  };
  const person = converse(`telegram:${userId}`, heard, async (_, text) => void telegram.say(text, { userId }), options);
  return { ...person, close: async () => undefined };
}
