import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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
  symlinkSync(join(folder, "satibot"), join(folder, "node_modules/satibot"));
  cpSync(join(ROOT, "examples"), join(folder, "examples"), { recursive: true });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(name: string): { readonly status: number | null; readonly lines: readonly string[]; readonly errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", join(folder, "examples", `${name}.ts`)], {
    timeout: 15_000,
    encoding: "utf8",
  });
  return { status, lines: stdout.trim().split("\n"), errors: stderr };
}

describe("examples", () => {
  it("basic-event-loop answers, fires its cron job and ends", () => {
    const { status, lines, errors } = run("basic-event-loop");
    expect(errors).toBe("");
    expect(lines.slice(0, 3)).toEqual(["reply 1 of 1: You said: hello", "reply 1 of 2: part 1 of 2", "reply 2 of 2: part 2 of 2"]);
    expect(lines[3]).toBe("reply 1 of 1: You said: a second has passed");
    expect(status).toBe(0);
  });

  it("gateway answers over HTTP and ends", () => {
    expect(run("gateway")).toEqual({ status: 0, lines: ["202 { seq: 1, duplicate: false }", "You said: hello over HTTP"], errors: "" });
  });

  it("custom-agent fails once, keeps its step and answers", () => {
    const { status, lines, errors } = run("custom-agent");
    expect(errors).toBe("");
    expect(lines.at(-1)).toMatch(/^attempt 2 of "roll": the dice, rolled once, shows [1-6]$/);
    expect(status).toBe(0);
  });
});
