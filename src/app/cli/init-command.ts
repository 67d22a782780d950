import { createServer } from "node:net";
import { resolve } from "node:path";
import type { Command } from "commander";
import { readEnvironmentFile } from "../config/environment-file.ts";
import { variable } from "../config/environment.ts";
import { DEFAULT_PORT } from "../config/sections.ts";
import { TOKEN_VARIABLE } from "../init/config-text.ts";
import { existingConfig, writeFiles } from "../init/files.ts";
import { type Prompts, createTerminalPrompts } from "../init/prompts.ts";
import { type Gathered, type Surroundings, gatherFromEnvironment, gatherFromPerson } from "../init/questions.ts";
import { checkTelegramToken } from "../init/token-check.ts";
import { type CliIo, CommandError, EXIT } from "./io.ts";
import type { Tools } from "./tools.ts";

/** What `init` needs of the world besides files: given, so that it can be tested without a terminal and a platform. */
export interface InitWorld {
  /** Undefined where nobody can be asked. */
  readonly prompts: (() => Promise<Prompts>) | undefined;
  readonly checkToken: Surroundings["checkToken"];
  readonly isPortFree: Surroundings["isPortFree"];
}

interface InitOptions {
  readonly yes?: boolean;
  readonly dir?: string;
  readonly telegramApiRoot?: string;
}

/** Adds `satibot init`. It never replaces a file; every refusal comes before anything is written. */
export function addInit(program: Command, { io }: Pick<Tools, "io">, world: InitWorld = realWorld()): void {
  program
    .command("init")
    .description("write a configuration: asks little, tests the token, replaces nothing")
    .option("-y, --yes", "ask nothing; take TELEGRAM_BOT_TOKEN and SATIBOT_ALLOW from the environment")
    .option("--dir <path>", "folder of the bot; made when it is missing (default: this one)")
    .option("--telegram-api-root <url>", "your own Bot API server")
    .action((options: InitOptions) => init(io, world, options));
}

async function init(io: CliIo, world: InitWorld, options: InitOptions): Promise<void> {
  const folder = resolve(io.cwd, options.dir ?? ".");
  if (options.yes !== true && world.prompts === undefined) {
    throw new CommandError(
      EXIT.usage,
      "init asks questions, and there is no terminal to ask them on; use --yes, with TELEGRAM_BOT_TOKEN and SATIBOT_ALLOW set if you want Telegram",
    );
  }
  const apiRoot = apiRootOf(options.telegramApiRoot);
  const existing = await existingConfig(folder);
  if (existing !== undefined) {
    throw new CommandError(
      EXIT.failed,
      `${resolve(folder, existing)} exists, and nothing is ever replaced; edit it (\`satibot config check\` looks at it), or name another folder with --dir`,
    );
  }
  const keptToken = variable(readEnvironmentFile(folder), TOKEN_VARIABLE);
  const prompts = options.yes === true ? undefined : await world.prompts?.();
  const say: Prompts["say"] = prompts?.say ?? ((kind, text) => io.err(`satibot: ${kind === "warn" ? "warning: " : ""}${lowerFirst(text)}`));
  const around: Surroundings = { env: io.env, keptToken, apiRoot, say, checkToken: world.checkToken, isPortFree: world.isPortFree };
  prompts?.begin("satibot init");
  const gathered = prompts === undefined ? await gatherFromEnvironment(around) : await gatherFromPerson(around, prompts);
  const written = await writeFiles(folder, gathered.answers);
  io.out(ending(io, folder, gathered, written, prompts !== undefined));
}

function ending({ cwd }: CliIo, folder: string, { answers, botUsername }: Gathered, written: readonly string[], isAsked: boolean): string {
  const { telegram, port } = answers;
  const bot = botUsername === undefined ? "your bot in Telegram" : `https://t.me/${botUsername}`;
  const isPlain = /^[\w./@:+-]+$/.test(folder);
  return [
    ...(isAsked ? [""] : []),
    `Written to ${folder}:`,
    ...written.map((line) => `  ${line}`),
    "",
    "Next:",
    ...(folder === cwd ? [] : [`  cd ${isPlain ? folder : JSON.stringify(folder)}`]),
    "  npx satibot start",
    `    Talk to it here, or at http://127.0.0.1:${port ?? DEFAULT_PORT}/`,
    ...(telegram === undefined ? [] : [telegram.allow === undefined ? `    Send ${bot} the code that it shows.` : `    Write to ${bot}`]),
    "  npx satibot service install",
    "    Keeps it running, also over restarts of the machine.",
  ].join("\n");
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function apiRootOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (URL.canParse(text) && /^https?:\/\//.test(text)) return text.replace(/\/+$/, "");
  throw new CommandError(EXIT.usage, `--telegram-api-root ${JSON.stringify(text)}: write a URL such as https://api.telegram.org`);
}

function realWorld(): InitWorld {
  return {
    prompts: process.stdin.isTTY && process.stdout.isTTY ? createTerminalPrompts : undefined,
    checkToken: checkTelegramToken,
    isPortFree: (host, port) =>
      new Promise((resolveFree) => {
        const probe = createServer();
        probe.once("error", () => resolveFree(false));
        probe.listen(port, host, () => probe.close(() => resolveFree(true)));
      }),
  };
}
