import { readFile, readdir } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { brokenJsonLine } from "./line.ts";

const EXTENSIONS = ["ts", "mts", "js", "mjs", "cjs", "json", "yaml", "yml", "toml"];
const NAMES: ReadonlySet<string> = new Set(EXTENSIONS.map((extension) => `satibot.config.${extension}`));

/** What a configuration file says, unchecked. */
export interface ConfigFile {
  readonly file: string;
  /** Its text, when lines can be named by path: YAML and JSON. */
  readonly text: string | undefined;
  /** An object, or undefined for an empty file. */
  readonly value: unknown;
}

/**
 * Finds and loads the configuration file: `configPath` (relative to `cwd`), or the one `satibot.config.*` in `cwd`; undefined when there is none.
 * Nothing else is read: no rc files, no package.json, no home directory, no `extends`.
 * @throws ConfigError CONFIG_INVALID for a missing, ambiguous or malformed file, naming the file and the line
 */
export async function readConfigFile(cwd: string, configPath: string | undefined): Promise<ConfigFile | undefined> {
  const file = configPath === undefined ? await findFile(cwd) : resolve(cwd, configPath);
  if (file === undefined) return undefined;
  const kind = extname(file).slice(1);
  if (!EXTENSIONS.includes(kind)) {
    throw new ConfigError(
      "CONFIG_INVALID",
      `${file}: a configuration file ends in one of ${EXTENSIONS.map((name) => `.${name}`).join(", ")}; rename it`,
    );
  }
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === "ENOENT"
        ? "there is no such file; check --config"
        : `cannot be read (${cause.code ?? cause.message}); check its permissions`;
    throw new ConfigError("CONFIG_INVALID", `${file}: ${why}`, { cause });
  });
  const named = ["json", "yaml", "yml"].includes(kind) ? text : undefined;
  const isCode = /^[cm]?[jt]s$/.test(kind);
  if (!isCode && text.trim() === "") return { file, text: named, value: undefined };
  try {
    return { file, text: named, value: kind === "json" ? JSON.parse(text) : await load(cwd, file) };
  } catch (cause) {
    if (isCommentOnly(kind, text)) return { file, text: named, value: undefined };
    throw malformed(file, kind, text, cause);
  }
}

async function findFile(cwd: string): Promise<string | undefined> {
  const found = (await readdir(cwd)).filter((name) => NAMES.has(name)).sort();
  if (found.length > 1) {
    throw new ConfigError("CONFIG_INVALID", `${cwd} holds ${found.join(" and ")}; keep one of them, or name it with --config`);
  }
  return found[0] === undefined ? undefined : resolve(cwd, found[0]);
}

/** c12 loads the file and its imports; all it would read besides is turned off. Loaded late: most runs have no file. */
async function load(cwd: string, file: string): Promise<unknown> {
  const { loadConfig } = await import("c12");
  const loaded = await loadConfig({
    cwd,
    configFile: file,
    configFileRequired: true,
    rcFile: false,
    globalRc: false,
    packageJson: false,
    dotenv: false,
    envName: false,
    extend: false,
    giget: false,
  });
  // The merged `config` has lost its nulls; the layer is what the file says.
  return loaded.layers?.find((layer) => layer.configFile === file)?.config ?? loaded.config;
}

function isCommentOnly(kind: string, text: string): boolean {
  return (kind === "yaml" || kind === "yml") && text.split("\n").every((line) => /^\s*(#.*|---\s*)?$/.test(line));
}

function malformed(file: string, kind: string, text: string, cause: unknown): ConfigError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const line = kind === "json" ? brokenJsonLine(text) : failingLine(file, cause);
  const said = message
    .replace(/^ParseError:\s*/, "")
    .replaceAll(file, "")
    .split("\n")[0]
    ?.replace(/\s*\(\d+:\d+\)\s*$/, "")
    .replace(/^[:\s]+|\s+$/g, "");
  const at = line === undefined ? file : `${file}:${line}`;
  return new ConfigError("CONFIG_INVALID", `${at}: ${said ?? "cannot be loaded"}; correct the file, then run \`satibot config check\``, {
    cause,
  });
}

/** Where the parsers put the line: js-yaml `mark.line` from 0, TOML `line` from 1, TypeScript and JavaScript in the text or the stack. */
function failingLine(file: string, cause: unknown): number | undefined {
  if (typeof cause !== "object" || cause === null) return undefined;
  if (
    "mark" in cause &&
    typeof cause.mark === "object" &&
    cause.mark !== null &&
    "line" in cause.mark &&
    typeof cause.mark.line === "number"
  ) {
    return cause.mark.line + 1;
  }
  if ("line" in cause && typeof cause.line === "number") return cause.line;
  if (!(cause instanceof Error)) return undefined;
  const place = new RegExp(`${file.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}:(\\d+):\\d+`).exec(cause.message);
  return place === null ? undefined : Number(place[1]);
}
