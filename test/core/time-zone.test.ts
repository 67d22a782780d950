import { describe, expect, it } from "vitest";
import { clockChanges, formatOffset, instantOfWallClock, isTimeZone, offsetAt, wallClockAt } from "../../src/core/time-zone.ts";

const at = (text: string): number => Date.parse(text);
const HOUR = 3_600_000;

describe("local time", () => {
  it("is that of the zone, with its offset of the day", () => {
    expect(wallClockAt("Europe/Paris", at("2026-07-01T10:00:00Z"))).toBe(at("2026-07-01T12:00:00Z"));
    expect(wallClockAt("Europe/Paris", at("2026-01-01T10:00:00.250Z"))).toBe(at("2026-01-01T11:00:00.250Z"));
    expect(offsetAt("Asia/Kathmandu", 0)).toBe(5.5 * HOUR);
    expect(offsetAt("Asia/Kathmandu", at("2026-01-01T00:00:00Z"))).toBe(5.75 * HOUR);
    expect(wallClockAt("UTC", -1)).toBe(-1);
  });

  it("knows which names are zones", () => {
    expect(["UTC", "Europe/Paris", "America/Argentina/Salta"].every(isTimeZone)).toBe(true);
    expect(["", "Mars/Base", "Europe"].some(isTimeZone)).toBe(false);
  });

  it("leads back to the instant: the first of two, and the end of a gap", () => {
    const cases = [
      ["Europe/Paris", "2026-07-01T12:00:00Z", "2026-07-01T10:00:00Z"],
      ["Europe/Paris", "2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z"],
      ["Europe/Paris", "2026-10-25T03:30:00Z", "2026-10-25T02:30:00Z"],
      ["Europe/Paris", "2027-03-28T02:30:00Z", "2027-03-28T01:00:00Z"],
      ["America/New_York", "2026-11-01T01:30:00Z", "2026-11-01T05:30:00Z"],
      ["Pacific/Apia", "2026-01-01T00:00:00Z", "2025-12-31T11:00:00Z"],
    ] as const;
    for (const [zone, wall, instant] of cases)
      expect(new Date(instantOfWallClock(zone, at(wall))).toISOString()).toBe(new Date(at(instant)).toISOString());
  });

  it("shows offsets as people write them", () => {
    expect([0, HOUR, -3.5 * HOUR, 5.75 * HOUR].map(formatOffset)).toEqual(["+00:00", "+01:00", "-03:30", "+05:45"]);
  });
});

describe("changes of the clocks", () => {
  it("are found to the second", () => {
    const year = clockChanges("Europe/Paris", at("2026-01-15T00:00:00Z"), at("2027-01-15T00:00:00Z"));
    expect(year).toEqual([
      { atMs: at("2026-03-29T01:00:00Z"), offsetBeforeMs: HOUR, offsetAfterMs: 2 * HOUR },
      { atMs: at("2026-10-25T01:00:00Z"), offsetBeforeMs: 2 * HOUR, offsetAfterMs: HOUR },
    ]);
    expect(
      clockChanges("Australia/Lord_Howe", at("2026-01-15T00:00:00Z"), at("2027-01-15T00:00:00Z")).map(
        (change) => change.offsetAfterMs / HOUR,
      ),
    ).toEqual([10.5, 11]);
  });

  it("do not happen in most zones", () => {
    expect(clockChanges("Asia/Tokyo", 0, at("1971-01-01T00:00:00Z"))).toEqual([]);
    expect(clockChanges("UTC", 0, at("1971-01-01T00:00:00Z"))).toEqual([]);
  });
});
