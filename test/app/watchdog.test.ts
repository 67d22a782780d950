import { describe, expect, it } from "vitest";
import { createWatchdog, type WatchdogOptions } from "../../src/app/watchdog.ts";
import { createVirtualClock, settle } from "../../src/testing/virtual-clock.ts";

const UNDER_SYSTEMD = { NOTIFY_SOCKET: "/run/user/1000/systemd/notify", WATCHDOG_USEC: "60000000", WATCHDOG_PID: "42" };

function rig(options: Partial<WatchdogOptions> = {}) {
  const clock = createVirtualClock();
  const sent: string[] = [];
  const logged: string[] = [];
  const say = (_facts: object, text: string): void => void logged.push(text);
  const watchdog = createWatchdog({
    env: UNDER_SYSTEMD,
    clock,
    run: async (assignment) => void sent.push(assignment),
    pid: 42,
    log: { debug: say, info: say, warn: say, error: say },
    ...options,
  });
  return { clock, sent, logged, watchdog };
}

describe("watchdog", () => {
  it("does nothing where systemd does not ask", async () => {
    const { clock, sent, watchdog } = rig({ env: { WATCHDOG_USEC: "60000000" } });
    watchdog.ready();
    await clock.advance(300_000);
    watchdog.stopping();
    expect([sent, clock.pending()]).toEqual([[], 0]);
  });

  it("says that it is ready, then twice in each period that it lives", async () => {
    const { clock, sent, watchdog } = rig();
    await clock.advance(120_000);
    expect(sent).toEqual([]);
    watchdog.ready();
    await clock.advance(29_999);
    expect(sent).toEqual(["READY=1"]);
    await clock.advance(1);
    expect(sent).toEqual(["READY=1", "WATCHDOG=1"]);
    await clock.advance(60_000);
    expect(sent).toEqual(["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
  });

  it("says once that it stops, and nothing more", async () => {
    const { clock, sent, watchdog } = rig();
    watchdog.ready();
    watchdog.stopping();
    watchdog.stopping();
    await clock.advance(120_000);
    expect([sent, clock.pending()]).toEqual([["READY=1", "STOPPING=1"], 0]);
  });

  it("leaves no timer behind", async () => {
    const { clock, sent, watchdog } = rig();
    watchdog.ready();
    watchdog.stop();
    watchdog.stopping();
    watchdog.ready();
    await clock.advance(120_000);
    expect([sent, clock.pending()]).toEqual([["READY=1"], 0]);
  });

  it.each([
    ["nobody asks for signs of life", { NOTIFY_SOCKET: "@x" }],
    ["they are asked of another process", { ...UNDER_SYSTEMD, WATCHDOG_PID: "41" }],
    ["the period is no number", { ...UNDER_SYSTEMD, WATCHDOG_USEC: "soon" }],
  ])("sends only READY=1 when %s", async (_name, env) => {
    const { clock, sent, watchdog } = rig({ env });
    watchdog.ready();
    await clock.advance(300_000);
    expect([sent, clock.pending()]).toEqual([["READY=1"], 0]);
  });

  it("sends one at a time, also when the period is shorter than a send takes", async () => {
    let [sending, most, count] = [0, 0, 0];
    const slow = rig({
      env: { ...UNDER_SYSTEMD, WATCHDOG_USEC: "2000000" },
      run: () =>
        new Promise((resolve) => {
          most = Math.max(most, ++sending);
          count += 1;
          slow.clock.setTimer(5_000, () => {
            sending -= 1;
            resolve();
          });
        }),
    });
    slow.watchdog.ready();
    await slow.clock.advance(5_500);
    most = 0;
    await slow.clock.advance(11_000);
    expect(most).toBe(1);
    expect(count).toBe(5);
  });

  it("outlives a sender that fails, and says so once until it works again", async () => {
    let works = false;
    const { clock, logged, watchdog } = rig({ run: () => (works ? Promise.resolve() : Promise.reject(new Error("ENOENT"))) });
    watchdog.ready();
    await settle();
    await clock.advance(90_000);
    expect(logged).toEqual(["systemd could not be told; is systemd-notify installed?"]);
    works = true;
    await clock.advance(30_000);
    works = false;
    await clock.advance(30_000);
    expect(logged).toHaveLength(2);
  });
});
