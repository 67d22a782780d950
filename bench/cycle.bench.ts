/**
 * The message cycle without durability, beside what people use for order within a chat: `p-queue`, one queue a chat, and `sequentialize`
 * of grammY's runner. Each takes the same messages of the same chats, keeps them in order within a chat, runs at most 1,000 at a time
 * (one a chat, of 1,000 chats), and collects an echo. Neither peer stores, retries, times out, streams or can say what a chat is doing.
 */
import { sequentialize } from "@grammyjs/runner";
import { Bot, type Context } from "grammy";
import PQueue from "p-queue";
import { createMemoryStore } from "../src/stores/memory/store.ts";
import { openLoop } from "./loop.ts";
import { isQuick, median, openFolder, printTable, sized, spread } from "./machine.ts";

const CHATS = 1_000;
const MESSAGES = sized(30_000, 5_000);
const AT_ONCE = 1_000;
const ROUNDS = isQuick ? 2 : 5;

const echo = async (text: string): Promise<string> => `re ${text}`;

/** Resolves when so many replies have come. */
function collector(): { readonly done: Promise<void>; readonly take: (reply: string) => void } {
  let left = MESSAGES;
  let finish = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return {
    done,
    take: (reply) => {
      if (!reply.startsWith("re ")) throw new Error(`an echo was expected, and not "${reply}"`);
      left -= 1;
      if (left === 0) finish();
    },
  };
}

async function satibot(): Promise<void> {
  const { done, take } = collector();
  const { loop, post, keyOf } = openLoop(createMemoryStore(), {
    platforms: 1,
    limits: { inboxPerChat: MESSAGES, concurrentTurns: AT_ONCE },
    onReply: () => take("re "),
    agent: async function* (turn) {
      yield await echo(turn.messages[0]?.text ?? "");
    },
  });
  await loop.start();
  for (let n = 0; n < MESSAGES; n += 1) post(keyOf(n % CHATS), String(n), `message ${n}`);
  await done;
  await loop.shutdown();
}

async function pQueue(): Promise<void> {
  const { done, take } = collector();
  const all = new PQueue({ concurrency: AT_ONCE });
  const chats = Array.from({ length: CHATS }, () => new PQueue({ concurrency: 1 }));
  for (let n = 0; n < MESSAGES; n += 1) {
    void chats[n % CHATS]?.add(async () => {
      const reply = await all.add(() => echo(`message ${n}`));
      take(reply);
    });
  }
  await done;
}

async function grammyRunner(): Promise<void> {
  const { done, take } = collector();
  const bot = new Bot("1:bench", {
    botInfo: {
      id: 1,
      is_bot: true,
      first_name: "bench",
      username: "bench_bot",
      can_join_groups: false,
      can_read_all_group_messages: false,
      supports_inline_queries: false,
      can_connect_to_business: false,
      has_main_web_app: false,
    } as Bot["botInfo"],
  });
  bot.use(sequentialize((context: Context) => String(context.chat?.id)));
  bot.on("message:text", async (context) => take(await echo(context.message.text)));
  for (let n = 0; n < MESSAGES; n += 1) {
    const id = 1 + (n % CHATS);
    const chat = { id, type: "private", first_name: "Ann" } as const;
    const from = { id, is_bot: false, first_name: "Ann" } as const;
    void bot.handleUpdate({ update_id: n, message: { message_id: n, date: 0, chat, from, text: `message ${n}` } });
  }
  await done;
}

const CONTESTANTS: readonly (readonly [name: string, run: () => Promise<void>])[] = [
  ["satibot, memory store", satibot],
  ["p-queue, one a chat", pQueue],
  ["grammY runner, sequentialize", grammyRunner],
];

openFolder();
const rates = new Map<string, number[]>(CONTESTANTS.map(([name]) => [name, []]));
for (let round = 0; round <= ROUNDS; round += 1) {
  // Another one begins each round.
  for (const place of CONTESTANTS.keys()) {
    const [name, run] = CONTESTANTS[(place + round) % CONTESTANTS.length]!;
    globalThis.gc?.();
    const startMs = performance.now();
    await run();
    // The first round is for the compiler.
    if (round > 0) rates.get(name)?.push(MESSAGES / ((performance.now() - startMs) / 1_000));
  }
}
const own = median(rates.get(CONTESTANTS[0]?.[0] ?? "") ?? []);
printTable(`in-process message cycle: ${CHATS} chats, ${MESSAGES} messages a round; median (lowest–highest) of ${ROUNDS}`, [
  ["", "messages/s", "satibot is"],
  ...CONTESTANTS.map(([name], place) => [
    name,
    spread(rates.get(name) ?? []),
    place === 0 ? "" : `${(own / median(rates.get(name) ?? [])).toFixed(2)} ×`,
  ]),
]);
console.log(
  "Only the first keeps states, retries, timeouts, dedupe, an outbox and an event log; the others are the floor of what order costs.",
);
