import { describe, expect, it } from "vitest";
import { nextTickAfter, parseSchedule } from "../../src/runtime/schedule.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { textOf } from "../../src/core/content.ts";
import { openRuntime } from "./rig.ts";

describe("schedules", () => {
  const t = Date.parse("2026-03-28T12:00:00Z");

  it("anchor intervals, so that they do not drift", () => {
    const schedule = parseSchedule({ every: "10m" }, t);
    expect(nextTickAfter(schedule, t)).toBe(t + 600_000);
    expect(nextTickAfter(schedule, t + 600_000)).toBe(t + 1_200_000);
    expect(nextTickAfter(schedule, t + 3_599_999)).toBe(t + 3_600_000);
  });

  it("fire once at an instant", () => {
    const schedule = parseSchedule({ at: "2026-03-28T13:00:00+01:00" }, t - 1);
    expect(nextTickAfter(schedule, t - 1)).toBe(t);
    expect(nextTickAfter(schedule, t)).toBeUndefined();
  });

  it("follow a time zone over a change of its offset", () => {
    const schedule = parseSchedule({ cron: "0 9 * * *", timezone: "Europe/Paris" }, t);
    expect(new Date(nextTickAfter(schedule, t)!).toISOString()).toBe("2026-03-29T07:00:00.000Z");
    expect(new Date(nextTickAfter(schedule, t - 86_400_000)!).toISOString()).toBe("2026-03-28T08:00:00.000Z");
  });

  it.each([
    [{ every: "10ms" }],
    [{ at: "tomorrow" }],
    [{ at: "2026-01-01T00:00:00" }],
    [{ cron: "61 * * * *" }],
    [{ cron: "0 0 30 2 *" }],
    [{ cron: "* * * * *", timezone: "Mars/Base" }],
  ])("are refused with advice: %j", (input) => {
    expect(() => parseSchedule(input, t)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/BAD_SCHEDULE|BAD_DURATION/) as string }) as Error,
    );
  });
});

describe("cron jobs", () => {
  it("run in their own chat and deliver to another, whose history gives a reply its context", async () => {
    const { clock, loop, settled, store, said } = await openRuntime();
    await settled(loop.addChatMessage("api:me", "hello"));
    await settled(loop.addCronJob({ id: "report", message: "report", schedule: { every: "1h" }, deliver: { chat: "api:me" } }));
    await clock.advance(2 * 3_600_000 + 60_000);
    expect(await said("api:me")).toEqual(["re hello", "re report", "re report"]);
    const { items } = await store.jobs.runs("report", { limit: 10 });
    expect(items).toMatchObject([
      { status: "succeeded", delivery: "delivered" },
      { status: "succeeded", delivery: "delivered" },
    ]);
    expect(items[0]!.instantMs - items[1]!.instantMs).toBe(3_600_000);
    expect((await loop.chat("api:me")).history.filter((entry) => entry.role === "assistant")).toHaveLength(3);
    expect(await loop.chat("cron:report")).toMatchObject({ waiting: 0 });
  });

  it("say delivered only when the platform has the message", async () => {
    const { clock, loop, settled, store, post, platform } = await openRuntime();
    post("hello", "1");
    await clock.advance(100);
    platform.setOnline(false);
    await settled(loop.addCronJob({ id: "report", message: "report", schedule: { at: clock.now() + 60_000 }, deliver: { chat: "sim:1" } }));
    await clock.advance(120_000);
    expect((await store.jobs.runs("report", { limit: 10 })).items).toMatchObject([{ status: "succeeded", delivery: "waiting" }]);
    platform.setOnline(true);
    await clock.advance(70_000);
    expect((await store.jobs.runs("report", { limit: 10 })).items).toMatchObject([{ delivery: "delivered" }]);
    expect(textOf(platform.taken().at(-1)!.content)).toBe("re report");
  });

  it("fire once per instant though the process dies and starts again at it", async () => {
    const store = createMemoryStore();
    const first = await openRuntime({ store });
    await first.settled(first.loop.addCronJob({ id: "tick", message: "tick", schedule: { every: "10m" } }));
    await first.clock.advance(600_000 - 1);
    store.crash();
    const second = await openRuntime({ store });
    await second.clock.advance(1_300_000);
    const { items } = await store.jobs.runs("tick", { limit: 10 });
    expect(new Set(items.map((run) => run.instantMs)).size).toBe(items.length);
    expect(items.length).toBe(2);
  });

  it("are removed with their next instant", async () => {
    const { clock, loop, settled, store } = await openRuntime();
    await settled(loop.addCronJob({ id: "tick", message: "tick", schedule: { every: "10m" } }));
    expect(await settled(loop.removeCronJob("tick"))).toBe(true);
    await clock.advance(3_600_000);
    expect((await store.jobs.runs("tick", { limit: 10 })).items).toEqual([]);
  });
});

it("reaches a chat that has never written, where its key says the address", async () => {
  const { loop, platform, clock, settled } = await openRuntime({
    alter: (parts) => ({
      ...parts,
      channels: (parts.channels ?? []).map((channel) => ({ ...channel, addressOf: (key: string) => key.slice("sim:".length) })),
    }),
  });
  await settled(loop.addCronJob({ id: "greet", message: "hello", schedule: { every: "1m" }, deliver: { chat: "sim:77" } }));
  await clock.advance(61_000);
  expect(platform.taken().map(({ address, content }) => [address, textOf(content)])).toEqual([["77", "re hello"]]);
});
