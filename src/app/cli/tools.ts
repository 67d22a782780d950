import type { Command } from "commander";
import type { Config } from "../config/config.ts";
import type { DaemonOptions } from "../daemon.ts";
import type { Access } from "./connection.ts";
import type { CliIo } from "./io.ts";

/** Given to every command. */
export interface Tools {
  readonly io: CliIo;
  readonly access: Access;
  /** Runs the daemon until it has drained; resolves to the exit code. */
  readonly startDaemon: (config: Config, options: DaemonOptions) => Promise<number>;
  readonly version: string;
  /** With `--json` prints the value, else what `view` makes of it. */
  readonly print: (options: { readonly json?: boolean }, value: unknown, view: () => string) => void;
}

/** Adds `--json`. */
export function withJson(command: Command): Command {
  return command.option("--json", "print JSON");
}

/** Adds the options that find the daemon. */
export function withConnection(command: Command): Command {
  return command
    .option("--url <url>", "address of the daemon (default: from the configuration)")
    .option("--token <token>", "its token (default: SATIBOT_TOKEN, or from the configuration)")
    .option("--config <path>", "configuration file");
}
