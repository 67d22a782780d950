import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { loadClientConfig } from "../config/config.ts";
import { CommandError, EXIT } from "./io.ts";
import { type Tools, withJson } from "./tools.ts";

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly replace?: boolean;
}

const MIB = 1024 * 1024;

/** `satibot backup` and `restore`: the whole store as one file, taken while the daemon runs and put back while it does not. */
export function addBackupCommands(program: Command, { io, print }: Tools): void {
  const storeFile = async (options: Options): Promise<string> => {
    const { store } = await loadClientConfig({
      cwd: io.cwd,
      env: io.env,
      ...(options.config === undefined ? {} : { configPath: options.config }),
    });
    if (store.kind === "sqlite") return store.file;
    throw new CommandError(EXIT.failed, "the configured store is in memory: there is no file to copy; write store: sqlite:PATH");
  };
  const command = (name: string, description: string, file: string): Command =>
    withJson(program.command(name).description(description).option("--config <path>", "configuration file")).argument("<file>", file);

  command("backup", "copy the store into one file, also while the daemon runs", "path of the copy; it must not exist").action(
    async (given: string, options: Options) => {
      const to = resolve(io.cwd, given);
      const file = await storeFile(options);
      if (!existsSync(file)) throw new CommandError(EXIT.failed, `there is no store at ${file}; name the configuration with --config`);
      if (existsSync(to)) throw new CommandError(EXIT.failed, `${to} exists already; name a new file, nothing is overwritten`);
      const { backupSqlite } = await import("../../stores/sqlite/backup.ts");
      const { bytes } = await backupSqlite({ file, to });
      print(options, { file: to, bytes }, () => `Copied ${file} to ${to} (${(bytes / MIB).toFixed(1)} MiB).`);
    },
  );
  command("restore", "make a copy of a backup the store; the daemon must be stopped", "the backup")
    .option("--replace", "when there is a store already: move it aside")
    .action(async (given: string, options: Options) => {
      const from = resolve(io.cwd, given);
      const file = await storeFile(options);
      if (!existsSync(from)) throw new CommandError(EXIT.failed, `there is no backup at ${from}; check the path`);
      if (existsSync(file) && options.replace !== true) {
        throw new CommandError(EXIT.failed, `there is a store at ${file}; add --replace to move it aside and put the backup in its place`);
      }
      const { restoreSqlite } = await import("../../stores/sqlite/backup.ts");
      const kept = await restoreSqlite({ from, file, atMs: io.now() });
      print(options, { file, kept }, () => `${file} is what ${from} was.${kept === undefined ? "" : ` The store before it is ${kept}.`}`);
    });
}
