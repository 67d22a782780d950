import type { Environment } from "../config/environment.ts";

/** What a command touches of the world: given, so that commands can be tested without a process. */
export interface CliIo {
  /** Writes a line (or several) to standard output. */
  readonly out: (text: string) => void;
  /** Writes a line (or several) to standard error. */
  readonly err: (text: string) => void;
  /** Width of the terminal; undefined when the output goes elsewhere, and is then never cut. */
  readonly columns: number | undefined;
  readonly env: Environment;
  readonly cwd: string;
  readonly now: () => number;
}

/** Exit codes, after sysexits(3). */
export const EXIT = { ok: 0, failed: 1, usage: 64, unreachable: 69, config: 78 } as const;

/** Ends a command: `message` goes to standard error, `exitCode` to the shell. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CommandError";
    this.exitCode = exitCode;
  }
}
