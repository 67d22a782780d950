import { describe, expect, it } from "vitest";
import { wordsOf } from "../../../src/app/cli/cron-words.ts";
import { explainSchedule, type Explanation } from "../../../src/app/cli/explain.ts";
import { scheduleOfText } from "../../../src/runtime/schedule/schedule-text.ts";
import { displayWidth } from "../../../src/app/cli/text.ts";
import { NOW, run } from "./cli-rig.ts";

const MARCH = Date.parse("2026-03-01T12:00:00Z");
const PARIS = ["--tz", "Europe/Paris"];

function explain(expression: string, timezone = "Europe/Paris"): Explanation {
  return explainSchedule({ kind: "cron", expression, timezone }, timezone, MARCH);
}
const warningsOf = (expression: string, timezone?: string): string[] =>
  explain(expression, timezone).warnings.map(({ message }) => message);

describe("the words of a schedule", () => {
  it.each([
    ["0 9 * * *", "At 09:00 every day"],
    ["0 9 * * MON-FRI", "At 09:00, Monday through Friday"],
    ["*/5 * * * *", "Every 5 minutes"],
    ["@Daily", "At 00:00 every day"],
    ["0 0 L * *", "At 00:00, on the last day of the month"],
    ["0 0 15W * *", "At 00:00, on the weekday nearest day 15 of the month"],
    ["0 9 * * FRI#2", "At 09:00, on the second Friday of the month"],
    ["0 9 * * FRI#L", "At 09:00, on the last Friday of the month"],
    ["0 9 1 * +MON", "At 09:00, on day 1 of the month, only on Monday"],
    ["0 9 1 * MON", "At 09:00, on day 1 of the month, or on Monday"],
    ["0 9 1 1 1-5", "At 09:00, on day 1 of the month, or Monday through Friday, only in January"],
    ["0 0 9 1 * MON#2 2030", "At 09:00, on day 1 of the month, or on the second Monday of the month, only in 2030"],
  ])("of %s are: %s", (expression, words) => {
    expect(wordsOf({ kind: "cron", expression, timezone: "UTC" })).toBe(words);
  });

  it("exist for intervals and single instants, and are absent for what nobody can read", () => {
    expect(wordsOf({ kind: "every", everyMs: 1_800_000, anchorMs: 0 })).toBe("Every 30 min");
    const within = { fromMinute: 480, toMinute: 1_320, timezone: "UTC" };
    expect(wordsOf({ kind: "every", everyMs: 1_800_000, anchorMs: 0, within })).toBe("Every 30 min from 08:00 to 22:00");
    expect(wordsOf({ kind: "at", atMs: 0 })).toBe("Once");
    expect(wordsOf({ kind: "cron", expression: "0 9 * * * * * * *", timezone: "UTC" })).toBeUndefined();
  });
});

describe("the next instants", () => {
  it("are ten, in local time with the offset of each day", () => {
    const { instants, timezone } = explain("30 8 28-29 3 *");
    expect(timezone).toBe("Europe/Paris");
    expect(instants).toHaveLength(10);
    expect(instants.slice(0, 2)).toEqual([
      { at: Date.parse("2026-03-28T07:30:00Z"), local: "2026-03-28T08:30:00+01:00" },
      { at: Date.parse("2026-03-29T06:30:00Z"), local: "2026-03-29T08:30:00+02:00" },
    ]);
  });
});

describe("warnings", () => {
  it("tell of a local time that the clocks leave out, and of one that they repeat", () => {
    expect(warningsOf("30 2 * * *")).toEqual([
      "On 2026-03-29 the clocks go from 02:00 to 03:00: 02:30 does not exist; it runs at 03:00 instead.",
      "On 2026-10-25 the clocks go back from 03:00 to 02:00: 02:30 comes twice; it runs once, at the first.",
    ]);
    expect(warningsOf("30 1 * * *", "America/New_York")).toEqual([
      "On 2026-11-01 the clocks go back from 02:00 to 01:00: 01:30 comes twice; it runs once, at the first.",
    ]);
  });

  it.each(["30 2 * * *", "*/20 * * * *", "15,45 2 * * *", "0 0-4 * * *"])("say what the schedule itself does then: %s", (expression) => {
    const schedule = { kind: "cron", expression, timezone: "Europe/Paris" } as const;
    const { instants } = explainSchedule(schedule, "Europe/Paris", Date.parse("2026-10-24T23:59:59Z"), 20);
    const repeated = instants.map(({ local }) => local.slice(0, 19)).filter((local) => local.startsWith("2026-10-25T02"));
    const isTwice = new Set(repeated).size < repeated.length;
    const warning = explain(expression).warnings.find(({ type }) => type === "repeated");
    expect(repeated.length).toBeGreaterThan(0);
    expect(warning?.message).toContain(isTwice ? "both times" : "once");
  });

  it("are silent where clocks are never changed, or are changed at another hour", () => {
    expect(warningsOf("30 2 * * *", "Asia/Tokyo")).toEqual([]);
    expect(warningsOf("0 9 * * *")).toEqual([]);
  });

  it("tell of what never matches, of what ends, and of two kinds of days", () => {
    expect(warningsOf("0 0 30 2 *")).toEqual(["It never matches: check day, month and year."]);
    expect(explain("0 0 30 2 *").instants).toEqual([]);
    expect(warningsOf("0 0 9 1 1 * 2027-2029")).toEqual(["Only these 3 instants are left."]);
    expect(warningsOf("0 9 1 * MON").join()).toContain("either is enough");
    expect(warningsOf("0 9 1 * +MON")).toEqual([]);
  });

  it("tell of an interval of days, whose local time drifts", () => {
    const every = (everyMs: number, zone: string) => explainSchedule({ kind: "every", everyMs, anchorMs: MARCH }, zone, MARCH).warnings;
    expect(every(86_400_000, "Europe/Paris").map(({ type }) => type)).toEqual(["drifts"]);
    expect(every(86_400_000, "UTC")).toEqual([]);
    expect(every(3_600_000, "Europe/Paris")).toEqual([]);
  });
});

describe("what is written in one text", () => {
  it("is an interval, an instant or an expression", () => {
    expect(scheduleOfText(" every  30m ", undefined)).toEqual({ every: "30m" });
    expect(scheduleOfText("at 2030-01-31 09:00", "Europe/Paris")).toEqual({ at: Date.parse("2030-01-31T08:00:00Z") });
    expect(scheduleOfText("at 2030-01-31T09:00:00+05:30", "Europe/Paris")).toEqual({ at: "2030-01-31T09:00:00+05:30" });
    expect(scheduleOfText("in 20m", undefined)).toEqual({ at: "in 20m" });
    expect(scheduleOfText("@daily", "UTC")).toEqual({ cron: "@daily", timezone: "UTC" });
  });

  it.each([
    ["at 09:00", "has no date"],
    ["at 2030-02-30 09:00", "is no day or time of the calendar"],
    ["at 2027-03-28 02:30", "does not exist in Europe/Paris: its clocks are set forward then; write 2027-03-28 03:00"],
    ["at noon", "is no instant"],
  ])("is refused with advice: %s", (text, advice) => {
    expect(() => scheduleOfText(text, "Europe/Paris")).toThrow(advice);
  });
});

describe("cron explain", () => {
  it("needs no daemon, and fits 40 columns", async () => {
    const ran = await run(["cron", "explain", "30 2 * * *", ...PARIS], { columns: 40 });
    expect(ran).toMatchObject({ code: 0, err: "", calls: [] });
    expect(ran.out).toContain("At 02:30 every day, Europe/Paris time.");
    expect(ran.out).toMatch(/\n2026-03-02 02:30 \+01:00 {2}in \d+ h \d+ min\n/);
    expect(Math.max(...ran.out.split("\n").map(displayWidth))).toBeLessThanOrEqual(40);
  });

  it("prints JSON with instants as numbers and as local time", async () => {
    const { out } = await run(["cron", "explain", "0 9 * * *", ...PARIS, "--json"]);
    const said = JSON.parse(out) as { instants: { at: number; local: string }[] };
    expect(said).toMatchObject({
      schedule: "0 9 * * *",
      kind: "cron",
      words: "At 09:00 every day",
      timezone: "Europe/Paris",
      warnings: [],
    });
    expect(said.instants).toHaveLength(10);
    expect(Date.parse(said.instants[0]!.local)).toBe(said.instants[0]!.at);
  });

  it("explains intervals and single instants from now on", async () => {
    const every = JSON.parse((await run(["cron", "explain", "every 30m", "--json"])).out) as { instants: { at: number }[] };
    expect(every.instants[0]?.at).toBe(NOW + 1_800_000);
    expect((await run(["cron", "explain", "at 2020-01-01 09:00"])).out).toContain("This instant has passed: it never runs.");
  });

  it.each([
    [["0 9 * *"], "0 9 * *"],
    [["0 9 * * *", "--tz", "Mars/Base"], "is no time zone; write one such as Europe/Paris"],
    [["every fortnight"], "is no duration"],
    [["@reboot"], "@reboot"],
  ])("refuses %j as a mistake of usage", async (args, advice) => {
    expect(await run(["cron", "explain", ...args])).toMatchObject({ code: 64, out: "", err: expect.stringContaining(advice) });
  });

  it("answers that an expression never matches", async () => {
    expect(await run(["cron", "explain", "0 0 30 2 *"])).toMatchObject({ code: 0, out: expect.stringContaining("never matches") });
  });
});
