/**
 * A daemon under load that is killed again and again, and the account of it, drawn from outside: what people were told is accepted, what
 * they heard, and what the agent wrote into a file. satibot's own tables speak only where a repetition is excused.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openSqliteReader } from "../../src/stores/sqlite/store.ts";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { openTelegramServer, type TelegramServer } from "../../src/testing/telegram-server.ts";
import { collapse, faultsOf, readLedger } from "../e2e/account.ts";
import { openRig, until, type Daemon, type Rig } from "../e2e/rig.ts";
import { killIn, PHASES, type Phase } from "./kills.ts";
import { personOverHttp, personOverTelegram, type Person } from "./people.ts";

export interface CrashOptions {
  readonly cycles: number;
  readonly seed: number;
  readonly onCycle?: (cycle: number, phase: Phase, people: readonly Person[]) => void;
}

export interface CrashResult {
  readonly deaths: Readonly<Record<Phase, number>>;
  readonly accepted: number;
  readonly attempts: number;
  readonly telegramSends: number;
  readonly repeated: number;
  readonly ambiguous: number;
  readonly quarantined: readonly string[];
  /** Most attempts that one slow, innocent turn took, and the fewest and most turns of a slow chat. */
  readonly slowAttempts: number;
  readonly slowTurns: readonly [fewest: number, most: number];
  /** Broken promises, as sentences. */
  readonly faults: readonly string[];
  readonly seconds: number;
  /** The folder with the store, kept when there are faults. */
  readonly dir: string;
}

const QUICK = 6;
const SLOW = 16;
const QUIET_MS = 120_000;
const LIMITS = { concurrentTurns: 24, idleTimeout: 200, maxAttempts: 5, drainTimeout: 3_000 } as const;

/** Runs the cycles. @throws Error when the daemon does not come up or come to rest */
export async function runCrashes(options: CrashOptions): Promise<CrashResult> {
  const startedMs = performance.now();
  const random = createSeededRandom(options.seed);
  const rig = await openRig();
  const telegram = await openTelegramServer({ clock: createSystemClock(), latencyMs: 3 });
  const launch = (): Daemon =>
    rig.startLedger({ telegram: { token: telegram.token, apiRoot: telegram.apiRoot, allow: ["*"] }, limits: LIMITS });
  const people = peopleOf(rig, telegram, random.next);
  const deaths = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>;
  let isSound = false;
  let daemon = launch();
  try {
    await daemon.ready();
    for (let cycle = 1; cycle <= options.cycles; cycle += 1) {
      const phase = PHASES[Math.floor(random.next() * PHASES.length)] ?? "load";
      deaths[phase] += await killIn(phase, daemon, { random, telegram, file: join(rig.dir, "ledger.db"), launch });
      daemon = launch();
      await daemon.ready();
      options.onCycle?.(cycle, phase, people);
    }
    await Promise.all(people.map((person) => person.stop()));
    await until("every message is answered", () => isQuiet(rig, people), QUIET_MS).catch(async (cause: unknown) => {
      throw new Error(`the daemon did not come to rest; its store is kept in ${rig.dir}:\n${await stuck(rig)}`, { cause });
    });
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
    const result = await accountFor(rig, telegram, people);
    isSound = result.faults.length === 0;
    return { ...result, deaths, seconds: (performance.now() - startedMs) / 1_000 };
  } finally {
    await Promise.all(people.map((person) => person.close()));
    await telegram.close();
    await daemon.kill();
    if (isSound) await rig.close();
  }
}

function peopleOf(rig: Rig, telegram: TelegramServer, chance: () => number): readonly Person[] {
  const quick = { ahead: 4, agentMs: () => chance() * 30, pauseMs: () => chance() * 60 };
  const slow = { ahead: 1, agentMs: () => 250 + chance() * 400, pauseMs: () => 0 };
  return [
    ...Array.from({ length: QUICK }, (_, place) => personOverHttp(rig, `quick-${place}`, quick)),
    ...Array.from({ length: QUICK }, (_, place) => personOverTelegram(telegram, 100 + place, quick)),
    ...Array.from({ length: SLOW }, (_, place) => personOverHttp(rig, `slow-${place}`, slow)),
  ];
}

async function isQuiet(rig: Rig, people: readonly Person[]): Promise<boolean> {
  const { items } = await rig.api.chats({ limit: 1_000 });
  if (items.some((chat) => chat.waiting > 0)) return false;
  const details = await Promise.all(people.map(({ chat }) => rig.api.chat(chat)));
  return details.every(({ outbox }, place) => {
    const last = outbox.at(-1);
    const hasHeard = last === undefined || people[place]!.heard().includes(last.text);
    return hasHeard && outbox.every((part) => part.status === "sent");
  });
}

async function stuck(rig: Rig): Promise<string> {
  const { items } = await rig.api.chats({ limit: 1_000 });
  const busy = items.filter((chat) => chat.waiting > 0 || !["idle", "passivated"].includes(chat.state));
  return (await Promise.all(busy.slice(0, 20).map(async ({ key }) => `${key}: ${(await rig.api.why(key)).sentence}`))).join("\n");
}

async function accountFor(rig: Rig, telegram: TelegramServer, people: readonly Person[]): Promise<Omit<CrashResult, "deaths" | "seconds">> {
  const ledger = readLedger(await readFile(rig.ledgerFile, "utf8"));
  const { ambiguous, quarantined } = await excusesOf(join(rig.dir, "ledger.db"));
  const faults: string[] = [];
  let repeated = 0;
  for (const person of people) {
    const account = {
      chat: person.chat,
      accepted: Array.from({ length: person.accepted() }, (_, place) => place + 1),
      heard: person.heard(),
      ambiguous: ambiguous.get(person.chat) ?? new Set<string>(),
    };
    repeated += collapse(account.heard).repeated.length;
    faults.push(...faultsOf(account, ledger));
  }
  if (telegram.overlaps() > 0) faults.push(`two pollers asked Telegram at once, ${telegram.overlaps()} times`);
  faults.push(...quarantined.map((chat) => `${chat} is quarantined`));
  const slowTurns = people.flatMap((person) => (person.chat.startsWith("api:slow-") ? [person.accepted()] : []));
  const slow = ledger.filter((line) => line.chat.startsWith("api:slow-"));
  return {
    accepted: people.reduce((sum, person) => sum + person.accepted(), 0),
    attempts: ledger.length,
    telegramSends: telegram.sends().length,
    repeated,
    ambiguous: [...ambiguous.values()].reduce((sum, texts) => sum + texts.size, 0),
    quarantined,
    slowTurns: [Math.min(...slowTurns), Math.max(...slowTurns)],
    slowAttempts: Math.max(0, ...slow.map((line) => line.attempt)),
    faults,
    dir: rig.dir,
  };
}

/** What the store says may have been sent twice, and who is put aside. */
async function excusesOf(file: string): Promise<{ readonly ambiguous: Map<string, Set<string>>; readonly quarantined: readonly string[] }> {
  const store = await openSqliteReader({ file });
  try {
    const ambiguous = new Map<string, Set<string>>();
    for (let cursor: string | undefined; ;) {
      const page = await store.outbox.list({ ambiguous: true }, { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
      for (const part of page.items) {
        const [item] = part.content;
        ambiguous.set(part.chat, (ambiguous.get(part.chat) ?? new Set()).add(item?.type === "text" ? item.text : ""));
      }
      cursor = page.next;
      if (cursor === undefined) break;
    }
    const { items } = await store.chats.list({ states: ["quarantined"] }, { limit: 1_000 });
    return { ambiguous, quarantined: items.map((chat) => chat.key) };
  } finally {
    await store.close();
  }
}
