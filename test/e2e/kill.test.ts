/**
 * `kill -9` at random instants while 1,000 messages over 50 chats go through HTTP and Telegram. E2E_SEED=n draws the same instants again
 * (relative to the progress of the run; what the processes do in between is theirs).
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { ApiError, DaemonUnreachableError } from "../../src/http/client.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import type { Random } from "../../src/ports/random.ts";
import { openTelegramServer, type TelegramServer } from "../../src/testing/telegram-server.ts";
import { collapse, faultsOf, partsOf, readLedger, type ChatAccount } from "./account.ts";
import { listen, type Listener } from "./listener.ts";
import { openRig, report, until, type Daemon, type Rig } from "./rig.ts";

const CHATS = 25;
const PER_CHAT = 20;
const NUMBERS = Array.from({ length: PER_CHAT }, (_, place) => place + 1);
/** How the daemon ends, one after the other, each at an instant drawn from the progress of the run. */
const ENDS = ["kill", "kill, and again while it boots", "SIGTERM", "kill while it drains", "kill", "kill"] as const;
/** Most messages of one person that wait for an answer. */
const AHEAD = 4;
const BOOT_MS = 700;
const DRAIN_MS = 150;
/** The first ends are followed by a send that Telegram takes without answering. */
const CUT_SENDS = 3;
const TEST_MS = 60_000;
const REPLIES_PER_CHAT = NUMBERS.reduce((sum, n) => sum + partsOf(n), 0);
/** Messages accepted over HTTP and replies sent to Telegram in the whole run. */
const PROGRESS = CHATS * PER_CHAT + CHATS * REPLIES_PER_CHAT;

let rig: Rig;
let telegram: TelegramServer;
let listeners: readonly Listener[];
beforeEach(async () => {
  rig = await openRig();
  telegram = await openTelegramServer({ clock: createSystemClock(), latencyMs: 3 });
  listeners = Array.from({ length: CHATS }, (_, place) => listen(rig.url, `api:${place}`));
});
afterEach(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  await rig.close();
  await telegram.close();
});

function start(): Daemon {
  return rig.startLedger({ telegram: { token: telegram.token, apiRoot: telegram.apiRoot, allow: ["*"] } });
}

/** Sends until it is acknowledged, always under the same id. Answers how often it was sent. */
async function insist(chat: string, n: number, text: string): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      const { seq } = await rig.api.sendMessage(chat, { text, messageId: `m${n}` });
      if (seq !== n) throw new Error(`message ${n} of ${chat} was accepted as ${seq}`);
      return tries;
    } catch (error) {
      const isPassing = error instanceof DaemonUnreachableError || (error instanceof ApiError && [429, 503].includes(error.status));
      if (!isPassing) throw error;
      await sleep(20);
    }
  }
}

/** All people write: one after the other within a chat, a few messages ahead of the answers, at once over the chats. `tally` is kept up to date. */
async function converse(texts: readonly string[], tally: { accepted: number; resent: number }): Promise<void> {
  const person = async (place: number): Promise<void> => {
    let due = 0;
    for (const [index, text] of texts.entries()) {
      due += index < AHEAD ? 0 : partsOf(index + 1 - AHEAD);
      await until(`api:${place} has heard ${due} replies`, () => (listeners[place]?.heard().length ?? 0) >= due, TEST_MS / 2);
      tally.resent += (await insist(`api:${place}`, index + 1, text)) - 1;
      tally.accepted += 1;
      telegram.say(text, { userId: 100 + place });
    }
  };
  await Promise.all(Array.from({ length: CHATS }, (_, place) => person(place)));
}

/** Ends the daemon, and answers the one that is ready in its place. */
async function endAndRestart(daemon: Daemon, how: (typeof ENDS)[number], random: Random): Promise<Daemon> {
  if (how === "SIGTERM" || how === "kill while it drains") daemon.signal("SIGTERM");
  if (how === "kill while it drains") await sleep(random.next() * DRAIN_MS);
  if (how === "SIGTERM") await daemon.endsWith(0);
  else await daemon.kill();
  if (how === "kill, and again while it boots") {
    const doomed = start();
    await sleep(random.next() * BOOT_MS);
    await doomed.kill();
  }
  const next = start();
  await next.ready();
  return next;
}

/** Everything is answered, and every answer is sent. */
async function isQuiet(): Promise<boolean> {
  if (listeners.some((listener) => listener.heard().length < REPLIES_PER_CHAT)) return false;
  const { items } = await rig.api.chats({ limit: 1_000 });
  if (items.length < 2 * CHATS || items.some((chat) => chat.waiting > 0)) return false;
  const details = await Promise.all(items.map(({ key }) => rig.api.chat(key)));
  return details.every(({ outbox }) => outbox.every((part) => part.status === "sent"));
}

/** For a run that does not go on: what each chat that is not at rest says of itself, and what its person has heard. */
async function stuck(): Promise<string> {
  const { items } = await rig.api.chats({ limit: 1_000 });
  const lines = items.map(async ({ key, state, waiting }) => {
    const { outbox } = await rig.api.chat(key);
    const unsent = outbox.filter((part) => part.status !== "sent").map((part) => `${part.status} "${part.text}"`);
    const heard = key.startsWith("api:") ? `${listeners[Number(key.slice(4))]?.heard().length} of ${outbox.length} heard` : "";
    const isAtRest = state === "idle" && waiting === 0 && unsent.length === 0;
    return isAtRest && heard === ""
      ? []
      : [`${key}: ${state}, ${waiting} waiting, ${heard} ${unsent.join(", ")}; ${(await rig.api.why(key)).sentence}`];
  });
  return (await Promise.all(lines)).flat().join("\n");
}

interface PersonAccount extends ChatAccount {
  /** What satibot says that it said. */
  readonly history: readonly string[];
}

async function accountOf(chat: string, heard: readonly string[]): Promise<PersonAccount> {
  const { outbox, history } = await rig.api.chat(chat);
  return {
    chat,
    accepted: NUMBERS,
    heard,
    ambiguous: new Set(outbox.filter((part) => part.ambiguous).map((part) => part.text)),
    history: history.filter((entry) => entry.role === "assistant").map((entry) => entry.text),
  };
}

async function accounts(): Promise<{ readonly overHttp: readonly PersonAccount[]; readonly overTelegram: readonly PersonAccount[] }> {
  const texts = (userId: number) => telegram.sends().flatMap((send) => (send.chatId === userId ? [send.text] : []));
  const overHttp = listeners.map((listener, place) => {
    const heard = listener.heard().map((reply) => reply.text);
    return accountOf(`api:${place}`, heard);
  });
  const overTelegram = listeners.map((_, place) => accountOf(`telegram:${100 + place}`, texts(100 + place)));
  return { overHttp: await Promise.all(overHttp), overTelegram: await Promise.all(overTelegram) };
}

async function runAndCheck(seed: number): Promise<void> {
  const random = createSeededRandom(seed);
  const startedMs = performance.now();
  const texts = NUMBERS.map((n) => `say ${n} ${partsOf(n)} ${Math.floor(random.next() * 40)}`);
  const thresholds = ENDS.map(() => Math.floor((0.02 + 0.93 * random.next()) * PROGRESS)).sort((a, b) => a - b);
  const tally = { accepted: 0, resent: 0 };
  const endedAt: string[] = [];

  let daemon = start();
  await daemon.ready();
  const conversation = converse(texts, tally);
  conversation.catch(() => undefined);
  const progress = (): number => tally.accepted + telegram.sends().length;
  for (const [place, how] of ENDS.entries()) {
    await until(`progress ${thresholds[place]} of ${PROGRESS}`, () => progress() >= (thresholds[place] ?? 0), TEST_MS / 2);
    await sleep(random.next() * 30);
    endedAt.push(`${how} at ${Math.round((progress() / PROGRESS) * 100)}%`);
    daemon = await endAndRestart(daemon, how, random);
    if (place < CUT_SENDS) telegram.fail({ kind: "takenThenCut" });
  }
  await conversation;
  await until("every message is answered", isQuiet, TEST_MS / 2);

  const ledger = readLedger(await readFile(rig.ledgerFile, "utf8"));
  const { overHttp, overTelegram } = await accounts();
  const all = [...overHttp, ...overTelegram];
  expect(all.flatMap((account) => faultsOf(account, ledger))).toEqual([]);
  for (const account of all) expect(account.history).toEqual(collapse(account.heard).once);
  for (const listener of listeners) {
    // The stream has a place for each reply: nothing excuses a repetition there.
    const heard = listener.heard();
    expect(new Set(heard.map((reply) => reply.id)).size).toBe(heard.length);
    expect(heard.flatMap((reply) => reply.inReplyTo)).toEqual(NUMBERS.flatMap((n) => Array.from({ length: partsOf(n) }, () => n)));
  }
  report("kill -9", {
    seed,
    messages: all.length * PER_CHAT,
    chats: all.length,
    ends: endedAt.join(", "),
    "HTTP re-sends": tally.resent,
    attempts: ledger.length,
    "Telegram sends": telegram.sends().length,
    repeated: overTelegram.reduce((sum, account) => sum + collapse(account.heard).repeated.length, 0),
    ambiguous: overTelegram.reduce((sum, account) => sum + account.ambiguous.size, 0),
    seconds: ((performance.now() - startedMs) / 1_000).toFixed(1),
  });
}

it(
  "answers every accepted message in one turn, in order and whole, through kills at random instants",
  async () => {
    const seed = Number(process.env.E2E_SEED ?? Date.now() % 1_000_000);
    await runAndCheck(seed).catch(async (cause: unknown) => {
      const facts = await stuck().catch(() => "the daemon does not answer");
      throw new Error(`E2E_SEED=${seed}: ${cause instanceof Error ? cause.message : String(cause)}\n${facts}`, { cause });
    });
    expect(telegram.overlaps()).toBe(0);
  },
  TEST_MS,
);
