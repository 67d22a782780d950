/**
 * One chat with 10,000 messages waiting beside 999 quiet ones: what the quiet ones notice, against the same system without the noise.
 * All share one fake platform and the daemon's number of turn slots; each turn takes a few milliseconds, as a fast agent would. Quiet
 * messages come at a fixed rate, whether replies keep up or not, and are timed from the person's message to the reply at the platform.
 */
import { join } from "node:path";
import type { ChatKey } from "../src/core/chat-key.ts";
import { DEFAULT_LIMITS } from "../src/core/limits.ts";
import { createSqliteStore } from "../src/stores/sqlite/store.ts";
import { clock, openLoop, pause, quiet, until } from "./loop.ts";
import { median, openFolder, percentile, printTable, sized, spread } from "./machine.ts";

const QUIET = 999;
const NOISE = sized(10_000, 3_000);
const ROUNDS = 3;
const PER_SECOND = 200;
const SECONDS = sized(4, 1);
const TURN_MS = 2;

const folder = openFolder();

interface Round {
  readonly latenciesMs: readonly number[];
  /** Noisy messages answered meanwhile, and still waiting at the end. */
  readonly answered: number;
  readonly left: number;
}

async function measure(name: string, noise: number): Promise<Round> {
  const sentAtMs = new Map<ChatKey, number>();
  const latenciesMs: number[] = [];
  let noisyReplies = 0;
  let replies = 0;
  const heard = (chat: ChatKey): void => {
    if (chat === noisy) noisyReplies += 1;
    else {
      replies += 1;
      latenciesMs.push(performance.now() - (sentAtMs.get(chat) ?? Number.NaN));
    }
  };
  const { loop, keyOf, post } = openLoop(createSqliteStore({ file: join(folder, `${name}.db`), clock }), {
    platforms: 1,
    limits: { concurrentTurns: DEFAULT_LIMITS.concurrentTurns, inboxPerChat: NOISE * 2, drainTimeoutMs: 300 },
    onReply: heard,
    agent: async function* (turn) {
      await pause(TURN_MS);
      yield `You said: ${turn.messages[0]?.text}`;
    },
  });
  const noisy = keyOf(QUIET);
  await loop.start();
  // Everybody has been here before.
  for (let n = 0; n < QUIET; n += 1) post(keyOf(n), `first-${n}`, "hello");
  await until(() => replies === QUIET);
  await quiet(loop);
  latenciesMs.length = 0;
  for (let n = 0; n < noise; n += 1) post(noisy, `noise-${n}`, `noise ${n}`);
  if (noise > 0) await until(async () => (await loop.status()).channels[0]!.counters.received === QUIET + noise, 20);
  const before = noisyReplies;
  const startMs = performance.now();
  const count = PER_SECOND * SECONDS;
  for (let n = 0; n < count; n += 1) {
    await pause(Math.max(0, startMs + (n * 1_000) / PER_SECOND - performance.now()));
    const chat = keyOf(n % QUIET);
    sentAtMs.set(chat, performance.now());
    post(chat, `quiet-${n}`, "and now?");
  }
  await until(() => replies === QUIET + count);
  const answered = noisyReplies - before;
  const left = noise - noisyReplies;
  await loop.shutdown();
  return { latenciesMs, answered, left };
}

const alone: Round[] = [];
const beside: Round[] = [];
// The first turns are for the compiler.
await measure("warm", 100);
for (let round = 0; round < ROUNDS; round += 1) {
  alone.push(await measure(`alone${round}`, 0));
  beside.push(await measure(`beside${round}`, NOISE));
  console.log(`round ${round + 1} of ${ROUNDS}: ${beside.at(-1)!.left} noisy messages were still waiting at the end`);
}
const late = (rounds: readonly Round[], share: number): number[] => rounds.map(({ latenciesMs }) => percentile(latenciesMs, share));
const ratio = median(late(beside, 0.99).map((value, round) => value / late(alone, 0.99)[round]!));
printTable(
  `quiet chats at ${PER_SECOND} messages/s, message → reply at the platform, ms; ${DEFAULT_LIMITS.concurrentTurns} slots; median (lowest–highest) of ${ROUNDS}`,
  [
    ["", "idle system", `beside one chat with ${NOISE.toLocaleString("en")} waiting`, "ratio", "aim"],
    ["p50", spread(late(alone, 0.5), 1), spread(late(beside, 0.5), 1), "", ""],
    ["p99", spread(late(alone, 0.99), 1), spread(late(beside, 0.99), 1), ratio.toFixed(2), "≤ 2"],
    ["noisy messages answered meanwhile", "", spread(beside.map(({ answered }) => answered)), "", ""],
    ["noisy messages waiting at the end", "", spread(beside.map(({ left }) => left)), "", "> 0"],
  ],
);
