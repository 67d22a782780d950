import { Command, CommanderError } from "commander";
import { ConfigError } from "../../core/errors.ts";
import { ApiError } from "../../http/client.ts";
import { loadConfig } from "../config/config.ts";
import { configJsonSchema, describeConfig } from "../config/describe.ts";
import { addInit } from "./init-command.ts";
import { addMigrate } from "./migrate-command.ts";
import { addBackupCommands } from "./backup-commands.ts";
import { addOutboxCommands } from "./outbox-commands.ts";
import { addPairCommands } from "./pair-commands.ts";
import { addChatCommands } from "./chat-commands.ts";
import { addCronCommands } from "./cron-commands.ts";
import { type ConnectionOptions, withDaemon, withReader } from "./connection.ts";
import { CommandError, EXIT } from "./io.ts";
import { addService } from "./service-command.ts";
import { viewConfig, viewReload, viewStopped, viewSystem } from "./system-views.ts";
import { type Tools, withConnection, withJson } from "./tools.ts";

/**
 * Runs one command line, without program name, and resolves to the exit code: 0, 1 failed, 64 usage, 69 daemon unreachable, 78 configuration.
 * Every failure has said on standard error what it is and what to do.
 */
export async function runCli(args: readonly string[], given: Omit<Tools, "print">): Promise<number> {
  const print: Tools["print"] = (options, value, view) =>
    given.io.out(options.json === true ? JSON.stringify(value, undefined, 2) : view());
  const tools: Tools = { ...given, print };
  let code: number = EXIT.ok;
  const program = createProgram(tools, (exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    return failureCode(error, tools);
  }
}

function failureCode(error: unknown, { io }: Tools): number {
  // Commander has printed its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  io.err(`satibot: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof CommandError) return error.exitCode;
  return error instanceof ConfigError ? EXIT.config : EXIT.failed;
}

function createProgram(tools: Tools, ended: (exitCode: number) => void): Command {
  const { io, version } = tools;
  const program = new Command("satibot")
    .description("An always-on chat-agent runtime: every chat is a state machine, and no message is lost.")
    .version(version, "--version", "print the version")
    .helpOption("--help", "explain a command")
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
      getOutHelpWidth: () => io.columns ?? 100,
      getErrHelpWidth: () => io.columns ?? 100,
    })
    .showHelpAfterError("Try --help.")
    .exitOverride();
  addStart(program, tools, ended);
  addSend(program, tools);
  addStatus(program, tools);
  addChatCommands(program, tools);
  addCronCommands(program, tools);
  addOutboxCommands(program, tools);
  addPairCommands(program, tools);
  addBackupCommands(program, tools);
  addInit(program, tools);
  addService(program, tools, ended);
  addMigrate(program, tools, ended);
  addConfig(program, tools);
  return program;
}

function addStart(program: Command, { io, startDaemon }: Tools, ended: (exitCode: number) => void): void {
  program
    .command("start")
    .description("run the daemon until a signal ends it")
    .option("--config <path>", "configuration file (default: satibot.config.* in this directory)")
    .option("--watch", "read the configuration again whenever its file changes")
    .action(async ({ config: configPath, watch }: { config?: string; watch?: boolean }) => {
      const config = await loadConfig({ cwd: io.cwd, env: io.env, ...(configPath === undefined ? {} : { configPath }) });
      ended(await startDaemon(config, { cwd: io.cwd, configPath, watch }));
    });
}

function addSend(program: Command, { io, access, print }: Tools): void {
  withJson(withConnection(program.command("send").description("put a message into a chat, as if its person had written it")))
    .argument("<chat>", 'chat key, such as telegram:123; "api:NAME" opens a new one')
    .argument("<text>", "what is said")
    .option("--out", "deliver the text to the person instead, without a turn")
    .option("--message-id <id>", "idempotency key: the same id with the same text is taken once")
    .action(async (key: string, text: string, options: ConnectionOptions & { json?: boolean; out?: boolean; messageId?: string }) => {
      if (options.out === true) {
        const sent = await withDaemon(io, access, options, (api) => api.sendOut(key, { text }));
        print(options, sent, () => `On its way to ${key} as part ${sent.id}.`);
        return;
      }
      const body = options.messageId === undefined ? { text } : { text, messageId: options.messageId };
      const added = await withDaemon(io, access, options, (api) => api.sendMessage(key, body));
      print(options, added, () =>
        added.duplicate ? `Taken before, as message ${added.seq} of ${key}.` : `Taken as message ${added.seq} of ${key}.`,
      );
    });
}

function addStatus(program: Command, { io, access, print }: Tools): void {
  withJson(withConnection(program.command("status").description("show how the daemon is"))).action(
    async (options: ConnectionOptions & { json?: boolean }) => {
      const view = { columns: io.columns, nowMs: io.now() };
      await withReader(io, access, options, {
        daemon: async (api) => {
          const system = await api.system();
          print(options, system, () => viewSystem(system, view));
        },
        store: async (store, file) => {
          const stopped = { state: "stopped", store: `sqlite:${file}`, ...(await store.counts()) };
          print(options, stopped, () => viewStopped(stopped, view));
        },
      });
    },
  );
}

function addConfig(program: Command, { io, access, print }: Tools): void {
  const config = program.command("config").description("check the configuration, have the daemon read it again, or print its schema");
  withJson(withConnection(config.command("reload").description("have the running daemon read its configuration again"))).action(
    async (options: ConnectionOptions & { json?: boolean }) => {
      const answer = await withDaemon(io, access, options, (api) => api.reload()).catch((error: unknown) => {
        const isConfig = error instanceof ApiError && (error.code === "CONFIG_INVALID" || error.code === "CONFIG_UNSUPPORTED");
        throw isConfig ? new CommandError(EXIT.config, `${error.message}\nThe daemon goes on with what it had.`, { cause: error }) : error;
      });
      print(options, answer, () => viewReload(answer, io.columns));
    },
  );
  withJson(config.command("check").description("check the configuration and print what it comes to, secrets masked"))
    .option("--config <path>", "configuration file (default: satibot.config.* in this directory)")
    .action(async (options: { config?: string; json?: boolean }) => {
      const checked = await loadConfig({
        cwd: io.cwd,
        env: io.env,
        ...(options.config === undefined ? {} : { configPath: options.config }),
      });
      const described = describeConfig(checked);
      print(options, described, () => viewConfig(described, io.columns));
    });
  withJson(config.command("schema").description("print the JSON Schema of the configuration file")).action(() => {
    io.out(JSON.stringify(configJsonSchema(), undefined, 2));
  });
}
