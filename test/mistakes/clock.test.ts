/**
 * A system clock that is far off, or steps while the daemon runs: it starts, answers, stays calm and drains. What it does not spare,
 * since instants are of the calendar: after a step back, jobs and retries wait until the clock has come to them again; and what a wrong
 * clock says is older than its retention is deleted.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openRig, until, type Daemon, type Rig } from "../e2e/rig.ts";
import { EXIT, expectAnswers, logOf } from "./rig.ts";

const PRELOAD = new URL("shifted-clock.mjs", import.meta.url).href;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

const CRON = [
  { id: "every", message: "tick", schedule: { every: "1s" } },
  { id: "leap", message: "tick", schedule: { cron: "0 9 29 2 *", timezone: "Europe/Paris" } },
];

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
  await writeFile(join(rig.dir, "satibot.config.json"), JSON.stringify({ cron: CRON }));
});
afterEach(() => rig.close());

const step = (): string => join(rig.dir, "step");

async function start(clock: { readonly offMs?: number; readonly stepMs?: number }): Promise<Daemon> {
  const daemon = rig.start({
    NODE_OPTIONS: `--import ${PRELOAD}`,
    CLOCK_OFF_MS: String(clock.offMs ?? 0),
    CLOCK_STEP_MS: String(clock.stepMs ?? 0),
    CLOCK_STEP_FILE: step(),
  });
  await daemon.ready();
  return daemon;
}

const runs = async (job: string): Promise<number> =>
  (await rig.api.chat(`cron:${job}`).catch(() => undefined))?.history.filter((entry) => entry.role === "user").length ?? 0;

/** Healthy, not busy with itself, and willing to go. */
async function expectCalm(daemon: Daemon): Promise<void> {
  const health = await fetch(`${rig.url}/healthz`);
  expect(health.status).toBe(200);
  const { timers, loopDelayMs } = await rig.api.system();
  expect(timers).toBeLessThan(20);
  expect(loopDelayMs.p99).toBeLessThan(1_000);
  expect(logOf(daemon).filter((line) => line.level === "error")).toEqual([]);
  expect(logOf(daemon).length).toBeLessThan(50);
  daemon.signal("SIGTERM");
  await daemon.endsWith(EXIT.ok);
}

describe("a clock far off", () => {
  it.each([
    ["1970", -Date.now() + 60_000],
    ["2099", Date.UTC(2099, 0, 1) - Date.now()],
  ])("(%s) changes nothing but the times that are shown", async (year, offMs) => {
    const daemon = await start({ offMs });
    await expectAnswers(rig);
    await until("a job has run", async () => (await runs("every")) > 0, 8_000);
    expect(await runs("every")).toBeLessThan(10);
    expect(await runs("leap")).toBe(0);
    expect(new Date((await rig.api.chat("api:after")).lastMessageAt ?? 0).getUTCFullYear()).toBe(Number(year));
    await expectCalm(daemon);

    // Set right by the next start, as it is after the first contact with a time server.
    const next = await start({});
    await expectAnswers(rig);
    await expectCalm(next);
  });
});

describe("a clock that steps", () => {
  it("by years ahead fires each job once for what it has missed, and goes on", async () => {
    const daemon = await start({ stepMs: 10 * YEAR_MS });
    await until("a job has run", async () => (await runs("every")) > 0, 8_000);
    await writeFile(step(), "");
    await expectAnswers(rig);
    await until("the job of leap years has run once", async () => (await runs("leap")) > 0, 8_000);
    const before = await runs("every");
    await until("the other goes on", async () => (await runs("every")) > before, 8_000);
    expect(await runs("leap")).toBe(1);
    expect(await runs("every")).toBeLessThan(20);
    await expectCalm(daemon);
  });

  it("back by an hour answers as before, and fires no instant twice", async () => {
    const daemon = await start({ stepMs: -HOUR_MS });
    await until("a job has run", async () => (await runs("every")) > 0, 8_000);
    await writeFile(step(), "");
    await expectAnswers(rig);
    await expectAnswers(rig, "api:another");
    expect(await runs("every")).toBeLessThan(10);
    expect(await runs("leap")).toBe(0);
    await expectCalm(daemon);
  });
});
