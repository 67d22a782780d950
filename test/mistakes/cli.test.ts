/** Mistakes on the command line: 64 for its use, 69 where no daemon answers, 1 for what the daemon refuses; one line, and what to do. */
import { execFile, spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage } from "../e2e/package-build.ts";
import { freePort, openRig, type Rig } from "../e2e/rig.ts";
import { EXIT, contentsOf, refused, told } from "./rig.ts";

const TRY_HELP = "Try --help.";

let rig: Rig;
let main: string;
beforeAll(async () => {
  rig = await openRig();
  ({ main } = await buildPackage());
});
afterAll(() => rig.close());

describe("wrong use", () => {
  it.each<[readonly string[], readonly string[]]>([
    [["strat"], ["error: unknown command 'strat'", "(Did you mean start?)", TRY_HELP]],
    [
      ["chats", "shw"],
      ["error: unknown command 'shw'", "(Did you mean show?)", TRY_HELP],
    ],
    [["send"], ["error: missing required argument 'chat'", TRY_HELP]],
    [
      ["send", "api:me"],
      ["error: missing required argument 'text'", TRY_HELP],
    ],
    [
      ["send", "api:me", "hi", "--yes"],
      ["error: unknown option '--yes'", TRY_HELP],
    ],
    [["--verison"], ["error: unknown option '--verison'", "(Did you mean --version?)", TRY_HELP]],
    [
      ["chats", "list", "--limit", "0"],
      ["error: option '--limit <count>' argument '0' is invalid. Write a whole number from 1 to 1000.", TRY_HELP],
    ],
    [["send", "api:me", "hi", "--url", "bot"], ["satibot: --url bot: write the daemon's address, such as http://127.0.0.1:7330"]],
  ])("ends with 64 and says what is wrong: %j", async (args, lines) => {
    expect(told(await rig.cli(args))).toEqual(refused(EXIT.usage, lines));
  });
});

describe("without a daemon", () => {
  it.each([[["send", "api:me", "hi"]], [["chats", "show", "nobody:1"]], [["status"]], [["chats", "stop", "api:me"]]])(
    "ends with 69 and says how to start one: %j",
    async (args) => {
      expect(told(await rig.cli(args))).toEqual(
        refused(EXIT.unreachable, [/^satibot: no satibot answers at http:\/\/127\.0\.0\.1:\d+; .*`satibot start`/]),
      );
      expect(await contentsOf(rig.dir)).toEqual({});
    },
  );

  it("ends with 69 for a --url where nothing, or something else, answers", async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    expect(told(await rig.cli(["status", "--url", nowhere]))).toEqual(
      refused(EXIT.unreachable, [new RegExp(`^satibot: no satibot answers at ${nowhere}; .*--url names another`)]),
    );
    const { createServer } = await import("node:http");
    const other = createServer((_, answer) => answer.end("<h1>It works!</h1>")).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    expect(told(await rig.cli(["status", "--url", url]))).toEqual(
      refused(EXIT.unreachable, [new RegExp(`^satibot: what answers at ${url} is not satibot \\(status 200\\); check the address`)]),
    );
    await new Promise((resolve) => other.close(resolve));
  });
});

describe("beside a daemon", () => {
  let live: Rig;
  beforeAll(async () => {
    live = await openRig();
    await live.start({ SATIBOT_STORE: "memory:" }).ready();
    for (let n = 0; n < 300; n += 1) await live.api.sendMessage(`api:reader-${n}`, { text: "hi" });
  });
  afterAll(() => live.close());

  it.each<[readonly string[], RegExp]>([
    [["chats", "show", "nobody:1"], /^satibot: chat nobody:1 has never been met; `satibot chats list` shows those that have$/],
    [["chats", "why", "me"], /^satibot: chat key "me": needs the form "channel:rest", such as "api:alice"$/],
    [["send", "api:me", "  "], /^satibot: body\.text: is empty; write at least one visible character$/],
    [["send", "telegram:1", "hi"], /^satibot: chat telegram:1 has never been met; a chat of this channel begins on its platform/],
    [["send", "api:me", "x".repeat(70_000)], /^satibot: body\.text: is over 65536 bytes; send it in several messages$/],
  ])("ends with 1 and says what the daemon refuses (%#)", async (args, line) => {
    expect(told(await live.cli(args))).toEqual(refused(EXIT.failed, [line]));
  });

  it("takes a reader that has seen enough as no failure", async () => {
    const command = `"${process.execPath}" "${main}" chats list --limit 1000 --json; echo "ended with $?" >&2`;
    const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
      const env = { PATH: process.env.PATH ?? "", SATIBOT_PORT: String(live.port), SATIBOT_STORE: "memory:" };
      execFile("sh", ["-c", `{ ${command}; } | head -n 1`], { cwd: live.dir, env }, (_error, out, err) =>
        resolve({ stdout: out, stderr: err }),
      );
    });
    expect({ stdout, stderr }).toEqual({ stdout: "{\n", stderr: "ended with 0\n" });
  });
});

describe("a Node that is too old", () => {
  const LINE = (version: string) =>
    `satibot: needs Node 20.19 or newer, and this is ${version}; install a newer one from https://nodejs.org\n`;

  it.each(["12.22.12", "18.20.8", "20.18.3"])("is told in one line, and nothing else is loaded: %s", async (version) => {
    const preload = join(rig.dir, "old.cjs");
    await writeFile(preload, `Object.defineProperty(process.versions, "node", { value: "${version}" });`);
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--require", preload, main, "start"], {
      cwd: rig.dir,
      encoding: "utf8",
    });
    expect({ status, stdout, stderr }).toEqual({ status: EXIT.failed, stdout: "", stderr: LINE(version) });
  });

  it("meets no syntax in that file that it could not parse, and no import before the line", async () => {
    const source = await readFile(main, "utf8");
    // Modules and import() are of ES2020, which Node 14 has; anything younger would be rewritten by this.
    const asES2020 = ts.transpileModule(source, {
      compilerOptions: { target: ts.ScriptTarget.ES2020, module: ts.ModuleKind.ESNext },
    }).outputText;
    const asIs = ts.transpileModule(source, {
      compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
    }).outputText;
    expect(asES2020).toBe(asIs);
    expect(source).not.toMatch(/^import\s/m);
  });
});
