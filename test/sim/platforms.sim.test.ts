import { describe, expect, it } from "vitest";
import { textOf } from "../../src/core/content.ts";
import type { Agent } from "../../src/ports/agent.ts";
import type { ChannelLimits } from "../../src/ports/channel.ts";
import { assembleEventLoop } from "../../src/runtime/event-loop.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createFakeChannel, createFakePlatform, type FakeOutcome } from "../../src/testing/fake-channel.ts";
import { mortalClock, mortalStore } from "../../src/testing/mortal.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";

const SEEDS = process.env.SIM_SEED ? [Number(process.env.SIM_SEED)] : [1, 2, 3];
const TEN_MINUTES_MS = 600_000;
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** What the platforms allow. */
const PLATFORMS: Readonly<Record<string, ChannelLimits>> = {
  telegram: { textUnits: 4_096, canEdit: true, pace: { channelMs: 34, editMs: 1_000 }, typingMs: 5_000, silenceMaxMs: 90_000 },
  discord: { textUnits: 2_000, canEdit: true, pace: { chatMs: 200, editMs: 1_000 }, typingMs: 9_000, silenceMaxMs: 120_000 },
  whatsapp: { textUnits: 4_096, canEdit: false, pace: { channelMs: 13 } },
  slack: { textUnits: 12_000, canEdit: true, pace: { chatMs: 1_000 } },
};

describe.each(SEEDS)("ten minutes with every platform, each disconnected at random (seed %i)", (seed) => {
  it("answer everything once and in order", async () => {
    const world = createVirtualClock();
    const chance = createSeededRandom(seed);
    const below = (count: number): number => Math.floor(chance.next() * count);
    const store = createMemoryStore();
    const decide = (): FakeOutcome => {
      const roll = below(100);
      if (roll < 3) return { kind: "unavailable", retryAfterMs: below(5_000) };
      return roll < 5 ? { kind: "ambiguous", taken: below(2) === 0 } : "sent";
    };
    const platforms = Object.keys(PLATFORMS).map((name) => ({
      name,
      outside: createFakePlatform({ latencyMs: () => below(120), decide }),
    }));
    let lives = 0;
    let end = (): void => undefined;
    const begin = (): void => {
      lives += 1;
      const clock = mortalClock(world);
      const speak: Agent = async function* (turn) {
        for (const word of ["re ", turn.messages[0]?.text ?? "", "."]) {
          yield word;
          await new Promise<void>((resolve) => void clock.setTimer(below(900), resolve));
        }
      };
      const loop = assembleEventLoop({
        store: mortalStore(store, clock.isDead),
        agent: speak,
        clock,
        random: createSeededRandom(seed * 100 + lives, `l${lives}.`),
        log: SILENT,
        channels: platforms.map(({ name, outside }) => createFakeChannel({ clock, platform: outside, name, limits: PLATFORMS[name] })),
      });
      end = () => {
        clock.clear();
        store.crash();
      };
      void loop.start();
    };

    const said = new Map<string, string[]>();
    let isPeopleDone = false;
    const people = ({ name, outside }: (typeof platforms)[number], count: number): void => {
      if (world.monotonic() > TEN_MINUTES_MS) {
        isPeopleDone = true;
        return;
      }
      const chat = `${name}:${below(12)}` as const;
      const text = `m${count}`;
      said.set(chat, [...(said.get(chat) ?? []), text]);
      const address = chat.slice(name.length + 1);
      outside.post({ chat, address, externalId: `${name}-${count}`, content: [{ type: "text", text }], sender: { id: address } });
      world.setTimer(200 + below(2_500), () => people({ name, outside }, count + 1));
    };
    const misfortunes = ({ outside }: (typeof platforms)[number]): void => {
      if (isPeopleDone) return outside.setOnline(true);
      outside.setOnline(false);
      world.setTimer(below(25_000), () => outside.setOnline(true));
      world.setTimer(30_000 + below(60_000), () => misfortunes({ name: "", outside }));
    };
    begin();
    for (const platform of platforms) {
      people(platform, 0);
      world.setTimer(below(40_000), () => misfortunes(platform));
    }
    for (const atMs of [TEN_MINUTES_MS / 3, TEN_MINUTES_MS / 2])
      world.setTimer(atMs + below(5_000), () => {
        end();
        begin();
      });
    for (let minute = 0; minute < 20; minute += 1) await world.advance(60_000);

    expect(platforms.flatMap(({ outside }) => outside.unconfirmed())).toEqual([]);
    for (const [chat, texts] of said) {
      const { items } = await store.outbox.list({ chat: chat as `${string}:${string}` }, { limit: 1_000 });
      const expected = texts.map((text) => `re ${text}.`);
      const unsent = items.filter((part) => part.status !== "sent").map((part) => part.status);
      const marked = new Set(items.filter((part) => part.ambiguous).map((part) => textOf(part.content)));
      const outside = platforms.find(({ name }) => chat.startsWith(`${name}:`))!.outside;
      const shown = outside.taken().filter((part) => part.chat === chat);
      const whole = shown.map((part) => textOf(part.content)).filter((text) => text.endsWith("."));
      const repeated = whole.filter((text, place) => whole.indexOf(text) !== place);
      expect({
        chat,
        unsent,
        kept: items.map((part) => textOf(part.content)),
        shown: whole.filter((text, place) => whole.indexOf(text) === place),
        doubled: repeated.filter((text) => !marked.has(text)),
      }).toEqual({ chat, unsent: [], kept: expected, shown: expected, doubled: [] });
    }
    expect(said.size).toBeGreaterThan(40);
    end();
  }, 60_000);
});
