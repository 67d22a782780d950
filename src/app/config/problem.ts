import { ConfigError } from "../../core/errors.ts";
import { lineOf } from "./line.ts";

/** One thing wrong with the configuration. `path` is the place in the file, from the top. */
export interface Problem {
  readonly path: readonly (string | number)[];
  /** What is wrong and what to write instead. */
  readonly message: string;
  /** Known to the design but not built yet; otherwise it is a mistake. */
  readonly unsupported?: boolean;
}

/** Where the values came from: for messages only. */
export interface Source {
  readonly file: string | undefined;
  /** Its text, when lines can be named by path (YAML and JSON). */
  readonly text: string | undefined;
  /** Values that came from the environment: joined path to variable. */
  readonly variables: ReadonlyMap<string, string>;
}

/** `channels.telegram.token`, `cron[0].schedule`. */
export function joinPath(path: readonly (string | number)[]): string {
  return path.map((step, place) => (typeof step === "number" ? `[${step}]` : place === 0 ? step : `.${step}`)).join("");
}

/**
 * All problems as one error with a line each, every line naming the path and, where it is known, the line or the variable; in the order of
 * the file. Its code is CONFIG_UNSUPPORTED when nothing else is wrong, else CONFIG_INVALID; its `path` is that of the first problem.
 */
export function configError(problems: readonly Problem[], source: Source): ConfigError {
  const placed = problems
    .map((problem) => {
      const path = joinPath(problem.path);
      const variable = source.variables.get(path);
      const line = source.text === undefined || variable !== undefined ? undefined : lineOf(source.text, problem.path);
      return { path, variable, line, message: problem.message };
    })
    .sort((a, b) => (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER));
  const lines = placed.map(({ path, variable, line, message }) => {
    if (variable !== undefined) return `  ${variable} (${path}): ${message}`;
    return `  ${path === "" ? "the whole file" : path}${line === undefined ? "" : ` (line ${line})`}: ${message}`;
  });
  const where = source.file ?? "The configuration";
  const many = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const code = problems.every((problem) => problem.unsupported === true) ? "CONFIG_UNSUPPORTED" : "CONFIG_INVALID";
  return new ConfigError(code, `${where} has ${many}:\n${lines.join("\n")}`, { path: placed[0]?.path ?? "" });
}
