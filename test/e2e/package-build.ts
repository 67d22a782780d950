/** The package as it would be installed, built once per state of the sources and kept under node_modules/.cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CACHE = join(ROOT, "node_modules/.cache/satibot-e2e");
/** Builds of other sources are removed after this. */
const KEPT_MS = 60 * 60_000;
/** What is compiled: the package, and the daemon of the tests beside it. */
const COMPILED = ["src", "machines", "test/e2e/ledger-daemon.ts"];

/** Programs of a build. */
export interface Build {
  /** The command line, `satibot`. */
  readonly main: string;
  /** A daemon with the agent of `ledger-daemon.ts`. */
  readonly ledgerDaemon: string;
}

/** Two workers may build the same sources at once: the first to finish is used by both. */
export async function buildPackage(): Promise<Build> {
  const home = join(CACHE, await fingerprint());
  const build = { main: join(home, "dist/src/app/main.js"), ledgerDaemon: join(home, "dist/test/e2e/ledger-daemon.js") };
  if (await exists(build.ledgerDaemon)) return build;
  await removeOldBuilds();
  const staged = `${home}.${process.pid}`;
  await mkdir(staged, { recursive: true });
  await cp(join(ROOT, "package.json"), join(staged, "package.json"));
  const compilerOptions = { rootDir: ROOT, outDir: join(staged, "dist"), declaration: false };
  const include = COMPILED.map((path) => join(ROOT, path));
  await writeFile(join(staged, "tsconfig.json"), JSON.stringify({ extends: join(ROOT, "tsconfig.build.json"), compilerOptions, include }));
  // Types are checked elsewhere; here only what is emitted matters.
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", staged, "--noCheck"]);
  try {
    await rename(staged, home);
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    if (!(await exists(build.ledgerDaemon))) throw error;
  }
  return build;
}

async function fingerprint(): Promise<string> {
  const hash = createHash("sha256");
  for (const path of ["package.json", "tsconfig.json", "tsconfig.build.json", ...COMPILED]) {
    const at = join(ROOT, path);
    const isFolder = (await stat(at)).isDirectory();
    const inside = isFolder ? (await readdir(at, { recursive: true })).filter((name) => name.endsWith(".ts")).sort() : [""];
    for (const name of inside) {
      const { mtimeMs, size } = await stat(join(at, name));
      hash.update(`${join(path, name)} ${mtimeMs} ${size}\n`);
    }
  }
  return hash.digest("hex").slice(0, 16);
}

async function removeOldBuilds(): Promise<void> {
  for (const name of await readdir(CACHE).catch(() => [])) {
    const found = await stat(join(CACHE, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > KEPT_MS) await rm(join(CACHE, name), { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
