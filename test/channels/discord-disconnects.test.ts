import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiscordChannel } from "../../src/channels/discord/channel.ts";
import { textOf } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import type { ChannelHost } from "../../src/ports/channel.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import type { DiscordServer } from "../../src/testing/discord-server/server.ts";
import { openChannel, openServer } from "./discord-rig.ts";

/** `DISCORD_SEED=n` replays one; `DISCORD_ROUNDS=n` makes it longer. */
const SEEDS = process.env.DISCORD_SEED === undefined ? [1, 2] : [Number(process.env.DISCORD_SEED)];
const ROUNDS = Number(process.env.DISCORD_ROUNDS ?? 8);
const PEOPLE = ["100", "101", "102", "103", "104"];

describe("a discord connection that is disturbed at random", () => {
  let server: DiscordServer;
  let host: RecordingHost;
  let channel: DiscordChannel;
  let restarts: Promise<void> = Promise.resolve();

  /** What the runtime does with a lost connection: strictly stop, then start. */
  const restart = (how: () => void = () => undefined): Promise<void> => {
    restarts = restarts.then(async () => {
      await channel.stop();
      how();
      await channel.start(supervised);
    });
    return restarts;
  };
  let supervised: ChannelHost;

  beforeEach(async () => {
    server = await openServer({ heartbeatMs: 100 });
    host = createRecordingHost("discord");
    supervised = {
      ...host,
      report: (report) => {
        host.report(report);
        if (report.type === "connection.lost") void restart();
      },
    };
    channel = openChannel(server, { backfillMax: 100_000 });
    restarts = Promise.resolve();
  });
  afterEach(async () => {
    await restarts;
    await channel.stop();
    await server.close();
  });

  it.each(SEEDS)(
    "loses nothing and keeps each chat's order (seed %i)",
    async (seed) => {
      const random = createSeededRandom(seed);
      const below = (limit: number): number => Math.floor(random.next() * limit);
      const expected = new Map<string, string[]>(PEOPLE.map((person) => [person, []]));
      const say = (count: number): void => {
        for (let n = 0; n < count; n += 1) {
          const userId = PEOPLE[below(PEOPLE.length)] ?? "100";
          const said = expected.get(userId) ?? [];
          said.push(String(said.length));
          server.say(String(said.length - 1), { userId });
        }
      };
      const heard = (): Map<string, string[]> => {
        const seen = new Set<string>();
        const texts = new Map<string, string[]>(PEOPLE.map((person) => [person, []]));
        for (const message of host.stored()) {
          if (seen.has(message.externalId)) continue;
          seen.add(message.externalId);
          texts.get(message.sender.id)?.push(textOf(message.content));
        }
        return texts;
      };
      const isComplete = (): boolean => {
        const texts = heard();
        return PEOPLE.every((person) => (texts.get(person)?.length ?? 0) >= (expected.get(person)?.length ?? 0));
      };
      const disturbances: readonly (() => void)[] = [
        () => server.gateway.cut(),
        () => server.gateway.askReconnect(),
        () => server.gateway.invalidate(true),
        () => server.gateway.invalidate(false),
        () => server.gateway.closeAll(1_000),
        () => server.gateway.closeAll(4_000),
        () => {
          server.gateway.forgetSessions();
          server.gateway.cut();
        },
        () => {
          server.gateway.setAcks(false);
          void server.until(() => server.gateway.open() === 0).then(() => server.gateway.setAcks(true));
        },
        () => {
          server.fail({ kind: "error", status: 503 }, { call: "gateway" });
          void restart();
        },
        () => {
          server.fail({ kind: "throttled", retryAfterS: 0.05 }, { call: "read", times: 3 });
          server.fail({ kind: "cut" }, { call: "read" });
          void restart();
        },
        () => {
          // Another process with the same store.
          void restart(() => {
            channel = openChannel(server, { backfillMax: 100_000 });
          });
        },
        () => {
          host.setAccept(async () => {
            throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 50 });
          });
          const offers = host.offers();
          void host.until(() => host.offers() > offers + 2).then(() => host.setAccept(undefined));
        },
      ];

      await channel.start(supervised);
      await host.until(() => host.reports().some((report) => report.type === "connection.opened"));
      for (const person of PEOPLE) {
        expected.get(person)?.push("0");
        server.say("0", { userId: person });
      }
      await host.until(isComplete);
      for (let round = 0; round < ROUNDS; round += 1) {
        const openings = host.reports().filter((report) => report.type === "connection.opened").length;
        say(below(150));
        disturbances[below(disturbances.length)]?.();
        say(below(150));
        // Sometimes the next disturbance meets the last one's recovery.
        if (random.next() < 0.5)
          await host.until(() => isComplete() || host.reports().filter((report) => report.type === "connection.opened").length > openings);
      }
      say(5);
      await host.until(isComplete);
      await restarts;
      expect(heard()).toEqual(expected);
      expect(channel.counters().dropped).toBe(0);
    },
    60_000 + ROUNDS * 5_000,
  );
});
