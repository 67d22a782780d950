import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { ConfigError } from "../../core/errors.ts";
import { type Config, loadConfig } from "../config/config.ts";
import { readEnvironmentFile } from "../config/environment-file.ts";
import { variable } from "../config/environment.ts";
import { type ServiceHost, type ServiceManager, type ServiceSpec, MARKER, checkPaths, shellLine } from "../service/service.ts";
import { urlOf } from "./connection.ts";
import { type CliIo, CommandError, EXIT } from "./io.ts";
import { type Tools, withJson } from "./tools.ts";

/** Variables that shape the daemon; set in a shell alone they do not reach a service. */
const VARIABLES = [
  "TELEGRAM_BOT_TOKEN",
  "SATIBOT_ALLOW",
  "SATIBOT_STORE",
  "SATIBOT_HOST",
  "SATIBOT_PORT",
  "SATIBOT_TOKEN",
  "SATIBOT_LOG_LEVEL",
];

interface ServiceOptions {
  readonly dryRun?: boolean;
  readonly system?: boolean;
  readonly name: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Adds `satibot service install|status|uninstall`: systemd on Linux, launchd on macOS. A file that it did not write is never touched. */
export function addService(program: Command, tools: Tools, ended: (exitCode: number) => void, host?: ServiceHost): void {
  const { io, print } = tools;
  // The machine is looked at by the command that needs it.
  const machine = async (): Promise<ServiceHost> => host ?? (await import("../service/host.ts")).createServiceHost();
  const service = program.command("service").description("keep satibot running: systemd or launchd");
  withService(service.command("install").description("write the service for this folder, start it, and start it with the machine"))
    .option("--config <path>", "configuration file (default: satibot.config.* in this directory)")
    .action(async (options: ServiceOptions) => install(io, await machine(), options));
  withJson(withService(service.command("status").description("say whether it runs; exit code 1 when it does not"), false)).action(
    async (options: ServiceOptions) => {
      const manager = await managerOf(await machine(), options);
      const state = await manager.state(nameOf(options));
      print(options, state, () => `${state.sentence}${state.running ? `\nLog: ${manager.logHint(options.name)}` : ""}`);
      if (!state.running) ended(EXIT.failed);
    },
  );
  withService(service.command("uninstall").description("stop it and remove the service; conversations stay")).action(
    async (options: ServiceOptions) => uninstall(io, await machine(), options),
  );
}

function withService(command: Command, withDryRun = true): Command {
  if (withDryRun) command.option("--dry-run", "print the file and the commands, and do nothing");
  return command
    .option("--system", "a service of the machine instead of yours (systemd, needs sudo)")
    .option("--name <name>", "name of the service", "satibot");
}

async function install(io: CliIo, host: ServiceHost, options: ServiceOptions): Promise<void> {
  const manager = await managerOf(host, options);
  const { config, warnings } = await serviceConfig(io, options.config);
  const spec = specOf(io, host, options, config);
  checkPaths(spec);
  const plan = await manager.plan(spec);
  const notes = [...warnings, ...hostNotes(spec), ...plan.notes];
  if (options.dryRun === true) {
    const folders = spec.dataFolder === undefined ? [] : [`mkdir -p ${shellLine([spec.dataFolder])}`];
    io.out([`# ${plan.file}`, plan.text, "# Then:", ...folders, ...plan.commands.map(shellLine)].join("\n"));
    for (const note of notes) io.err(`satibot: ${note}`);
    return;
  }
  await manager.check();
  const before = await readOwn(host, plan.file);
  // ReadWritePaths names it, so it must be there.
  if (spec.dataFolder !== undefined) await writing(spec.dataFolder, host.makeFolder(spec.dataFolder, host.sudoUser));
  const changed = before !== plan.text;
  if (changed) await writing(plan.file, host.writeFile(plan.file, plan.text));
  await manager.start(spec, changed);
  for (const note of notes) io.err(`satibot: ${note}`);
  const did = before === undefined ? "is installed and runs" : changed ? "was changed and runs again" : "was installed already, and runs";
  io.out(`${spec.name} ${did}: ${urlOf(config.http)}/\nFile: ${plan.file}\nLog: ${manager.logHint(spec.name)}`);
}

async function uninstall(io: CliIo, host: ServiceHost, options: ServiceOptions): Promise<void> {
  const manager = await managerOf(host, options);
  const name = nameOf(options);
  const file = manager.fileOf(name);
  if (options.dryRun === true) {
    const [first = [], ...others] = manager.uninstallCommands(name);
    io.out([shellLine(first), shellLine(["rm", file]), ...others.map(shellLine)].join("\n"));
    return;
  }
  await manager.check();
  if ((await readOwn(host, file)) === undefined) {
    io.out(`${name} is not installed: there is no ${file}.`);
    return;
  }
  await manager.stop(name, () => writing(file, host.removeFile(file)));
  io.out(`${name} is stopped, and ${file} is removed. The configuration and the conversations stay where they are.`);
}

async function managerOf(host: ServiceHost, options: ServiceOptions): Promise<ServiceManager> {
  nameOf(options);
  if (host.platform === "linux") return (await import("../service/systemd.ts")).createSystemd(host, options.system === true);
  if (host.platform === "darwin") {
    if (options.system === true)
      throw new CommandError(EXIT.usage, "--system is for systemd; on macOS the service is yours: leave --system away");
    return (await import("../service/launchd.ts")).createLaunchd(host);
  }
  const what =
    host.platform === "win32"
      ? "on Windows, let the Task Scheduler run `satibot start`, or use WSL or Docker"
      : "let another supervisor run `satibot start`";
  throw new CommandError(EXIT.failed, `service knows systemd (Linux) and launchd (macOS); ${what}`);
}

function nameOf({ name }: ServiceOptions): string {
  if (/^[A-Za-z][A-Za-z0-9-]{0,62}$/.test(name)) return name;
  throw new CommandError(EXIT.usage, `--name ${JSON.stringify(name)}: write a letter, then letters, digits and hyphens, at most 63`);
}

/** The configuration as the service will see it: without the variables of this shell. */
async function serviceConfig(
  io: CliIo,
  configPath: string | undefined,
): Promise<{ readonly config: Config; readonly warnings: readonly string[] }> {
  const kept = readEnvironmentFile(io.cwd);
  const lost = VARIABLES.filter((name) => variable(io.env, name) !== undefined && variable(io.env, name) !== variable(kept, name));
  const load = (env: CliIo["env"]) => loadConfig({ cwd: io.cwd, env, ...(configPath === undefined ? {} : { configPath }) });
  try {
    const warnings = lost.map(
      (name) => `${name} is set in this shell, where the service does not see it; write it into ${resolve(io.cwd, ".env")} if it is meant`,
    );
    return { config: await load(kept), warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const works = await load(io.env).then(
      () => true,
      () => false,
    );
    if (!works) throw error;
    throw new ConfigError(
      error.code,
      `${error.message}\nThe service does not see the variables of this shell; write those that it needs into ${resolve(io.cwd, ".env")} (NAME=value)`,
      { cause: error },
    );
  }
}

function specOf(io: CliIo, host: ServiceHost, options: ServiceOptions, config: Config): ServiceSpec {
  if (/\.[cm]?ts$/.test(host.scriptPath)) {
    throw new CommandError(
      EXIT.failed,
      "satibot runs from its sources here; build it (npm run build), then: node dist/src/app/main.js service install",
    );
  }
  return {
    name: nameOf(options),
    folder: io.cwd,
    nodePath: host.nodePath,
    scriptPath: host.scriptPath,
    configPath: options.config === undefined ? undefined : resolve(io.cwd, options.config),
    dataFolder: config.store.kind === "sqlite" ? dirname(config.store.file) : undefined,
    drainTimeoutMs: config.limits.drainTimeoutMs,
  };
}

function hostNotes({ nodePath, scriptPath }: ServiceSpec): readonly string[] {
  return [
    ...(/[\\/]_npx[\\/]/.test(scriptPath)
      ? [
          "satibot runs from the cache of npx, which may be emptied; install it (npm install -g satibot) and call `satibot service install` again",
        ]
      : []),
    ...(/[\\/](?:\.nvm|\.fnm|\.volta|\.asdf|fnm_multishells|mise)[\\/]/.test(nodePath)
      ? [`the service uses ${nodePath}; after removing that version of Node, call \`satibot service install\` again`]
      : []),
  ];
}

/** The text of a file that was written here; undefined when there is none. @throws CommandError 1 for a file of somebody else */
async function readOwn(host: ServiceHost, file: string): Promise<string | undefined> {
  const text = await host.readFile(file);
  if (text === undefined || text.includes(MARKER)) return text;
  throw new CommandError(EXIT.failed, `${file} was not written by satibot and is left alone; remove it, or choose another --name`);
}

async function writing(path: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new CommandError(EXIT.failed, `${path} cannot be written (${code}); check permissions and free space`, { cause });
  }
}
