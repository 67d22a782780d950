import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type InitWorld, addInit } from "../../../src/app/cli/init-command.ts";
import { CommandError, EXIT } from "../../../src/app/cli/io.ts";
import { loadConfig } from "../../../src/app/config/config.ts";
import { readEnvironmentFile } from "../../../src/app/config/environment-file.ts";
import type { Prompts } from "../../../src/app/init/prompts.ts";
import { checkTelegramToken } from "../../../src/app/init/token-check.ts";
import { createSystemClock } from "../../../src/app/system-clock.ts";
import { ConfigError } from "../../../src/core/errors.ts";
import { type TelegramServer, openTelegramServer } from "../../../src/testing/telegram-server.ts";

const TOKEN = "1000001:test-token-AAAA";

let dir: string;
let server: TelegramServer;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "satibot-init-"));
  server = await openTelegramServer({ clock: createSystemClock(), token: TOKEN });
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Questions asked and things told by the prompts. */
  readonly seen: readonly string[];
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Answers in the order of the questions; undefined: no terminal. A question that they do not reach means that the person gives up. */
  readonly answers?: readonly string[];
  readonly busy?: readonly number[];
  readonly world?: Partial<InitWorld>;
}

async function init(args: readonly string[], { env = {}, answers, busy = [], world = {} }: RunOptions = {}): Promise<Ran> {
  const [out, err, seen]: [string[], string[], string[]] = [[], [], []];
  const program = new Command("satibot").exitOverride().configureOutput({ writeErr: (text) => void err.push(text) });
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    columns: undefined,
    env,
    cwd: dir,
    now: () => 0,
  };
  addInit(
    program,
    { io },
    {
      prompts: answers === undefined ? undefined : () => Promise.resolve(scripted([...answers], seen)),
      checkToken: checkTelegramToken,
      isPortFree: (_host, port) => Promise.resolve(!busy.includes(port)),
      ...world,
    },
  );
  let code: number = EXIT.ok;
  try {
    await program.parseAsync(["init", ...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    err.push(error.message);
    code = error instanceof CommandError ? error.exitCode : error instanceof ConfigError ? EXIT.config : EXIT.failed;
  }
  return { code, out: out.join("\n"), err: err.join("\n"), seen };
}

/** A person who answers from a list; a text that is found wrong is told and the next answer is tried, as the library does. */
function scripted(answers: string[], seen: string[]): Prompts {
  const next = async (question: string): Promise<string> => {
    seen.push(question);
    const answer = answers.shift();
    if (answer === undefined) throw new CommandError(EXIT.failed, "stopped; nothing was written");
    return answer;
  };
  const valid = async (question: string, problemOf: (answer: string) => string | undefined): Promise<string> => {
    for (;;) {
      const answer = await next(question);
      const problem = problemOf(answer);
      if (problem === undefined) return answer.trim();
      seen.push(`! ${problem}`);
    }
  };
  return {
    begin: () => undefined,
    say: (kind, text) => void seen.push(`${kind}: ${text}`),
    confirm: async (question) => (await next(question)) === "y",
    choose: async (question, choices) => {
      const answer = await next(question);
      const chosen = choices.find(({ value }) => value === answer);
      if (chosen === undefined) throw new Error(`${answer} is none of ${choices.map(({ value }) => value).join(", ")}`);
      return chosen.value;
    },
    text: async (question, _initial, problemOf) => valid(question, problemOf),
    secret: async (question, problemOf) => valid(question, problemOf),
    during: async (_text, work) => work,
  };
}

const read = (name: string): Promise<string> => readFile(join(dir, name), "utf8");
const apiRoot = (): readonly string[] => ["--telegram-api-root", server.apiRoot];
/** The configuration as the daemon would see it in a shell without any variable. */
const configured = () => loadConfig({ cwd: dir, env: readEnvironmentFile(dir) });

describe("satibot init --yes", () => {
  it("needs nothing, and writes a configuration that holds", async () => {
    const ran = await init(["--yes"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(await readdir(dir)).toEqual(["satibot.config.yaml"]);
    expect(await configured()).toMatchObject({ channels: [], http: { port: 7_330 } });
    expect(ran.out).toContain("npx satibot start");
  });

  it("takes the token and the people from the environment, and tests the token", async () => {
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: TOKEN, SATIBOT_ALLOW: "12, @ann" } });
    expect(ran).toMatchObject({ code: 0, err: "satibot: the token is that of Sati (@sati_test_bot)" });
    expect(server.calls("getMe")).toBe(1);
    expect((await configured()).channels).toMatchObject([{ token: TOKEN, allow: ["12", "@ann"], apiRoot: server.apiRoot }]);
    expect(ran.out).toContain("Write to https://t.me/sati_test_bot");
  });

  it("keeps the token out of the configuration and out of the output, in a file for its owner alone", async () => {
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: TOKEN } });
    expect(await read("satibot.config.yaml")).not.toContain("test-token");
    expect(await read(".env")).toContain(`TELEGRAM_BOT_TOKEN=${TOKEN}\n`);
    expect((await stat(join(dir, ".env"))).mode & 0o777).toBe(0o600);
    expect(ran.out + ran.err).not.toContain("test-token");
    expect(ran.out).toContain("Send https://t.me/sati_test_bot the code");
  });

  it("ends with 78 and writes nothing when the platform refuses the token", async () => {
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: "1000001:another-token" } });
    expect(ran.code).toBe(EXIT.config);
    expect(ran.err).toMatch(/refuses the token \(401 Unauthorized\).*@BotFather.*nothing was written/);
    expect(ran.err).not.toContain("another-token");
    expect(await readdir(dir)).toEqual([]);
  });

  it("goes on with a warning when nobody can say whether the token is right", async () => {
    await server.close();
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: TOKEN } });
    expect(ran.code).toBe(0);
    expect(ran.err).toMatch(/^satibot: warning: the token could not be checked, since 127\.0\.0\.1:\d+ was not reached \(ECONNREFUSED\)/);
    expect(ran.err).not.toContain("test-token");
    expect(ran.out).toContain("Send your bot in Telegram the code");
    expect((await configured()).channels).toHaveLength(1);
  });

  it.each([
    ["a gateway's page", { kind: "html", status: 502 } as const, /answered something that is not Telegram's/],
    ["JSON of something else", { kind: "noOk", status: 200 } as const, /answered 200: no reason given/],
    ["a failure of the server", { kind: "error", status: 500, description: "a\u001b[31m" } as const, /answered 500: a \[31m;/],
  ])("counts %s as no answer", async (_name, fault, expected) => {
    server.fail(fault, { method: "getMe" });
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: TOKEN } });
    expect(ran.code).toBe(0);
    expect(ran.err).toMatch(expected);
  });

  it.each([
    ["no token", { TELEGRAM_BOT_TOKEN: "hello" }, /TELEGRAM_BOT_TOKEN is no token/],
    ["a token with a second line", { TELEGRAM_BOT_TOKEN: `${TOKEN}\nSATIBOT_HOST=0.0.0.0` }, /TELEGRAM_BOT_TOKEN is no token/],
    [
      "nobody",
      { TELEGRAM_BOT_TOKEN: TOKEN, SATIBOT_ALLOW: "12,ann" },
      /"ann" in SATIBOT_ALLOW is nobody; write a numeric id, an @username/,
    ],
  ])("refuses %s", async (_name, env, expected) => {
    const ran = await init(["--yes", ...apiRoot()], { env });
    expect(ran.code).toBe(EXIT.config);
    expect(ran.err).toMatch(expected);
    expect(await readdir(dir)).toEqual([]);
  });

  it("takes the next free port when the default one is busy, and says so", async () => {
    const ran = await init(["--yes"], { busy: [7_330, 7_331] });
    expect(ran.err).toContain("port 7330 is in use");
    expect(ran.out).toContain("http://127.0.0.1:7332/");
    expect((await configured()).http.port).toBe(7_332);
  });

  it("leaves the port alone when the environment names it", async () => {
    await init(["--yes"], { busy: [7_330], env: { SATIBOT_PORT: "9000" } });
    expect((await configured()).http.port).toBe(7_330);
  });

  it("makes the folder that it is given, and says how to get there", async () => {
    const ran = await init(["--yes", "--dir", "my bot"]);
    expect(await readdir(join(dir, "my bot"))).toEqual(["satibot.config.yaml"]);
    expect(ran.out).toContain(`cd ${JSON.stringify(join(dir, "my bot"))}`);
  });

  it.each([["ftp://x"], ["nonsense"]])("refuses %s as an API server", async (url) => {
    expect(await init(["--yes", "--telegram-api-root", url])).toMatchObject({ code: EXIT.usage });
  });
});

describe("satibot init", () => {
  it("says that it needs --yes where there is no terminal", async () => {
    const ran = await init([]);
    expect(ran.code).toBe(EXIT.usage);
    expect(ran.err).toMatch(/no terminal.*--yes/);
    expect(await readdir(dir)).toEqual([]);
  });

  it("asks one thing when Telegram is not wanted", async () => {
    const ran = await init([], { answers: ["later"] });
    expect(ran).toMatchObject({ code: 0, seen: ["Talk to it from Telegram?"] });
    expect(await configured()).toMatchObject({ channels: [] });
  });

  it.each([
    ["code", [], undefined],
    ["everyone", [], ["*"]],
    ["named", ["", "ann", "@ann 12;-100"], ["@ann", "12", "-100"]],
  ])("asks who may write, and takes %s", async (who, more, allow) => {
    const ran = await init([...apiRoot()], { answers: ["new", TOKEN, who, ...more] });
    expect(ran.code).toBe(0);
    expect((await configured()).channels).toMatchObject([{ token: TOKEN, allow }]);
  });

  it("tells the bot's name, and asks again for a token that is refused or is none", async () => {
    const ran = await init([...apiRoot()], { answers: ["new", "oops", "1000001:wrong-token", TOKEN, "code"] });
    expect(ran.code).toBe(0);
    expect(ran.seen.filter((line) => line.startsWith("!"))).toHaveLength(1);
    expect(ran.seen).toContainEqual(expect.stringMatching(/^error: Telegram refuses this token \(401 Unauthorized\)/));
    expect(ran.seen).toContain("success: The token is that of Sati (@sati_test_bot)");
  });

  it("gives up after five refused tokens", async () => {
    const ran = await init([...apiRoot()], { answers: ["new", ...Array.from({ length: 9 }, () => "1000001:wrong-token")] });
    expect(ran.code).toBe(EXIT.config);
    expect(server.calls("getMe")).toBe(0);
    expect(await readdir(dir)).toEqual([]);
  });

  it("offers the token of the environment", async () => {
    const ran = await init([...apiRoot()], { answers: ["found", "code"], env: { TELEGRAM_BOT_TOKEN: TOKEN } });
    expect(ran.code).toBe(0);
    expect(await read(".env")).toContain(TOKEN);
  });

  it("warns when the shell holds another token than the one that was typed", async () => {
    const ran = await init([...apiRoot()], { answers: ["found", TOKEN, "code"], env: { TELEGRAM_BOT_TOKEN: "1000001:older-token" } });
    expect(ran.code).toBe(0);
    expect(ran.seen).toContainEqual(expect.stringMatching(/^warn: TELEGRAM_BOT_TOKEN is set in this shell to another token/));
    expect(await read(".env")).toContain(TOKEN);
  });

  it.each([[[]], [["new"]], [["new", TOKEN]], [["new", TOKEN, "named"]]])(
    "writes nothing when the person gives up after %j",
    async (answers) => {
      const ran = await init([...apiRoot()], { answers });
      expect(ran).toMatchObject({ code: EXIT.failed, err: "stopped; nothing was written" });
      expect(await readdir(dir)).toEqual([]);
    },
  );

  it("asks for the port only when the default one is busy, until it is a free one", async () => {
    const ran = await init([], { answers: ["later", "x", "7330", "8000"], busy: [7_330] });
    expect(ran.code).toBe(0);
    expect(ran.seen).toContain("! Write a number from 1 to 65535.");
    expect((await configured()).http.port).toBe(8_000);
  });
});

describe("what exists", () => {
  it.each(["yaml", "yml", "ts", "mts", "js", "mjs", "cjs", "json", "toml"])("is never replaced: satibot.config.%s", async (extension) => {
    const name = `satibot.config.${extension}`;
    await writeFile(join(dir, name), "mine");
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: TOKEN } });
    expect(ran.code).toBe(EXIT.failed);
    expect(ran.err).toMatch(new RegExp(`${name} exists, and nothing is ever replaced`));
    expect(await readdir(dir)).toEqual([name]);
    expect(await read(name)).toBe("mine");
  });

  it("stays when the configuration appears meanwhile, and what was begun is removed", async () => {
    const ran = await init(["--yes", ...apiRoot()], {
      env: { TELEGRAM_BOT_TOKEN: TOKEN },
      world: {
        checkToken: async (...args) => {
          await writeFile(join(dir, "satibot.config.yaml"), "mine");
          return checkTelegramToken(...args);
        },
      },
    });
    expect(ran.code).toBe(EXIT.failed);
    expect(ran.err).toMatch(/satibot\.config\.yaml exists, and nothing is ever replaced/);
    expect(await readdir(dir)).toEqual(["satibot.config.yaml"]);
    expect(await read("satibot.config.yaml")).toBe("mine");
  });

  it("of .env stays, and the token is added on a line of its own", async () => {
    await writeFile(join(dir, ".env"), "OTHER=1", { mode: 0o644 });
    await chmod(join(dir, ".env"), 0o644);
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: TOKEN } });
    expect(await read(".env")).toBe(`OTHER=1\nTELEGRAM_BOT_TOKEN=${TOKEN}\n`);
    expect(ran.out).toContain("others can read it: chmod 600 .env");
  });

  it("of the token in .env is used, and not written twice", async () => {
    await writeFile(join(dir, ".env"), `TELEGRAM_BOT_TOKEN=${TOKEN}\n`);
    expect(await init(["--yes", ...apiRoot()])).toMatchObject({ code: 0 });
    expect(await read(".env")).toBe(`TELEGRAM_BOT_TOKEN=${TOKEN}\n`);
    expect((await configured()).channels).toMatchObject([{ token: TOKEN }]);
  });

  it("of another token in .env is a line that says so", async () => {
    await writeFile(join(dir, ".env"), "TELEGRAM_BOT_TOKEN=1000001:older-token\n");
    const ran = await init(["--yes", ...apiRoot()], { env: { TELEGRAM_BOT_TOKEN: TOKEN } });
    expect(ran.code).toBe(EXIT.config);
    expect(ran.err).toMatch(/another token than the one in \.env, which is never replaced/);
    expect(await readdir(dir)).toEqual([".env"]);
  });

  it("of a file where the folder should be is a line that says so", async () => {
    await writeFile(join(dir, "file"), "");
    const ran = await init(["--yes", "--dir", "file"]);
    expect(ran.code).toBe(EXIT.failed);
    expect(ran.err).toMatch(/file is no folder; name another with --dir/);
  });
});

describe("a repository", () => {
  it("gets .gitignore lines for the secrets and the data", async () => {
    await mkdir(join(dir, ".git"));
    const ran = await init(["--yes"]);
    expect(await read(".gitignore")).toBe("/.env\n/data/\n");
    expect(ran.out).toContain(".gitignore, with /.env and /data/");
  });

  it("keeps the lines that it has, and gets only what is missing", async () => {
    await mkdir(join(dir, ".git"));
    await writeFile(join(dir, ".gitignore"), "node_modules/\ndata/");
    await init(["--yes"]);
    expect(await read(".gitignore")).toBe("node_modules/\ndata/\n/.env\n");
  });

  it("above the folder counts too", async () => {
    await mkdir(join(dir, ".git"));
    await writeFile(join(dir, ".gitignore"), ".env\n/data\n");
    await init(["--yes", "--dir", "bots/ann"]);
    expect(await read("bots/ann/.gitignore")).toBe("/data/\n");
  });

  it("that ignores both is left alone", async () => {
    await mkdir(join(dir, ".git"));
    await writeFile(join(dir, ".gitignore"), ".env*\r\n/data\r\n");
    const ran = await init(["--yes"]);
    expect(await read(".gitignore")).toBe(".env*\r\n/data\r\n");
    expect(ran.out).not.toContain("gitignore");
  });
});
