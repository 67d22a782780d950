import { expect, it } from "vitest";
import { TransientError } from "../../src/core/errors.ts";
import type { Channel, ChannelLimits } from "../../src/ports/channel.ts";
import { createPacer } from "../../src/runtime/pacer.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createFakeChannel, createFakePlatform, type FakePlatformOptions } from "../../src/testing/fake-channel.ts";
import { createVirtualClock, type VirtualClock } from "../../src/testing/virtual-clock.ts";
import { openRuntime, type RigOptions } from "./rig.ts";

async function openPaced(pace: ChannelLimits["pace"], options: RigOptions & { readonly world?: FakePlatformOptions } = {}) {
  let clock: VirtualClock | undefined;
  const platform = options.platform ?? createFakePlatform({ clock: { now: () => clock?.now() ?? 0 }, ...options.world });
  const rig = await openRuntime({
    ...options,
    platform,
    alter: (parts) => {
      clock = parts.clock as VirtualClock;
      return {
        ...parts,
        channels: [createFakeChannel({ clock, platform, name: "sim", limits: { textUnits: 100, canEdit: false, pace } })],
      };
    },
  });
  const gaps = (): readonly number[] => platform.taken().map((part, place, all) => part.atMs - (all[place - 1]?.atMs ?? part.atMs));
  return { ...rig, platform, gaps };
}

const slowDown = (retryAfterMs: number) => ({ kind: "unavailable", retryAfterMs }) as const;

it("spreads the replies of many chats over the pace of a connection", async () => {
  const { post, clock, platform, gaps } = await openPaced({ channelMs: 40 });
  for (let chat = 0; chat < 50; chat += 1) post("hi", `m${chat}`, `sim:${chat}`);
  await clock.advance(1_000);
  expect(platform.takenCount()).toBeLessThanOrEqual(26);
  await clock.advance(2_000);
  expect(platform.takenCount()).toBe(50);
  expect(Math.min(...gaps().slice(1))).toBeGreaterThanOrEqual(40);
});

it("spreads the parts of one chat, and no other chat waits for it", async () => {
  const { post, clock, platform } = await openPaced({ chatMs: 1_000 });
  for (const id of ["a", "b", "c"]) post(id, id, "sim:1");
  for (const id of ["d", "e"]) post(id, id, `sim:${id}`);
  await clock.advance(100);
  expect(
    platform
      .taken()
      .map((part) => part.chat)
      .sort(),
  ).toEqual(["sim:1", "sim:d", "sim:e"]);
  await clock.advance(1_000);
  expect(platform.takenCount()).toBe(4);
  await clock.advance(1_000);
  expect(platform.takenCount()).toBe(5);
});

it("waits as long as the platform says, in that chat only", async () => {
  const { post, clock, platform } = await openPaced(undefined);
  platform.script(slowDown(6_775_000));
  post("hi", "1", "sim:1");
  await clock.advance(10);
  post("hi", "2", "sim:2");
  await clock.advance(6_774_000);
  expect(platform.taken().map((part) => part.chat)).toEqual(["sim:2"]);
  await clock.advance(2_000);
  expect(platform.taken().map((part) => part.chat)).toEqual(["sim:2", "sim:1"]);
});

it("stops a whole connection when two chats are told to wait, or the platform says so", async () => {
  const { post, clock, platform } = await openPaced(undefined);
  platform.script(slowDown(60_000), slowDown(60_000));
  for (const chat of ["1", "2"]) post("hi", chat, `sim:${chat}`);
  await clock.advance(10);
  for (const chat of ["3", "4", "5"]) post("hi", chat, `sim:${chat}`);
  await clock.advance(59_000);
  expect(platform.deliveries()).toBe(2);
  await clock.advance(10_000);
  expect(platform.takenCount()).toBe(5);
});

it("lets no chat that is told to wait for hours stop the others, when another was told to wait for seconds", async () => {
  const { post, clock, platform } = await openPaced(undefined);
  platform.script(slowDown(5_000), slowDown(6_775_000));
  for (const chat of ["1", "2"]) post("hi", chat, `sim:${chat}`);
  await clock.advance(10);
  post("hi", "3", "sim:3");
  await clock.advance(4_000);
  expect(platform.takenCount()).toBe(0);
  await clock.advance(10_000);
  expect(platform.taken().map((part) => part.chat)).toEqual(expect.arrayContaining(["sim:1", "sim:3"]));
  expect(platform.takenCount()).toBe(2);
});

it("lets a chat that is told to wait for hours wait for them, also when its connection stops for seconds", () => {
  const clock = createVirtualClock();
  const nothing = (): void => undefined;
  const pacer = createPacer({ store: createMemoryStore(), clock, log: { debug: nothing, info: nothing, warn: nothing, error: nothing } });
  const platform = createFakePlatform({ clock });
  const channel = createFakeChannel({ clock, platform, name: "sim", limits: { textUnits: 100, canEdit: true } });
  const told = (retryAfterMs: number) => new TransientError("CHANNEL_UNAVAILABLE", "slow down", { retryAfterMs });
  pacer.refused(channel, "sim:1", told(5_000));
  pacer.refused(channel, "sim:2", told(6_775_000));
  expect(pacer.place(channel, "sim:2")).toEqual({ delayMs: 6_775_000, isTaken: false });
  expect(pacer.place(channel, "sim:3")).toEqual({ delayMs: 5_000, isTaken: true });
});

it("keeps the wait of a connection over a restart", async () => {
  const refusal = new TransientError("CHANNEL_UNAVAILABLE", "slow down", { retryAfterMs: 600_000, scope: "channel" });
  let isRefusing = true;
  const delivered: string[] = [];
  const channel = (): Channel => ({
    name: "sim",
    kind: "fake",
    limits: { textUnits: 100, canEdit: false },
    start: async (host) => host.report({ type: "connection.opened" }),
    stop: async () => undefined,
    deliver: async ({ chat }) => {
      if (isRefusing) throw refusal;
      delivered.push(chat);
      return { platformId: "1" };
    },
    addressOf: () => "1",
  });
  const first = await openRuntime({ alter: (parts) => ({ ...parts, channels: [channel()] }) });
  await first.settled(
    first.loop.addCronJob({ id: "a", message: "x", schedule: { at: first.clock.now() + 1_000 }, deliver: { chat: "sim:1" } }),
  );
  await first.clock.advance(2_000);
  isRefusing = false;
  await first.settled(first.loop.shutdown());
  const at = first.clock.now();
  const second = await openRuntime({
    store: first.store,
    alter: (parts) => ({ ...parts, channels: [channel()] }),
  });
  await second.clock.advance(Math.max(0, at - second.clock.now()));
  await second.settled(
    second.loop.addCronJob({ id: "b", message: "y", schedule: { at: second.clock.now() + 1_000 }, deliver: { chat: "sim:2" } }),
  );
  await second.clock.advance(500_000);
  expect(delivered).toEqual([]);
  await second.clock.advance(110_000);
  expect([...delivered].sort()).toEqual(["sim:1", "sim:2"]);
});

it("slows down by what the platform answers and comes back by what it takes", async () => {
  const { post, clock, platform, gaps } = await openPaced(undefined);
  platform.script(slowDown(1_000), slowDown(1_000));
  for (let chat = 0; chat < 2; chat += 1) post("hi", `m${chat}`, `sim:${chat}`);
  await clock.advance(10);
  for (let chat = 2; chat < 400; chat += 1) post("hi", `m${chat}`, `sim:${chat}`);
  await clock.advance(60_000);
  expect(platform.takenCount()).toBe(400);
  const seen = gaps().slice(10, 60);
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(15);
  for (let chat = 0; chat < 400; chat += 1) post("more", `n${chat}`, `sim:${chat}`);
  await clock.advance(60_000);
  expect(platform.takenCount()).toBe(800);
  expect(Math.max(...gaps().slice(-50))).toBeLessThan(Math.min(...seen));
});

it("gives a place on a connection to nobody who has nothing left to send", async () => {
  const { post, clock, platform } = await openPaced({ channelMs: 40 }, { world: { latencyMs: 100 } });
  for (let chat = 0; chat < 100; chat += 1) post("hi", `m${chat}`, `sim:${chat}`);
  await clock.advance(2_000);
  post("hi", "late", "sim:late");
  await clock.advance(2_200);
  expect(platform.takenCount()).toBe(101);
});

it("keeps its pace when a connection comes back to many who missed their places", async () => {
  const { post, clock, platform } = await openPaced({ channelMs: 1_000 });
  for (let chat = 0; chat < 30; chat += 1) post("hi", `m${chat}`, `sim:${chat}`);
  await clock.advance(2_000);
  platform.setOnline(false);
  await clock.advance(120_000);
  platform.setOnline(true);
  await clock.advance(15_000);
  expect(platform.takenCount()).toBeLessThan(20);
  await clock.advance(30_000);
  expect(platform.takenCount()).toBe(30);
});
