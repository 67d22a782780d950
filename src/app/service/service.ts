import { CommandError, EXIT } from "../cli/io.ts";
import { oneLine } from "../cli/text.ts";

/** First line of every file that is written here: a file without it belongs to somebody else and is left alone. */
export const MARKER = "Written by `satibot service install`";

/** What is to run, with absolute paths. */
export interface ServiceSpec {
  /** Of the service: letters, digits and hyphens. */
  readonly name: string;
  /** Where `satibot start` runs: the folder of the configuration and of `.env`. */
  readonly folder: string;
  readonly nodePath: string;
  readonly scriptPath: string;
  readonly configPath: string | undefined;
  /** Where the store writes; undefined when it keeps nothing. */
  readonly dataFolder: string | undefined;
  readonly drainTimeoutMs: number;
}

/** How an external command ended; undefined when there is no such program. */
export type RunResult = { readonly code: number; readonly stdout: string; readonly stderr: string } | undefined;

/** What the service commands touch of the machine: given, so that each platform can be tested on any other. */
export interface ServiceHost {
  readonly platform: string;
  readonly home: string;
  readonly userName: string;
  readonly userId: number;
  /** XDG_CONFIG_HOME. */
  readonly configHome: string | undefined;
  /** Who called sudo. */
  readonly sudoUser: string | undefined;
  readonly nodePath: string;
  readonly scriptPath: string;
  readonly hasProgram: (name: string) => Promise<boolean>;
  /** Waits for its end, at most some minutes. */
  readonly run: (command: string, args: readonly string[]) => Promise<RunResult>;
  readonly pause: (ms: number) => Promise<void>;
  readonly readFile: (path: string) => Promise<string | undefined>;
  /** Makes the folders above; owned by who runs this. */
  readonly writeFile: (path: string, text: string) => Promise<void>;
  readonly removeFile: (path: string) => Promise<void>;
  /** Owned by `owner`, a user's name, when it is made and one is given. */
  readonly makeFolder: (path: string, owner: string | undefined) => Promise<void>;
}

/** A file and the commands that make it run. */
export interface Plan {
  readonly file: string;
  readonly text: string;
  readonly commands: readonly (readonly string[])[];
  /** What the person should know beside it. */
  readonly notes: readonly string[];
}

export interface ServiceState {
  readonly installed: boolean;
  readonly running: boolean;
  /** For people. */
  readonly sentence: string;
  readonly file: string;
}

/** systemd or launchd. */
export interface ServiceManager {
  readonly plan: (spec: ServiceSpec) => Promise<Plan>;
  /** @throws CommandError 1 before anything is written when the machine's tool is missing or does not answer */
  readonly check: () => Promise<void>;
  /** Puts the written file in force and starts it; `changed` is false when the same file stood there. */
  readonly start: (spec: ServiceSpec, changed: boolean) => Promise<void>;
  readonly state: (name: string) => Promise<ServiceState>;
  /** Stops it and forgets it; the file is removed between these two. */
  readonly stop: (name: string, removeFile: () => Promise<void>) => Promise<void>;
  readonly uninstallCommands: (name: string) => readonly (readonly string[])[];
  readonly fileOf: (name: string) => string;
  /** How to read its log. */
  readonly logHint: (name: string) => string;
}

/** A command as it would be typed. */
export function shellLine(command: readonly string[]): string {
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

/** The result of a command that must succeed. @throws CommandError 1 with what it said */
export async function mustRun(host: ServiceHost, command: readonly string[], advice: string): Promise<string> {
  const [program = "", ...args] = command;
  const result = await host.run(program, args);
  if (result?.code === 0) return result.stdout;
  const said = result === undefined ? `${program} was not found` : lastLines(result.stderr || result.stdout) || `exit code ${result.code}`;
  throw new CommandError(EXIT.failed, `\`${shellLine(command)}\` failed: ${said}; ${advice}`);
}

function lastLines(text: string): string {
  return oneLine(text.trim().split("\n").slice(-3).join(" ")).slice(0, 400);
}

/** @throws CommandError 64 for a path that no unit file can name */
export function checkPaths(spec: ServiceSpec): void {
  for (const path of [spec.folder, spec.nodePath, spec.scriptPath, spec.configPath, spec.dataFolder]) {
    // oxlint-disable-next-line no-control-regex -- control characters are what is refused
    if (path === undefined || !/[\u0000-\u001f\u007f]|[\\\s]$/.test(path)) continue;
    throw new CommandError(
      EXIT.usage,
      `${JSON.stringify(path)} holds a control character, or ends in a space or a backslash, and cannot stand in a service file; rename it`,
    );
  }
}
