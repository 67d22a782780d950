/**
 * A bot in virtual time, for tests of agents and cron jobs: the real runtime over the memory store and fake platforms. Hours pass in
 * milliseconds, nothing is random unless its seed is another, and the process can be killed at any moment.
 */
import { setTimeout as realPause } from "node:timers/promises"; // oxlint-disable-line no-restricted-imports -- agents may await real promises
import { parseDuration } from "../core/duration.ts";
import { channelOf, parseChatKey, type ChatKey } from "../core/chat-key.ts";
import { textOf } from "../core/content.ts";
import { ConfigError, InvariantError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import type { Agent } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { CronJobInput } from "../runtime/job-api.ts";
import type { EventLoop } from "../runtime/api.ts";
import { assembleEventLoop } from "../runtime/event-loop.ts";
import { createMemoryStore } from "../stores/memory/store.ts";
import { createFakeChannel, createFakePlatform, type FakePlatform } from "./fake-channel.ts";
import { mortalClock, mortalStore, type MortalClock } from "./mortal.ts";
import { createSeededRandom } from "./seeded-random.ts";
import { createVirtualClock, settle } from "./virtual-clock.ts";

export interface SimulationSetup {
  readonly agent: Agent;
  /** Names of the fake platforms on which people write. Default `["telegram"]`; chats named `api:…` are always there. */
  readonly channels?: readonly string[];
  /** Jobs that are there from the beginning. */
  readonly cron?: readonly CronJobInput[];
  /** In milliseconds, as in `Limits`. */
  readonly limits?: Partial<Limits>;
  /** Another seed is another course of events: backoff jitter, ids. Default 1. */
  readonly seed?: number;
  /** ISO 8601 with a zone, such as `2026-03-28T08:00:00Z`, or epoch milliseconds. Default 2026-01-01T00:00:00Z. */
  readonly startAt?: string | number;
}

/** One line of a conversation. */
export interface Said {
  readonly at: Date;
  readonly who: "person" | "bot";
  readonly text: string;
}

export interface Simulation {
  /** The bot of the present process: `why`, `addCronJob`, `stop`, `status` and the rest. Another object after `crash` and `restart`. */
  readonly loop: EventLoop;
  /** A clock for agents that take time: `sim.clock.setTimer`. */
  readonly clock: Clock;
  /** Resolves after so much virtual time. For agents: `await sim.sleep("2s")`. */
  readonly sleep: (duration: string | number) => Promise<void>;
  /** The present moment of the simulated world. */
  readonly now: () => Date;
  /** A person writes; resolves when it is accepted, or (offline) once the platform has it. */
  readonly say: (
    chat: string,
    text: string,
    options?: { readonly sender?: { readonly id: string; readonly name?: string } },
  ) => Promise<void>;
  /** What the person behind a chat has received so far, in order. */
  readonly replies: (chat: string) => Promise<readonly string[]>;
  /** The conversation as its person sees it, one line each: `09:00:00 bot: …`, in UTC. */
  readonly transcript: (chat: string) => Promise<string>;
  /** Lets time pass (`"8h"`, `"30s"`, milliseconds): everything that comes due happens, in order. @throws InvariantError when something spins */
  readonly advance: (duration: string | number) => Promise<void>;
  /** Lets time pass until nothing is to be answered or sent. @throws InvariantError that says what each chat waits for, after `within` (default 1 hour) */
  readonly untilIdle: (options?: { readonly within?: string | number }) => Promise<void>;
  /** `kill -9`: what was not stored is gone. The next process starts at once. */
  readonly crash: () => Promise<void>;
  /** SIGTERM, and a new process. */
  readonly restart: () => Promise<void>;
  /** Somebody sets the system clock; no time passes. */
  readonly stepClock: (by: string | number) => void;
  /** A platform, to take it offline or to let sends fail: `sim.platform().setOnline(false)`. Default the first. @throws ConfigError for a name that was not given */
  readonly platform: (name?: string) => FakePlatform;
  /** What the bot logged, newest last, at most 1,000 lines. */
  readonly log: () => readonly string[];
  /** Drains; nothing of it runs any more. */
  readonly close: () => Promise<void>;
}

/** Timers run in one `advance`; more, and something asks again and again. */
const STEPS_MAX = 2_000_000;
/** Turns of the promise queue between two timers, and real milliseconds while agents await something that is not virtual. */
const SETTLE_TURNS = 40;
const REAL_PAUSES = 10;
const LOG_MAX = 1_000;
const HOUR_MS = 3_600_000;

interface Process {
  readonly loop: EventLoop;
  readonly clock: MortalClock;
}

/** Starts a simulated bot. @throws ConfigError for a setup that cannot work */
export async function openSimulation(setup: SimulationSetup): Promise<Simulation> {
  const world = createVirtualClock({ startMs: startOf(setup.startAt) });
  const store = createMemoryStore();
  const platforms = new Map((setup.channels ?? ["telegram"]).map((name) => [name, createFakePlatform({ clock: world })]));
  const said = new Map<ChatKey, Said[]>();
  const lines: string[] = [];
  let answering = 0;
  /** Of those, how many wait for virtual time. */
  let asleep = 0;
  /** Real milliseconds that are left to them; given anew when one of them goes on. */
  let patience = REAL_PAUSES;
  let updates = 0;
  let lives = 0;

  const note = (level: string) => (facts: object, text: string) => {
    lines.push(
      `${timeOf(world.now())} ${level} ${text} ${JSON.stringify(facts, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
    );
    if (lines.length > LOG_MAX) lines.shift();
  };
  const agent: Agent = async function* counted(turn, context) {
    const born = lives;
    answering += 1;
    patience = REAL_PAUSES;
    try {
      for await (const chunk of setup.agent(turn, context)) {
        patience = REAL_PAUSES;
        yield chunk;
      }
    } finally {
      patience = REAL_PAUSES;
      if (born === lives) answering -= 1;
    }
  };

  const begin = (): Process => {
    const clock = mortalClock(world);
    lives += 1;
    answering = 0;
    asleep = 0;
    const loop = assembleEventLoop({
      store: mortalStore(store, clock.isDead),
      agent,
      clock,
      random: createSeededRandom((setup.seed ?? 1) * 1_009 + lives, `l${lives}.`),
      log: { debug: () => undefined, info: note("info"), warn: note("warn"), error: note("error") },
      ...(setup.limits ? { limits: setup.limits } : {}),
      channels: [...platforms].map(([name, platform]) => createFakeChannel({ clock, platform, name })),
    });
    return { loop, clock };
  };

  /** Everything that can happen without time: promises, and what agents await of the real world, for some real milliseconds. */
  const settleAll = async (): Promise<void> => {
    await settle(SETTLE_TURNS);
    for (; patience > 0 && answering > asleep; patience -= 1) {
      await realPause(1);
      await settle(SETTLE_TURNS);
    }
  };

  const pass = async (ms: number, isDone: () => boolean = () => false): Promise<void> => {
    const untilMs = world.monotonic() + ms;
    for (let steps = 0; steps < STEPS_MAX; steps += 1) {
      await settleAll();
      if (isDone()) return;
      const nextMs = world.nextInMs();
      if (nextMs === undefined || world.monotonic() + nextMs > untilMs) return world.advance(untilMs - world.monotonic());
      world.runNext();
    }
    throw new InvariantError(`${STEPS_MAX} timers ran in ${ms} ms of virtual time; look for one that sets itself again without a delay`);
  };

  /** Lets time pass until a promise settles. */
  const drive = async <T>(promise: Promise<T>, withinMs = HOUR_MS): Promise<T> => {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    promise.then(over, over);
    await pass(withinMs, () => isOver);
    if (!isOver) throw new InvariantError(`no answer within ${withinMs} ms of virtual time; ${await waits()}`);
    return promise;
  };

  const waits = async (): Promise<string> => {
    const found: string[] = [];
    const { items } = await drive(process.loop.chats({}, { limit: 1_000 }), 1_000);
    for (const { key, state, waiting } of items) {
      if (waiting === 0 && (state === "idle" || state === "passivated")) continue;
      found.push(`${key}: ${(await drive(process.loop.why(key), 1_000)).sentence}`);
    }
    return found.join("\n") || "no chat waits for anything";
  };

  const isIdle = async (): Promise<boolean> => {
    const { items } = await drive(store.chats.needingWork({ limit: 1_000 }), 1_000);
    const isOffered = [...platforms.values()].some((platform) => platform.unconfirmed().length > 0);
    return !isOffered && items.every((chat) => chat.state === "quarantined");
  };

  const platformOf = (name: string): FakePlatform => {
    const platform = platforms.get(name);
    if (platform) return platform;
    const known = [...platforms.keys()].join(", ");
    throw new ConfigError(
      "CONFIG_INVALID",
      `the simulation has no channel ${name}; name it in openSimulation({ channels }): it has ${known}`,
    );
  };

  /** What its person got, and when. */
  const heard = async (chat: ChatKey): Promise<readonly Said[]> => {
    const platform = channelOf(chat) === "api" ? undefined : platformOf(channelOf(chat));
    const parts = platform
      ? platform.taken().filter((part) => part.chat === chat)
      : (await drive(store.outbox.newest(chat, 1_000))).map((part) => ({ content: part.content, atMs: part.createdAtMs }));
    return parts.map(({ content, atMs }) => ({ at: new Date(atMs), who: "bot", text: textOf(content) }));
  };

  let process = begin();
  await drive(process.loop.start());
  for (const job of setup.cron ?? []) await drive(process.loop.addCronJob(job));

  return {
    get loop() {
      return process.loop;
    },
    clock: world,
    sleep: async (duration) => {
      const { clock } = process;
      const ms = parseDuration(duration);
      asleep += 1;
      await new Promise<void>((resolve) => void clock.setTimer(ms, resolve));
      patience = REAL_PAUSES;
      if (!clock.isDead()) asleep -= 1;
    },
    now: () => new Date(world.now()),
    say: async (text, message, options = {}) => {
      const chat = parseChatKey(text);
      said.set(chat, [...(said.get(chat) ?? []), { at: new Date(world.now()), who: "person", text: message }]);
      if (channelOf(chat) === "api") return void (await drive(process.loop.addChatMessage(chat, message)));
      const platform = platformOf(channelOf(chat));
      const address = chat.slice(chat.indexOf(":") + 1);
      updates += 1;
      platform.post({
        chat,
        address,
        externalId: `update-${updates}`,
        content: [{ type: "text", text: message }],
        sender: options.sender ?? { id: address },
      });
      await pass(100, () => platform.unconfirmed().length === 0);
    },
    replies: async (text) => (await heard(parseChatKey(text))).map((line) => line.text),
    transcript: async (text) => {
      const chat = parseChatKey(text);
      return [...(said.get(chat) ?? []), ...(await heard(chat))]
        .sort((a, b) => a.at.getTime() - b.at.getTime())
        .map((line) => `${timeOf(line.at.getTime())} ${line.who}: ${line.text}`)
        .join("\n");
    },
    advance: async (duration) => pass(parseDuration(duration)),
    untilIdle: async ({ within = HOUR_MS } = {}) => {
      const untilMs = world.monotonic() + parseDuration(within);
      while (!(await isIdle())) {
        if (world.monotonic() >= untilMs) throw new InvariantError(`not idle within ${within}:\n${await waits()}`);
        await pass(Math.min(Math.max(1, world.nextInMs() ?? HOUR_MS), untilMs - world.monotonic()));
      }
    },
    crash: async () => {
      process.clock.clear();
      store.crash();
      process = begin();
      await drive(process.loop.start());
    },
    restart: async () => {
      await drive(process.loop.shutdown());
      process.clock.clear();
      process = begin();
      await drive(process.loop.start());
    },
    stepClock: (by) => world.step(signedDuration(by)),
    platform: (name = [...platforms.keys()][0] ?? "") => platformOf(name),
    log: () => lines,
    close: async () => {
      await drive(process.loop.shutdown());
      process.clock.clear();
    },
  };
}

function startOf(startAt: string | number | undefined): number | undefined {
  if (startAt === undefined || typeof startAt === "number") return startAt;
  const ms = Date.parse(startAt);
  if (!Number.isNaN(ms) && /(?:Z|[+-]\d\d:?\d\d)$/.test(startAt)) return ms;
  throw new ConfigError("CONFIG_INVALID", `startAt ${startAt} is no instant; write it with a zone, such as 2026-03-28T08:00:00Z`);
}

function signedDuration(by: string | number): number {
  if (typeof by === "number") return by;
  return by.startsWith("-") ? -parseDuration(by.slice(1)) : parseDuration(by);
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}
