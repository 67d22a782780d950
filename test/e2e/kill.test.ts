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
import { openTelegramServer, type TelegramServer } from "../../src/testing/telegram-server.ts";
import { collapse, faultsOf, partsOf, readLedger, type ChatAccount } from "./account.ts";
import { listen, type Listener } from "./listener.ts";
import { openRig, report, until, type Daemon, type Rig } from "./rig.ts";

const CHATS = 25;
const PER_CHAT = 20;
const NUMBERS = Array.from({ length: PER_CHAT }, (_, place) => place + 1);
const KILLS = 5;
/** Sends that Telegram takes without answering, beside those that a kill cuts. */
const CUT_SENDS = 3;
const TEST_MS = 60_000;
const REPLIES_PER_CHAT = NUMBERS.reduce((sum, n) => sum + partsOf(n), 0);

let rig: Rig;
let telegram: TelegramServer;
let listeners: Listener[];
beforeEach(async () => {
  rig = await openRig();
  telegram = await openTelegramServer({ clock: createSystemClock(), latencyMs: 3 });
  listeners = [];
});
afterEach(async () => {
  await Promise.all(listeners.map((listener) => listener.close()));
  await rig.close();
  await telegram.close();
});

/** Sends until it is acknowledged, always under the same id. */
async function insist(chat: string, n: number, text: string): Promise<{ readonly seq: number; readonly tries: number }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return { seq: (await rig.api.sendMessage(chat, { text, messageId: `m${n}` })).seq, tries };
    } catch (error) {
      const isPassing = error instanceof DaemonUnreachableError || (error instanceof ApiError && [429, 503].includes(error.status));
      if (!isPassing) throw error;
      await sleep(20);
    }
  }
}

async function accountOf(chat: string, heard: readonly string[]): Promise<ChatAccount & { readonly history: readonly string[] }> {
  const { outbox, history } = await rig.api.chat(chat);
  return {
    chat,
    accepted: NUMBERS,
    heard,
    ambiguous: new Set(outbox.filter((part) => part.ambiguous).map((part) => part.text)),
    history: history.filter((entry) => entry.role === "assistant").map((entry) => entry.text),
  };
}

it(
  "answers every accepted message in one turn, in order and whole, through kills at random instants",
  async () => {
    const seed = Number(process.env.E2E_SEED ?? Date.now() % 1_000_000);
    const random = createSeededRandom(seed);
    const startedMs = performance.now();
    const start = (): Daemon => rig.startLedger({ telegram: { token: telegram.token, apiRoot: telegram.apiRoot, allow: ["*"] } });
    let daemon = start();
    await daemon.ready();

    let accepted = 0;
    let resent = 0;
    const texts = NUMBERS.map((n) => `say ${n} ${partsOf(n)} ${Math.floor(random.next() * 40)}`);
    listeners = Array.from({ length: CHATS }, (_, place) => listen(rig.url, `api:${place}`));
    const clients = Array.from({ length: CHATS }, async (_, place) => {
      for (const n of NUMBERS) {
        const { seq, tries } = await insist(`api:${place}`, n, texts[n - 1] ?? "");
        expect(seq, `seq of message ${n} of api:${place}`).toBe(n);
        accepted += 1;
        resent += tries - 1;
        telegram.say(texts[n - 1] ?? "", { userId: 100 + place });
      }
    });

    const heardOverHttp = (): number => listeners.reduce((sum, listener) => sum + listener.heard().length, 0);
    const progress = (): number => accepted + telegram.sends().length;
    const whole = CHATS * PER_CHAT + CHATS * REPLIES_PER_CHAT;
    const thresholds = Array.from({ length: KILLS }, () => Math.floor((0.02 + 0.93 * random.next()) * whole)).sort((a, b) => a - b);
    const killedAt: number[] = [];
    for (const threshold of thresholds) {
      await until(`progress ${threshold} of ${whole}`, () => progress() >= threshold, TEST_MS);
      await sleep(random.next() * 30);
      killedAt.push(progress());
      await daemon.kill();
      if (killedAt.length === 2) {
        // Once more while it boots.
        daemon = start();
        await sleep(random.next() * 700);
        await daemon.kill();
      }
      daemon = start();
      await daemon.ready();
      if (killedAt.length <= CUT_SENDS) telegram.fail({ kind: "takenThenCut" });
    }
    await Promise.all(clients);
    const isQuiet = async (): Promise<boolean> => {
      const { items } = await rig.api.chats({ limit: 1_000 });
      const open = await Promise.all(
        items.map(async ({ key }) => (await rig.api.chat(key)).outbox.filter((part) => part.status !== "sent")),
      );
      return items.length === 2 * CHATS && items.every((chat) => chat.waiting === 0) && open.every((parts) => parts.length === 0);
    };
    await until("every message is answered", async () => heardOverHttp() >= CHATS * REPLIES_PER_CHAT && (await isQuiet()), TEST_MS / 2);

    const ledger = readLedger(await readFile(rig.ledgerFile, "utf8"));
    const overHttp = await Promise.all(
      listeners.map((listener, place) =>
        accountOf(
          `api:${place}`,
          listener.heard().map((reply) => reply.text),
        ),
      ),
    );
    const overTelegram = await Promise.all(
      Array.from({ length: CHATS }, (_, place) => {
        const sends = telegram.sends().filter((send) => send.chatId === 100 + place);
        return accountOf(
          `telegram:${100 + place}`,
          sends.map((send) => send.text),
        );
      }),
    );
    const accounts = [...overHttp, ...overTelegram];
    expect(
      accounts.flatMap((account) => faultsOf(account, ledger)),
      `E2E_SEED=${seed}`,
    ).toEqual([]);
    // The stream has a place for each reply: there is no excuse for a repetition.
    for (const listener of listeners) {
      const heard = listener.heard();
      expect(new Set(heard.map((reply) => reply.id)).size).toBe(heard.length);
      expect(heard.flatMap((reply) => reply.inReplyTo)).toEqual(NUMBERS.flatMap((n) => Array(partsOf(n)).fill(n)));
    }
    for (const account of accounts) expect(account.history).toEqual(collapse(account.heard).once);
    report("kill -9", {
      seed,
      messages: accounts.length * PER_CHAT,
      chats: accounts.length,
      kills: KILLS + 1,
      "killed at progress": killedAt.map((at) => `${Math.round((at / whole) * 100)}%`).join(" "),
      "HTTP re-sends": resent,
      attempts: ledger.length,
      "Telegram sends": telegram.sends().length,
      repeated: overTelegram.reduce((sum, account) => sum + collapse(account.heard).repeated.length, 0),
      ambiguous: overTelegram.reduce((sum, account) => sum + account.ambiguous.size, 0),
      seconds: ((performance.now() - startedMs) / 1_000).toFixed(1),
    });
  },
  TEST_MS,
);
