import { execFile } from "node:child_process";
import { accessSync, constants, realpathSync } from "node:fs";
import { chown, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir, userInfo } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunResult, ServiceHost } from "./service.ts";

/** Longest wait for a command: a start lasts until the daemon is ready, a stop until it has drained. */
const RUN_MAX_MS = 10 * 60_000;

/** This machine. */
export function createServiceHost(): ServiceHost {
  const { username: userName, uid: userId } = userInfo();
  const script = process.argv[1] ?? "";
  const run = (command: string, args: readonly string[]): Promise<RunResult> =>
    new Promise((resolve) => {
      execFile(command, [...args], { timeout: RUN_MAX_MS, env: { ...process.env, LC_ALL: "C" } }, (error, stdout, stderr) => {
        if (error?.code === "ENOENT") resolve(undefined);
        else resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, stdout, stderr });
      });
    });
  return {
    platform: process.platform,
    home: homedir(),
    userName,
    userId,
    configHome: process.env.XDG_CONFIG_HOME || undefined,
    sudoUser: process.env.SUDO_USER || undefined,
    nodePath: process.execPath,
    scriptPath: script === "" ? script : realpathSync(script),
    hasProgram: (name) =>
      Promise.resolve((process.env.PATH ?? "").split(delimiter).some((folder) => folder !== "" && canRun(join(folder, name)))),
    run,
    pause: (ms) => sleep(ms),
    readFile: (path) =>
      readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    writeFile: async (path, text) => {
      await mkdir(dirname(path), { recursive: true });
      const staged = `${path}.new`;
      await writeFile(staged, text, { mode: 0o644 });
      await rename(staged, path);
    },
    removeFile: (path) => rm(path, { force: true }),
    makeFolder: async (path, owner) => {
      const isThere = await stat(path).then(
        () => true,
        () => false,
      );
      if (isThere) return;
      await mkdir(path, { recursive: true });
      const [uid, gid] = [Number(process.env.SUDO_UID), Number(process.env.SUDO_GID)];
      if (owner !== undefined && owner === process.env.SUDO_USER && uid > 0 && gid > 0) await chown(path, uid, gid);
    },
  };
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
