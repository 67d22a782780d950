import { execFileSync } from "node:child_process";
import { mkdir, open, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { chatOfSession } from "../../../src/app/migrate/old-sessions.ts";
import { brokenLine } from "../../../src/app/migrate/home-files.ts";
import { NOW, run } from "../cli/cli-rig.ts";
import { type Folders, messages, migrate, openFolders, reportOf, treeOf, writeSession } from "./migrate-rig.ts";

const job = (schedule: unknown, rest: object = {}) => ({
  id: "j",
  name: "Job",
  enabled: true,
  schedule,
  payload: { message: "do it" },
  ...rest,
});

async function writeJobs({ home }: Folders, ...jobs: readonly unknown[]): Promise<void> {
  await writeFile(join(home, "cron_jobs.json"), JSON.stringify({ jobs }));
}

async function whysOf(place: Folders): Promise<string> {
  const ran = await migrate(place, "--json");
  expect([0, 1]).toContain(ran.code);
  return (JSON.parse(ran.out) as { left: { where: string; why: string }[] }).left.map(({ where, why }) => `${where}: ${why}`).join("\n");
}

describe("a home that is not there or empty", () => {
  it("is 78 when there is no such folder, and 1 when there is nothing in it", async () => {
    const place = await openFolders();
    await rm(join(place.home, "sessions"), { recursive: true });
    expect(await migrate(place)).toMatchObject({ code: 1, err: expect.stringContaining("there was nothing to take") });
    expect(await readdir(place.cwd)).toEqual([]);
    await rm(place.home, { recursive: true });
    expect(await migrate(place)).toMatchObject({ code: 78, err: expect.stringContaining("--from DIR") });
    await writeFile(place.home, "");
    expect(await migrate(place)).toMatchObject({ code: 78, err: expect.stringContaining("it is no folder") });
  });

  it("is ~/.bots unless it is named", async () => {
    const { home, cwd } = await openFolders();
    const ran = await run(["migrate"], { cwd, env: { HOME: home } });
    expect(ran).toMatchObject({ code: 78, err: expect.stringContaining(join(home, ".bots")) });
    expect(await run(["migrate", "--form", home], { cwd })).toMatchObject({ code: 64 });
  });
});

describe("files that are no files", () => {
  it("are reported and harm nothing", async () => {
    const place = await openFolders();
    const sessions = join(place.home, "sessions");
    await symlink("tg_1.json", join(sessions, "tg_1.json"));
    await symlink("/nowhere/at/all", join(sessions, "tg_2.json"));
    await symlink(sessions, join(sessions, "tg_3.json"));
    await symlink("/dev/zero", join(sessions, "tg_4.json"));
    execFileSync("mkfifo", [join(sessions, "tg_5.json")]);
    await writeFile(join(sessions, "tg_6.json"), Buffer.from([0x7b, 0x22, 0xff, 0xfe]));
    await writeFile(join(sessions, "tg_7.json"), "");
    const huge = await open(join(sessions, "tg_8.json"), "w");
    await huge.truncate(64 * 1024 * 1024 + 1);
    await huge.close();
    await mkdir(join(place.home, "config.json"));
    await symlink("cron_jobs.json", join(place.home, "cron_jobs.json"));
    const before = await treeOf(place.home);
    const whys = await whysOf(place);
    for (const [name, why] of [
      ["tg_1.json", "a link that leads back to itself"],
      ["tg_2.json", "a link to a file that is not there"],
      ["tg_3.json", "is a folder"],
      ["tg_4.json", "is no ordinary file"],
      ["tg_5.json", "is no ordinary file"],
      ["tg_6.json", "is not UTF-8 text"],
      ["tg_7.json", "is empty"],
      ["tg_8.json", "over the 67108864"],
    ])
      expect(whys).toMatch(new RegExp(`${name}: .*${why}`));
    expect(whys).toContain("config.json: is a folder");
    expect(whys).toContain("cron_jobs.json: is a link that leads back to itself");
    expect(await treeOf(place.home)).toEqual(before);
  });
});

describe("JSON of another shape", () => {
  it.each([
    "[]",
    "null",
    "7",
    '"text"',
    "{}",
    '{"messages":7}',
    '{"jobs":{}}',
    "[[[[[",
    '{"a":',
    `${"[".repeat(200_000)}`,
    '{"__proto__":{"x":1}}',
  ])("%.20s never crashes", async (text) => {
    const place = await openFolders();
    for (const file of ["config.json", "cron_jobs.json", "sessions/tg_1.json"]) await writeFile(join(place.home, file), text);
    const ran = await migrate(place);
    expect(ran.code).toBe(1);
    expect(await readdir(place.cwd)).not.toContain("satibot.config.yaml");
  });

  it("is told by name and line", () => {
    expect(brokenLine('{\n  "a": 1,\n  "b": x\n}\n')).toBe(3);
    expect(brokenLine('{\n  "a": [1,\n 2\n')).toBe(4);
    expect(brokenLine('{"a":1}\n}')).toBe(2);
    expect(brokenLine('{\n"a": "cut\noff"}')).toBe(3);
  });

  it("keeps what is wrong with an entry apart from the others", async () => {
    const place = await openFolders();
    await writeFile(
      join(place.home, "config.json"),
      JSON.stringify({
        agents: { defaults: { model: 7, temperature: 0.7, [`\u001b[31m${"x".repeat(300)}`]: 1 } },
        providers: { openrouter: { apiKey: 12 }, anthropic: { apiKey: "it's a 'key'" } },
        tools: { telegram: { botToken: "1:short", chatId: "everyone", allowedUsers: [123, "456", {}] } },
      }),
    );
    const whys = await whysOf(place);
    expect(whys).not.toContain("\u001b");
    expect(whys).not.toContain("it's");
    for (const part of [
      "apiKey: is no text",
      "holds characters that an environment file",
      "telegram.chatId: is no chat id",
      "something that is no user id",
      "…: unknown setting",
      "does not look like a token",
    ])
      expect(whys).toContain(part);
  });
});

describe("sessions", () => {
  it.each([
    ["tg_123", "telegram:123"],
    ["tg_-100123", "telegram:-100123"],
    ["telegram:123", "telegram:123"],
    ["telegram_123", "telegram:123"],
    ["wa_+15551234567", "whatsapp:15551234567"],
    ["wa_15551234567_1770000000000", "api:wa_15551234567_1770000000000"],
    ["cron_177", "cron:177"],
    ["heartbeat", "system:heartbeat"],
    ["console", "api:console"],
    ["tg_me/../you", "api:tg_me/../you"],
  ])("of the name %s belong to %s", (name, key) => {
    expect(chatOfSession(name)).toBe(key);
  });

  it("with a name that is no chat key are left", async () => {
    const place = await openFolders();
    await writeSession(place, `${"x".repeat(140)}.json`, messages("a", "b"));
    await writeSession(place, "bad\u0007\u001b[2Jname.json", messages("a", "b"));
    await writeSession(place, "tg_1.json", messages("a", "b"));
    const { chats, left } = await reportOf(place);
    expect(chats).toMatchObject([{ chat: "telegram:1" }]);
    for (const { where, why } of left) expect(where + why).not.toMatch(/\p{Cc}/u);
    expect(left.map(({ why }) => why).join()).toMatch(/control character.*more than 128 characters/s);
  });

  it("of the same chat do not mix", async () => {
    const place = await openFolders();
    await writeSession(place, "tg_1.json", messages("a", "b"));
    await writeSession(place, "telegram_1.json", messages("c", "d"));
    const dry = await reportOf(place, "--dry-run");
    const real = await reportOf(place);
    expect(real).toEqual({ ...dry, dryRun: false });
    expect(real.chats).toMatchObject([{ chat: "telegram:1", file: "telegram_1.json", messages: 2 }]);
    expect(real.left.map(({ why }) => why)).toContain("telegram:1 has the history of sessions/telegram_1.json already");
  });

  it("that are too long are cut, with a count", async () => {
    const place = await openFolders();
    const texts = Array.from({ length: 10_003 }, (_, index) => `${index}`);
    await writeSession(place, "tg_1.json", messages(...texts, "ä".repeat(60_000)));
    const { chats, left } = await reportOf(place);
    expect(chats).toMatchObject([{ messages: 10_000 }]);
    expect(left.map(({ why }) => why)).toEqual(
      expect.arrayContaining([expect.stringContaining("the oldest 4 were cut"), "messages cut after 65536 bytes: 1"]),
    );
    expect((await reportOf(place)).chats).toMatchObject([{ messages: 0, before: 10_004 }]);
  });

  it("with entries of other kinds keep what was said", async () => {
    const place = await openFolders();
    const odd = [
      null,
      7,
      { role: "user" },
      { role: "user", content: ["x"] },
      { role: "wizard", content: "x" },
      { role: "user", content: "  " },
    ];
    await writeSession(place, "tg_1.json", {
      messages: [...odd, { role: "user", content: "\ud800 said", created_at_ms: 1_700_000_000_000 }],
    });
    const { chats, left } = await reportOf(place);
    expect(chats).toMatchObject([{ messages: 1 }]);
    expect(left.map(({ why }) => why)).toEqual(
      expect.arrayContaining(["messages without text: 2", expect.stringMatching(/^entries that are no messages.*: 4$/)]),
    );
  });
});

describe("jobs", () => {
  it.each([
    [{ kind: "every", every_ms: 500 }, "no number of at least 1000"],
    [{ kind: "every", every_ms: "1000" }, "no number of at least 1000"],
    [{ kind: "at", at_ms: NOW - 1 }, "is over"],
    [{ kind: "at", at_ms: 1e300 }, "no instant"],
    [{ kind: "cron", cron_expr: "every day" }, "is no cron expression"],
    [{ kind: "weekly" }, "is not known"],
    [undefined, "is not known"],
  ])("with the schedule %j are left", async (schedule, why) => {
    const place = await openFolders();
    await writeJobs(place, job(schedule));
    expect(await whysOf(place)).toContain(why);
  });

  it.each([
    [{ every_ms: 90_000 }, "every 90s"],
    [{ every_ms: 7_200_000 }, "every 2h"],
    [{ every_ms: 1_500 }, "every 1500ms"],
  ])("of %j become %s", async (given, schedule) => {
    const place = await openFolders();
    await writeJobs(place, job({ kind: "every", ...given }));
    expect((await reportOf(place)).jobs).toMatchObject([{ id: "j", schedule }]);
  });

  it("with a missing part or an id that is taken are left alone", async () => {
    const place = await openFolders();
    const every = { kind: "every", every_ms: 60_000 };
    await writeJobs(
      place,
      job(every),
      job(every),
      job(every, { id: "" }),
      job(every, { id: "k", payload: { message: " " } }),
      7,
      job(every, { id: "a\nb" }),
    );
    const { jobs, left } = await reportOf(place);
    expect(jobs).toHaveLength(1);
    expect(left.map(({ why }) => why).join("\n")).toMatch(
      /that of an earlier job[^]*has no id[^]*is empty[^]*is no job[^]*control character/,
    );
  });
});
