import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Config, loadConfig } from "../../../src/app/config/config.ts";
import type { Environment } from "../../../src/app/config/environment.ts";
import { telegram } from "../../../src/app/config/channel-fields.ts";
import { cronJob } from "../../../src/app/config/cron-fields.ts";
import { heartbeat } from "../../../src/app/config/heartbeat-fields.ts";
import { sections } from "../../../src/app/config/sections.ts";
import { type Answers, configText } from "../../../src/app/init/config-text.ts";
import type { CronJobInput } from "../../../src/runtime/job-api.ts";
import { definitionOf } from "../../../src/runtime/jobs/definition.ts";

const BOT = { token: "1000001:secret-AAAA", allow: undefined, apiRoot: undefined };
const ANSWERS: readonly (readonly [string, Answers])[] = [
  ["nothing", { telegram: undefined, port: undefined }],
  ["a port", { telegram: undefined, port: 7_331 }],
  ["a bot by code", { telegram: BOT, port: undefined }],
  ["a bot for named people", { telegram: { ...BOT, allow: ["123456789", "@ann", "-100123"] }, port: undefined }],
  ["a bot for everyone, elsewhere", { telegram: { ...BOT, allow: ["*"], apiRoot: "http://127.0.0.1:8081" }, port: 80 }],
  ["a server with odd letters", { telegram: { ...BOT, apiRoot: "http://h/a%20b\"'#${HOME}" }, port: 65_535 }],
];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "satibot-init-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function load(text: string, env: Environment): Promise<Config> {
  await writeFile(join(dir, "satibot.config.yaml"), text);
  return loadConfig({ cwd: dir, env });
}

/** A setting is a `#` with no space or with an indentation behind it; prose has exactly one space. */
const SETTING = /^( *)#(?! \S)(.*)$/;
/** Lines to which nothing of a list or section above belongs: taking their mark away needs no other. */
const isAlone = (line: string): boolean => /^ {0,2}#[a-z]\w*: \S/i.test(line);

describe.each(ANSWERS)("the configuration for %s", (_name, answers) => {
  it("can be loaded, and says what was answered", async () => {
    const env = answers.telegram === undefined ? {} : { TELEGRAM_BOT_TOKEN: answers.telegram.token };
    const config = await load(configText(answers), env);
    expect(config.http.port).toBe(answers.port ?? 7_330);
    const expected = answers.telegram === undefined ? [] : [{ name: "telegram", kind: "telegram", mode: "polling", ...answers.telegram }];
    expect(config.channels).toEqual(expected);
  });

  it("changes nothing else", async () => {
    const env = answers.telegram === undefined ? {} : { TELEGRAM_BOT_TOKEN: answers.telegram.token };
    const mine = await load(configText(answers), env);
    const plain = await load("", {});
    expect({ ...mine, channels: [], http: { ...mine.http, port: 0 } }).toEqual({
      ...plain,
      channels: [],
      http: { ...plain.http, port: 0 },
    });
  });

  it("holds no secret", () => {
    expect(configText(answers)).not.toContain("secret-AAAA");
  });

  it("is narrow enough to be read", () => {
    expect(
      configText(answers)
        .split("\n")
        .filter((line) => line.length > 140),
    ).toEqual([]);
  });
});

describe("what stands behind a #", () => {
  const env = { TELEGRAM_BOT_TOKEN: BOT.token, SATIBOT_TOKEN: "s3cret" };
  const text = configText({ telegram: undefined, port: undefined });

  it("is the default of each setting, and an example of each list", async () => {
    const config = await load(
      text
        .split("\n")
        .map((line) => line.replace(SETTING, "$1$2"))
        .join("\n"),
      env,
    );
    const plain = await load("", {});
    expect(config).toMatchObject({ store: plain.store, limits: plain.limits, log: { level: "info" }, web: plain.web, terminal: true });
    expect(config.http).toEqual({ ...plain.http, token: "s3cret", allowedHosts: ["bot.example.org"] });
    expect(config.channels).toMatchObject([{ name: "telegram", allow: ["123456789", "@ann"] }]);
    expect(config.cron).toMatchObject([{ id: "daily_report", deliver: { chat: "telegram:123456789" } }]);
    // What a job or a heartbeat is without them.
    const given = "cron: [{ id: daily_report, message: x, schedule: { every: 1h } }]\nheartbeat: true\n";
    const { cron, heartbeat: beat, ping, limits } = await load(given, env);
    const shown = definitionOf(config.cron[0] as CronJobInput, 0);
    const changed = { name: "Daily report", message: "Write the report", deliverTo: ["telegram:123456789"], schedule: shown.schedule };
    const limited = { attempts: limits.maxAttempts, timeoutMs: limits.turnTimeoutMs, backoffMs: 30_000 };
    expect(shown).toEqual({ ...definitionOf(cron[0] as CronJobInput, 0), ...changed, ...limited });
    const { everyMs, file, history } = config.heartbeat ?? {};
    expect(beat).toMatchObject({ everyMs, file, history });
    expect([ping, config.ping?.everyMs]).toEqual([undefined, 60_000]);
  });

  it.each(text.split("\n").filter(isAlone))("can be put in force alone: %s", async (line) => {
    await expect(load(text.replace(line, line.replace(SETTING, "$1$2")), env)).resolves.toBeDefined();
  });

  it("is every setting that there is", () => {
    const whole = `${text}${configText({ telegram: BOT, port: undefined })}`;
    const parts = Object.entries<unknown>(sections.parse({}));
    expect(parts.filter(([key]) => !new RegExp(`^#?${key}:`, "m").test(whole))).toEqual([]);
    // `token` and `allowedHosts` of http have no default to be listed by.
    const inner = parts.flatMap(([, value]) => (typeof value === "object" && value !== null ? Object.keys(value) : []));
    const ofJobs = Object.keys(cronJob.in.shape);
    const known = [...inner, ...Object.keys(telegram.shape), ...Object.keys(heartbeat.shape), ...ofJobs, "terminal", "web"].filter(
      (key) => !["kind", "mode", "debounceMs"].includes(key),
    );
    expect(known.length).toBeGreaterThan(40);
    expect(known.filter((key) => !new RegExp(`^[ #]*(?:- )?${key}:`, "m").test(whole))).toEqual([]);
  });
});
