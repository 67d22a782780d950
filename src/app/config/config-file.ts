import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
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
  const text = await readText(file, kind);
  const named = ["json", "yaml", "yml"].includes(kind) ? text : undefined;
  const isCode = /^[cm]?[jt]s$/.test(kind);
  if (!isCode && text.trim() === "") return { file, text: named, value: undefined };
  let value: unknown;
  try {
    value = kind === "json" ? JSON.parse(text) : await load(cwd, file, kind);
  } catch (cause) {
    if (isCommentOnly(kind, text)) return { file, text: named, value: undefined };
    throw malformed(file, kind, text, cause);
  }
  if (isCode && exportsNothing(text)) {
    throw new ConfigError("CONFIG_INVALID", `${file}: exports nothing, so all of it would be ignored; write \`export default { … }\``);
  }
  return { file, text: named, value };
}

/** The file as text, without its byte order mark. @throws ConfigError CONFIG_INVALID when it cannot be read or is no UTF-8 */
async function readText(file: string, kind: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === "ENOENT"
        ? "there is no such file; check --config"
        : cause.code === "EISDIR"
          ? "is a folder; name the file in it"
          : `cannot be read (${cause.code ?? cause.message}); check its permissions`;
    throw new ConfigError("CONFIG_INVALID", `${file}: ${why}`, { cause });
  });
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw notUtf8(file, cause);
  }
  // What some editors and shells call Unicode is UTF-16: in it every other byte of a plain text is a NUL.
  if (text.includes("\0")) throw notUtf8(file);
  if (!text.startsWith("\ufeff")) return text;
  if (kind === "toml") throw new ConfigError("CONFIG_INVALID", `${file}: begins with a byte order mark; save it as UTF-8 without one`);
  return text.slice(1);
}

function notUtf8(file: string, cause?: unknown): ConfigError {
  return new ConfigError("CONFIG_INVALID", `${file}: is not UTF-8 text; save it with the encoding UTF-8`, { cause });
}

/** True for code, not just comments, that never says `export`: a forgotten `export default`. */
function exportsNothing(text: string): boolean {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "").trim();
  return code !== "" && !/\bexports?\b/.test(text);
}

async function findFile(cwd: string): Promise<string | undefined> {
  const found = (await readdir(cwd)).filter((name) => NAMES.has(name)).sort();
  if (found.length > 1) {
    throw new ConfigError("CONFIG_INVALID", `${cwd} holds ${found.join(" and ")}; keep one of them, or name it with --config`);
  }
  return found[0] === undefined ? undefined : resolve(cwd, found[0]);
}

/** How often each file was loaded by this process. */
const loads = new Map<string, number>();

/** What Node itself loads it keeps for ever; what is asked for here is the file as it is now. Imports of an .mjs file are read once. */
async function loadAgain(file: string, kind: "mjs" | "cjs", load: number): Promise<unknown> {
  let value: unknown;
  if (kind === "mjs") {
    const module = (await import(`${pathToFileURL(file).href}?load=${load}`)) as { readonly default?: unknown };
    value = module.default;
  } else {
    const require = createRequire(file);
    for (const path of Object.keys(require.cache)) {
      if (path.startsWith(dirname(file)) && !path.includes("node_modules")) delete require.cache[path];
    }
    value = require(file);
  }
  return typeof value === "function" ? (value as () => unknown)() : value;
}

/** c12 loads the file and its imports; all it would read besides is turned off. Loaded late: most runs have no file. */
async function load(cwd: string, file: string, kind: string): Promise<unknown> {
  const before = loads.get(file) ?? 0;
  loads.set(file, before + 1);
  if (before > 0 && (kind === "mjs" || kind === "cjs")) return loadAgain(file, kind, before);
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
    // V8 quotes the beginning of the text, line ends and all.
    .replace(/, (?:\.\.\.)?"[\s\S]*is not valid JSON$|(?<=JSON) at position \d+.*$/, "")
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
  const place = new RegExp(`${file.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?:\\?load=\\d+)?:(\\d+)(?::\\d+)?`);
  const found = place.exec(cause.message) ?? place.exec(cause.stack ?? "");
  return found === null ? undefined : Number(found[1]);
}
