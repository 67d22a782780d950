import { describe, expect, it } from "vitest";
import { createLoopDelayMeter } from "../../src/app/loop-delay.ts";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { createSystemRandom } from "../../src/app/system-random.ts";
import type { Clock } from "../../src/ports/clock.ts";

const block = (ms: number): void => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

describe("system clock", () => {
  const clock = createSystemClock();

  it("never wakes early, even when set late in a busy loop iteration", async () => {
    await new Promise<void>((resolve) => clock.soon(resolve));
    block(20);
    const early = await Promise.all(
      [0, 0.4, 1, 3, 7.5, 12].map(
        (delayMs) =>
          new Promise<number>((resolve) => {
            const dueMs = clock.monotonic() + delayMs;
            clock.setTimer(delayMs, () => resolve(clock.monotonic() - dueMs));
          }),
      ),
    );
    expect(Math.min(...early)).toBeGreaterThanOrEqual(0);
  });

  it("does not wake after a cancel, and takes delays beyond the host's longest", async () => {
    let woken = 0;
    const cancels = [clock.setTimer(1, () => (woken += 1)), clock.setTimer(40 * 86_400_000, () => (woken += 1))];
    cancels[0]?.();
    await new Promise<void>((resolve) => void clock.setTimer(8, resolve));
    cancels[1]?.();
    cancels[1]?.();
    expect(woken).toBe(0);
  });

  it("tells epoch milliseconds", () => {
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
  });
});

describe("system random", () => {
  it("gives ids of 16 characters, all different, over the whole alphabet", () => {
    const random = createSystemRandom();
    const ids = Array.from({ length: 5_000 }, random.id);
    expect(new Set(ids).size).toBe(5_000);
    expect(ids.every((id) => /^[0-9a-z]{16}$/.test(id))).toBe(true);
    expect(new Set(ids.join("")).size).toBe(36);
    expect(random.next()).toBeLessThan(1);
  });
});

describe("loop delay", () => {
  it("sees a blocked loop, now and after the window has turned", async () => {
    let turn = (): void => {};
    const clock: Clock = { ...createSystemClock(), setTimer: (_delayMs, wake) => ((turn = wake), () => {}) };
    const meter = createLoopDelayMeter(clock);
    const pause = (ms: number) => new Promise<void>((resolve) => void createSystemClock().setTimer(ms, resolve));
    await pause(30);
    block(60);
    await pause(30);
    expect(meter.read().current).toBeGreaterThan(40);
    expect(meter.read().p50).toBeLessThan(40);
    turn();
    expect(meter.read().current).toBeGreaterThan(40);
    turn();
    expect(meter.read().current).toBeLessThan(40);
    meter.stop();
  });
});
