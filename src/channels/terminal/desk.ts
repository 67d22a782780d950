/** The chats of one terminal: which one is written to, what came for the others, and the slash words that are the terminal's own. */
import { parseChatKey, type ChatKey } from "../../core/chat-key.ts";
import { noteOf, RequestError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLoop } from "../../runtime/api.ts";
import { formatDuration } from "../../core/duration.ts";
import { fit, harmless, oneLine, plainText } from "./text.ts";

export interface DeskOptions {
  readonly name: string;
  readonly loop: Pick<EventLoop, "status" | "chats" | "why" | "chat">;
  readonly clock: Clock;
  /** Shows lines of the terminal itself; harmless already. */
  readonly show: (text: string) => void;
  /** Shows a reply of the current chat. */
  readonly showReply: (text: string) => void;
  readonly send: (text: string) => void;
  readonly switched: () => void;
  readonly quit: () => void;
}

export interface Desk {
  readonly current: () => ChatKey;
  /** What is behind the colon; also the address. */
  readonly currentName: () => string;
  /** Sends, or carries out, what a person entered. */
  readonly enter: (text: string) => void;
  /** Keeps a reply of another chat until it is opened. */
  readonly keep: (chat: ChatKey, text: string) => void;
  /** Chats with news and how many, by name. */
  readonly news: () => readonly { readonly name: string; readonly count: number }[];
}

/** Chats whose unread replies are kept, replies of one, and UTF-16 units of all of one. */
const NEWS_CHATS_MAX = 100;
const NEWS_MAX = 100;
const NEWS_UNITS_MAX = 256 * 1024;
/** Messages shown of a chat that is opened for the first time. */
const RECALL = 4;
const LIST_MAX = 50;

/** Words that the terminal or the runtime answers, for completion. */
export const WORDS = ["/chat ", "/chats", "/cron ", "/help", "/new", "/queue", "/quit", "/status", "/stop", "/whoami", "/why"] as const;

const HELP = `/chat NAME  open or switch to another chat
/chats      all chats and their news
/why        what this chat waits for
/status     the event loop
/stop       abort the answer, drop what waits
/new        begin a new conversation
/queue      what waits in this chat
/cron       its jobs; /cron add every 30m | drink water
/whoami     who you are here
/quit       end (also Ctrl-C, Ctrl-D)
Other words with a slash go to the agent; //why sends "/why" to it. //help lists the commands of every chat.
Alt-Enter or Ctrl-J starts a new line, Up and Down recall what you wrote. A paste is one message of several lines, sent by Enter; \
a terminal that does not mark pastes sends each line as a message, in order. A message has at most 64 KiB.`;

export function createDesk(options: DeskOptions): Desk {
  const { name, loop, clock, show } = options;
  let current: ChatKey = `${name}:main`;
  const visited = new Set<ChatKey>([current]);
  const unread = new Map<ChatKey, { count: number; units: number; texts: string[] }>();

  const nameOf = (key: ChatKey): string => key.slice(name.length + 1);

  const open = async (wanted: string): Promise<void> => {
    const key = parseChatKey(`${name}:${wanted}`);
    if (key === current) return show(`This is ${wanted}.`);
    current = key;
    const news = unread.get(key);
    unread.delete(key);
    options.switched();
    show(`── ${oneLine(wanted)} ──`);
    if (news && news.count > news.texts.length) show(`(${news.count - news.texts.length} older: satibot chats show ${oneLine(key)})`);
    for (const text of news?.texts ?? []) options.showReply(text);
    const isFirst = !visited.has(key);
    visited.add(key);
    if (isFirst && !news) await recall(key);
  };

  const recall = async (key: ChatKey): Promise<void> => {
    const { history } = await loop.chat(key).catch((error: unknown) => {
      if (isUnknown(error)) return { history: [] };
      throw error;
    });
    if (current !== key) return;
    for (const { role, content } of history.slice(-RECALL)) {
      const text = plainText(content);
      if (role === "user") show(`${nameOf(key)}> ${harmless(text)}`);
      else options.showReply(text);
    }
  };

  const list = async (): Promise<void> => {
    const { items, next } = await loop.chats({ channel: name }, { limit: LIST_MAX });
    const keys = [...new Set([current, ...items.map(({ key }) => key), ...unread.keys()])];
    const rows = keys.map((key) => {
      const known = items.find((item) => item.key === key);
      const count = unread.get(key)?.count ?? 0;
      const facts = [
        count > 0 ? `${count} new` : "",
        known ? stateWords(known.state) : "nothing said yet",
        known && known.waiting > 0 ? `${known.waiting} waiting` : "",
      ];
      return `${key === current ? "*" : " "} ${oneLine(nameOf(key))}  ${facts.filter((fact) => fact !== "").join(" · ")}`;
    });
    show([...rows, ...(next === undefined ? [] : [`  … the first ${LIST_MAX}; satibot chats list shows all`])].join("\n"));
  };

  const status = async (): Promise<void> => {
    const { version, state, startedAt, queue, timers, chats, channels } = await loop.status();
    show(
      [
        `satibot ${version}, ${state} for ${formatDuration(Math.max(0, clock.now() - startedAt))}`,
        `turns: ${queue.running} of ${queue.slots} running, ${queue.waiting} waiting · timers: ${timers}`,
        `chats: ${chats.known} known, ${chats.live} live, ${chats.quarantined} quarantined`,
        ...channels.map((channel) => `${channel.name}: ${channel.state}${channel.reason ? ` (${oneLine(channel.reason)})` : ""}`),
      ].join("\n"),
    );
  };

  const why = async (): Promise<void> => {
    try {
      const { sentence } = await loop.why(current);
      show(harmless(sentence));
    } catch (error) {
      if (!isUnknown(error)) throw error;
      show("Nothing was said here yet.");
    }
  };

  const words: Readonly<Record<string, (rest: string) => Promise<void> | void>> = {
    help: () => show(HELP),
    chats: list,
    status,
    why,
    quit: options.quit,
    exit: options.quit,
    chat: (rest) => {
      if (rest !== "") return open(rest);
      show(`This is ${oneLine(nameOf(current))}; /chat NAME opens another, /chats lists them.`);
    },
  };

  return {
    current: () => current,
    currentName: () => nameOf(current),
    enter: (text) => {
      const [, word = "", rest = ""] = /^\/([a-z]+)(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? [];
      const run = Object.hasOwn(words, word) ? words[word] : undefined;
      if (!run) return options.send(text.startsWith("//") ? text.slice(1) : text);
      // `async`, so that what a word throws at once is shown as well.
      void (async () => run(rest.trim()))().catch((error: unknown) => show(oneLine(noteOf(error).message)));
    },
    keep: (chat, text) => {
      const news = unread.get(chat) ?? { count: 0, units: 0, texts: [] };
      news.count += 1;
      news.units += text.length;
      news.texts.push(text);
      while (news.texts.length > 1 && (news.texts.length > NEWS_MAX || news.units > NEWS_UNITS_MAX)) {
        news.units -= news.texts.shift()?.length ?? 0;
      }
      unread.set(chat, news);
      for (const oldest of unread.keys()) {
        if (unread.size <= NEWS_CHATS_MAX) break;
        unread.delete(oldest);
      }
    },
    news: () => [...unread].map(([key, { count }]) => ({ name: fit(oneLine(nameOf(key)), 20), count })),
  };
}

/** A state of the chat machine in words for the person who waits. */
export function stateWords(state: string): string {
  return STATES[state] ?? state;
}

const STATES: Readonly<Record<string, string>> = {
  idle: "idle",
  passivated: "idle",
  collecting: "waits for more",
  queued: "waits for its turn",
  responding: "thinking…",
  committing: "storing…",
  backingOff: "failed, tries again",
  asking: "asks you",
  quarantined: "put aside after a failure, see /why",
};

function isUnknown(error: unknown): boolean {
  return error instanceof RequestError && error.code === "CHAT_UNKNOWN";
}
