import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LoadOptions, loadClientConfig, loadConfig } from "../../../src/app/config/config.ts";
import { configJsonSchema, describeConfig, secretsOf } from "../../../src/app/config/describe.ts";
import { ConfigError } from "../../../src/core/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "satibot-config-"));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFile(join(cwd, name), text);
const load = (env: LoadOptions["env"] = {}, configPath?: string) =>
  loadConfig({ cwd, env, ...(configPath === undefined ? {} : { configPath }) });
const loadYaml = async (text: string, env: LoadOptions["env"] = {}) => {
  await write("satibot.config.yaml", text);
  return load(env);
};

async function failure(loading: Promise<unknown>): Promise<ConfigError> {
  const error = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error("no ConfigError", { cause: error });
  return error;
}

describe("without a file", () => {
  it("runs on the defaults", async () => {
    expect(await load()).toEqual({
      file: undefined,
      store: { kind: "sqlite", file: join(cwd, "data/satibot.db") },
      channels: [],
      cron: [],
      hooks: {},
      limits: DEFAULT_LIMITS,
      http: { host: "127.0.0.1", port: 7330, token: undefined, allowedHosts: [] },
      reload: { watch: false },
      log: { level: undefined },
      terminal: undefined,
      web: true,
    });
  });

  it("takes everything from the environment", async () => {
    const config = await load({
      SATIBOT_STORE: "memory:",
      SATIBOT_HOST: "0.0.0.0",
      SATIBOT_PORT: "8080",
      SATIBOT_TOKEN: "secret",
      SATIBOT_LOG_LEVEL: "debug",
      TELEGRAM_BOT_TOKEN: "1:abc",
      SATIBOT_ALLOW: "12345, @ann ,",
    });
    expect(config).toMatchObject({
      store: { kind: "memory" },
      http: { host: "0.0.0.0", port: 8080, token: "secret" },
      log: { level: "debug" },
      channels: [{ name: "telegram", kind: "telegram", token: "1:abc", mode: "polling", allow: ["12345", "@ann"] }],
    });
  });

  it("counts an empty variable as not set", async () => {
    expect(await load({ SATIBOT_PORT: "", TELEGRAM_BOT_TOKEN: " " })).toEqual(await load());
  });

  it("names the variable that is wrong", async () => {
    const error = await failure(load({ SATIBOT_PORT: "http" }));
    expect(error.message).toBe("The configuration has 1 problem:\n  SATIBOT_PORT (http.port): must be a whole number from 0 to 65535");
    expect(error.path).toBe("http.port");
  });
});

describe("files", () => {
  const port = { http: { port: 1234 } };
  it.each([
    ["satibot.config.yaml", "http:\n  port: 1234\n"],
    ["satibot.config.yml", "http: { port: 1234 }"],
    ["satibot.config.json", '{ "http": { "port": 1234 } }'],
    ["satibot.config.toml", "[http]\nport = 1234\n"],
    ["satibot.config.ts", "const port: number = 1234;\nexport default { http: { port } };\n"],
    ["satibot.config.mjs", "export default { http: { port: 1234 } };\n"],
    ["satibot.config.js", "export default () => ({ http: { port: 1234 } });\n"],
  ])("loads %s", async (name, text) => {
    await write(name, text);
    expect(await load()).toMatchObject({ ...port, file: join(cwd, name) });
  });

  it("takes the file named by --config and no other", async () => {
    await write("satibot.config.yaml", "http: { port: 1 }");
    await write("other.json", JSON.stringify(port));
    expect(await load({}, "other.json")).toMatchObject(port);
  });

  it("ignores package.json, rc files, .env and NODE_ENV", async () => {
    await write("package.json", JSON.stringify({ name: "x", satibot: { http: { port: 1 } } }));
    await write(".satibotrc", "http.port=2");
    await write(".env", "SATIBOT_PORT=3");
    expect((await load({ NODE_ENV: "production" })).http.port).toBe(7330);
  });

  it.each([
    ["satibot.config.yaml", "", "an empty file"],
    ["satibot.config.yaml", "# nothing yet\n", "a file of comments"],
    ["satibot.config.yaml", "http:\nchannels:\n  telegram: false\nlimits: { }\n", "sections with nothing behind them"],
    ["satibot.config.toml", "", "an empty TOML file"],
  ])("takes %s that is %j (%s) as the defaults", async (name, text) => {
    await write(name, text);
    expect({ ...(await load()), file: undefined }).toEqual({
      ...(await loadConfig({ cwd: tmpdir(), env: {} })),
      store: { kind: "sqlite", file: join(cwd, "data/satibot.db") },
    });
  });

  it.each([
    ["satibot.config.yaml", "a: 1\nb:\n  - x\n c: bad\n", /satibot\.config\.yaml:4: bad indentation/],
    ["satibot.config.yaml", "log: {}\nlog: {}\n", /satibot\.config\.yaml:2: duplicated mapping key/],
    ["satibot.config.json", '{ "http": {},\n "log": }', /satibot\.config\.json:2: Unexpected token/],
    ["satibot.config.json", '{ "http": {\n\n', /satibot\.config\.json:3: /],
    ["satibot.config.toml", "[http]\nport = \n", /satibot\.config\.toml:2: Invalid TOML/],
    ["satibot.config.ts", "const x: number = 1;\nexport default { http: { port: x }\n", /satibot\.config\.ts:3: Unexpected token/],
    ["satibot.config.ts", "export default { http: nope };\n", /satibot\.config\.ts:1: nope is not defined/],
  ])("names the file and the line of a malformed %s (%#)", async (name, text, expected) => {
    await write(name, text);
    const error = await failure(load());
    expect(error.message).toMatch(expected);
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).not.toContain("\n");
  });

  it("refuses a list, two files, a missing file and an unknown kind of file", async () => {
    await write("satibot.config.yaml", "- a\n");
    expect((await failure(load())).message).toMatch(/must hold sections/);
    await write("satibot.config.json", "{}");
    expect((await failure(load())).message).toMatch(/satibot\.config\.json and satibot\.config\.yaml; keep one/);
    expect((await failure(load({}, "none.yaml"))).message).toMatch(/none\.yaml: there is no such file; check --config/);
    expect((await failure(load({}, "config.ini"))).message).toMatch(/ends in one of \.ts/);
  });
});

describe("values", () => {
  it("reads durations, numbers as text, and paths against the working directory", async () => {
    const config = await loadYaml("store: sqlite:../x.db\nlimits: { turnTimeout: 2m, drainTimeout: 1500, maxAttempts: '7' }\n");
    expect(config.limits).toEqual({ ...DEFAULT_LIMITS, turnTimeoutMs: 120_000, drainTimeoutMs: 1_500, maxAttempts: 7 });
    expect(config.store).toEqual({ kind: "sqlite", file: join(cwd, "../x.db") });
  });

  it("reads cron jobs of each kind", async () => {
    const { cron } = await loadYaml(`
cron:
  - { id: a, name: A, message: hi, schedule: { cron: "0 9 * * *", timezone: Europe/Paris }, deliver: { chat: "telegram:1" } }
  - { id: b, message: hi, schedule: { every: 30m } }
  - { id: c, message: hi, schedule: { at: "2030-01-31T09:00:00+01:00" } }
`);
    expect(cron).toEqual([
      { id: "a", name: "A", message: "hi", schedule: { cron: "0 9 * * *", timezone: "Europe/Paris" }, deliver: { chat: "telegram:1" } },
      { id: "b", message: "hi", schedule: { every: 1_800_000 } },
      { id: "c", message: "hi", schedule: { at: "2030-01-31T09:00:00+01:00" } },
    ]);
  });

  it("replaces ${NAME} by the environment and names the path of one that is not set", async () => {
    const text = "http: { port: '${PORT}', token: 'a-${NAME}-$${NAME}' }\n";
    expect((await loadYaml(text, { PORT: "99", NAME: "n" })).http).toMatchObject({ port: 99, token: "a-n-${NAME}" });
    expect((await failure(loadYaml(text, { PORT: "99" }))).message).toContain(
      "http.token (line 1): the environment variable NAME is not set",
    );
  });

  it("lets a variable win over the file", async () => {
    const config = await loadYaml("http: { port: 1, token: file }\nchannels: { telegram: { token: 'file', allow: ['1'] } }\n", {
      SATIBOT_PORT: "2",
      TELEGRAM_BOT_TOKEN: "env",
      SATIBOT_ALLOW: "2",
    });
    expect(config.http).toMatchObject({ port: 2, token: "file" });
    expect(config.channels).toMatchObject([{ token: "env", allow: ["1"] }]);
  });

  it("asks for a token as soon as others can reach the host", async () => {
    const error = await failure(loadYaml("http: { host: 0.0.0.0 }\n"));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", path: "http.token" });
    expect(error.message).toContain("SATIBOT_TOKEN");
    for (const host of ["127.0.0.1", "localhost", "::1"]) expect((await loadYaml(`http: { host: "${host}" }\n`)).http.host).toBe(host);
  });
});

describe("channels", () => {
  it("reads several bots, by name or by kind", async () => {
    const { channels } = await loadYaml(`
channels:
  telegram: { token: "1:a", allow: ["*"] }
  telegram-2: { token: "2:b", apiRoot: "http://127.0.0.1:9000/" }
  support: { kind: telegram, token: "3:c", allow: [42] }
`);
    expect(channels).toEqual([
      { name: "telegram", kind: "telegram", token: "1:a", mode: "polling", apiRoot: undefined, allow: ["*"] },
      { name: "telegram-2", kind: "telegram", token: "2:b", mode: "polling", apiRoot: "http://127.0.0.1:9000", allow: undefined },
      { name: "support", kind: "telegram", token: "3:c", mode: "polling", apiRoot: undefined, allow: ["42"] },
    ]);
  });

  it("keeps a channel closed that the file turns off", async () => {
    expect((await loadYaml("channels: { telegram: false }\n", { TELEGRAM_BOT_TOKEN: "1:a" })).channels).toEqual([]);
    expect((await loadYaml("channels: { telegram: true }\n", { TELEGRAM_BOT_TOKEN: "1:a" })).channels).toHaveLength(1);
  });

  it("switches terminal and web on and off", async () => {
    expect(await loadYaml("channels: { terminal: false, web: false }\n")).toMatchObject({ terminal: false, web: false });
    expect(await loadYaml("channels: { terminal: true, web: }\n")).toMatchObject({ terminal: true, web: true });
    await expect(loadYaml("channels: { web-2: true }\n")).rejects.toThrow("there is one web channel; write channels.web");
  });

  it.each([
    ["telegram: {}", "channels.telegram.token (line 2): is missing; write the token from @BotFather, or set TELEGRAM_BOT_TOKEN"],
    ["telegram: { token: '1:a', alow: ['*'] }", 'channels.telegram.alow (line 2): unknown key; did you mean "allow"?'],
    ["telegram: { token: '1:a', allow: all }", 'channels.telegram.allow (line 2): must be a list such as ["12345", "*"]'],
    ["telegram: { token: '1:a', apiRoot: nowhere }", "channels.telegram.apiRoot (line 2): must be a URL such as https://example.org"],
    ["telegrm: { token: '1:a' }", 'channels.telegrm (line 2): unknown channel; did you mean "telegram"?'],
    ["api: true", "channels.api (line 2): api belongs to the runtime; write another name"],
    ["Telegram: true", "channels.Telegram (line 2): is no channel name"],
    ["telegram: 5", "channels.telegram (line 2): must be a section with keys and values"],
    ["telegram: { token: '1:a' }\n  telegram-2: { token: '1:a' }", "channels.telegram-2.token (line 3): is also the token of telegram"],
  ])("says what is wrong with %s", async (text, expected) => {
    expect((await failure(loadYaml(`channels:\n  ${text}\n`))).message).toContain(expected);
  });
});

describe("mistakes", () => {
  it("are all told at once, each with its path and line", async () => {
    const error = await failure(
      loadYaml(`limits:
  turnTimeout: 5 minutes
  maxAttempts: 0
  inboxPerChats: 5
htpp: {}
log: { level: loud }
cron:
  - { id: x, schedule: { every: 30m, at: 5 } }
`),
    );
    expect(error.message.split("\n").slice(1).sort()).toEqual([
      "  cron[0].message (line 8): is missing; write what the agent is asked at each instant",
      "  cron[0].schedule (line 8): needs exactly one of cron, every and at",
      '  htpp (line 5): unknown key; did you mean "http"?',
      '  limits.inboxPerChats (line 4): unknown key; did you mean "inboxPerChat"?',
      "  limits.maxAttempts (line 3): must be a whole number from 1 to 1000",
      '  limits.turnTimeout (line 2): "5 minutes" is no duration; write "30s", "5m", "24h", "7d" or milliseconds',
      "  log.level (line 6): must be one of debug, info, warn, error",
    ]);
    expect(error.message).toContain("satibot.config.yaml has 7 problems:");
  });

  it.each([
    ["store: mysql://x", '"mysql://x" is no store; write "sqlite:./data/satibot.db" or "memory:"'],
    ["limits: 5", "limits (line 1): must be a section with keys and values"],
    ["limits: { inboxRetention: 9d }", "limits.dedupeRetention (line 1): is shorter than inboxRetention"],
    ["cron: { id: x }", "cron (line 1): must be a list of jobs"],
    ["cron: [{ id: x, message: hi, schedule: { cron: 'every day' } }]", "cron[0].schedule.cron (line 1)"],
    [
      "cron: [{ id: x, message: hi, schedule: { cron: '0 9 * * *', timezone: Mars/Base } }]",
      "timezone (line 1): is no time zone; write one such as Europe/Paris",
    ],
    ["cron: [{ id: x, message: hi, schedule: { at: '2030-01-31 09:00' } }]", "must be an instant with its zone"],
    ["cron: [{ id: x, message: '', schedule: { every: 1m } }]", "cron[0].message (line 1): message[0].text: is empty"],
    ["cron: [{ id: x, message: a, schedule: { every: 1m }, deliver: { chat: bob } }]", 'needs the form "channel:rest"'],
    [
      "cron: [{ id: x, message: a, schedule: { every: 1m } }, { id: x, message: b, schedule: { every: 1m } }]",
      'cron[1].id (line 1): "x" is used by an earlier job',
    ],
    ["http: { token: 'two words' }", "http.token (line 1): must be printable ASCII without spaces"],
    ["a: &a { b: *a }", "deeper"],
  ])("are told for %s", async (text, expected) => {
    expect((await failure(loadYaml(`${text}\n`))).message).toContain(expected);
  });
});

describe("what this version cannot do", () => {
  it.each([
    ["agent: { provider: openrouter, apiKey: '${OPENROUTER_API_KEY}' }", "agent"],
    ["overlap: { policy: collect }", "overlap.policy"],
    ["overlap: { debounceMs: 500 }", "overlap.debounceMs"],
    ["store: postgres://localhost/x", "store"],
  ])("is refused, never ignored: %s", async (text, path) => {
    const error = await failure(loadYaml(`${text}\n`));
    expect(error).toMatchObject({ code: "CONFIG_UNSUPPORTED", path });
    expect(error.message).toMatch(/not exist in this version/);
  });

  it("is told beside the mistakes of the same file", async () => {
    const error = await failure(loadYaml("agent: {}\nlogs: {}\n"));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain("agent (line 1)");
    expect(error.message).toContain('logs (line 2): unknown key; did you mean "log"?');
  });

  it("names the variable that asks for PostgreSQL", async () => {
    expect((await failure(load({ SATIBOT_STORE: "postgres://x" }))).message).toContain("SATIBOT_STORE (store): PostgreSQL does not exist");
  });
});

describe("for clients", () => {
  it("reads only what finds the daemon", async () => {
    await write("satibot.config.yaml", "http: { host: 0.0.0.0, port: 5 }\nchannels: { telegram: { token: '${UNSET}' } }\nagent: {}\n");
    expect(await loadClientConfig({ cwd, env: {} })).toMatchObject({ http: { host: "0.0.0.0", port: 5 }, store: { kind: "sqlite" } });
  });
});

describe("descriptions", () => {
  it("mask every secret", async () => {
    const config = await loadYaml(
      "http: { token: hush-hush }\nchannels: { telegram: { token: '12345:AAsecret', apiRoot: 'http://u:pw@127.0.0.1:1' } }\n",
    );
    const text = JSON.stringify(describeConfig(config));
    for (const secret of ["hush-hush", "AAsecret", "pw"]) expect(text).not.toContain(secret);
    expect(text).toContain('"token":"12345:***"');
    expect(secretsOf(config)).toEqual(["hush-hush", "12345:AAsecret"]);
  });

  it("give a JSON Schema that knows every section and refuses others", () => {
    const schema = configJsonSchema() as { properties: Record<string, { properties?: object }>; additionalProperties: boolean };
    expect(Object.keys(schema.properties).sort()).toEqual([
      "channels",
      "cron",
      "heartbeat",
      "hooks",
      "http",
      "limits",
      "log",
      "overlap",
      "reload",
      "store",
    ]);
    expect(Object.keys(schema.properties.limits?.properties ?? {})).toHaveLength(Object.keys(DEFAULT_LIMITS).length);
    expect(schema.additionalProperties).toBe(false);
    expect(() => JSON.stringify(schema)).not.toThrow();
  });
});
