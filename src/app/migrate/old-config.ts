/** SatiBot's `config.json`: secrets by the variable that will hold them, the Telegram bot, and a word about everything else. */
import { isPlainObject } from "../config/plain-object.ts";
import { brief, type Leftovers } from "./report.ts";

export interface OldConfig {
  /** Variable names of `.env` and their values. */
  readonly secrets: ReadonlyMap<string, string>;
  readonly telegram: { readonly allow: readonly string[] } | undefined;
  /** The chat that SatiBot told its news to; digits, with a minus for a group. */
  readonly telegramChatId: string | undefined;
  /** Settings of the agent that this version does not have, for a comment in the configuration. */
  readonly agent: readonly string[];
}

/** Deepest setting looked at, and most settings. */
const DEPTH_MAX = 8;
const SETTINGS_MAX = 2_000;
/** What an environment file carries as it is, between single quotes where needed. */
const CARRIED = /^[\x21-\x26\x28-\x7e]{1,4096}$/;
const TELEGRAM_TOKEN = /^\d{3,20}:[\w-]{20,}$/;
const CHAT_ID = /^-?\d{1,20}$/;

const NO_MODELS = "model agents do not exist in this version";
const NO_DISCORD = "Discord does not exist in this version";
const NO_WHATSAPP = "WhatsApp does not exist in this version";

/** A variable, and what is said about one that nothing here reads yet. */
interface Secret {
  readonly name: string;
  readonly why?: string;
}

/** By where SatiBot keeps them. */
const SECRETS: ReadonlyMap<string, Secret> = new Map([
  ["tools.telegram.botToken", { name: "TELEGRAM_BOT_TOKEN" }],
  ...["openrouter", "anthropic", "openai", "groq", "minimax"].map((provider): [string, Secret] => [
    `providers.${provider}.apiKey`,
    { name: `${provider.toUpperCase()}_API_KEY`, why: NO_MODELS },
  ]),
  ["tools.web.search.apiKey", { name: "BRAVE_SEARCH_API_KEY", why: "the search tool does not exist in this version" }],
  ["tools.discord.webhookUrl", { name: "DISCORD_WEBHOOK_URL", why: NO_DISCORD }],
  ["tools.discord.botToken", { name: "DISCORD_BOT_TOKEN", why: NO_DISCORD }],
  ["tools.whatsapp.accessToken", { name: "WHATSAPP_ACCESS_TOKEN", why: NO_WHATSAPP }],
  ["tools.whatsapp.phoneNumberId", { name: "WHATSAPP_PHONE_NUMBER_ID", why: NO_WHATSAPP }],
  ["tools.whatsapp.recipientPhoneNumber", { name: "WHATSAPP_RECIPIENT", why: NO_WHATSAPP }],
]);

const DEFAULTS = "agents.defaults.";
const KNOWN_DEFAULTS: ReadonlySet<string> = new Set(
  ["model", "embeddingModel", "disableRag", "loadChatHistory", "maxChatHistory", "temperature", "maxTokens"].map((name) => DEFAULTS + name),
);

/** @param value - what `config.json` holds; undefined when there is none or it is bad, which has been said already */
export function readOldConfig(value: unknown, left: Leftovers): OldConfig {
  const secrets = new Map<string, string>();
  const agent: string[] = [];
  const empty: OldConfig = { secrets, telegram: undefined, telegramChatId: undefined, agent };
  if (value === undefined) return empty;
  if (!isPlainObject(value)) {
    left.add("config.json", "holds no object", "Correct it, then run this again.");
    return empty;
  }
  let chatId: string | undefined;
  let allowed: readonly string[] = [];
  for (const [path, setting] of settingsOf(value, left)) {
    const where = `config.json ${path}`;
    const secret = SECRETS.get(path);
    if (secret !== undefined) readSecret(secret, setting, where, secrets, left);
    else if (path === "tools.telegram.chatId")
      chatId = idOf(setting) ?? left.add(where, "is no chat id", "Write who may use the bot into channels.telegram.allow.");
    else if (path === "tools.telegram.allowedUsers") allowed = idsOf(setting, where, left);
    else if (KNOWN_DEFAULTS.has(path)) {
      agent.push(`${path.slice(DEFAULTS.length)}: ${brief(JSON.stringify(setting), 200)}`);
      left.add(where, NO_MODELS, "It stands in the configuration as a comment.");
    } else if (/^providers\.\w+\.apiBase$/.test(path)) {
      agent.push(`${path}: ${brief(JSON.stringify(setting), 200)}`);
      left.add(where, NO_MODELS, "It stands in the configuration as a comment.");
    } else if (path === "tools.web.server.allowOrigin")
      left.add(where, "no foreign page may call the HTTP API of satibot", "Put both behind one address, or call the API from a server.");
    else left.add(where, "unknown setting", "Nothing reads it here; look in docs/configuration.md for what you need.");
  }
  const allow = [...new Set([...(chatId === undefined ? [] : [chatId]), ...allowed])];
  if (secrets.has("TELEGRAM_BOT_TOKEN")) sayWhoMayWrite(secrets.get("TELEGRAM_BOT_TOKEN") ?? "", allow, left);
  return { ...empty, telegram: secrets.has("TELEGRAM_BOT_TOKEN") ? { allow } : undefined, telegramChatId: chatId };
}

function sayWhoMayWrite(token: string, allow: readonly string[], left: Leftovers): void {
  if (!TELEGRAM_TOKEN.test(token))
    left.add("config.json tools.telegram.botToken", "does not look like a token of @BotFather", "It was taken as it is; check it in .env.");
  if (allow.length === 0)
    left.add(
      "config.json tools.telegram",
      "SatiBot let everyone in, satibot lets nobody in who is not named",
      "The daemon prints a one-time code at its start: send it to the bot. Or write channels.telegram.allow.",
    );
  else
    left.add(
      "config.json tools.telegram.chatId",
      `SatiBot let everyone in; here only ${allow.slice(0, 5).join(", ")}${allow.length > 5 ? ", …" : ""} may write`,
      "Name others in channels.telegram.allow, or let them in with `satibot pair approve telegram ID`.",
    );
}

function readSecret({ name, why }: Secret, setting: unknown, where: string, secrets: Map<string, string>, left: Leftovers): void {
  if (setting === "") return;
  if (typeof setting !== "string") return left.add(where, "is no text", `Set ${name} yourself.`);
  if (!CARRIED.test(setting))
    return left.add(where, "holds characters that an environment file does not carry, or is over 4096 long", `Set ${name} yourself.`);
  secrets.set(name, setting);
  if (why !== undefined) left.add(where, why, "It is kept in .env for later.");
}

function idOf(setting: unknown): string | undefined {
  const text = typeof setting === "number" && Number.isSafeInteger(setting) ? String(setting) : setting;
  return typeof text === "string" && CHAT_ID.test(text.trim()) ? text.trim() : undefined;
}

function idsOf(setting: unknown, where: string, left: Leftovers): readonly string[] {
  const ids = Array.isArray(setting) ? setting.slice(0, SETTINGS_MAX).map(idOf) : [undefined];
  if (ids.includes(undefined))
    left.add(where, "holds something that is no user id", "Write who may use the bot into channels.telegram.allow.");
  return ids.filter((id) => id !== undefined);
}

/** Settings by dotted path, lists whole; `channels.` is another word for `tools.`, and nothing (`null`) is no setting. */
function* settingsOf(root: Readonly<Record<string, unknown>>, left: Leftovers): Generator<readonly [path: string, value: unknown]> {
  let count = 0;
  const stack: (readonly [path: string, value: unknown, depth: number])[] = [["", root, 0]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [path, value, depth] = next;
    if (isPlainObject(value) && depth < DEPTH_MAX) {
      for (const [key, item] of Object.entries(value).reverse()) stack.push([path === "" ? key : `${path}.${key}`, item, depth + 1]);
      continue;
    }
    if (value === null) continue;
    count += 1;
    if (count > SETTINGS_MAX) return left.add("config.json", `has more than ${SETTINGS_MAX} settings`, "The rest was not looked at.");
    yield [path.replace(/^channels\./, "tools.").replace(/^tools\.telegram\.token$/, "tools.telegram.botToken"), value];
  }
}
