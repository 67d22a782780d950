import { expect, it } from "vitest";
import type { Channel, ChannelHost } from "../../src/ports/channel.ts";
import { createFakeChannel, createFakePlatform } from "../../src/testing/fake-channel.ts";
import { openRuntime } from "./rig.ts";

const platform = createFakePlatform();
const LOST = { code: "CHANNEL_UNAVAILABLE", message: "the wire was cut" };

/** A channel that does what a test tells it, and notes when it is opened and closed. */
function puppet(name: string, silenceMaxMs?: number) {
  const acts: string[] = [];
  let host: ChannelHost | undefined;
  let stopped: () => void = () => undefined;
  let isSlow = false;
  const channel: Channel = {
    name,
    kind: "puppet",
    limits: { textUnits: 100, canEdit: false, silenceMaxMs },
    start: async (given) => {
      acts.push("start");
      host = given;
    },
    stop: () => {
      acts.push("stopping");
      return new Promise((resolve) => {
        stopped = () => {
          acts.push("stopped");
          resolve();
        };
        if (!isSlow) stopped();
      });
    },
    deliver: async () => ({ platformId: "1" }),
  };
  return {
    channel,
    acts,
    host: () => host!,
    setSlow: () => {
      isSlow = true;
    },
    stopped: () => stopped(),
  };
}

const open = (...channels: readonly Channel[]) => openRuntime({ alter: (parts) => ({ ...parts, channels }) });

async function stateOf(rig: Awaited<ReturnType<typeof open>>, name: string) {
  const status = await rig.loop.status();
  return status.channels.find((channel) => channel.name === name);
}

it("calls a silent connection stalled, and connects anew when it stays silent", async () => {
  const one = puppet("one", 60_000);
  const rig = await open(one.channel);
  one.host().report({ type: "connection.opened" });
  await rig.clock.advance(59_000);
  one.host().report({ type: "traffic.seen" });
  await rig.clock.advance(59_000);
  expect((await stateOf(rig, "one"))?.state).toBe("online");
  await rig.clock.advance(60_000);
  expect(await stateOf(rig, "one")).toMatchObject({
    state: "stalled",
    reason: expect.stringContaining("nothing has come from puppet") as string,
  });
  one.host().report({ type: "traffic.seen" });
  expect(await stateOf(rig, "one")).toMatchObject({ state: "online", reason: undefined });
  await rig.clock.advance(200_000);
  expect(one.acts).toEqual(["start", "stopping", "stopped", "start"]);
  expect(rig.lines.filter((line) => line.startsWith("channel changed")).join("\n")).toContain("nothing has come from puppet");
});

it("never looks at silence where it says nothing", async () => {
  const one = puppet("one");
  const rig = await open(one.channel);
  one.host().report({ type: "connection.opened" });
  await rig.clock.advance(3_600_000);
  expect((await stateOf(rig, "one"))?.state).toBe("online");
  expect(one.acts).toEqual(["start"]);
});

it("starts no new connection before the old one is gone", async () => {
  const one = puppet("one");
  const rig = await open(one.channel);
  one.setSlow();
  one.host().report({ type: "connection.opened" });
  one.host().report({ type: "connection.lost", error: LOST });
  await rig.clock.advance(600_000);
  expect(one.acts).toEqual(["start", "stopping"]);
  one.stopped();
  await rig.clock.advance(5_000);
  expect(one.acts).toEqual(["start", "stopping", "stopped", "start"]);
});

it("waits longer after each loss, with jitter and up to a minute, and not at all longer after traffic", async () => {
  const one = puppet("one");
  const rig = await open(one.channel);
  const startsAt: number[] = [];
  const lose = async (): Promise<void> => {
    const starts = one.acts.filter((act) => act === "start").length;
    const fromMs = rig.clock.now();
    one.host().report({ type: "connection.lost", error: LOST });
    while (one.acts.filter((act) => act === "start").length === starts) await rig.clock.advance(100);
    startsAt.push(rig.clock.now() - fromMs);
  };
  for (let round = 0; round < 10; round += 1) await lose();
  expect(startsAt[0]).toBeLessThanOrEqual(1_600);
  expect(Math.max(...startsAt)).toBeGreaterThan(20_000);
  expect(Math.max(...startsAt)).toBeLessThan(70_000);
  one.host().report({ type: "connection.opened" });
  one.host().report({ type: "traffic.seen" });
  await lose();
  expect(startsAt.at(-1)).toBeLessThanOrEqual(1_600);
});

it("lets one connection fail without touching another, nor what is due", async () => {
  const bad: Channel = {
    ...puppet("bad").channel,
    start: async () => {
      throw new Error("the library is broken");
    },
    stop: async () => {
      throw new Error("and cannot stop");
    },
  };
  const rig = await openRuntime({
    alter: (parts) => ({ ...parts, channels: [bad, createFakeChannel({ clock: parts.clock, platform, name: "sim" })] }),
    platform,
  });
  await rig.loop.addCronJob({ id: "tick", message: "tick", schedule: { every: "1s" }, deliver: { chat: "sim:1" } });
  rig.post("hello", "1");
  await rig.clock.advance(3_500);
  const texts = rig.platform.taken().map((part) => JSON.stringify(part.content));
  expect(texts.some((text) => text.includes("re hello"))).toBe(true);
  expect(texts.filter((text) => text.includes("re tick")).length).toBeGreaterThanOrEqual(2);
  expect((await stateOf(rig, "bad"))?.state).toBe("loggedOut");
});

it("keeps what a channel throws before it has made its promise to that channel", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  const bad: Channel = {
    ...puppet("bad").channel,
    start: () => {
      throw new Error("no start");
    },
    stop: () => {
      throw new Error("no stop");
    },
  };
  const good = puppet("good");
  const rig = await open(bad, good.channel);
  await rig.clock.advance(1_000);
  expect(await stateOf(rig, "bad")).toMatchObject({ state: "loggedOut", reason: "no start" });
  expect((await stateOf(rig, "good"))?.state).toBe("connecting");
  await rig.settled(rig.loop.shutdown());
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});
