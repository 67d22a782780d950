import { appendFile, mkdir, open, readFile, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CommandError, EXIT } from "../cli/io.ts";
import { ENVIRONMENT_FILE, readEnvironmentFile } from "../config/environment-file.ts";
import { type Answers, TOKEN_VARIABLE, configText } from "./config-text.ts";

const CONFIG_FILE = "satibot.config.yaml";
/** Folders above the given one that are looked at for a repository. */
const PARENTS_MAX = 64;
/** What must not be committed: the patterns that say so, the first being the one that is added. */
const IGNORED: readonly (readonly string[])[] = [
  ["/.env", ".env", ".env*", "*.env", ".env.*"],
  ["/data/", "/data", "data/", "data", "data/*", "/data/*"],
];

/** The configuration file of any kind that a folder holds; undefined also when there is no such folder. @throws CommandError 1 for no folder */
export async function existingConfig(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return [];
    const why = cause.code === "ENOTDIR" ? "is no folder" : `cannot be read (${cause.code ?? cause.message})`;
    throw new CommandError(EXIT.failed, `${folder} ${why}; name another with --dir; nothing was written`, { cause });
  });
  return names.find((name) => /^satibot\.config\.[a-z]+$/i.test(name));
}

/**
 * Writes the configuration, `.env` (mode 600) with the token, and what is missing in the `.gitignore` of a repository; the folder is made.
 * What exists is never replaced, lines are added to `.env` and `.gitignore` at most. When it fails, what it created is removed.
 * @returns a line for each file, for people
 * @throws CommandError 1 naming the file that cannot be written, or that came into being meanwhile
 */
export async function writeFiles(folder: string, answers: Answers): Promise<readonly string[]> {
  const created: string[] = [];
  const lines: string[] = [];
  let file = folder;
  try {
    await mkdir(folder, { recursive: true });
    // First, so that there is no moment in which a secret could be committed.
    file = join(folder, ".gitignore");
    const ignored = await addIgnored(folder, file, created);
    file = join(folder, ENVIRONMENT_FILE);
    const environment = answers.telegram === undefined ? undefined : await addToken(folder, file, answers.telegram.token, created);
    file = join(folder, CONFIG_FILE);
    await create(file, configText(answers), 0o644, created);
    lines.push(CONFIG_FILE, ...(environment === undefined ? [] : [environment]), ...(ignored === undefined ? [] : [ignored]));
    return lines;
  } catch (cause) {
    for (const path of created) await rm(path, { force: true });
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    const why =
      code === "EEXIST" ? "exists, and nothing is ever replaced" : `cannot be written (${code}); check permissions and free space`;
    throw new CommandError(EXIT.failed, `${file} ${why}; no configuration was written`, { cause });
  }
}

/** Fails when the file exists; is in `created` before the first byte is written. */
async function create(file: string, text: string, mode: number, created: string[]): Promise<void> {
  const handle = await open(file, "wx", mode);
  created.push(file);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function addToken(folder: string, file: string, token: string, created: string[]): Promise<string | undefined> {
  const line = `${TOKEN_VARIABLE}=${token}\n`;
  if (readEnvironmentFile(folder)[TOKEN_VARIABLE] === token) return undefined;
  const before = await readOrNothing(file);
  if (before === undefined) {
    await create(file, `# Secrets of satibot: read by it when it starts in this folder. Never commit this file.\n${line}`, 0o600, created);
    return `${ENVIRONMENT_FILE} with the token, readable by you alone`;
  }
  await appendFile(file, `${before === "" || before.endsWith("\n") ? "" : "\n"}${line}`);
  const isOpen = process.platform !== "win32" && ((await stat(file)).mode & 0o077) !== 0;
  return `${ENVIRONMENT_FILE}, with the token added${isOpen ? "; others can read it: chmod 600 .env" : ""}`;
}

async function addIgnored(folder: string, file: string, created: string[]): Promise<string | undefined> {
  const root = await repositoryOf(folder);
  if (root === undefined) return undefined;
  const known = await ignoredIn(folder, root);
  const missing = IGNORED.filter((patterns) => !patterns.some((pattern) => known.has(pattern))).map(([pattern = ""]) => pattern);
  if (missing.length === 0) return undefined;
  const text = `${missing.join("\n")}\n`;
  const before = await readOrNothing(file);
  if (before === undefined) await create(file, text, 0o644, created);
  else await appendFile(file, `${before === "" || before.endsWith("\n") ? "" : "\n"}${text}`);
  return `.gitignore, with ${missing.join(" and ")}${before === undefined ? "" : " added"}`;
}

/** The folder of the repository that holds this one: itself or above. */
async function repositoryOf(folder: string): Promise<string | undefined> {
  let here = folder;
  for (let steps = 0; steps < PARENTS_MAX; steps += 1) {
    const isRoot = await stat(join(here, ".git")).then(
      () => true,
      () => false,
    );
    if (isRoot) return here;
    if (dirname(here) === here) return undefined;
    here = dirname(here);
  }
  return undefined;
}

/** Patterns of the `.gitignore` files from `folder` up to `root`; those of parents count only without a leading slash. */
async function ignoredIn(folder: string, root: string): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  for (let here = folder; ; here = dirname(here)) {
    const text = (await readOrNothing(join(here, ".gitignore"))) ?? "";
    for (const line of text.split(/\r?\n/)) if (here === folder || !line.startsWith("/")) known.add(line.trim());
    if (here === root || dirname(here) === here) return known;
  }
}

async function readOrNothing(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}
