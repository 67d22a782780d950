/** What every test of a mistake asks: one clear line for each problem, the right exit code, no stack trace, and nothing harmed. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { until, type CliResult, type Daemon, type Rig } from "../e2e/rig.ts";

/** Exit codes as the documentation lists them. */
export const EXIT = { ok: 0, failed: 1, usage: 64, unreachable: 69, config: 78 } as const;

const STACK = /^\s+at .+[:(]/m;

/** Lines that a person reads: all but those of the log. */
export function complaints(output: string): readonly string[] {
  return output.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
}

/** What a command that failed has told. */
interface Told {
  readonly code: number;
  /** Standard output, which a failure leaves alone. */
  readonly stdout: string;
  /** Lines of standard error. */
  readonly lines: readonly unknown[];
  readonly hasStack: boolean;
}

export function told({ code, stdout, stderr }: CliResult): Told {
  return { code, stdout, lines: complaints(stderr), hasStack: STACK.test(stderr) };
}

/** What `told` gives for a refusal: this exit code and these lines on standard error, nothing else. */
export function refused(code: number, lines: readonly (string | RegExp)[]): Told {
  return {
    code,
    stdout: "",
    lines: lines.map((line): unknown => (typeof line === "string" ? line : expect.stringMatching(line))),
    hasStack: false,
  };
}

/** What a folder holds: each path with the hash of its bytes. */
export async function contentsOf(dir: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const hashes = await Promise.all(
    files.map(async (file) =>
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex"),
    ),
  );
  return Object.fromEntries(files.map((file, place) => [file.slice(dir.length + 1), hashes[place] ?? ""]));
}

/** Lines of a daemon's log, parsed. */
export function logOf(daemon: Daemon): readonly Readonly<Record<string, unknown>>[] {
  return daemon
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}

let asked = 0;

/** The daemon takes a message, and answers it. */
export async function expectAnswers(rig: Rig, chat = "api:after"): Promise<void> {
  const text = `still here ${(asked += 1)}?`;
  await rig.api.sendMessage(chat, { text });
  const isAnswered = async () => (await rig.api.chat(chat)).history.some((entry) => entry.text === `You said: ${text}`);
  await until(`${chat} is answered`, isAnswered, 8_000);
}
