import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { ConfigError } from "../../core/errors.ts";
import type { Environment } from "./environment.ts";

/** The name of the file beside the configuration that holds its secrets. */
export const ENVIRONMENT_FILE = ".env";
const BYTES_MAX = 1024 * 1024;

/**
 * What `.env` in a folder says, as `NAME=value` lines; empty when there is none. The process's own environment is never changed: these
 * values reach the configuration and nothing else.
 * @throws ConfigError CONFIG_INVALID when it cannot be read or is over 1 MiB
 */
export function readEnvironmentFile(folder: string): Environment {
  const file = join(folder, ENVIRONMENT_FILE);
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    // A folder of that name is somebody's virtual environment.
    if (found === undefined || found.isDirectory()) return {};
    if (found.size > BYTES_MAX)
      throw new ConfigError("CONFIG_INVALID", `${file} is larger than 1 MiB, so it is no list of variables; move it`);
    return parseEnv(readFileSync(file, "utf8").replace(/^\uFEFF/, ""));
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new ConfigError("CONFIG_INVALID", `${file} cannot be read (${why}); check its permissions, or remove it`, { cause });
  }
}

/** `.env` of a folder with the environment over it: a variable that is set wins, also when it is set to nothing. */
export function withEnvironmentFile(env: Environment, folder: string): Environment {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
  return { ...readEnvironmentFile(folder), ...set };
}
