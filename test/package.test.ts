/** The package as it would be published: built, packed, unpacked beside its dependencies, imported by name and started. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NODE_TOO_OLD = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.18.3"}})';
const call = promisify(execFile);

let work: string;
let home: string;
let unpacked: string;
let files: readonly string[];
let manifest: {
  readonly version: string;
  readonly bin: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly exports: Record<string, unknown>;
};

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "satibot-package-"));
  const staged = join(work, "staged");
  home = join(work, "home");
  unpacked = join(home, "node_modules/satibot");
  await mkdir(unpacked, { recursive: true });
  // Types are checked elsewhere; here only what is emitted matters.
  await call(process.execPath, [
    join(ROOT, "node_modules/typescript/bin/tsc"),
    "-p",
    join(ROOT, "tsconfig.build.json"),
    "--noCheck",
    "--outDir",
    join(staged, "dist"),
  ]);
  const vite = join(ROOT, "node_modules/vite/bin/vite.js");
  const page = join(staged, "dist/dashboard");
  await call(process.execPath, [vite, "build", join(ROOT, "dashboard"), "--outDir", page, "--emptyOutDir", "--logLevel", "warn"]);
  for (const name of await readdir(ROOT)) {
    if (["package.json", "README.md", "LICENSE"].includes(name)) await cp(join(ROOT, name), join(staged, name));
  }
  await call("npm", ["pack", "--ignore-scripts", "--offline", "--pack-destination", work], { cwd: staged });
  const tarball = (await readdir(work)).find((name) => name.endsWith(".tgz")) ?? "no tarball";
  await call("tar", ["-xzf", join(work, tarball), "-C", unpacked, "--strip-components=1"]);
  files = await readdir(unpacked, { recursive: true });
  manifest = JSON.parse(await readFile(join(unpacked, "package.json"), "utf8")) as typeof manifest;
  for (const name of Object.keys(manifest.dependencies)) {
    const link = join(home, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(ROOT, "node_modules", name), link, "junction");
  }
}, 60_000);
afterAll(() => rm(work, { recursive: true, force: true }));

const evaluate = async (code: string) =>
  (await call(process.execPath, ["--input-type=module", "--eval", code], { cwd: home })).stdout.trim();

/** Addresses of every module that the code loads, a line each. */
async function loadedBy(code: string): Promise<string> {
  const list = `
    import { register } from "node:module";
    register("data:text/javascript," + encodeURIComponent("export async function load(url, context, next) { process._rawDebug('loaded ' + url); return next(url, context); }"));`;
  const args = ["--import", `data:text/javascript,${encodeURIComponent(list)}`, "--input-type=module", "--eval", code];
  const { stderr } = await call(process.execPath, args, { cwd: home });
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("loaded "))
    .join("\n");
}

describe("package", () => {
  it("holds what was built, with types, and nothing else", () => {
    expect(files).toEqual(
      expect.arrayContaining([
        "package.json",
        "LICENSE",
        "dist/src/index.js",
        "dist/src/index.d.ts",
        "dist/machines/chat.machine.js",
        "dist/dashboard/index.html",
      ]),
    );
    const strange = files
      .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
      .concat(files.filter((file) => /^(test|bench|examples|docs|src|machines|data)\b/.test(file)));
    expect(strange).toEqual([]);
  });

  it("is imported by its name", async () => {
    const names = JSON.parse(await evaluate('console.log(JSON.stringify(Object.keys(await import("satibot"))))')) as string[];
    expect(names).toEqual(expect.arrayContaining(["createEventLoop", "createGateway"]));
    expect(JSON.parse(await evaluate('console.log(JSON.stringify(Object.keys(await import("satibot/telegram"))))'))).toContain(
      "createTelegramChannel",
    );
  });

  it("has every subpath that it exports, and no other", async () => {
    const subpaths = Object.keys(manifest.exports).map((path) => `satibot${path.slice(1)}`);
    const found = JSON.parse(
      await evaluate(`
        import { existsSync } from "node:fs";
        console.log(JSON.stringify(${JSON.stringify(subpaths)}.map((name) => existsSync(new URL(import.meta.resolve(name))))));
      `),
    ) as boolean[];
    expect(found).toEqual(subpaths.map(() => true));
    await expect(evaluate('await import("satibot/dist/src/index.js")')).rejects.toThrow(/ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });

  it("gives types to a strict consumer, and none that are missing", async () => {
    await writeFile(
      join(home, "bot.ts"),
      `import { createEventLoop, createGateway, TerminalError, type Agent, type StreamEvent } from "satibot";
       import { createTelegramChannel } from "satibot/telegram";
       import { createVirtualClock } from "satibot/testing";
       const agent: Agent = async function* (turn, { signal }) {
         if (turn.messages.length === 0) throw new TerminalError("AGENT_FAILED", "nothing to answer");
         yield await turn.step("length", async () => String(turn.messages[0]?.text.length ?? signal.aborted));
       };
       const loop = createEventLoop({ agent, clock: createVirtualClock() });
       export const events: AsyncIterable<StreamEvent> = loop.stream("api:a");
       export const gateway = createGateway({ agent, channels: { telegram: { token: "1:a", allow: ["7"] }, web: false } });
       // @ts-expect-error a token is a text
       createTelegramChannel({ token: 7 });
      `,
    );
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    const types = ["--typeRoots", join(ROOT, "node_modules/@types"), "--types", "node"];
    const args = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", ...types, "bot.ts"];
    const { stdout } = await call(process.execPath, [compiler, ...args], { cwd: home }).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout).toBe("");
  }, 30_000);

  it("loads what is heavy only where it is needed", async () => {
    const loaded = await loadedBy(`
      const { createGateway } = await import("satibot");
      const gateway = createGateway({ http: { port: 0 } });
      await gateway.start();
      await gateway.shutdown();`);
    expect(loaded).toContain("/xstate/");
    for (const name of ["grammy", "c12", "pino-pretty", "@clack/prompts", "yaml", "zod", "commander"])
      expect(loaded).not.toContain(`/${name}/`);
  });

  it("loads the library of no other platform with a Telegram bot", async () => {
    const loaded = await loadedBy(`
      const { createGateway } = await import("satibot");
      const channels = { telegram: { token: "1:a", apiRoot: "http://127.0.0.1:9", allow: ["7"] } };
      const gateway = createGateway({ http: { port: 0 }, channels });
      await gateway.start();
      await gateway.shutdown();`);
    expect(loaded).toContain("/grammy/");
    for (const name of ["discord.js", "ws", "chat", "@chat-adapter", "ai", "undici"]) expect(loaded).not.toContain(`node_modules/${name}/`);
  });

  it("serves its page, and answers on it", async () => {
    const shown = await evaluate(`
      const { createGateway } = await import("satibot");
      const gateway = createGateway({ http: { port: 0 } });
      await gateway.start();
      const root = "http://127.0.0.1:" + gateway.address().port;
      const html = await (await fetch(root, { headers: { accept: "text/html" } })).text();
      const script = /src="([^"]+\\.js)"/.exec(html)[1];
      const status = (await fetch(new URL(script, root))).status;
      const taken = await fetch(root + "/api/chats/web%3Ame/messages", { method: "POST", body: JSON.stringify({ text: "hi" }) });
      for await (const event of gateway.stream("web:me", { after: "0" })) if (event.type === "reply") { console.log(status, taken.status, event.text); break; }
      await gateway.shutdown();`);
    expect(shown).toBe("200 202 You said: hi");
  });

  it("has a program that tells its version and knows its commands", async () => {
    const program = join(unpacked, manifest.bin.satibot ?? "missing");
    expect(await readFile(program, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    const version = await call(process.execPath, [program, "--version"], { cwd: home });
    expect(version.stdout).toBe(`${manifest.version}\n`);
    const usage = await call(process.execPath, [program, "fly"], { cwd: home }).catch((error: unknown) => error);
    expect(usage).toMatchObject({ code: 64, stderr: expect.stringContaining("unknown command 'fly'") });
  });

  it("says in one line which Node it needs", async () => {
    const program = join(unpacked, manifest.bin.satibot ?? "missing");
    const old = await call(process.execPath, ["--import", NODE_TOO_OLD, program, "--version"], { cwd: home }).catch(
      (error: unknown) => error,
    );
    expect(old).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^satibot: needs Node 20\.19 or newer, and this is 20\.18\.3[^\n]*\n$/),
    });
  });
});
