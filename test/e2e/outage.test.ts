/** Agents that fail: a provider that is away for a while, one message that can never be answered, and one that kills the process. */
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { openTelegramServer, type TelegramServer } from "../../src/testing/telegram-server.ts";
import { readLedger } from "./account.ts";
import { openRig, report, until, type Daemon, type Rig } from "./rig.ts";

const TEST_MS = 60_000;
const MAX_ATTEMPTS = 3;

let rig: Rig;
let telegram: TelegramServer;
beforeEach(async () => {
  rig = await openRig();
  telegram = await openTelegramServer({ clock: createSystemClock() });
});
afterEach(async () => {
  await rig.close();
  await telegram.close();
});

function start(maxAttempts = MAX_ATTEMPTS): Daemon {
  return rig.startLedger({
    telegram: { token: telegram.token, apiRoot: telegram.apiRoot, allow: ["*"] },
    limits: { maxAttempts },
  });
}

/** Somebody who writes over HTTP or Telegram, and what they have heard so far. */
interface Person {
  readonly chat: string;
  readonly say: (text: string) => Promise<unknown>;
  readonly heard: () => Promise<readonly string[]>;
}

function overHttp(name: string): Person {
  const chat = `api:${name}`;
  return {
    chat,
    say: (text) => rig.api.sendMessage(chat, { text }),
    heard: async () => (await rig.api.chat(chat)).outbox.map((part) => part.text),
  };
}

function overTelegram(userId: number): Person {
  return {
    chat: `telegram:${userId}`,
    say: async (text) => telegram.say(text, { userId }),
    heard: async () => telegram.sends().flatMap((send) => (send.chatId === userId ? [send.text] : [])),
  };
}

const people = (count: number, from: number): readonly Person[] =>
  Array.from({ length: count }, (_, place) => (place % 2 === 0 ? overHttp(`p${from + place}`) : overTelegram(from + place)));

const isAnswerTo = (n: number) => (text: string) => text.startsWith(`${n} 1/1 `);
const isApology = (text: string): boolean => text.startsWith("Sorry, I could not answer that: ") && text.includes("you can go on writing");

async function hears(person: Person, what: string, condition: (heard: readonly string[]) => boolean, timeoutMs = 10_000): Promise<void> {
  let heard: readonly string[] = [];
  await until(`${person.chat} hears ${what}`, async () => condition((heard = await person.heard().catch(() => []))), timeoutMs).catch(
    (cause: unknown) => {
      throw new Error(`${person.chat} has heard ${JSON.stringify(heard)}`, { cause });
    },
  );
}

async function expectAtRest(all: readonly Person[]): Promise<void> {
  for (const { chat } of all) {
    const { state, waiting } = await rig.api.chat(chat);
    expect({ chat, state, waiting }).toEqual({ chat, state: "idle", waiting: 0 });
  }
}

it(
  "lets every person hear something through a provider outage, and answers the next message",
  async () => {
    await start().ready();
    const early = people(20, 100);
    const late = people(20, 200);
    await rig.setFlag("outage");
    await Promise.all(early.map((person) => person.say("say 1 1 5")));
    await Promise.all(early.map((person) => hears(person, "an apology", (heard) => heard.length > 0)));
    await Promise.all(late.map((person) => person.say("say 1 1 5")));
    await until(
      "the late ones have failed once",
      async () => readLedger(await readFile(rig.ledgerFile, "utf8")).filter((line) => line.chat === late.at(-1)?.chat).length > 0,
      5_000,
    );
    await rig.clearFlag("outage");
    await Promise.all(late.map((person) => hears(person, "something", (heard) => heard.length > 0)));
    const everybody = [...early, ...late];
    const first = await Promise.all(everybody.map((person) => person.heard()));
    for (const heard of first) expect(heard).toEqual([expect.toSatisfy((text: string) => isApology(text) || isAnswerTo(1)(text))]);
    for (const heard of first.slice(0, early.length)) expect(heard[0]).toSatisfy(isApology);

    await Promise.all(everybody.map((person) => person.say("say 2 1 5")));
    await Promise.all(everybody.map((person) => hears(person, "the next answer", (heard) => heard.some(isAnswerTo(2)))));
    for (const person of everybody) expect(await person.heard()).toHaveLength(2);
    await expectAtRest(everybody);

    // What was given up is kept.
    const [someone] = early;
    const retried = await rig.cli(["chats", "retry", someone?.chat ?? ""]);
    expect(retried).toMatchObject({ code: 0, stderr: "" });
    await hears(someone!, "the answer that was given up", (heard) => heard.some(isAnswerTo(1)));
    report("provider outage", {
      people: everybody.length,
      apologies: first.filter(([text]) => isApology(text ?? "")).length,
      "answered after retries": first.filter(([text]) => isAnswerTo(1)(text ?? "")).length,
    });
  },
  TEST_MS,
);

it(
  "apologises where the agent always throws, and answers everybody else",
  async () => {
    await start().ready();
    const unlucky = overTelegram(7);
    const others = people(20, 300);
    await unlucky.say("throw 1");
    await unlucky.say("say 2 1 0");
    for (const n of [1, 2, 3]) {
      await Promise.all(others.map((person) => person.say(`say ${n} 1 5`)));
    }
    await Promise.all(others.map((person) => hears(person, "three answers", (heard) => heard.length === 3)));
    for (const person of others) expect((await person.heard()).map((text) => Number(text.split(" ")[0]))).toEqual([1, 2, 3]);
    await hears(unlucky, "an apology and the next answer", (heard) => heard.length === 2);
    const [apology, answer] = await unlucky.heard();
    expect(apology).toSatisfy(isApology);
    expect(apology).toContain("TypeError: cannot read properties of this message");
    expect(answer).toSatisfy(isAnswerTo(2));
    const attempts = readLedger(await readFile(rig.ledgerFile, "utf8")).filter((line) => line.chat === unlucky.chat && line.n === 1);
    expect(attempts.map((line) => line.attempt)).toEqual([1, 2, 3]);

    await rig.setFlag("mended");
    expect(await rig.cli(["chats", "retry", unlucky.chat])).toMatchObject({ code: 0, stderr: "" });
    await hears(unlucky, "the late answer", (heard) => heard.length === 3);
    expect((await unlucky.heard())[2]).toSatisfy(isAnswerTo(1));
    const again = await rig.cli(["chats", "retry", unlucky.chat]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("nothing to retry");
    await expectAtRest([unlucky, ...others]);
    report("an agent that always throws", { attempts: attempts.length, others: others.length });
  },
  TEST_MS,
);

/** Starts a daemon again whenever it dies, until one lives and `isDone` holds. */
async function supervise(
  maxAttempts: number,
  isDone: () => Promise<boolean>,
  onReady: () => Promise<void>,
): Promise<{ readonly deaths: number; readonly daemon: Daemon }> {
  for (let deaths = 0; deaths <= 2 * maxAttempts + 2; deaths += 1) {
    const daemon = start(maxAttempts);
    const isUp = await daemon.ready().then(
      () => true,
      () => false,
    );
    if (isUp) {
      // It may die under any of these calls.
      await onReady().catch(() => undefined);
      await until("all is done or the daemon died", async () => daemon.hasEnded() || (await isDone().catch(() => false)), 20_000);
    }
    if (!daemon.hasEnded()) return { deaths, daemon };
    expect(await daemon.ended).toEqual({ code: null, signal: "SIGKILL" });
  }
  throw new Error("it dies again and again");
}

// With one attempt, an innocent turn that is counted only once is put aside too.
it.each([1, MAX_ATTEMPTS])(
  "finds the one turn that kills the process, quarantines its chat alone and tells that person once (%i attempts)",
  async (maxAttempts) => {
    const killer = overTelegram(7);
    const innocent = people(12, 400);
    const said = new Map(innocent.map((person) => [person, new Set<number>()]));
    const quarantined = new Set<string>();
    let round = 0;
    const speak = async (person: Person, n: number): Promise<void> => {
      await person.say(`say ${n} 1 400`);
      said.get(person)?.add(n);
    };
    const isServed = async (person: Person): Promise<boolean> => {
      const heard = await person.heard();
      return [...(said.get(person) ?? [])].every((n) => heard.some(isAnswerTo(n)));
    };
    const isDone = async (): Promise<boolean> => {
      for (const { key } of (await rig.api.chats({ state: "quarantined" })).items) quarantined.add(key);
      const served = await Promise.all(innocent.map(isServed));
      return quarantined.size > 0 && !served.includes(false) && (await killer.heard()).length > 0;
    };
    const { deaths, daemon } = await supervise(maxAttempts, isDone, async () => {
      // Slow turns are in flight in each round when the killer strikes.
      round += 1;
      await Promise.all(innocent.map((person) => speak(person, round)));
      if (round > 1) return;
      await until("slow turns run", async () => (await rig.api.system()).queue.running > 6, 3_000);
      await killer.say("die 1");
      await killer.say("say 2 1 0");
    });
    expect(deaths).toBeGreaterThan(1);
    expect(deaths).toBeLessThanOrEqual(maxAttempts + 1);
    expect([...quarantined]).toEqual([killer.chat]);
    for (const person of innocent) {
      // A part that a kill cut may come twice; nobody hears an apology.
      for (const text of await person.heard()) expect(text).toMatch(/^\d+ 1\/1 /);
    }
    expect(await killer.heard()).toEqual([expect.stringContaining("TURN_KILLED_PROCESS")]);
    expect((await rig.cli(["chats", "why", killer.chat])).stdout).toContain("quarantined");

    // It stays aside over a restart, and nobody is told again.
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
    const last = start(maxAttempts);
    await last.ready();
    await innocent[0]?.say("say 99 1 0");
    await hears(innocent[0]!, "an answer after the restart", (heard) => heard.some(isAnswerTo(99)));
    expect(await rig.api.chat(killer.chat)).toMatchObject({ state: "quarantined", waiting: 2 });
    expect(await killer.heard()).toHaveLength(1);
    expect(await rig.cli(["chats", "retry", killer.chat, "--skip"])).toMatchObject({ code: 0 });
    await hears(killer, "the answer behind the skipped message", (heard) => heard.some(isAnswerTo(2)));
    expect(last.hasEnded()).toBe(false);
    report("a turn that kills the process", { deaths, "max attempts": maxAttempts, innocent: innocent.length, rounds: round });
  },
  TEST_MS,
);
