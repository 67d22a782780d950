/**
 * The whole runtime in virtual time: a seed decides what people do, what fails, and when the process dies. The store and the platform
 * outlive it; everything else starts again. The same seed gives the same log, byte for byte.
 */
import { bodyHash } from "../../core/body-hash.ts";
import type { Limits } from "../../core/limits.ts";
import type { Store } from "../../ports/store/store.ts";
import type { EventLoopParts } from "../../runtime/event-loop.ts";
import { createFakePlatform, type FakeOutcome, type FakePlatform } from "../fake-channel.ts";
import { createVirtualClock, settle, type VirtualClock } from "../virtual-clock.ts";
import { createAccount, type Account } from "./account.ts";
import { delay } from "./agent.ts";
import { audit, JOB } from "./audit.ts";
import { createDice, FAULTS, storeFaults, type Dice, type Fault } from "./faults.ts";
import { jobOf } from "./job.ts";
import { beginLife, type Life } from "./life.ts";
import { createPeople } from "./people.ts";
import { planOf, POISONED, type Action } from "./plan.ts";

/** A store that a dead process leaves behind: the memory store. */
export interface SimulatedStore extends Store {
  readonly crash: () => void;
}

/** What the simulator does around every call of the store. */
export interface SimulatedHooks {
  /** Awaited before a call applies; when it rejects, nothing was applied. */
  readonly before: (call: string) => Promise<void>;
  /** Awaited after it has applied; when it rejects, the answer is lost. */
  readonly after: (call: string) => Promise<void>;
}

export interface SimulationOptions {
  readonly seed: number;
  /** Makes the store; its hooks are the simulator's. */
  readonly openStore: (hooks: SimulatedHooks) => SimulatedStore;
  /** Chats on the fake platform, and messages in all. Default 4 and 24. */
  readonly chats?: number;
  readonly messages?: number;
  /** Faults that the world must not have, whatever its seed. */
  readonly without?: ReadonlySet<Fault>;
  /** Numbers of the planned actions that do not happen; for the minimiser. */
  readonly omit?: ReadonlySet<number>;
  /** Changes the runtime's parts: for broken variants that must be found. */
  readonly alter?: (parts: EventLoopParts) => EventLoopParts;
  readonly limits?: Partial<Limits>;
}

export interface SimulationResult {
  readonly seed: number;
  /** Every store call, attempt, send, fault and end of a process, in order, with its virtual time. */
  readonly log: readonly string[];
  /** The faults that this world has. */
  readonly faults: readonly Fault[];
  /** What happened from outside. */
  readonly actions: readonly Action[];
  /** Processes that ended, by cause: `crash`, `poison`, `drained`, `start failed`. */
  readonly ends: Readonly<Record<string, number>>;
  readonly virtualMs: number;
  /** What should not be; empty when all promises were kept. */
  readonly violations: readonly string[];
}

/** Virtual time after which a world that has not come to rest is a violation. */
const DEADLINE_MS = 5 * 3_600_000;
/** Timers run without coming to rest; beyond it something spins. */
const STEPS_MAX = 300_000;
const LOOK_EVERY_MS = 5_000;
/** Turns of the promise queue between two timers. */
const SETTLE_TURNS = 40;
const YEARS_MS = 3 * 365 * 86_400_000;

function limitsOf(dice: Dice, given: Partial<Limits> | undefined): Limits {
  const retention = {
    eventRetentionMs: YEARS_MS,
    dedupeRetentionMs: YEARS_MS,
    inboxRetentionMs: YEARS_MS,
    historyRetentionMs: YEARS_MS,
    runRetentionMs: YEARS_MS,
  };
  return {
    concurrentTurns: 2 + dice.roll(3, "slots"),
    inboxPerChat: 100,
    turnTimeoutMs: 30_000,
    // In other worlds a process may die often, and what runs alone then is counted.
    maxAttempts: dice.has("poison") ? 3 : 14,
    idleTimeoutMs: 20_000,
    drainTimeoutMs: 5_000,
    outboxMaxAgeMs: YEARS_MS,
    jobsPerChat: 10,
    catchUpPerSecond: 10,
    ...retention,
    ...given,
  };
}

/** Runs one seed. Never throws for what it finds: that is in `violations`. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const dice = createDice(options.seed, options.without ?? new Set());
  const world = createWorld(options, dice);
  await world.run();
  return world.result();
}

function createWorld(
  options: SimulationOptions,
  dice: Dice,
): { readonly run: () => Promise<void>; readonly result: () => SimulationResult } {
  let order = 0;
  const clock = createVirtualClock({ choose: (count) => dice.roll(count, "order", (order += 1)) });
  const log: string[] = [];
  const note = (line: string): void => void log.push(`${clock.monotonic()} ${line}`);
  const account = createAccount(clock, note, !dice.has("clockStep"));
  const platform = simulatedPlatform(dice, account, note);
  const limits = limitsOf(dice, options.limits);
  const ends: Record<string, number> = {};
  const plan = planOf(dice, { chats: options.chats ?? 4, messages: options.messages ?? 24 });
  const actions = plan.filter((action) => !options.omit?.has(action.number));
  let left = actions.length;
  let isSpared = false;
  let life: Life | undefined;
  let lives = 0;
  let crashAfter: number | undefined;
  let isJobThere = false;
  const job = { beganAtMs: 0, endedAtMs: 0 };

  const faults = storeFaults(dice, note);
  let calls = 0;
  let crashesInCalls = dice.has("crash") ? 3 : 0;
  /** Dies in the middle of a call, before or after it has applied. */
  const dieAt = (call: string): void => {
    if (crashesInCalls === 0 || isSpared || dice.roll(150, "crash in call", (calls += 1)) > 0) return;
    crashesInCalls -= 1;
    note(`crash ${call}`);
    life?.kill("crash");
  };
  const hook = async (call: string, when: "before" | "after"): Promise<void> => {
    if (isSpared) return;
    dieAt(`${when} ${call}`);
    await delay(clock, faults[when](call));
  };
  const store = options.openStore({ before: (call) => hook(call, "before"), after: (call) => hook(call, "after") });

  const begin = (): void => {
    lives += 1;
    const { seed, alter } = options;
    const onEnd = (cause: string): void => {
      const name = cause.startsWith("start failed") ? "start failed" : cause;
      ends[name] = (ends[name] ?? 0) + 1;
      life = undefined;
      // The supervisor of a real daemon takes a moment too.
      if (!isSpared) clock.setTimer(10 + dice.roll(200, "restart", lives), begin);
    };
    life = beginLife({ seed, number: lives, dice, world: clock, store, platform, account, note, limits, alter, onEnd });
  };

  const people = createPeople(clock, platform, account, () => (life && !life.isDraining() && life.loop.isReady() ? life.loop : undefined));
  const act = (action: Action): void => {
    left -= 1;
    note(`${action.kind} ${JSON.stringify(action)}`);
    if (action.kind === "crash") crashAfter = action.microtasks;
    else if (action.kind === "drain") life?.drain();
    else if (action.kind === "clock") clock.step(action.byMs);
    else if (action.kind === "offline") {
      platform.setOnline(false);
      clock.setTimer(action.forMs, () => platform.setOnline(true));
    } else people.act(action);
  };

  /** Reads past all faults. */
  const look = async <T>(read: () => Promise<T>): Promise<T | undefined> => {
    isSpared = true;
    const value = await peek(clock, read);
    isSpared = false;
    return value;
  };

  /** The job exists while people act, and is removed before the world is expected to come to rest. */
  const tendJob = async (): Promise<void> => {
    const loop = life?.loop;
    if (!loop?.isReady() || isJobThere === left > 0) return;
    const isWanted = left > 0;
    const done = await look(async () => {
      if (isWanted) await loop.addCronJob(jobOf(dice));
      else await loop.removeCronJob(JOB);
      return true;
    });
    if (!done) return;
    note(isWanted ? "the job is added" : "the job is removed");
    isJobThere = isWanted;
    job[isWanted ? "beganAtMs" : "endedAtMs"] = clock.now();
  };

  const isQuiet = async (): Promise<boolean> => {
    await tendJob();
    if (left > 0 || isJobThere || !people.areDone() || !life?.loop.isReady()) return false;
    await bringBack(life, look, account, ends, limits.maxAttempts);
    const found = await look(() => store.chats.needingWork({ limit: 1_000 }));
    return found?.items.length === 0;
  };

  const run = async (): Promise<void> => {
    for (const action of actions) clock.setTimer(action.atMs, () => act(action));
    await store.start();
    begin();
    await untilQuiet(clock, account, isQuiet, async () => {
      if (crashAfter === undefined) return;
      const microtasks = crashAfter;
      crashAfter = undefined;
      await settle(microtasks);
      life?.kill("crash");
    });
    if (account.violations().length > 0) return;
    isSpared = true;
    if (life) await checkRest(life, clock, account, limits);
    await store.start();
    await peek(clock, () => audit(store, platform, account, dice, job));
  };

  const result = (): SimulationResult => {
    return {
      seed: options.seed,
      log,
      faults: FAULTS.filter(dice.has),
      actions,
      ends,
      virtualMs: clock.monotonic(),
      violations: account.violations(),
    };
  };
  return { run, result };
}

/** A digest of a log: equal for equal runs. */
export function digestOf(result: SimulationResult): string {
  return bodyHash(result.log.join("\n"));
}

function simulatedPlatform(dice: Dice, account: Account, note: (line: string) => void): FakePlatform {
  const outcomeOf = (name: string, chat: string, count: number): FakeOutcome => {
    if (dice.strikes("rateLimit", 5, count)) {
      const retryAfterMs =
        dice.roll(6, "long", count) === 0 ? dice.roll(1_800_000, "long", "wait", count) : dice.roll(8_000, "seconds", count);
      account.notBefore(`the next send to ${chat}`, retryAfterMs);
      return { kind: "unavailable", retryAfterMs };
    }
    if (dice.strikes("sendError", 5, count)) return { kind: "unavailable" };
    if (dice.strikes("sendUnknown", 5, count)) return { kind: "ambiguous", taken: dice.roll(2, "taken", count) === 0 };
    return dice.strikes("refusal", 3, name) ? { kind: "refused" } : "sent";
  };
  return createFakePlatform({
    latencyMs: (request) => dice.roll(40, "latency", request.idempotencyKey),
    decide: (request, count) => {
      account.happens(`the next send to ${request.chat}`);
      const outcome = outcomeOf(request.idempotencyKey, request.chat, count);
      note(`send ${count} ${request.chat} ${request.idempotencyKey} ${JSON.stringify(outcome)}`);
      return outcome;
    },
  });
}

/** A turn that kills its process must be put aside, alone; whoever runs the bot then brings its chat back without it. */
async function bringBack(
  life: Life,
  look: <T>(read: () => Promise<T>) => Promise<T | undefined>,
  account: Account,
  ends: Readonly<Record<string, number>>,
  maxAttempts: number,
): Promise<void> {
  const deaths = ends.poison ?? 0;
  if (deaths > maxAttempts + 1) account.violate(`one turn killed its process ${deaths} times before it was put aside`);
  const status = await look(() => life.loop.status());
  if (!status || status.chats.quarantined === 0) return;
  const found = await look(() => life.loop.chats({ states: ["quarantined"] }, { limit: 100 }));
  for (const { key } of found?.items ?? []) {
    if (key !== POISONED) account.violate(`${key} is innocent and quarantined`);
    await look(() => life.loop.retry(key, { skip: true }).catch(() => undefined));
  }
}

async function untilQuiet(
  clock: VirtualClock,
  account: Account,
  isQuiet: () => Promise<boolean>,
  between: () => Promise<void>,
): Promise<void> {
  let nextLookMs = 0;
  for (let steps = 0; ; steps += 1) {
    await between();
    await settle(SETTLE_TURNS);
    if (clock.monotonic() >= nextLookMs) {
      nextLookMs = clock.monotonic() + LOOK_EVERY_MS;
      if (await isQuiet()) return;
    }
    // What follows from a broken promise is only noise.
    if (account.violations().length > 0) return;
    if (!clock.runNext() || steps > STEPS_MAX || clock.monotonic() > DEADLINE_MS)
      return account.violate(`did not come to rest: ${steps} steps, ${clock.monotonic()} ms`);
  }
}

/** At rest nothing is held: no slot, no live chat, no timer but the supervisor's own. Then it drains, and leaves nothing behind. */
async function checkRest(life: Life, clock: VirtualClock, account: Account, limits: Limits): Promise<void> {
  // Longer than any back-off that a row may still remember, which wakes its chat once more.
  await advance(clock, LONGEST_BACKOFF_MS + 4 * limits.idleTimeoutMs);
  const status = await peek(clock, () => life.loop.status());
  if (!status) return account.violate("at rest, but it does not say how it is");
  const { queue, chats, timers } = status;
  if (queue.running > 0 || queue.waiting > 0) account.violate(`at rest, but ${queue.running} slots are taken and ${queue.waiting} wait`);
  const { items = [] } = (await peek(clock, () => life.loop.chats({}, { limit: 100 }))) ?? {};
  for (const { key, state } of items.filter((chat) => chats.live > 0 && chat.state !== "passivated")) {
    const why = await peek(clock, () => life.loop.why(key));
    account.violate(`at rest, but ${key} is live and ${state}: ${why?.sentence}`);
  }
  if (chats.quarantined > 0) account.violate(`at rest, but ${chats.quarantined} chats are quarantined`);
  if (timers > RESTING_TIMERS) account.violate(`at rest, but ${timers} timers are set`);
  life.drain();
  await advance(clock, 2 * limits.drainTimeoutMs + 60_000);
}

/** What an agent of this world may ask to wait. */
const LONGEST_BACKOFF_MS = 90_000;
/** The supervisor's maintenance, the channel's watch, and its look at silence. */
const RESTING_TIMERS = 3;

async function advance(clock: VirtualClock, ms: number): Promise<void> {
  const untilMs = clock.monotonic() + ms;
  for (let steps = 0; steps < STEPS_MAX && clock.monotonic() < untilMs; steps += 1) {
    await settle(SETTLE_TURNS);
    if (!clock.runNext()) return;
  }
}

/** Lets time run until a read answers; undefined when it does not, because a crash swallowed it, or fails. */
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
  for (let step = 0; step < 5_000 && !isDone; step += 1) {
    await settle(SETTLE_TURNS);
    if (!isDone && !clock.runNext()) break;
  }
  return value;
}
