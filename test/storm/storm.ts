/**
 * A gateway with every platform at once, by the real client libraries over real sockets, while each connection is disturbed at random: what
 * people said and saw is kept outside of it, and compared at the end.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Agent } from "../../src/ports/agent.ts";
import type { Log } from "../../src/ports/log.ts";
import { createGateway } from "../../src/app/gateway.ts";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { openPlatforms, type StormPlatform } from "./platforms.ts";

export interface StormOptions {
  readonly seed: number;
  readonly seconds: number;
  /** People on each platform. Default 6. */
  readonly people?: number;
  /** Most milliseconds between two messages on one platform. Default 120. */
  readonly pauseMs?: number;
  /** Told each second. */
  readonly onTick?: (line: string) => void;
}

export interface StormResult {
  readonly said: number;
  readonly disturbances: number;
  /** Sends that arrived a second time; all of them belong to parts marked as ambiguous. */
  readonly repeated: number;
  readonly loopDelayP99Ms: number;
  readonly byPlatform: Readonly<Record<string, number>>;
  /** What should not be; empty when nothing was lost, doubled or out of order. */
  readonly violations: readonly string[];
}

/** Longest that the end of the storm is waited for. */
const SETTLE_MS = 180_000;
const LOOK_EVERY_MS = 250;

const echo: Agent = async function* (turn) {
  yield `re ${turn.messages[0]?.text ?? ""}.`;
};

export async function storm({ seed, seconds, people = 6, pauseMs = 120, onTick }: StormOptions): Promise<StormResult> {
  const clock = createSystemClock();
  const chance = createSeededRandom(seed);
  const roll = (count: number): number => Math.floor(chance.next() * count);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
  const folder = mkdtempSync(join(tmpdir(), "satibot-storm-"));
  const platforms = await openPlatforms(clock);
  const gateway = createGateway({
    agent: echo,
    store: `sqlite:${join(folder, "satibot.db")}`,
    channels: { ...Object.fromEntries(platforms.map(({ name, options }) => [name, options])), web: false },
    http: { port: 0 },
    limits: { inboxPerChat: 10_000 },
    log: logTo(onTick),
  });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  try {
    await gateway.start();
    const address = gateway.address();
    for (const platform of platforms) platform.attach(`http://127.0.0.1:${address?.port}`);
    await untilTrue(pause, async () => (await gateway.status()).channels.every(({ state }) => state === "online"), 20_000);
    delay.enable();

    const said = new Map<string, string[]>();
    let count = 0;
    let disturbances = 0;
    const answersOf = (platform: StormPlatform, person: number): readonly string[] =>
      platform.shown(person).filter((text) => text.endsWith("."));
    const isAnswered = (): boolean =>
      platforms.every((platform) =>
        Array.from({ length: people }, (_, person) => person).every((person) => {
          const seen = new Set(answersOf(platform, person));
          return (said.get(`${platform.name} ${person}`) ?? []).every((text) => seen.has(`re ${text}.`));
        }),
      );
    let endMs = Number.POSITIVE_INFINITY;
    const isOver = (): boolean => clock.monotonic() >= endMs;
    // First contact while its session is lost is what Discord cannot give back.
    for (const platform of platforms) {
      for (let person = 0; person < people; person += 1) {
        const text = `m${(count += 1)}`;
        said.set(`${platform.name} ${person}`, [text]);
        platform.say(person, text);
      }
    }
    await untilTrue(pause, async () => isAnswered(), 20_000);
    endMs = clock.monotonic() + seconds * 1_000;
    const talk = async (platform: StormPlatform): Promise<void> => {
      while (!isOver()) {
        const person = roll(people);
        const text = `m${(count += 1)}`;
        const key = `${platform.name} ${person}`;
        said.set(key, [...(said.get(key) ?? []), text]);
        platform.say(person, text);
        await pause(roll(pauseMs));
      }
    };
    const disturb = async (platform: StormPlatform): Promise<void> => {
      while (!isOver()) {
        await pause(300 + roll(2_500));
        if (isOver()) return;
        disturbances += 1;
        const what = platform.disturb(roll);
        onTick?.(`${platform.name}: ${what}`);
      }
    };
    await Promise.all(platforms.flatMap((platform) => [talk(platform), disturb(platform)]));
    await untilTrue(pause, async () => isAnswered(), SETTLE_MS);
    delay.disable();

    const violations: string[] = [];
    let repeated = 0;
    for (const { name, state, since, reason } of isAnswered() ? [] : (await gateway.status()).channels)
      violations.push(`${name} is ${state} since ${Math.round((clock.now() - since) / 1_000)} s: ${reason ?? "no reason"}`);
    for (const platform of platforms) {
      if (platform.unconfirmed() > 0) violations.push(`${platform.name} still offers ${platform.unconfirmed()} messages`);
      const marked = await markedTexts(gateway, platform.name);
      for (let person = 0; person < people; person += 1) {
        const expected = (said.get(`${platform.name} ${person}`) ?? []).map((text) => `re ${text}.`);
        const answers = answersOf(platform, person);
        const firsts = answers.filter((text, place) => answers.indexOf(text) === place);
        const again = answers.filter((text, place) => answers.indexOf(text) !== place);
        repeated += again.length;
        if (firsts.join() !== expected.join()) violations.push(difference(`${platform.name} ${person}`, expected, firsts));
        for (const text of again) if (!marked.has(text)) violations.push(`${platform.name} ${person}: "${text}" came twice without a mark`);
      }
    }
    const byPlatform = Object.fromEntries(
      platforms.map(({ name }) => [
        name,
        [...said].reduce((sum, [key, texts]) => (key.startsWith(`${name} `) ? sum + texts.length : sum), 0),
      ]),
    );
    return { said: count, disturbances, repeated, loopDelayP99Ms: delay.percentile(99) / 1e6, byPlatform, violations };
  } finally {
    await gateway.shutdown();
    await Promise.all(platforms.map((platform) => platform.close()));
    rmSync(folder, { recursive: true, force: true });
  }
}

function logTo(onTick: StormOptions["onTick"]): Log {
  const line = (facts: object, text: string): void => onTick?.(`${text} ${JSON.stringify(facts)}`);
  return { debug: () => undefined, info: line, warn: line, error: line };
}

async function untilTrue(pause: (ms: number) => Promise<void>, isTrue: () => Promise<boolean>, limitMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && !(await isTrue()); waitedMs += LOOK_EVERY_MS) await pause(LOOK_EVERY_MS);
}

async function markedTexts(gateway: ReturnType<typeof createGateway>, channel: string): Promise<ReadonlySet<string>> {
  const texts = new Set<string>();
  for (let cursor: string | undefined; ;) {
    const page = await gateway.outbox.list({ status: "ambiguous" }, { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    for (const part of page.items) {
      if (!part.chat.startsWith(`${channel}:`)) continue;
      for (const item of part.content) if (item.type === "text") texts.add(item.text);
    }
    cursor = page.next;
    if (cursor === undefined) return texts;
  }
}

function difference(who: string, expected: readonly string[], got: readonly string[]): string {
  const place = expected.findIndex((text, at) => text !== got[at]);
  const missing = expected.filter((text) => !got.includes(text));
  return `${who}: ${expected.length} answers were due and ${got.length} came; the first that differs is ${expected[place] ?? "one too many"}${missing.length > 0 ? `, missing ${missing.slice(0, 5).join(" ")}` : ""}`;
}
