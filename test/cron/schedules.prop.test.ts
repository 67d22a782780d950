/** Thousands of random schedules against two oracles. `CRON_RUNS=20000` looks at more. */
import { CronExpressionParser, type CronExpression } from "cron-parser";
import { Cron } from "croner";
import fc from "fast-check";
import { expect, it } from "vitest";
import { offsetAt } from "../../src/core/time-zone.ts";
import { lastTickUpTo, countTicks, nextTickAfter } from "../../src/runtime/schedule.ts";
import type { Schedule } from "../../src/ports/store/records.ts";
import { fiveFields, plainFields, sixFields } from "./expressions.ts";
import { changesOf, DAY_MS, HOUR_MS, instantsByRule, MINUTE_MS } from "./oracle.ts";
import { ZONES } from "./zones.ts";

const RUNS = Number(process.env.CRON_RUNS ?? 300);
const TICKS_MAX = 100;
/** Oracles are slow: they look at every minute. */
const TIMEOUT_MS = 300_000;

const cron = (expression: string, timezone: string): Schedule => ({ kind: "cron", expression, timezone });

function ticks(schedule: Schedule, fromMs: number, toMs: number): number[] {
  const found: number[] = [];
  for (let next = nextTickAfter(schedule, fromMs); next !== undefined && next < toMs; next = nextTickAfter(schedule, next))
    found.push(next);
  return found;
}

function parsed(expression: string, fromMs: number, tz: string): CronExpression | undefined {
  try {
    return CronExpressionParser.parse(expression, { currentDate: new Date(fromMs), tz });
  } catch {
    return undefined;
  }
}

const changes = new Map(ZONES.map((zone) => [zone, changesOf(zone, 1976, 2038)]));

/** Those that set the clocks forward. */
const forward = new Map(
  [...changes].map(([zone, all]) => [zone, all.filter((atMs) => offsetAt(zone, atMs) > offsetAt(zone, atMs - MINUTE_MS))]),
);

/** A zone and the beginning of five days in it, which half of the time hold a change of the clocks. */
const place = fc.constantFrom(...ZONES).chain((zone) => {
  const anywhere = fc.integer({ min: Date.UTC(1976, 1, 1) / HOUR_MS, max: Date.UTC(2037, 11, 1) / HOUR_MS }).map((hour) => hour * HOUR_MS);
  const found = changes.get(zone) ?? [];
  const near = found.length === 0 ? anywhere : fc.constantFrom(...found).map((atMs) => Math.floor(atMs / HOUR_MS) * HOUR_MS - 2 * DAY_MS);
  return fc.record({ zone: fc.constant(zone), fromMs: fc.oneof({ weight: 1, arbitrary: anywhere }, { weight: 3, arbitrary: near }) });
});

it(
  "run at the instants that the rule names, also from any point between them, and where clocks change",
  () => {
    let compared = 0;
    fc.assert(
      fc.property(
        fc.oneof(fiveFields, sixFields),
        place,
        fc.array(fc.integer({ min: 0, max: 5 * 24 * 60 * 60 }), { maxLength: 3 }),
        (expression, { zone, fromMs }, starts) => {
          const toMs = fromMs + 5 * DAY_MS;
          const expected = instantsByRule(expression, zone, fromMs, toMs);
          const schedule = cron(expression, zone);
          for (const startMs of [fromMs, ...starts.map((second) => fromMs + second * 1_000 + 7)]) {
            const wanted = expected.filter((atMs) => atMs > startMs).slice(0, TICKS_MAX);
            const endMs = wanted.length === TICKS_MAX ? wanted.at(-1)! + 1 : toMs;
            expect(ticks(schedule, startMs, endMs).map((atMs) => new Date(atMs).toISOString())).toEqual(
              wanted.map((atMs) => new Date(atMs).toISOString()),
            );
            compared += wanted.length;
          }
        },
      ),
      { numRuns: RUNS },
    );
    expect(compared).toBeGreaterThan(RUNS);
  },
  TIMEOUT_MS,
);

it(
  "run over years at the instants of cron-parser, but for what it does differently where clocks are set forward",
  () => {
    fc.assert(
      fc.property(plainFields, fc.constantFrom(...ZONES), fc.integer({ min: 1976, max: 2034 }), (expression, zone, year) => {
        const fromMs = Date.UTC(year, 0, 1);
        const toMs = Date.UTC(year + 3, 0, 1);
        const schedule = cron(expression, zone);
        const other = parsed(expression, fromMs, zone);
        // It refuses what is named twice, and days that no month has.
        fc.pre(other !== undefined);
        const isNearGap = (atMs: number): boolean => (forward.get(zone) ?? []).some((change) => Math.abs(change - atMs) <= DAY_MS);
        let ours: number | undefined = fromMs;
        for (let count = 0; count < TICKS_MAX; count += 1) {
          ours = nextTickAfter(schedule, ours);
          while (ours !== undefined && isNearGap(ours)) ours = nextTickAfter(schedule, ours);
          let theirs: number | undefined;
          try {
            do theirs = other.next().getTime();
            while (isNearGap(theirs));
          } catch {
            theirs = undefined;
          }
          if (ours === undefined || theirs === undefined || ours > toMs) return;
          expect(new Date(ours).toISOString()).toBe(new Date(theirs).toISOString());
        }
      }),
      { numRuns: RUNS },
    );
  },
  TIMEOUT_MS,
);

it(
  "run in a zone without changes exactly as croner has it, L, W, # and years included",
  () => {
    const years = fc
      .tuple(sixFields, fc.constantFrom("*", "2026-2030", "2028", "2027/2", "2020-2040/4"))
      .map(([rest, year]) => `${rest} ${year.replace("2027/2", "2027,2029")}`);
    fc.assert(
      fc.property(fc.oneof(fiveFields, sixFields, years), fc.integer({ min: 1976, max: 2034 }), (expression, year) => {
        const theirs = new Cron(expression, { timezone: "Etc/UTC", paused: true });
        const schedule = cron(expression, "Etc/UTC");
        let atMs: number | undefined = Date.UTC(year, 5, 7) + 123;
        for (let count = 0; count < 20 && atMs !== undefined; count += 1) {
          const expected: number | undefined = theirs.nextRun(new Date(atMs))?.getTime();
          atMs = nextTickAfter(schedule, atMs);
          expect(atMs).toBe(expected);
        }
      }),
      { numRuns: RUNS },
    );
  },
  TIMEOUT_MS,
);

it(
  "know the last instant before any other, and how many lie between",
  () => {
    const schedule = fc.oneof(
      fc.tuple(fiveFields, fc.constantFrom(...ZONES)).map(([expression, zone]) => cron(expression, zone)),
      fc.record({
        kind: fc.constant("every" as const),
        everyMs: fc.integer({ min: 1_000, max: DAY_MS }),
        anchorMs: fc.integer({ min: 0, max: 2 * 1e12 }),
      }),
      fc.integer({ min: 1e12, max: 1e12 + 40 * DAY_MS }).map((atMs) => ({ kind: "at" as const, atMs })),
    );
    fc.assert(
      fc.property(schedule, fc.integer({ min: 0, max: 30 * DAY_MS }), fc.integer({ min: 0, max: 2 * DAY_MS }), (one, offsetMs, spanMs) => {
        const fromMs = 1e12 + offsetMs;
        const all = ticks(one, fromMs, fromMs + spanMs + 1);
        expect(lastTickUpTo(one, fromMs, fromMs + spanMs)).toBe(all.at(-1));
        expect(countTicks(one, fromMs, fromMs + spanMs, 10_000)).toBe(Math.min(10_000, all.length));
      }),
      { numRuns: Math.ceil(RUNS / 5) },
    );
  },
  TIMEOUT_MS,
);

it.each([
  // A skipped local time runs once, when the clocks have been set forward.
  ["30 2 * * *", "America/New_York", "2026-03-08T00:00:00-05:00", ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]],
  ["15,45 2 * * *", "America/New_York", "2026-03-08T00:00:00-05:00", ["2026-03-08T03:00:00-04:00", "2026-03-09T02:15:00-04:00"]],
  ["*/20 2 * * *", "America/New_York", "2026-03-08T00:00:00-05:00", ["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"]],
  [
    "0 1-4 * * *",
    "America/New_York",
    "2026-03-08T00:00:00-05:00",
    ["2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T04:00:00-04:00"],
  ],
  // A repeated one runs once, the first time.
  ["30 1 * * *", "America/New_York", "2026-11-01T00:00:00-04:00", ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]],
  [
    "15,45 1 * * *",
    "America/New_York",
    "2026-11-01T00:00:00-04:00",
    ["2026-11-01T01:15:00-04:00", "2026-11-01T01:45:00-04:00", "2026-11-02T01:15:00-05:00"],
  ],
  [
    "0 0-3 * * *",
    "America/New_York",
    "2026-10-31T23:30:00-04:00",
    ["2026-11-01T00:00:00-04:00", "2026-11-01T01:00:00-04:00", "2026-11-01T02:00:00-05:00"],
  ],
  // Every hour means every hour that passes.
  [
    "0 * * * *",
    "America/New_York",
    "2026-11-01T00:30:00-04:00",
    ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"],
  ],
  [
    "*/30 * * * *",
    "America/New_York",
    "2026-11-01T01:10:00-04:00",
    ["2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:30:00-05:00"],
  ],
  ["30 0-23 * * *", "America/New_York", "2026-03-08T01:00:00-05:00", ["2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00"]],
  // Half an hour is skipped and repeated; a whole day is left out; quarters of an hour; midnight does not exist.
  ["15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00:00+10:30", ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]],
  ["45 1 * * *", "Australia/Lord_Howe", "2026-04-05T00:00:00+11:00", ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]],
  [
    "0 9 * * *",
    "Pacific/Apia",
    "2011-12-29T00:00:00-10:00",
    ["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"],
  ],
  ["0 12 * * *", "Asia/Kathmandu", "2026-06-01T00:00:00Z", ["2026-06-01T12:00:00+05:45", "2026-06-02T12:00:00+05:45"]],
  ["0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", ["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"]],
  [
    "30 * 17 2 *",
    "America/Sao_Paulo",
    "2018-02-17T22:45:00-02:00",
    ["2018-02-17T23:30:00-02:00", "2018-02-17T23:30:00-03:00", "2019-02-17T00:30:00-03:00"],
  ],
  // Leap days, ends of months, years to come.
  ["0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", ["2104-02-29T00:00:00Z"]],
  ["0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", ["2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"]],
  ["0 0 L * *", "UTC", "2026-01-31T00:00:00Z", ["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]],
  ["0 0 0 1 1 * 2999", "Europe/Paris", "2026-01-31T00:00:00Z", ["2998-12-31T23:00:00Z"]],
  ["@daily", "Europe/Paris", "2026-06-01T12:00:00Z", ["2026-06-01T22:00:00Z"]],
  ["@hourly", "UTC", "2026-06-01T12:00:00Z", ["2026-06-01T13:00:00Z"]],
] as const)("run %s in %s, after %s, at %j", (expression, zone, after, expected) => {
  let atMs: number | undefined = Date.parse(after);
  for (const wanted of expected) {
    atMs = nextTickAfter(cron(expression, zone), atMs ?? Number.NaN);
    expect(new Date(atMs ?? Number.NaN).toISOString()).toBe(new Date(wanted).toISOString());
  }
});

it("end at once for what never comes, and where years end", () => {
  for (const expression of ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 1 1 * 1999", "0 0 30 2 +MON", "* * * * * * 2001-2005"])
    for (const zone of ["UTC", "America/New_York", "Africa/Casablanca"])
      expect(nextTickAfter(cron(expression, zone), Date.UTC(2026, 0, 1))).toBeUndefined();
  expect(nextTickAfter(cron("59 59 23 31 12 * 9999", "UTC"), Date.UTC(2026, 0, 1))).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
  expect(nextTickAfter(cron("* * * * *", "UTC"), Date.UTC(9999, 11, 31, 23, 59))).toBeUndefined();
  expect(nextTickAfter({ kind: "every", everyMs: DAY_MS, anchorMs: 0 }, Date.UTC(9999, 11, 31))).toBeUndefined();
});

it("keep to their minute however many are asked between them", () => {
  const schedule = cron("*/7 * * * *", "Europe/Paris");
  for (let atMs = Date.UTC(2026, 2, 29); atMs < Date.UTC(2026, 2, 29, 3); atMs += 13_337) {
    const next = nextTickAfter(schedule, atMs) ?? 0;
    expect(next).toBeGreaterThan(atMs);
    expect(next - atMs).toBeLessThanOrEqual(7 * MINUTE_MS);
    expect(new Date(next).getUTCMinutes() % 7).toBe(0);
  }
});
