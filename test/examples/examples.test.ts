import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = new URL("../..", import.meta.url).pathname;
let folder: string;

/** Each example runs by the package's name, on sources compiled for this test alone. */
beforeAll(() => {
  mkdirSync(join(ROOT, "node_modules/.cache"), { recursive: true });
  folder = mkdtempSync(join(ROOT, "node_modules/.cache/examples-"));
  const built = spawnSync("npx", ["tsc", "-p", "tsconfig.build.json", "--noCheck", "--outDir", join(folder, "satibot/dist")], {
    cwd: ROOT,
  });
  if (built.status !== 0) throw new Error(built.stdout.toString());
  cpSync(join(ROOT, "package.json"), join(folder, "satibot/package.json"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  mkdirSync(join(folder, "node_modules"));
  mkdirSync(join(folder, "tmp"));
  symlinkSync(join(folder, "satibot"), join(folder, "node_modules/satibot"));
  cpSync(join(ROOT, "examples"), join(folder, "examples"), { recursive: true });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Colour is asked for, and a token is not known: a pipe gets no escape codes, and nothing needs a network. */
function environment(): NodeJS.ProcessEnv {
  const { TELEGRAM_BOT_TOKEN: _token, NO_COLOR: _plain, ...rest } = process.env;
  return { ...rest, FORCE_COLOR: "1", TMPDIR: join(folder, "tmp") };
}

const argsOf = (name: string, args: readonly string[]): string[] => ["--import", "tsx", join(folder, "examples", `${name}.ts`), ...args];

interface Ended {
  readonly status: number | null;
  readonly output: string;
  readonly lines: readonly string[];
  readonly errors: string;
}

function run(name: string, ...args: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, argsOf(name, args), {
    timeout: 18_000,
    encoding: "utf8",
    env: environment(),
  });
  return { status, output: stdout, lines: stdout.trim().split("\n"), errors: stderr };
}

/** Starts an example and sends it a signal as soon as its output holds `sign`. */
function interrupt(name: string, args: readonly string[], sign: string, seen: () => void = () => undefined): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, argsOf(name, args), { timeout: 18_000, env: environment() });
    let output = "";
    let errors = "";
    let isSent = false;
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      if (isSent || !output.includes(sign)) return;
      isSent = true;
      seen();
      child.kill("SIGINT");
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, output, lines: output.trim().split("\n"), errors }));
  });
}

const stores = (): readonly string[] => readdirSync(join(folder, "tmp")).filter((name) => name.startsWith("satibot-demo-"));

describe("examples", () => {
  it("basic-event-loop answers two chats at once, fires its cron job and ends", () => {
    const { status, lines, errors } = run("basic-event-loop");
    expect(errors).toBe("");
    expect(lines[0]).toBe("api:ben hears: You said: hello");
    expect(lines.slice(1, 4).toSorted()).toEqual([
      "api:ada hears: that took a while",
      "api:ben hears: You said: a second has passed",
      "api:ben hears: You said: a second has passed",
    ]);
    expect(lines.slice(4)).toEqual(["The loop has drained."]);
    expect(status).toBe(0);
  });

  it("gateway answers over HTTP, fires its cron job and ends", () => {
    const { status, lines, errors } = run("gateway");
    expect(errors).toBe("");
    expect(lines[0]).toMatch(/^Listening on http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(lines.slice(1)).toEqual([
      'POST /api/chats/api%3Ame/messages: 202 {"seq":1,"duplicate":false}',
      "api:me hears: You said: hello over HTTP",
      "api:me hears: You said: a second has passed",
      "The gateway has drained.",
    ]);
    expect(status).toBe(0);
  });

  it("custom-agent fails once, keeps its step and answers", () => {
    const { status, lines, errors } = run("custom-agent");
    expect(errors).toBe("");
    expect(lines.at(-1)).toMatch(/^attempt 2 of "roll": the dice, rolled once, shows [1-6]$/);
    expect(status).toBe(0);
  });
});

describe("the demo", () => {
  it("runs both gateways on the same messages and compares what it measured", () => {
    const { status, output, lines, errors } = run("async-event-loop-demo", "--quick");
    expect(errors).toBe("");
    expect(status).toBe(0);
    expect(output).not.toContain("\u001b");
    expect(stores()).toEqual([]);

    const figures = (label: string): readonly number[] => {
      const cells =
        lines
          .find((line) => line.startsWith(label))
          ?.slice(24)
          .match(/[\d.]+(?: m?s)?/g) ?? [];
      return cells.map((text) => Number.parseFloat(text) * (text.endsWith(" s") ? 1_000 : 1));
    };
    expect(figures("Messages answered")).toEqual([10, 10]);
    for (const label of ["Answers per second", "Latency, median", "Latency, 99 %", "Messages waiting, most", "CPU time", "Elapsed"]) {
      expect({ label, measured: figures(label).filter((figure) => figure > 0).length }).toEqual({ label, measured: 2 });
    }
    // One after another, somebody waits for everybody before.
    for (const label of ["Latency, median", "Latency, 99 %", "Elapsed"]) {
      const [synchronous = 0, eventLoop = 0] = figures(label);
      expect({ label, isSooner: eventLoop < synchronous }).toEqual({ label, isSooner: true });
    }

    expect(lines.filter((line) => line.startsWith("$ ")).map((line) => line.split(/:? /)[1])).toHaveLength(8);
    expect(output).toContain("$ satibot chats why discord:nina: The agent has been answering for ");
    expect(output).toContain("$ satibot chats stop discord:nina: the turn was aborted; now idle");
    expect(output).toContain("$ removeCronJob tea: removed");
    expect(output).toMatch(/^It began cold, and also ran [1-9]\d* cron turns? and 8 commands;/m);
    expect(output).toMatch(/^\d\.\d s {2}\d+ of 10 answered; .*slots \d+\/16, /m);
    expect(lines.slice(-3).map((line) => line.split(/ {2,}/)[0])).toEqual(["npm start", "npx satibot status", "docs/architecture.md"]);
  });

  it("drains, removes its store and ends with 0 when it is interrupted", async () => {
    let during: readonly string[] = [];
    let sentAtMs = 0;
    const { status, output, errors } = await interrupt("async-event-loop-demo", [], "$ satibot status", () => {
      during = stores();
      sentAtMs = performance.now();
    });
    expect(performance.now() - sentAtMs).toBeLessThan(6_000);
    expect(errors).toBe("");
    expect(during).toHaveLength(1);
    expect(stores()).toEqual([]);
    expect(output).toMatch(/^Stopped: \d+ of 72 answered; the gateway has drained, its store is removed\.$/m);
    expect(output).not.toContain("Latency");
    expect(status).toBe(0);
  });

  it("ends the synchronous run too when it is interrupted, and shows no half of a table", async () => {
    const { status, output, errors } = await interrupt("async-event-loop-demo", ["--quick"], "✓ async event loop");
    expect(errors).toBe("");
    expect(output).toContain("Stopped in the synchronous run");
    expect(output).not.toContain("Latency");
    expect(stores()).toEqual([]);
    expect(status).toBe(0);
  });

  it.each([
    [["--bogus"], "Unknown option '--bogus'"],
    [["--chats", "2"], '--chats must be a whole number from 3 to 2000, not "2"'],
    [["--messages", "1e3"], '--messages must be a whole number from 1 to 10000, not "1e3"'],
    [["more"], "Unexpected argument 'more'"],
  ])("refuses %j with 64 and one clear line", (args, why) => {
    const { status, output, errors } = run("async-event-loop-demo", ...args);
    expect({ status, output, errors }).toEqual({
      status: 64,
      output: "",
      errors: `demo: ${why}; npm run demo -- --help shows the options\n`,
    });
  });

  it("explains its options", () => {
    const { status, output, errors } = run("async-event-loop-demo", "--help");
    expect({ status, errors }).toEqual({ status: 0, errors: "" });
    for (const option of ["--quick", "--chats", "--messages", "--seed"]) expect(output).toContain(option);
  });
});
