/**
 * Mistakes in the configuration: refused with 78 before anything is made, each problem on a line that names its place.
 * What a process adds is shown once for each kind of file; the rest runs the command line in this process.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { run } from "../app/cli/cli-rig.ts";
import { openRig, type CliResult, type Rig } from "../e2e/rig.ts";
import { EXIT, contentsOf, refused, told } from "./rig.ts";

let rig: Rig;
const written: string[] = [];
beforeAll(async () => {
  rig = await openRig();
});
afterAll(() => rig.close());
afterEach(async () => {
  await Promise.all([...written.splice(0), "data"].map((name) => rm(join(rig.dir, name), { recursive: true, force: true })));
});

async function write(name: string, text: string | Uint8Array): Promise<string> {
  await writeFile(join(rig.dir, name), text);
  written.push(name);
  return join(rig.dir, name);
}

async function inProcess(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  const { code, out, err } = await run(args, { cwd: rig.dir, env });
  return { code, stdout: out, stderr: err };
}

/** Starts beside this file; its path is `FILE` in what is told. */
async function startBeside(name: string, text: string | Uint8Array, start = inProcess) {
  const file = await write(name, text);
  const before = await contentsOf(rig.dir);
  const said = told(await start(["start"]));
  const isUntouched = JSON.stringify(await contentsOf(rig.dir)) === JSON.stringify(before);
  return { ...said, lines: said.lines.map((line) => String(line).replace(file, "FILE")), isUntouched };
}

const isRefused = (lines: readonly string[]) => ({ ...refused(EXIT.config, lines), isUntouched: true });

it.each([
  ["an unknown key", "limit: { maxAttempts: 3 }", ['  limit (line 1): unknown key; did you mean "limits"?']],
  ["a misspelt section of channels", "\nchanels: {}", ['  chanels (line 2): unknown key; did you mean "channels"?']],
  ["a misspelt channel", "channels:\n  telegrm: { token: x }", ['  channels.telegrm (line 2): unknown channel; did you mean "telegram"?']],
  [
    "an unknown key of a channel",
    "channels: { telegram: { token: '1:x', tokn: '1:x' } }",
    ['  channels.telegram.tokn (line 1): unknown key; did you mean "token"?'],
  ],
  [
    "values of a wrong type",
    "limits:\n  maxAttempts: many\n  turnTimeout: 5 minutes\nlog: debug\nstore: 5",
    [
      "  limits.maxAttempts (line 2): must be a whole number from 1 to 1000",
      '  limits.turnTimeout (line 3): "5 minutes" is no duration; write "30s", "5m", "24h", "7d" or milliseconds',
      "  log (line 4): must be a section with keys and values",
      '  store (line 5): must be a text such as "sqlite:./data/satibot.db" or "memory:"',
    ],
  ],
  [
    "a variable that is not set",
    'channels:\n  telegram:\n    token: "${NO_SUCH_TOKEN}"',
    ["  channels.telegram.token (line 3): the environment variable NO_SUCH_TOKEN is not set; set it, or write the value here"],
  ],
  [
    "an open port without a token",
    "http: { host: 0.0.0.0 }",
    [
      "  http.token (line 1): is required because http.host 0.0.0.0 is reachable from other machines; write a token, set SATIBOT_TOKEN, or listen on 127.0.0.1",
    ],
  ],
  [
    "a platform half set up, and a hook into nowhere",
    "channels:\n  whatsapp: { accessToken: x, phoneNumberId: '12345' }\nhooks:\n  deploy: { token: t, chat: 'discord:1' }",
    [
      "  channels.whatsapp.appSecret (line 2): is missing; write the app secret of the Meta app, or set WHATSAPP_APP_SECRET",
      "  channels.whatsapp.verifyToken (line 2): is missing; write a word of your own, the same as in the webhook's settings, or set WHATSAPP_VERIFY_TOKEN",
      "  hooks.deploy.chat (line 4): is of no channel that is configured; write one of api, web, terminal before the colon",
    ],
  ],
])("names the line and the remedy of %s", async (_what, text, problems) => {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  expect(await startBeside("satibot.config.yaml", `${text}\n`)).toEqual(isRefused([`satibot: FILE has ${count}:`, ...problems]));
});

const CORRECT = "; correct the file, then run `satibot config check`";

it.each([
  ["yaml", "limits:\n  maxAttempts: 3\n bad: [\n", `:3: bad indentation of a mapping entry${CORRECT}`],
  ["yaml", "store:\n\tmemory\n", `:2: tab characters must not be used in indentation${CORRECT}`],
  ["yaml", "store: a\nstore: b\n", `:2: duplicated mapping key${CORRECT}`],
  ["json", '{\n  "limits": {,}\n}', `:2: Expected property name or '}' in JSON${CORRECT}`],
  ["json", '// why\n{\n  "limits": {}\n}', `:1: Unexpected token '/'${CORRECT}`],
  ["toml", "[limits]\nmaxAttempts = = 3\n", `:2: Invalid TOML document: invalid value${CORRECT}`],
  ["toml", "\ufeff[limits]\n", ": begins with a byte order mark; save it as UTF-8 without one"],
  ["ts", "export default {\n  limits: { maxAttempts: 3 \n}\n", `:4: Unexpected token, expected ","${CORRECT}`],
  ["ts", "\nexport default { limits: nosuch };\n", `:2: nosuch is not defined${CORRECT}`],
  ["ts", 'import limits from "./nosuch.ts";\nexport default { limits };\n', `:1: Cannot find module './nosuch.ts'${CORRECT}`],
  ["ts", "const config = { limits: {} };\n", ": exports nothing, so all of it would be ignored; write `export default { … }`"],
  ["mjs", "export default {{\n", `:1: Unexpected token${CORRECT}`],
])("names the file and the line of a malformed satibot.config.%s (%#)", async (kind, text, message) => {
  expect(await startBeside(`satibot.config.${kind}`, text)).toEqual(isRefused([`satibot: FILE${message}`]));
});

it.each([
  ["yaml", "limit: { maxAttempts: 3 }\n", [" has 1 problem:", '  limit (line 1): unknown key; did you mean "limits"?']],
  ["json", '{\n  "limits": {,}\n}', [`:2: Expected property name or '}' in JSON${CORRECT}`]],
  ["toml", "[limits]\nmaxAttempts = = 3\n", [`:2: Invalid TOML document: invalid value${CORRECT}`]],
  ["ts", "\nexport default { limits: nosuch };\n", [`:2: nosuch is not defined${CORRECT}`]],
])("ends the process with 78 and without a stack trace for a wrong satibot.config.%s", async (kind, text, [first, ...rest]) => {
  expect(await startBeside(`satibot.config.${kind}`, text, rig.cli)).toEqual(isRefused([`satibot: FILE${first}`, ...rest]));
});

it.each([
  ["a list", "yaml", "- limits\n- http\n", " must hold sections such as channels and limits, not a list or a single value"],
  ["a single value", "json", '"limits"', " must hold sections such as channels and limits, not a list or a single value"],
  ["UTF-16", "yaml", Buffer.from("\ufefflog: { level: info }\n", "utf16le"), ": is not UTF-8 text; save it with the encoding UTF-8"],
])("refuses a file that is %s", async (_what, kind, text, message) => {
  expect(await startBeside(`satibot.config.${kind}`, text)).toEqual(isRefused([`satibot: FILE${message}`]));
});

it("refuses two files, and names both", async () => {
  await write("satibot.config.yaml", "log: { level: info }\n");
  expect(await startBeside("satibot.config.toml", "")).toEqual(
    isRefused([`satibot: ${rig.dir} holds satibot.config.toml and satibot.config.yaml; keep one of them, or name it with --config`]),
  );
});

it("refuses a --config that names nothing, a folder, or another kind of file", async () => {
  await mkdir(join(rig.dir, "folder.yaml"));
  written.push("folder.yaml");
  const notes = await write("notes.txt", "");
  const start = (path: string) => inProcess(["start", "--config", path]);
  expect(told(await start("nosuch.yaml"))).toEqual(
    refused(EXIT.config, [`satibot: ${join(rig.dir, "nosuch.yaml")}: there is no such file; check --config`]),
  );
  expect(told(await start("folder.yaml"))).toEqual(
    refused(EXIT.config, [`satibot: ${join(rig.dir, "folder.yaml")}: is a folder; name the file in it`]),
  );
  expect(told(await start("notes.txt"))).toEqual(
    refused(EXIT.config, [new RegExp(`^satibot: ${notes}: a configuration file ends in one of .*; rename it$`)]),
  );
});

it.each([
  [{ SATIBOT_PORT: "http" }, "SATIBOT_PORT (http.port): must be a whole number from 0 to 65535"],
  [{ SATIBOT_LOG_LEVEL: "loud" }, "SATIBOT_LOG_LEVEL (log.level): must be one of debug, info, warn, error"],
  [{ SATIBOT_STORE: "bot.db" }, 'SATIBOT_STORE (store): "bot.db" is no store; write "sqlite:./data/satibot.db" or "memory:"'],
])("names the variable that holds a wrong value: %o", async (env, problem) => {
  expect(told(await inProcess(["start"], env))).toEqual(
    refused(EXIT.config, ["satibot: The configuration has 1 problem:", `  ${problem}`]),
  );
});

it.each([
  ["an empty file", "yaml", ""],
  ["a file of comments", "yaml", "# later\n"],
  ["an empty TypeScript file", "ts", "// later\n"],
  ["a JSON file with a byte order mark", "json", '\ufeff{ "log": { "level": "info" } }'],
])("takes %s as it is meant", async (_what, kind, text) => {
  await write(`satibot.config.${kind}`, text);
  expect(await inProcess(["config", "check"])).toMatchObject({ code: EXIT.ok, stderr: "" });
});
