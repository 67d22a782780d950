/** `cron` and `heartbeat`: what is taken, and what is refused with which words. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Config, loadConfig } from "../../../src/app/config/config.ts";
import { describeConfig, secretsOf } from "../../../src/app/config/describe.ts";
import { localTimeZone } from "../../../src/core/time-zone.ts";

let cwd = "";
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "satibot-time-"));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

function load(text: string, env: Record<string, string> = {}): Promise<Config> {
  writeFileSync(join(cwd, "satibot.config.yaml"), text);
  return loadConfig({ cwd, env });
}
const job = (settings: string): string => `cron: [{ id: x, message: hi, ${settings} }]\n`;
const EVERY = "schedule: { every: 1m }";

describe("cron", () => {
  it("takes every policy", async () => {
    const { cron } = await load(`
cron:
  - id: report
    name: Report
    message: what is new?
    schedule: { cron: "0 9 * * MON-FRI", timezone: Europe/Paris }
    deliver: { chats: ["telegram:1", "telegram:2"], when: nonEmpty, silence: NOTHING }
    session: chat
    missed: all
    grace: 2h
    missedMax: 3
    overlap: replace
    retry: { attempts: 2, backoff: 30s }
    timeout: 4m
    stagger: 5m
    jitter: 10s
    until: 2030-01-01T00:00:00Z
    maxRuns: 100
    disableAfter: 0
`);
    expect(cron).toEqual([
      {
        id: "report",
        name: "Report",
        message: "what is new?",
        schedule: { cron: "0 9 * * MON-FRI", timezone: "Europe/Paris" },
        deliver: { chats: ["telegram:1", "telegram:2"], when: "nonEmpty", silence: "NOTHING" },
        session: "chat",
        missed: "all",
        grace: 7_200_000,
        missedMax: 3,
        overlap: "replace",
        retry: { attempts: 2, backoff: 30_000 },
        timeout: 240_000,
        stagger: 300_000,
        jitter: 10_000,
        until: expect.anything(),
        maxRuns: 100,
        disableAfter: 0,
      },
    ]);
    expect(new Date(cron[0]!.until!).getTime()).toBe(Date.UTC(2030, 0, 1));
  });

  it("takes intervals with an anchor, nicknames, and local times beside their zone", async () => {
    const text = [
      '- { id: a, message: hi, schedule: { every: 90m, anchor: "2026-01-01T00:00:00Z" } }',
      '- { id: b, message: hi, schedule: { cron: "@daily" } }',
      '- { id: c, message: hi, schedule: { at: "2030-01-31 09:00", timezone: Europe/Paris } }',
      '- { id: d, message: hi, schedule: { at: "2030-01-31T09:00:00+05:30" } }',
    ];
    expect((await load(`cron:\n${text.join("\n")}\n`)).cron.map(({ schedule }) => schedule)).toEqual([
      { every: 5_400_000, anchor: "2026-01-01T00:00:00Z" },
      { cron: "@daily" },
      { at: Date.parse("2030-01-31T08:00:00Z") },
      { at: "2030-01-31T09:00:00+05:30" },
    ]);
  });

  it.each([
    [`${EVERY}, missed: maybe`, "cron[0].missed (line 1): must be one of skip, once, all"],
    [`${EVERY}, overlap: wait`, "cron[0].overlap (line 1): must be one of skip, queue, replace"],
    [`${EVERY}, session: own`, "cron[0].session (line 1): must be one of job, chat"],
    [`${EVERY}, session: chat`, "cron[0].session (line 1): is chat, which needs deliver.chat"],
    [`${EVERY}, grace: soon`, 'cron[0].grace (line 1): "soon" is no duration'],
    [`${EVERY}, missedMax: 0`, "cron[0].missedMax (line 1): must be a whole number from 1 to 1000"],
    [`${EVERY}, retry: 3`, "cron[0].retry (line 1): must be { attempts: 3, backoff: 30s }"],
    [`${EVERY}, retry: { attempts: 0 }`, "cron[0].retry.attempts (line 1): must be a whole number from 1"],
    [`${EVERY}, retry: { times: 3 }`, "cron[0].retry.times (line 1): unknown key"],
    [`${EVERY}, timeout: 1`, "cron[0].timeout (line 1): is too short; write at least 10 ms"],
    [`${EVERY}, until: tomorrow`, "cron[0].until (line 1): must be an instant with its zone"],
    [`${EVERY}, maxRuns: 0`, "cron[0].maxRuns (line 1): must be a whole number from 1"],
    [`${EVERY}, disableAfter: -1`, "cron[0].disableAfter (line 1): must be a whole number from 0"],
    [`${EVERY}, overlaps: skip`, 'cron[0].overlaps (line 1): unknown key; did you mean "overlap"?'],
    [`${EVERY}, deliver: { when: always }`, "cron[0].deliver (line 1): needs chat or chats"],
    [`${EVERY}, deliver: { chats: [] }`, "cron[0].deliver (line 1): needs chat or chats"],
    [`${EVERY}, deliver: { chats: [bob] }`, "cron[0].deliver.chats[0] (line 1)"],
    [`${EVERY}, deliver: { chat: "a:b", when: never }`, "cron[0].deliver.when (line 1): must be one of always, failure, nonEmpty, answer"],
    [`${EVERY}, stagger: 400d`, "cron[0].stagger (line 1): is out of range"],
    [`${EVERY}, deliver: { chat: "a:b", silence: "" }`, "cron[0].deliver.silence (line 1): must not be empty"],
    ["schedule: { every: 1m, timezone: UTC }", "cron[0].schedule.timezone (line 1): belongs to cron and to a local time in at"],
    ['schedule: { cron: "@daily", anchor: "2026-01-01T00:00:00Z" }', "cron[0].schedule.anchor (line 1): belongs to every only"],
    ["schedule: { at: in 20m }", "cron[0].schedule.at (line 1): is counted from now, which is another time at each start"],
    ['schedule: { at: "2030-02-30 09:00", timezone: UTC }', "cron[0].schedule.at (line 1): 2030-02-30 09:00 is no day or time"],
    ['schedule: { at: "2030-01-31T09:00:00Z", timezone: UTC }', "cron[0].schedule.at (line 1): has a zone of its own; remove timezone"],
    ['schedule: { cron: "0 0 30 2 *" }', "cron[0].schedule.cron (line 1)"],
  ])("refuses %s", async (settings, expected) => {
    await expect(load(job(settings))).rejects.toThrow(expected);
  });

  it("is shown without the texts of its messages", async () => {
    const config = await load(job(`${EVERY}, missed: all, deliver: { chat: "telegram:1" }`).replace("hi", "a private question"));
    const shown = JSON.stringify(describeConfig(config));
    expect(shown).toContain('"missed":"all"');
    expect(shown).not.toContain("private");
  });
});

describe("heartbeat", () => {
  it("is off unless it is written, and off again with false", async () => {
    expect((await load("")).heartbeat).toBeUndefined();
    expect((await load("heartbeat: false\n")).heartbeat).toBeUndefined();
  });

  it("has defaults", async () => {
    const expected = {
      everyMs: 1_800_000,
      file: join(cwd, "HEARTBEAT.md"),
      activeHours: undefined,
      deliverTo: [],
      history: 20,
      timeoutMs: undefined,
    };
    expect((await load("heartbeat: true\n")).heartbeat).toEqual(expected);
    const { heartbeat, ping } = await load("heartbeat: {}\n");
    expect([heartbeat, ping]).toEqual([expected, undefined]);
  });

  it("takes active hours, targets, a bounded history and a URL to ping", async () => {
    const { heartbeat, ping } = await load(`
heartbeat:
  every: 1h
  file: /etc/satibot/beat.md
  activeHours: { from: "22:00", to: "06:30", timezone: Europe/Paris }
  deliver: { chat: "telegram:1", chats: ["telegram:2"] }
  history: 4
  timeout: 2m
  pingUrl: https://ping.example/secret-uuid
  pingEvery: 30s
`);
    expect(heartbeat).toEqual({
      everyMs: 3_600_000,
      file: "/etc/satibot/beat.md",
      activeHours: { fromMinute: 1_320, toMinute: 390, timezone: "Europe/Paris" },
      deliverTo: ["telegram:1", "telegram:2"],
      history: 4,
      timeoutMs: 120_000,
    });
    expect(ping).toEqual({ url: "https://ping.example/secret-uuid", everyMs: 30_000 });
  });

  it("takes the zone of this machine for its hours, and the end of the day", async () => {
    const { heartbeat } = await load('heartbeat: { activeHours: { from: "8:00", to: "24:00" } }\n');
    expect(heartbeat?.activeHours).toEqual({ fromMinute: 480, toMinute: 1_440, timezone: localTimeZone() });
  });

  it("keeps the URL secret", async () => {
    const config = await load("heartbeat: { pingUrl: '${PING}' }\n", { PING: "https://ping.example/secret-uuid" });
    expect(secretsOf(config)).toEqual(["https://ping.example/secret-uuid"]);
    expect(JSON.stringify(describeConfig(config))).not.toContain("secret-uuid");
  });

  it.each([
    ["heartbeat: 30m", "heartbeat (line 1): must be a section such as { every: 30m }"],
    ["heartbeat: { evry: 30m }", 'heartbeat.evry (line 1): unknown key; did you mean "every"?'],
    ["heartbeat: { every: 1ms }", "heartbeat.every (line 1): is too short; write at least 1000 ms"],
    [
      "heartbeat: { activeHours: { from: '8', to: '22:00' } }",
      'heartbeat.activeHours.from (line 1): must be a time of day such as "08:00"',
    ],
    ["heartbeat: { activeHours: { from: '08:00' } }", "heartbeat.activeHours.to (line 1): is missing"],
    ["heartbeat: { activeHours: { from: '08:00', to: '08:00' } }", "heartbeat.activeHours (line 1): begin and end at the same time"],
    ["heartbeat: { activeHours: { from: '24:00', to: '08:00' } }", "heartbeat.activeHours.from (line 1): is the end of the day"],
    [
      "heartbeat: { activeHours: { from: '08:00', to: '09:00', timezone: Mars } }",
      "heartbeat.activeHours.timezone (line 1): is no time zone",
    ],
    ["heartbeat: { deliver: {} }", "heartbeat.deliver (line 1): needs chat or chats"],
    ["heartbeat: { history: 1000 }", "heartbeat.history (line 1): must be a whole number from 0 to 200"],
    [
      "heartbeat: true\ncron: [{ id: heartbeat, message: hi, schedule: { every: 1h } }]",
      'cron[0].id (line 2): "heartbeat" is the job of the heartbeat section',
    ],
    ["heartbeat: { pingUrl: not-a-url }", "heartbeat.pingUrl (line 1): must be a URL"],
    ["heartbeat: { file: '' }", "heartbeat.file (line 1): must not be empty"],
  ])("refuses %s", async (text, expected) => {
    await expect(load(`${text}\n`)).rejects.toThrow(expected);
  });
});
