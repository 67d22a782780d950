/** A chat that breaks is put aside alone: its error kept, its rows waiting, its person told once, and a person brings it back. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ChatKey } from "../../src/core/chat-key.ts";
import { TerminalError, TransientError } from "../../src/core/errors.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { openRuntime, type RigOptions } from "../runtime/rig.ts";
import { poison, type Poison } from "./poison.ts";
import { contextOf, plant, storeOf, timer } from "./stored-chats.ts";

afterEach(() => vi.restoreAllMocks());

type Rig = Awaited<ReturnType<typeof openRuntime>>;
const SIBLINGS: readonly ChatKey[] = ["api:b", "sim:c", "api:z"];
let lives = 0;
/** A process of its own: ids are drawn anew. */
const life = (options: RigOptions): Promise<Rig> =>
  openRuntime({ alter: (parts) => ({ ...parts, random: createSeededRandom(100 + ++lives) }), ...options });

let posts = 0;
async function write(rig: Rig, chat: ChatKey, text: string): Promise<void> {
  if (chat.startsWith("api:")) return rig.say(text, chat);
  rig.platform.post({
    chat,
    address: chat.slice(4),
    externalId: `p${(posts += 1)}`,
    content: [{ type: "text", text }],
    sender: { id: "1" },
  });
  await rig.clock.advance(5);
}

const answers = (texts: readonly string[]): readonly string[] => texts.filter((text) => text.startsWith("re "));
const notices = (texts: readonly string[]): readonly string[] => texts.filter((text) => text.includes("put it aside"));

/** Everybody writes, the siblings are answered, and the broken chat stays put aside. */
async function allWrite(rig: Rig, bad: ChatKey, text: string): Promise<void> {
  await write(rig, bad, text);
  for (const chat of SIBLINGS) await write(rig, chat, text);
  await rig.clock.advance(5_000);
  for (const chat of SIBLINGS) expect(answers(await rig.said(chat)).at(-1)).toBe(`re ${text}`);
}

async function expectAside(rig: Rig, bad: ChatKey, code: string, waiting: number): Promise<void> {
  expect(await rig.loop.chat(bad)).toMatchObject({ state: "quarantined", waiting, error: { code } });
  expect((await rig.loop.why(bad)).sentence).toContain(code);
  expect((await rig.loop.status()).chats.quarantined).toBe(1);
  expect(notices(await rig.said(bad))).toEqual([expect.stringContaining(`(${code})`)]);
  const heard = rig.platform.taken().filter((part) => part.chat === bad && JSON.stringify(part.content).includes("put it aside"));
  expect(heard).toHaveLength(bad.startsWith("sim:") ? 1 : 0);
}

/** Ends the process in order, and starts the next on the same store. */
async function restart(rig: Rig): Promise<Rig> {
  await rig.settled(rig.loop.shutdown());
  const next = await life({ store: rig.store, platform: rig.platform });
  await next.clock.advance(2_000);
  return next;
}

const good = (key: string) => contextOf(key);
const CORRUPT: readonly [string, (key: ChatKey) => { readonly snapshot: unknown; readonly timers?: unknown }][] = [
  ["of a newer version", () => ({ snapshot: { value: "dreaming", context: { schemaVersion: 99 } } })],
  ["of an older version that is gone", (key) => ({ snapshot: { value: "idle", context: contextOf(key, { schemaVersion: 0 }) } })],
  ["that is a number", () => ({ snapshot: 5 })],
  ["that is a list", () => ({ snapshot: [] })],
  ["without a context", () => ({ snapshot: { value: "idle", context: null } })],
  ["in a state that is gone", (key) => ({ snapshot: { value: "napping", context: good(key) } })],
  ["with a count in words", (key) => ({ snapshot: { value: "idle", context: contextOf(key, { waiting: "x" }) } })],
  ["with a negative delay", (key) => ({ snapshot: { value: "backingOff", context: contextOf(key, { delayMs: -1 }) } })],
  ["with a timer of nothing", (key) => ({ snapshot: { value: "idle", context: good(key) }, timers: [timer("nap", "napping", 1)] })],
  [
    "with a timer before all time",
    (key) => ({ snapshot: { value: "asking", context: good(key) }, timers: [timer("questionTimeout", "asking", -1)] }),
  ],
  ["with 1 MB of junk", (key) => ({ snapshot: { value: "idle", context: contextOf(key, { junk: "x".repeat(1_000_000) }) } })],
];

const BACK = ["retry", "retry --skip", "reset"] as const;

/** Brings the chat back and checks what became of what waited. */
async function bringBack(rig: Rig, bad: ChatKey, how: (typeof BACK)[number], waiting: readonly string[]): Promise<void> {
  const before = answers(await rig.said(bad)).length;
  if (how === "reset") await rig.settled(rig.loop.reset(bad));
  else await rig.settled(rig.loop.retry(bad, { skip: how === "retry --skip" }));
  await rig.clock.advance(5_000);
  const expected = how === "reset" ? [] : waiting.map((text) => `re ${text}`);
  expect(answers(await rig.said(bad)).slice(before)).toEqual(expected);
  await write(rig, bad, "after");
  await rig.clock.advance(5_000);
  expect(answers(await rig.said(bad)).at(-1)).toBe("re after");
  expect(await rig.loop.chat(bad)).toMatchObject({ state: "idle", waiting: 0, error: undefined });
  expect((await rig.loop.status()).chats.quarantined).toBe(0);
}

describe.each<ChatKey>(["api:bad", "sim:bad"])("the chat %s with a snapshot", (bad) => {
  it.each(CORRUPT.map(([what, make], place) => ({ what, make, how: BACK[place % BACK.length] ?? "retry" })))(
    "$what is put aside untouched and comes back by $how",
    async ({ make, how }) => {
      const store = await storeOf([bad, ...SIBLINGS]);
      const { snapshot, timers } = make(bad);
      await plant(store, bad, snapshot, { timers });
      let rig = await life({ store });
      await allWrite(rig, bad, "1");
      await allWrite(rig, bad, "2");
      await expectAside(rig, bad, "SNAPSHOT_UNREADABLE", 2);
      rig = await restart(rig);
      await expectAside(rig, bad, "SNAPSHOT_UNREADABLE", 2);
      await allWrite(rig, bad, "3");
      await expectAside(rig, bad, "SNAPSHOT_UNREADABLE", 3);
      const kept = await store.chats.open(bad);
      expect(kept?.snapshot).toEqual(snapshot);
      expect(kept?.timers).toEqual(timers ?? []);
      // The first row was claimed as it came, so a skip takes it for the cause.
      await bringBack(rig, bad, how, how === "retry --skip" ? ["2", "3"] : ["1", "2", "3"]);
      await rig.settled(rig.loop.shutdown());
      expect((await life({ store }).then(({ loop }) => loop.status())).chats.quarantined).toBe(0);
    },
  );
});

/** Fails `flaky` each time, never answers `hang`, refuses `never`, until all is well. */
function moody(rig: { isWell: boolean }): NonNullable<RigOptions["agent"]> {
  return async function* (turn) {
    const text = turn.messages[0]?.text ?? "";
    if (!rig.isWell && text === "hang") await new Promise(() => undefined);
    if (!rig.isWell && text === "never") throw new TerminalError("AGENT_FAILED", "not that");
    if (!rig.isWell && text === "flaky") throw new TransientError("AGENT_FAILED", "not now");
    yield `re ${text}`;
  };
}

describe("a chat whose machine has a bug", () => {
  /** What is written, and the event at which it shows; every event when there is none. */
  it.each<[text: string, event: string]>([
    ["one", "rows.found"],
    ["one", "slot.granted"],
    ["one", "turn.done"],
    ["one", "turn.committed"],
    ["one", ""],
    ["flaky", "turn.failed"],
    ["flaky", "turn.deferred"],
    ["flaky", "xstate.after.retryDelay.chat.backingOff"],
    ["never", "turn.givenUp"],
    ["hang", "xstate.after.turnTimeout.chat.responding"],
  ])("is put aside alone (%s, %s), over a restart, and comes back", async (text, event) => {
    for (const [place, how] of BACK.entries()) {
      const bad: ChatKey = place === 1 ? "sim:bad" : "api:bad";
      const mood = { isWell: false };
      const options = { agent: moody(mood), limits: { turnTimeoutMs: 1_000 } };
      const store = await storeOf([]);
      const bug = poison(bad, (type) => event === "" || type === event);
      let rig = await life({ store, ...options });
      await write(rig, bad, text);
      await rig.clock.advance(20_000);
      await allWrite(rig, bad, "2");
      await expectAside(rig, bad, "CHAT_CRASHED", 2);
      await rig.settled(rig.loop.shutdown());
      rig = await life({ store, platform: rig.platform, ...options });
      await allWrite(rig, bad, "3");
      await expectAside(rig, bad, "CHAT_CRASHED", 3);
      // It does not try again and again by itself.
      const { met } = bug;
      await rig.clock.advance(600_000);
      expect(bug.met - met).toBeLessThan(50);
      bug.cure();
      mood.isWell = true;
      const isSkipped = how === "retry --skip";
      await bringBack(rig, bad, how, isSkipped ? ["2", "3"] : [text, "2", "3"]);
    }
  });

  it.each<[event: string, state: string]>([
    ["message.claimed", "idle"],
    ["message.received", "responding"],
    ["message.received", "quarantined"],
  ])("that a restart gets over (%s while %s) is not put aside for it", async (event, state) => {
    const bug = poison("api:bad", (type, at) => type === event && at === state);
    const rig = await life({
      agent: async function* (turn) {
        await new Promise<void>((resolve) => void rig.clock.setTimer(100, resolve));
        yield `re ${turn.messages[0]?.text}`;
      },
    });
    for (const text of ["1", "2", "3"]) await rig.say(text, "api:bad");
    await rig.clock.advance(5_000);
    for (const text of ["4", "5"]) await rig.say(text, "api:bad");
    await rig.clock.advance(5_000);
    expect(answers(await rig.said("api:bad"))).toEqual(["1", "2", "3", "4", "5"].map((text) => `re ${text}`));
    expect(bug.met).toBeLessThanOrEqual(3);
    expect(notices(await rig.said("api:bad"))).toEqual([]);
  });
});

describe("a chat whose turn kills the process", () => {
  it.each(BACK)("is put aside alone, its person told once, and comes back by %s", async (how) => {
    const bad: ChatKey = how === "reset" ? "api:bad" : "sim:bad";
    const store = createMemoryStore();
    const mood = { isDeadly: true, deaths: 0 };
    const agent: NonNullable<RigOptions["agent"]> = async function* (turn) {
      const text = turn.messages[0]?.text ?? "";
      if (mood.isDeadly && text === "die") {
        mood.deaths += 1;
        store.crash();
        await new Promise(() => undefined);
      }
      yield `re ${text}`;
    };
    const limits = { maxAttempts: 2 };
    const platform = createFakePlatform();
    let rig = await life({ store, platform, agent, limits });
    const say = async (text: string): Promise<void> => {
      rig.loop.addChatMessage("api:b", text).catch(() => undefined);
      await rig.clock.advance(1_000);
    };
    if (bad === "api:bad") rig.loop.addChatMessage(bad, "die").catch(() => undefined);
    else await write(rig, bad, "die");
    for (let round = 1; round <= 5; round += 1) {
      await rig.clock.advance(1_000);
      const { deaths } = mood;
      rig = await life({ store, platform, agent, limits });
      await rig.clock.advance(1_000);
      // In a life that lasts, the sibling is answered.
      if (mood.deaths === deaths) await say(`round ${round}`);
    }
    expect(mood.deaths).toBeLessThanOrEqual(limits.maxAttempts + 1);
    await expectAside(rig, bad, "TURN_KILLED_PROCESS", 1);
    expect(answers(await rig.said("api:b")).at(-1)).toBe("re round 5");
    await allWrite(rig, bad, "2");
    await expectAside(rig, bad, "TURN_KILLED_PROCESS", 2);
    mood.isDeadly = false;
    await bringBack(rig, bad, how, how === "retry" ? ["die", "2"] : ["2"]);
  });
});

describe("a process that dies while a chat is put aside or brought back", () => {
  /** Runs `act` with a death at the n-th call of the store from now, before or after it applies; false when it got through. */
  function mortal() {
    const death = { left: 0, at: "before" as "before" | "after" };
    const strike = (at: "before" | "after"): void => {
      if (death.at === at && death.left > 0 && --death.left === 0) store.crash();
    };
    const store: MemoryStore = createMemoryStore({ before: () => strike("before"), after: () => strike("after") });
    return { store, death };
  }

  const CAUSES: readonly [string, (store: MemoryStore) => Promise<Poison | undefined>][] = [
    [
      "its snapshot",
      async (store) => {
        await plant(store, BAD, { value: "napping", context: contextOf(BAD) });
        return undefined;
      },
    ],
    ["its machine", async () => poison(BAD, (type) => type === "turn.done")],
  ];
  const BAD: ChatKey = "sim:bad";

  it.each(CAUSES.flatMap(([what, cause]) => BACK.flatMap((how) => (["before", "after"] as const).map((at) => ({ what, cause, how, at })))))(
    "tells its person once and loses nothing: $what, $how, death $at a call",
    async ({ cause, how, at }) => {
      let isThrough = false;
      for (let n = 1; !isThrough; n += 1) {
        expect(n).toBeLessThan(80);
        const { store, death } = mortal();
        await storeOf([BAD, "api:b"], store);
        const bug = await cause(store);
        const platform = createFakePlatform();
        let rig = await life({ store, platform });
        Object.assign(death, { left: n, at });
        platform.post({ chat: BAD, address: "bad", externalId: "m1", content: [{ type: "text", text: "1" }], sender: { id: "1" } });
        await rig.clock.advance(5_000);
        const isDead = death.left === 0;
        death.left = 0;
        if (isDead) rig = await life({ store, platform });
        await rig.clock.advance(60_000);
        expect(await rig.loop.chat(BAD)).toMatchObject({ state: "quarantined", waiting: 1 });
        expect(notices(await rig.said(BAD))).toHaveLength(1);

        bug?.cure();
        death.left = n;
        const act = (): Promise<unknown> => (how === "reset" ? rig.loop.reset(BAD) : rig.loop.retry(BAD, { skip: how === "retry --skip" }));
        act().catch(() => undefined);
        await rig.clock.advance(5_000);
        const isDeadAgain = death.left === 0;
        death.left = 0;
        if (isDeadAgain) rig = await life({ store, platform });
        await rig.clock.advance(60_000);
        // What was not done yet is done by the next try; what was done is refused.
        if (isDeadAgain) await rig.settled(act()).catch(() => undefined);
        await rig.clock.advance(60_000);
        platform.post({ chat: BAD, address: "bad", externalId: "m2", content: [{ type: "text", text: "2" }], sender: { id: "1" } });
        await rig.clock.advance(60_000);
        // A death before the act may have left the message to be answered; what comes after it is answered in any case.
        const all = answers(await rig.said(BAD));
        expect(how === "retry" ? all.join() : all.at(-1)).toBe(how === "retry" ? "re 1,re 2" : "re 2");
        expect(await rig.loop.chat(BAD)).toMatchObject({ state: "idle", waiting: 0 });
        expect(notices(await rig.said(BAD))).toHaveLength(1);
        isThrough = !isDead && !isDeadAgain;
      }
    },
  );
});
