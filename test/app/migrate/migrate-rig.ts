import { createHash } from "node:crypto";
import { cp, lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { MigrationReport } from "../../../src/app/migrate/report.ts";
import { type Ran, run } from "../cli/cli-rig.ts";

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

export interface Folders {
  /** The SatiBot's. */
  readonly home: string;
  /** Where satibot is to run. */
  readonly cwd: string;
}

/** An empty home beside an empty folder; with `fixture`, the home of a SatiBot that has been in use. */
export async function openFolders(fixture = false): Promise<Folders> {
  const root = await mkdtemp(join(tmpdir(), "satibot-migrate-"));
  folders.push(root);
  const [home, cwd] = [join(root, "bots"), join(root, "run")];
  if (fixture) await cp(join(import.meta.dirname, "fixtures/bots"), home, { recursive: true });
  else await mkdir(join(home, "sessions"), { recursive: true });
  await mkdir(cwd);
  return { home, cwd };
}

export function migrate({ home, cwd }: Folders, ...options: readonly string[]): Promise<Ran> {
  return run(["migrate", "--from", home, ...options], { cwd });
}

/** The report of a run that took something. */
export async function reportOf(place: Folders, ...options: readonly string[]): Promise<MigrationReport> {
  const ran = await migrate(place, "--json", ...options);
  if (ran.code !== 0) throw new Error(`exit ${ran.code}: ${ran.err}`);
  return JSON.parse(ran.out) as MigrationReport;
}

export async function writeSession({ home }: Folders, name: string, value: unknown): Promise<void> {
  await writeFile(join(home, "sessions", name), typeof value === "string" ? value : JSON.stringify(value));
}

/** `user` and `assistant` by turns. */
export function messages(...texts: readonly string[]): {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
} {
  return { messages: texts.map((content, place) => ({ role: place % 2 === 0 ? "user" : "assistant", content })) };
}

/** Every entry below a folder with mode, time and content; links are not followed. */
export async function treeOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const lines = await Promise.all(
    entries.map(async (entry): Promise<readonly string[]> => {
      const path = join(folder, entry.name);
      const { mode, mtimeMs } = await lstat(path);
      const line = `${path} ${mode.toString(8)} ${mtimeMs}`;
      if (entry.isDirectory()) return [line, ...(await treeOf(path))];
      if (entry.isSymbolicLink()) return [`${line} ${await readlink(path)}`];
      return [entry.isFile() ? `${line} ${hash(await readFile(path))}` : line];
    }),
  );
  return lines.flat().sort();
}

function hash(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
