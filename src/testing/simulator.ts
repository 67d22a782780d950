/**
 * The whole runtime in virtual time: a seed decides when messages arrive, how long each store call and each answer takes, what fails,
 * and when the process dies. The store and the platforms outlive it; everything else starts again. The same seed gives the same log.
 */
import { bodyHash } from "../core/body-hash.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { textOf } from "../core/content.ts";
import { TransientError } from "../core/errors.ts";
import type { Agent } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { EventLoop } from "../runtime/api.ts";
import { assembleEventLoop, type EventLoopParts } from "../runtime/event-loop.ts";
import type { Store } from "../ports/store/store.ts";
import { createFakeChannel, createFakePlatform, type FakePlatform } from "./fake-channel.ts";
import { createSeededRandom } from "./seeded-random.ts";
import { accountOf, type Account } from "./simulation-account.ts";
import { createVirtualClock, settle, type VirtualClock } from "./virtual-clock.ts";

/** A store that a dead process leaves behind: the memory store. */
export interface SimulatedStore extends Store {
  readonly crash: () => void;
}

export interface SimulationOptions {
  readonly seed: number;
  /** Makes the store; its hooks are the simulator's. */
  readonly openStore: (hooks: {
    readonly before: (call: string) => Promise<void>;
    readonly after: (call: string) => Promise<void>;
  }) => SimulatedStore;
  /** Chats on the fake platform, and messages in all. Default 4 and 24. */
  readonly chats?: number;
  readonly messages?: number;
  /** Crashes at most. Default 3. */
  readonly crashes?: number;
  /** Changes the runtime's parts: for broken variants that must be found. */
  readonly alter?: (parts: EventLoopParts) => EventLoopParts;
  readonly limits?: EventLoopParts["limits"];
}

export interface SimulationResult {
  readonly seed: number;
  /** Every store call, attempt, send and crash, in order, with its virtual time. */
  readonly log: readonly string[];
  readonly crashes: number;
  readonly virtualMs: number;
  /** What should not be; empty when all promises were kept. */
  readonly violations: readonly string[];
}

const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const CHANNEL = "sim";
/** Virtual time after which a run that has not come to rest is a violation. */
const DEADLINE_MS = 6 * 3_600_000;
/** Timers run without coming to rest; beyond it something spins. */
const STEPS_MAX = 400_000;

/** Runs one seed. Never throws for what it finds: that is in `violations`. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const random = createSeededRandom(options.seed, "w");
  const pick = (count: number): number => Math.floor(random.next() * count);
  const clock = createVirtualClock({ choose: pick });
  const startMs = clock.now();
  const log: string[] = [];
  const note = (line: string): void => void log.push(`${clock.now() - startMs} ${line}`);
  const account = accountOf(note);
  const platform = createFakePlatform({
    latencyMs: () => pick(40),
    decide: (request, count) => decideSend(pick(100), count, note, request.chat),
  });

  let crashesLeft = options.crashes ?? 3;
  let crashes = 0;
  let life: Life | undefined;
  // Late enough to find work under way, early enough to happen.
  let callsToCrash = 20 + pick(250);

  const dieHere = (call: string): void => {
    if (crashesLeft <= 0 || --callsToCrash > 0) return;
    crashesLeft -= 1;
    crashes += 1;
    callsToCrash = 20 + pick(400);
    note(`crash at ${call}`);
    life?.kill();
  };

  const store = options.openStore({
    before: async (call) => {
      dieHere(`before ${call}`);
      await delay(life?.clock ?? clock, pick(6));
    },
    after: async (call) => {
      note(`store ${call}`);
      dieHere(`after ${call}`);
      await delay(life?.clock ?? clock, pick(6));
    },
  });

  const begin = (): Life => {
    const number = crashes;
    const lifeClock = mortalClock(clock);
    account.begin();
    const parts: EventLoopParts = {
      store: mortalStore(store, lifeClock.isDead),
      agent: agentOf(account, lifeClock, pick),
      clock: lifeClock,
      random: createSeededRandom(options.seed * 31 + number, `l${number}.`),
      log: SILENT,
      limits: { concurrentTurns: 2, drainTimeoutMs: 5_000, idleTimeoutMs: 20_000, maxAttempts: 12, ...options.limits },
      channels: [createFakeChannel({ clock: lifeClock, platform, name: CHANNEL })],
    };
    const loop = assembleEventLoop(options.alter?.(parts) ?? parts);
    const born: Life = {
      loop,
      clock: lifeClock,
      kill: () => {
        store.crash();
        lifeClock.clear();
        life = undefined;
        // The supervisor of a real daemon takes a moment too.
        clock.setTimer(10 + pick(200), () => {
          life = begin();
        });
      },
    };
    void loop.start().catch((error: unknown) => note(`start failed: ${String(error)}`));
    return born;
  };

  post(options, platform, clock, account, pick);
  await store.start();
  life = begin();

  const isQuiet = async (): Promise<boolean> => {
    if (!life || platform.unconfirmed().length > 0 || !account.isAllPosted()) return false;
    const found = await peek(clock, () => store.chats.needingWork({ limit: 1_000 }));
    return found !== undefined && found.items.length === 0;
  };

  let steps = 0;
  let nextLookMs = 0;
  for (;;) {
    await settle(40);
    if (clock.monotonic() >= nextLookMs) {
      nextLookMs = clock.monotonic() + 2_000;
      if (await isQuiet()) break;
    }
    if (!clock.runNext() || ++steps > STEPS_MAX || clock.monotonic() > DEADLINE_MS) {
      account.violate(
        `did not come to rest: ${steps} steps, ${clock.monotonic()} ms, ${platform.unconfirmed().length} updates unconfirmed`,
      );
      break;
    }
  }
  crashesLeft = 0;
  if (life) await drainLife(life, clock, account);
  await store.start();
  await peekAll(clock, account.audit(store, platform));
  return { seed: options.seed, log, crashes, virtualMs: clock.monotonic(), violations: account.violations() };
}

/** A digest of a log: equal for equal runs. */
export function digestOf(result: SimulationResult): string {
  return bodyHash(result.log.join("\n"));
}

interface MortalClock extends Clock {
  readonly isDead: () => boolean;
  readonly clear: () => void;
}

interface Life {
  readonly loop: EventLoop;
  readonly clock: MortalClock;
  readonly kill: () => void;
}

/** The world's clock for one process: its timers end with it. */
function mortalClock(world: VirtualClock): MortalClock {
  const pending = new Set<() => void>();
  let isDead = false;
  const add = (delayMs: number, run: () => void): (() => void) => {
    if (isDead) return () => undefined;
    const cancel = world.setTimer(delayMs, () => {
      pending.delete(cancel);
      run();
    });
    pending.add(cancel);
    return () => {
      pending.delete(cancel);
      cancel();
    };
  };
  return {
    now: world.now,
    monotonic: world.monotonic,
    setTimer: add,
    soon: (run) => void add(0, run),
    isDead: () => isDead,
    clear: () => {
      isDead = true;
      for (const cancel of pending) cancel();
      pending.clear();
    },
  };
}

/** The store as one process sees it: what the process asks after its end is never heard, and it hears no answer. */
function mortalStore(store: Store, isDead: () => boolean): Store {
  const never = new Promise<never>(() => undefined);
  const mortal =
    (call: (...args: unknown[]) => Promise<unknown>) =>
    async (...args: unknown[]) => {
      if (isDead()) return never;
      const value = await call(...args);
      return isDead() ? never : value;
    };
  const wrap = (module: object): object =>
    Object.fromEntries(
      Object.entries(module).map(([name, member]) => {
        if (typeof member === "function") return [name, mortal(member as (...args: unknown[]) => Promise<unknown>)];
        return [name, typeof member === "object" && member !== null ? wrap(member as object) : (member as unknown)];
      }),
    );
  return wrap(store) as Store;
}

function decideSend(chance: number, count: number, note: (line: string) => void, chat: ChatKey) {
  note(`send ${count} ${chat} ${chance}`);
  if (chance < 4) return { kind: "unavailable", retryAfterMs: 500 * (chance + 1) } as const;
  if (chance < 6) return { kind: "ambiguous", taken: true } as const;
  if (chance < 8) return { kind: "ambiguous", taken: false } as const;
  return "sent" as const;
}

function agentOf(account: Account, clock: MortalClock, pick: (count: number) => number): Agent {
  return async function* simulated(turn) {
    if (clock.isDead()) return;
    const ended = account.attempt(turn);
    try {
      await delay(clock, pick(300));
      const chance = pick(100);
      if (chance < 8) throw new TransientError("AGENT_FAILED", "by chance");
      const seen = await turn.step("think", () => chance);
      await delay(clock, pick(50));
      const text = textOf(turn.messages[0]?.content ?? []);
      yield `re ${text}`;
      // The number of parts is journaled, so every attempt answers alike.
      for (let part = 2; part <= 1 + (seen % 3); part += 1) yield [{ type: "text", text: `re ${text} part ${part}` }];
    } finally {
      ended();
    }
  };
}

function post(
  options: SimulationOptions,
  platform: FakePlatform,
  clock: VirtualClock,
  account: Account,
  pick: (count: number) => number,
): void {
  const chats = options.chats ?? 4;
  const messages = options.messages ?? 24;
  const counts = new Map<number, number>();
  let atMs = 0;
  for (let place = 0; place < messages; place += 1) {
    const chat = pick(chats);
    const number = (counts.get(chat) ?? 0) + 1;
    counts.set(chat, number);
    atMs += 1 + pick(400);
    const key: ChatKey = `${CHANNEL}:${chat}`;
    const text = `m${number}`;
    account.expect(key, text);
    const message = {
      chat: key,
      address: String(chat),
      externalId: `u${place}`,
      content: [{ type: "text", text }],
      sender: { id: String(chat) },
    } as const;
    clock.setTimer(atMs, () => {
      platform.post(message);
      account.posted();
      // A platform may say the same thing twice.
      if (pick(6) === 0) platform.post(message);
    });
  }
}

function delay(clock: Clock, ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => void clock.setTimer(ms, resolve));
}

/** A store call of the observer: time is let run until it answers; undefined when a crash swallowed it. */
async function peek<T>(clock: VirtualClock, read: () => Promise<T>): Promise<T | undefined> {
  let value: T | undefined;
  let isDone = false;
  read().then(
    (found) => {
      value = found;
      isDone = true;
    },
    () => {
      isDone = true;
    },
  );
  for (let step = 0; step < 2_000 && !isDone; step += 1) {
    await settle(40);
    if (!isDone && !clock.runNext()) break;
  }
  return value;
}

async function peekAll(clock: VirtualClock, work: Promise<void>): Promise<void> {
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await settle(40);
    clock.runNext();
  }
  await work;
}

async function drainLife(life: Life, clock: VirtualClock, account: Account): Promise<void> {
  const status = life.loop.status();
  let isStopped = false;
  await peekAll(
    clock,
    status.then((facts) => {
      if (facts.queue.running > 0 || facts.queue.waiting > 0)
        account.violate(`at rest, but ${facts.queue.running} slots are taken and ${facts.queue.waiting} wait`);
      if (facts.chats.quarantined > 0) account.violate(`${facts.chats.quarantined} innocent chats are quarantined`);
    }),
  );
  void life.loop.shutdown().then(() => {
    isStopped = true;
  });
  for (let step = 0; step < 50_000 && !isStopped; step += 1) {
    await settle(40);
    if (!isStopped && !clock.runNext()) break;
  }
  if (!isStopped) account.violate("the drain did not end");
}
