/** Where the answers of `satibot init` come from: a person at a terminal, or the environment. Nothing is written here. */
import { ConfigError, RuntimeError } from "../../core/errors.ts";
import { checkAllow } from "../../channels/telegram/access.ts";
import { CommandError, EXIT } from "../cli/io.ts";
import { type Environment, allowFrom, variable } from "../config/environment.ts";
import { DEFAULT_HOST, DEFAULT_PORT } from "../config/sections.ts";
import { type Answers, TOKEN_VARIABLE, type TelegramAnswers } from "./config-text.ts";
import type { Prompts } from "./prompts.ts";
import { TELEGRAM_API_ROOT, type TokenCheck } from "./token-check.ts";

/** Wrong answers to one question before it ends. */
const TRIES_MAX = 5;
/** Ports after the default that are tried for a free one. */
const PORTS_MAX = 50;
const TOKEN = /^\d{3,20}:[A-Za-z0-9_-]{5,100}$/;

export interface Surroundings {
  /** Variables of the process and of `.env`. */
  readonly env: Environment;
  /** The token that the folder's `.env` holds. */
  readonly keptToken: string | undefined;
  /** Undefined: Telegram's own. */
  readonly apiRoot: string | undefined;
  readonly checkToken: (apiRoot: string, token: string) => Promise<TokenCheck>;
  readonly isPortFree: (host: string, port: number) => Promise<boolean>;
  readonly say: Prompts["say"];
}

export interface Gathered {
  readonly answers: Answers;
  /** The bot's @username, where the platform told it. */
  readonly botUsername: string | undefined;
}

/**
 * Takes TELEGRAM_BOT_TOKEN and SATIBOT_ALLOW as they are, and the next free port when the default one is busy.
 * @throws ConfigError TOKEN_REFUSED, or CONFIG_INVALID for what is no token or no allow list
 */
export async function gatherFromEnvironment(around: Surroundings): Promise<Gathered> {
  const port = await suggestPort(around);
  if (port !== undefined) around.say("warn", busy(port));
  const token = foundToken(around);
  if (token === undefined) return { answers: { telegram: undefined, port }, botUsername: undefined };
  const problem = tokenProblem(token);
  if (problem !== undefined) throw new ConfigError("CONFIG_INVALID", `${TOKEN_VARIABLE} is no token: ${problem}`);
  const allow = checkedAllow(allowFrom(around.env), "SATIBOT_ALLOW");
  const checked = await around.checkToken(around.apiRoot ?? TELEGRAM_API_ROOT, token);
  if (checked.kind === "refused") throw refused(checked.why);
  tell(around, checked);
  return {
    answers: { telegram: { token, allow, apiRoot: around.apiRoot }, port },
    botUsername: checked.kind === "accepted" ? checked.username : undefined,
  };
}

/**
 * Asks: Telegram or not, its token, who may write; the port only when the default one is busy.
 * @throws CommandError 1 when the person gives up, ConfigError TOKEN_REFUSED after 5 refused tokens
 */
export async function gatherFromPerson(around: Surroundings, prompts: Prompts): Promise<Gathered> {
  const bot = await askBot(around, prompts);
  const telegram: TelegramAnswers | undefined =
    bot === undefined ? undefined : { token: bot.token, allow: await askAllow(around, prompts), apiRoot: around.apiRoot };
  return { answers: { telegram, port: await askPort(around, prompts) }, botUsername: bot?.username };
}

async function askBot(
  around: Surroundings,
  prompts: Prompts,
): Promise<{ readonly token: string; readonly username: string | undefined } | undefined> {
  const found = foundToken(around);
  const source = around.keptToken === undefined ? `the variable ${TOKEN_VARIABLE}` : ".env";
  const choice = await prompts.choose("Talk to it from Telegram?", [
    ...(found === undefined ? [] : [{ value: "found" as const, label: `Yes, with the token in ${source}` }]),
    // A token that .env holds is never replaced.
    ...(around.keptToken === undefined ? [{ value: "new" as const, label: "Yes, I have a token", hint: "from @BotFather: /newbot" }] : []),
    { value: "later" as const, label: "Not now", hint: "the terminal and the page work without it" },
  ]);
  if (choice === "later") return undefined;
  let given = choice === "found" ? found : undefined;
  let why = "";
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const token = given ?? (await prompts.secret("The token from @BotFather (it is not shown)", tokenProblem));
    const checked: TokenCheck =
      tokenProblem(token) === undefined
        ? await prompts.during("Asking Telegram…", around.checkToken(around.apiRoot ?? TELEGRAM_API_ROOT, token))
        : { kind: "refused", why: "it does not look like a token" };
    if (checked.kind !== "refused") {
      tell(around, checked);
      if (found !== undefined && found !== token) {
        prompts.say("warn", `${TOKEN_VARIABLE} is set in this shell to another token,\nand wins over .env: unset it before you start.`);
      }
      return { token, username: checked.kind === "accepted" ? checked.username : undefined };
    }
    why = checked.why;
    if (given !== undefined && around.keptToken !== undefined) break;
    given = undefined;
    prompts.say("error", `Telegram refuses this token (${why}).\nCopy it again from @BotFather (/mybots, API Token).`);
  }
  throw refused(why);
}

async function askAllow(around: Surroundings, prompts: Prompts): Promise<readonly string[] | undefined> {
  const who = await prompts.choose("Who may write to the bot?", [
    { value: "code", label: "Me, by a code", hint: "shown when satibot starts; the first who sends it owns the bot" },
    { value: "named", label: "People that I name now", hint: "ids or @usernames" },
    { value: "everyone", label: "Everyone who finds it" },
  ]);
  if (who === "code") return undefined;
  if (who === "everyone") return ["*"];
  const initial = (allowFrom(around.env) ?? []).join(", ");
  const answer = await prompts.text("Their numeric ids or @usernames, with commas between", initial, (text) => {
    if (listOf(text).length === 0) return "Write at least one, such as 123456789 or @ann.";
    try {
      checkedAllow(listOf(text), "the list");
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  });
  return checkedAllow(listOf(answer), "the list");
}

async function askPort(around: Surroundings, prompts: Prompts): Promise<number | undefined> {
  let free = await suggestPort(around);
  if (free === undefined) return undefined;
  prompts.say("warn", `Port ${DEFAULT_PORT} is in use, perhaps by another satibot.`);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const answer = await prompts.text("Which port should this one listen on?", String(free), (text) =>
      /^\d{1,5}$/.test(text.trim()) && Number(text) >= 1 && Number(text) <= 65_535 ? undefined : "Write a number from 1 to 65535.",
    );
    free = Number(answer);
    if (await around.isPortFree(DEFAULT_HOST, free)) return free;
    prompts.say("warn", `Port ${free} is in use as well, or may not be opened by you.`);
  }
  throw new CommandError(EXIT.failed, "no free port was named; nothing was written");
}

/** A free port when the default one is busy; undefined when it is free, or when the environment names the port. */
async function suggestPort({ env, isPortFree }: Surroundings): Promise<number | undefined> {
  if (variable(env, "SATIBOT_PORT") !== undefined || (await isPortFree(DEFAULT_HOST, DEFAULT_PORT))) return undefined;
  for (let port = DEFAULT_PORT + 1; port <= DEFAULT_PORT + PORTS_MAX; port += 1) if (await isPortFree(DEFAULT_HOST, port)) return port;
  throw new CommandError(
    EXIT.failed,
    `no port from ${DEFAULT_PORT} to ${DEFAULT_PORT + PORTS_MAX} is free; set SATIBOT_PORT; nothing was written`,
  );
}

function busy(port: number): string {
  return `Port ${DEFAULT_PORT} is in use, perhaps by another satibot; http.port is ${port} instead`;
}

/** @throws ConfigError CONFIG_INVALID when the environment and `.env` disagree: only one of them can stay, and neither is changed here */
function foundToken({ env, keptToken }: Surroundings): string | undefined {
  const set = variable(env, TOKEN_VARIABLE);
  if (keptToken !== undefined && set !== undefined && set !== keptToken) {
    throw new ConfigError(
      "CONFIG_INVALID",
      `${TOKEN_VARIABLE} is set to another token than the one in .env, which is never replaced; unset the variable, or remove the line from .env`,
    );
  }
  return keptToken ?? set;
}

function tokenProblem(token: string): string | undefined {
  return TOKEN.test(token.trim()) ? undefined : "A token looks like 123456789:AAExample_token, only longer.";
}

function listOf(text: string): readonly string[] {
  return text
    .split(/[\s,;]+/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function checkedAllow(entries: readonly string[] | undefined, where: string): readonly string[] | undefined {
  try {
    return checkAllow(entries);
  } catch (cause) {
    if (!(cause instanceof RuntimeError)) throw cause;
    const wrong = entries?.find((entry) => !isAllowed(entry)) ?? "";
    throw new ConfigError("CONFIG_INVALID", `${JSON.stringify(wrong)} in ${where} is nobody; write a numeric id, an @username or *`, {
      cause,
    });
  }
}

function isAllowed(entry: string): boolean {
  try {
    return checkAllow([entry]) !== undefined;
  } catch {
    return false;
  }
}

function refused(why: string): ConfigError {
  return new ConfigError(
    "TOKEN_REFUSED",
    `Telegram refuses the token (${why}); copy it from @BotFather again (/mybots, your bot, API Token); nothing was written`,
  );
}

function tell({ say }: Surroundings, checked: Exclude<TokenCheck, { kind: "refused" }>): void {
  if (checked.kind === "accepted") say("success", `The token is that of ${checked.name} (@${checked.username})`);
  else say("warn", `The token could not be checked, since ${checked.why}; it is taken as it is`);
}
