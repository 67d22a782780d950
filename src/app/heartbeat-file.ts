import { open } from "node:fs/promises";
import type { HeartbeatOptions } from "../runtime/api.ts";
import type { HeartbeatConfig } from "./config/heartbeat-fields.ts";

/** Most bytes read of the file; the runtime takes less of it. */
const BYTES_MAX = 256 * 1024;

/** The heartbeat of a configuration, whose instructions are read from its file each time. */
export function heartbeatOf(config: HeartbeatConfig): HeartbeatOptions {
  const { file, ...rest } = config;
  return { ...rest, source: file, instructions: () => beginningOf(file) };
}

/** Undefined when there is no such file. @throws Error of the file system, such as EACCES */
async function beginningOf(file: string): Promise<string | undefined> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(BYTES_MAX), 0, BYTES_MAX, 0);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await handle.close();
  }
}
