/** What becomes of an old home's bots and its heartbeat: the configuration always starts, and what it lacks is said. */
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Config, loadConfig } from "../../../src/app/config/config.ts";
import { withEnvironmentFile } from "../../../src/app/config/environment-file.ts";
import type { MigrationReport } from "../../../src/app/migrate/report.ts";
import { run } from "../cli/cli-rig.ts";
import { type Folders, openFolders, reportOf } from "./migrate-rig.ts";

const WHATSAPP = { accessToken: "EA-made-up", phoneNumberId: "100200300", recipientPhoneNumber: "+1 (555) 123-4567" };
const REST = { WHATSAPP_APP_SECRET: "shh", WHATSAPP_VERIFY_TOKEN: "word" };
const TELEGRAM = { botToken: "123456789:made-up_token_of_a_test_bot_000", chatId: "42" };

async function write({ home }: Folders, tools: object, ...jobs: readonly object[]): Promise<void> {
  await writeFile(join(home, "config.json"), JSON.stringify({ tools }));
  await writeFile(join(home, "cron_jobs.json"), JSON.stringify({ jobs }));
}

const load = ({ cwd }: Folders, env = {}): Promise<Config> => loadConfig({ cwd, env: withEnvironmentFile(env, cwd) });
const configOf = ({ cwd }: Folders): Promise<string> => readFile(join(cwd, "satibot.config.yaml"), "utf8");
const saidOf = ({ left }: MigrationReport, where: string): string =>
  left
    .filter((one) => one.where.startsWith(where))
    .map(({ why, todo }) => `${why}. ${todo}`)
    .join("\n");

function job(id: string, payload: object): object {
  return {
    id,
    name: id,
    enabled: true,
    schedule: { kind: "every", every_ms: 60_000 },
    payload: { message: "do it", deliver: true, ...payload },
  };
}

describe("WhatsApp", () => {
  it("stands behind # while it lacks what SatiBot did without, and that is said", async () => {
    const place = await openFolders();
    await write(place, { whatsapp: WHATSAPP }, job("news", { channel: "whatsapp", to: "15551234567" }));
    const report = await reportOf(place);
    expect(saidOf(report, "config.json tools.whatsapp")).toMatch(
      /WHATSAPP_APP_SECRET, WHATSAPP_VERIFY_TOKEN.*docs\/channels\/whatsapp\.md/,
    );
    expect(saidOf(report, "cron_jobs.json")).toContain("over whatsapp, which lacks something yet");
    const { channels, cron } = await load(place);
    expect(channels).toEqual([]);
    expect(cron).toMatchObject([{ id: "news" }]);
    expect(cron[0]?.deliver).toBeUndefined();
    expect(await readFile(join(place.cwd, ".env"), "utf8")).toBe("WHATSAPP_ACCESS_TOKEN=EA-made-up\n");
  });

  it("opens once that is in .env and the # are taken away, and a second run prints it", async () => {
    const place = await openFolders();
    await write(place, { whatsapp: WHATSAPP });
    await reportOf(place);
    const lines = Object.entries(REST).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(place.cwd, ".env"), lines.join(""), { flag: "a" });
    const { config } = await reportOf(place);
    expect(config).toMatchObject({
      fate: "kept",
      fragment: expect.stringContaining("  whatsapp:\n    accessToken: ${WHATSAPP_ACCESS_TOKEN}\n"),
    });
    const text = await configOf(place);
    await writeFile(join(place.cwd, "satibot.config.yaml"), text.replace(/^ {2}#(?! \S)/gm, "  "));
    const whatsapp = { name: "whatsapp", accessToken: "EA-made-up", phoneNumberId: "100200300", appSecret: "shh", allow: ["15551234567"] };
    expect((await load(place)).channels).toMatchObject([whatsapp]);
    expect((await reportOf(place)).config.fate).toBe("complete");
  });

  it("is taken whole, with who hears of its jobs, where nothing is lacking", async () => {
    const place = await openFolders();
    await write(
      place,
      { whatsapp: { ...WHATSAPP, appSecret: "shh", verifyToken: "word" } },
      job("a", { channel: "whatsapp", to: "+1 555 123-4567" }),
      job("b", { channel: "whatsapp", to: "Ann" }),
    );
    const report = await reportOf(place);
    expect((await load(place)).channels).toMatchObject([{ name: "whatsapp", appSecret: "shh", verifyToken: "word" }]);
    expect(report.jobs.map(({ deliverTo }) => deliverTo)).toEqual(["whatsapp:15551234567", undefined]);
    expect(saidOf(report, "cron_jobs.json")).toContain('delivers to "Ann", which is no phone number');
    expect(await configOf(place)).not.toMatch(/shh|word/);
  });

  it.each([["phone123"], [12], [{}], [1e300]])("with the phone number id %j is left out, with what to write", async (phoneNumberId) => {
    const place = await openFolders();
    await write(place, { whatsapp: { ...WHATSAPP, phoneNumberId } });
    const report = await reportOf(place);
    expect(saidOf(report, "config.json tools.whatsapp")).toContain("phoneNumberId");
    expect((await load(place, REST)).channels).toEqual([]);
  });
});

describe("Discord", () => {
  it("opens with the token of a bot, and jobs reach its channels by id", async () => {
    const place = await openFolders();
    const [byId, byName] = [job("a", { channel: "discord", to: "80351110224678912" }), job("b", { channel: "discord", to: "#general" })];
    await write(place, { discord: { botToken: "made-up" } }, byId, byName);
    const report = await reportOf(place);
    expect((await load(place)).channels).toMatchObject([{ name: "discord", token: "made-up", allow: undefined }]);
    expect(report.jobs.map(({ deliverTo }) => deliverTo)).toEqual(["discord:80351110224678912", undefined]);
    expect(saidOf(report, "config.json tools.discord")).toContain("one-time code");
    expect(saidOf(report, "cron_jobs.json")).toContain('delivers to "#general", which is no id of a Discord channel');
  });

  it("needs a bot where SatiBot had a webhook", async () => {
    const place = await openFolders();
    await write(place, { discord: { webhookUrl: "https://discord.example/api/webhooks/1/abc" } });
    const report = await reportOf(place);
    expect(saidOf(report, "config.json tools.discord.webhookUrl")).toContain("docs/channels/discord.md");
    expect((await load(place)).channels).toEqual([]);
  });
});

describe("the written configuration", () => {
  it("keeps a channel behind # that a variable set to nothing would break", async () => {
    const place = await openFolders();
    await write(place, { telegram: TELEGRAM }, job("a", { to: "42" }));
    const env = { TELEGRAM_BOT_TOKEN: "" };
    const { code, out } = await run(["migrate", "--from", place.home, "--json"], { cwd: place.cwd, env });
    expect(code).toBe(0);
    expect(saidOf(JSON.parse(out) as MigrationReport, "config.json tools.telegram")).toContain(
      "more for it than SatiBot did: TELEGRAM_BOT_TOKEN",
    );
    expect((await load(place, env)).channels).toEqual([]);
  });

  it("starts whatever the home says", { timeout: 60_000 }, async () => {
    const odd = fc.oneof(
      fc.constantFrom("", " ", "0", "-1", "+15551234567", "100200300", "123:abc", "*", "${HOME}", "'", '"', "a b", "#", "\n", "é", "{}"),
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.jsonValue({ maxDepth: 1 }),
    );
    const maybe = (keys: readonly string[]) => fc.record(Object.fromEntries(keys.map((key) => [key, odd])), { requiredKeys: [] });
    const tools = fc.record(
      {
        telegram: maybe(["botToken", "chatId", "allowedUsers"]),
        discord: maybe(["botToken", "webhookUrl"]),
        whatsapp: maybe(["accessToken", "phoneNumberId", "recipientPhoneNumber", "appSecret", "verifyToken"]),
      },
      { requiredKeys: [] },
    );
    const jobs = fc.array(
      fc.record({
        id: fc.oneof(odd, fc.constant("heartbeat")),
        name: odd,
        schedule: fc.oneof(
          fc.record({
            kind: fc.constant("cron"),
            cron_expr: fc.oneof(odd, fc.constantFrom("* * * * *", "@daily", "0 0 30 2 *", "every day")),
          }),
          fc.record({ kind: fc.constant("every"), every_ms: fc.oneof(fc.integer(), fc.double()) }),
        ),
        payload: fc.record({
          message: odd,
          deliver: fc.boolean(),
          channel: fc.oneof(odd, fc.constantFrom("telegram", "discord", "whatsapp", "__proto__", null)),
          to: odd,
        }),
      }),
      { maxLength: 3 },
    );
    const env = fc.dictionary(
      fc.constantFrom("TELEGRAM_BOT_TOKEN", "DISCORD_BOT_TOKEN", "WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN"),
      odd,
    );
    await fc.assert(
      fc.asyncProperty(tools, jobs, env, fc.boolean(), async (bots, list, variables, hasHeartbeat) => {
        const place = await openFolders();
        await write(place, bots, ...list);
        if (hasHeartbeat) await writeFile(join(place.home, "HEARTBEAT.md"), "- look");
        const set = Object.fromEntries(Object.entries(variables).filter((entry): entry is [string, string] => entry[1] === ""));
        const ran = await run(["migrate", "--from", place.home], { cwd: place.cwd, env: set });
        expect([0, 1]).toContain(ran.code);
        const config = await load(place, set);
        expect(config.heartbeat === undefined).toBe(!hasHeartbeat);
      }),
      { numRuns: 60 },
    );
  });
});

describe("HEARTBEAT.md", () => {
  it("is looked after here as it was there, every 30 minutes, and nobody is told before somebody asks for it", async () => {
    const place = await openFolders(true);
    const report = await reportOf(place);
    expect(report.heartbeat).toEqual({ fate: "written", file: "HEARTBEAT.md" });
    expect(await readFile(join(place.cwd, "HEARTBEAT.md"), "utf8")).toBe(await readFile(join(place.home, "HEARTBEAT.md"), "utf8"));
    const file = join(place.cwd, "HEARTBEAT.md");
    expect((await load(place)).heartbeat).toMatchObject({ everyMs: 1_800_000, file, deliverTo: [] });
    expect(saidOf(report, "HEARTBEAT.md")).toContain("write deliver:");
    const text = await configOf(place);
    await writeFile(join(place.cwd, "satibot.config.yaml"), text.replace("  #deliver:", "  deliver:"));
    expect((await load(place)).heartbeat?.deliverTo).toEqual(["telegram:6496574212"]);
  });

  it.each([
    ["asks for nothing", "# Tasks\n<!-- later -->\n"],
    ["is empty", ""],
  ])("that %s turns nothing on", async (_what, text) => {
    const place = await openFolders();
    await write(place, { telegram: TELEGRAM });
    await writeFile(join(place.home, "HEARTBEAT.md"), text);
    const report = await reportOf(place);
    expect(report.heartbeat.fate).toBe("none");
    expect(saidOf(report, "HEARTBEAT.md")).toContain("asks for nothing");
    expect((await load(place)).heartbeat).toBeUndefined();
  });

  it("that cannot be read is said, and harms nothing", async () => {
    const place = await openFolders();
    await write(place, { telegram: TELEGRAM });
    await symlink("/nowhere/at/all", join(place.home, "HEARTBEAT.md"));
    expect(saidOf(await reportOf(place), "HEARTBEAT.md")).toContain("is a link to a file that is not there");
  });

  it("never takes the place of another, nor of a section that is there", async () => {
    const place = await openFolders();
    await write(place, { telegram: TELEGRAM });
    await writeFile(join(place.home, "HEARTBEAT.md"), "- look");
    await writeFile(join(place.cwd, "HEARTBEAT.md"), "- mine");
    await writeFile(join(place.cwd, "satibot.config.yaml"), "heartbeat: false\n");
    const report = await reportOf(place);
    expect(report.heartbeat.fate).toBe("kept");
    expect(saidOf(report, "HEARTBEAT.md beside")).toContain("left as it is");
    expect(await readFile(join(place.cwd, "HEARTBEAT.md"), "utf8")).toBe("- mine");
    expect(report.config.fragment).not.toContain("heartbeat");
    await writeFile(join(place.cwd, "satibot.config.yaml"), "log: { level: warn }\n");
    expect((await reportOf(place)).config.fragment).toContain("heartbeat:\n  every: 30m\n");
  });

  it("that is a folder in the new place is said before anything is lost", async () => {
    const place = await openFolders();
    await writeFile(join(place.home, "HEARTBEAT.md"), "- look");
    await mkdir(join(place.cwd, "HEARTBEAT.md"));
    expect((await reportOf(place)).heartbeat.fate).toBe("kept");
  });
});
