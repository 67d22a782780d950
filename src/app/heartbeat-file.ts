import { open, stat } from "node:fs/promises";
import { ConfigError } from "../core/errors.ts";
import type { HeartbeatOptions } from "../runtime/api.ts";
import type { HeartbeatConfig } from "./config/heartbeat-fields.ts";

/** Most bytes read of the file; the runtime takes less of it. */
const BYTES_MAX = 256 * 1024;

/** The heartbeat of a configuration, whose instructions are read from its file each time. */
export function heartbeatOf(config: HeartbeatConfig): HeartbeatOptions {
  const { file, ...rest } = config;
  return { ...rest, source: file, instructions: () => beginningOf(file) };
}

/** Undefined when there is no such file. @throws Error of the file system, such as EACCES; ConfigError CONFIG_INVALID for a folder or a pipe */
async function beginningOf(file: string): Promise<string | undefined> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!found) return undefined;
  // To open a pipe is to wait until somebody writes into it.
  if (!found.isFile()) throw new ConfigError("CONFIG_INVALID", "it is no ordinary file; put one in its place", { path: "heartbeat.file" });
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(BYTES_MAX), 0, BYTES_MAX, 0);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await handle.close();
  }
}
