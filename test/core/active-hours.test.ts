import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isActive, minuteOfDay, nextActive, type ActiveHours } from "../../src/core/active-hours.ts";

const at = (text: string): number => Date.parse(text);
const hours = (from: string, to: string, timezone = "Europe/Paris"): ActiveHours => ({
  fromMinute: minuteOfDay(from)!,
  toMinute: minuteOfDay(to)!,
  timezone,
});
const HALF_HOUR = 1_800_000;
const HOUR = 3_600_000;

function instants(window: ActiveHours, everyMs: number, from: string, count: number): string[] {
  const found: string[] = [];
  for (let after = at(from); found.length < count;) {
    const next = nextActive(window, everyMs, after);
    if (next === undefined) break;
    found.push(new Date(next).toISOString().slice(5, 16));
    after = next;
  }
  return found;
}

describe("active hours", () => {
  it("open each day at the local time, whatever its offset, and close before the end", () => {
    // Paris is at +01:00 until 29 March, and at +02:00 from then on.
    expect(instants(hours("08:00", "09:00"), HALF_HOUR, "2026-03-28T00:00:00Z", 4)).toEqual([
      "03-28T07:00",
      "03-28T07:30",
      "03-29T06:00",
      "03-29T06:30",
    ]);
  });

  it("pass midnight", () => {
    const night = hours("22:00", "02:00", "UTC");
    expect(instants(night, 2 * HOUR, "2026-01-01T23:00:00Z", 3)).toEqual(["01-02T00:00", "01-02T22:00", "01-03T00:00"]);
    expect(isActive(night, at("2026-01-02T01:59:59Z"))).toBe(true);
    expect(isActive(night, at("2026-01-02T02:00:00Z"))).toBe(false);
    expect(isActive(night, at("2026-01-02T22:00:00Z"))).toBe(true);
  });

  it("count elapsed time over a night in which the clocks change", () => {
    expect(instants(hours("22:00", "06:00"), 2 * HOUR, "2026-10-24T19:59:00Z", 6)).toEqual([
      "10-24T20:00",
      "10-24T22:00",
      "10-25T00:00",
      // 9 hours, because one comes twice.
      "10-25T02:00",
      "10-25T04:00",
      "10-25T21:00",
    ]);
  });

  it("open at the end of a gap in which they would open, and not at all on a day that has none of them", () => {
    expect(instants(hours("02:30", "04:00"), HOUR, "2027-03-28T00:00:00Z", 2)).toEqual(["03-28T01:00", "03-29T00:30"]);
    expect(instants(hours("02:15", "02:45"), HOUR, "2027-03-28T00:00:00Z", 1)).toEqual(["03-29T00:15"]);
  });

  it("begin anew with each opening, so that a window is never missed", () => {
    expect(instants(hours("09:00", "10:00", "UTC"), 24 * HOUR, "2026-01-01T12:34:56Z", 2)).toEqual(["01-02T09:00", "01-03T09:00"]);
  });

  it("may be the whole day", () => {
    expect(isActive(hours("00:00", "24:00", "UTC"), at("2026-01-01T23:59:59Z"))).toBe(true);
  });

  it("read times of the clock", () => {
    expect(["08:00", "8:05", "24:00", "00:00"].map(minuteOfDay)).toEqual([480, 485, 1_440, 0]);
    expect(["24:01", "8", "08:60", "-1:00", "noon", "25:00"].map(minuteOfDay)).toEqual(Array.from({ length: 6 }, () => undefined));
  });

  it("hold for every zone and window: each instant lies after the last, and inside", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          "Europe/Paris",
          "America/New_York",
          "Australia/Lord_Howe",
          "Asia/Kathmandu",
          "Africa/Casablanca",
          "Pacific/Apia",
          "UTC",
        ),
        fc.integer({ min: 0, max: 1_439 }),
        fc.integer({ min: 1, max: 1_440 }),
        fc.integer({ min: 60_000, max: 50 * HOUR }),
        fc.integer({ min: at("2011-12-20T00:00:00Z"), max: at("2030-01-01T00:00:00Z") }),
        (timezone, fromMinute, toMinute, everyMs, afterMs) => {
          fc.pre(fromMinute !== toMinute);
          const window = { fromMinute, toMinute, timezone };
          const next = nextActive(window, everyMs, afterMs);
          expect(next).toBeGreaterThan(afterMs);
          expect(isActive(window, next!)).toBe(true);
          expect(next! - afterMs).toBeLessThanOrEqual(everyMs + 73 * HOUR);
        },
      ),
      { numRuns: 300 },
    );
  });
});
