/** SatiBot's `config.json`: secrets by the variable that will hold them, what its bots are told, and a word about everything else. */
import { isPlainObject } from "../config/plain-object.ts";
import { brief, type Leftovers } from "./report.ts";

export interface OldConfig {
  /** Variable names of `.env` and their values. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Who may write over Telegram: digits, with a minus for a group. */
  readonly telegramAllow: readonly string[];
  /** The chat that SatiBot told its news to. */
  readonly telegramChatId: string | undefined;
  /** In digits, each where there is one. */
  readonly whatsapp: { readonly phoneNumberId?: string; readonly recipient?: string };
  /** Settings of the agent that this version does not have, for a comment in the configuration. */
  readonly agent: readonly string[];
}

/** Deepest setting looked at, and most settings. */
const DEPTH_MAX = 8;
const SETTINGS_MAX = 2_000;
/** What an environment file carries as it is, between single quotes where needed. */
const CARRIED = /^[\x21-\x26\x28-\x7e]{1,4096}$/;
const CHAT_ID = /^-?\d{1,20}$/;

const NO_MODELS = "model agents do not exist in this version";

/** A variable, and what is said about one that nothing here reads. */
interface Secret {
  readonly name: string;
  readonly why?: string;
  readonly todo?: string;
}

/** By where SatiBot keeps them. */
const SECRETS: ReadonlyMap<string, Secret> = new Map([
  ["tools.telegram.botToken", { name: "TELEGRAM_BOT_TOKEN" }],
  ...["openrouter", "anthropic", "openai", "groq", "minimax"].map((provider): [string, Secret] => [
    `providers.${provider}.apiKey`,
    { name: `${provider.toUpperCase()}_API_KEY`, why: NO_MODELS },
  ]),
  ["tools.web.search.apiKey", { name: "BRAVE_SEARCH_API_KEY", why: "the search tool does not exist in this version" }],
  [
    "tools.discord.webhookUrl",
    {
      name: "DISCORD_WEBHOOK_URL",
      why: "a webhook can only write, and the Discord of satibot is a bot, which can read as well",
      todo: "Make a bot as docs/channels/discord.md says. ",
    },
  ],
  ["tools.discord.botToken", { name: "DISCORD_BOT_TOKEN" }],
  ["tools.whatsapp.accessToken", { name: "WHATSAPP_ACCESS_TOKEN" }],
  ["tools.whatsapp.appSecret", { name: "WHATSAPP_APP_SECRET" }],
  ["tools.whatsapp.verifyToken", { name: "WHATSAPP_VERIFY_TOKEN" }],
]);

const DEFAULTS = "agents.defaults.";
const KNOWN_DEFAULTS: ReadonlySet<string> = new Set(
  ["model", "embeddingModel", "disableRag", "loadChatHistory", "maxChatHistory", "temperature", "maxTokens"].map((name) => DEFAULTS + name),
);

/** @param value - what `config.json` holds; undefined when there is none or it is bad, which has been said already */
export function readOldConfig(value: unknown, left: Leftovers): OldConfig {
  const secrets = new Map<string, string>();
  const agent: string[] = [];
  const empty: OldConfig = { secrets, telegramAllow: [], telegramChatId: undefined, whatsapp: {}, agent };
  if (value === undefined) return empty;
  if (!isPlainObject(value)) {
    left.add("config.json", "holds no object", "Correct it, then run this again.");
    return empty;
  }
  let chatId: string | undefined;
  let allowed: readonly string[] = [];
  const whatsapp: { phoneNumberId?: string; recipient?: string } = {};
  for (const [path, setting] of settingsOf(value, left)) {
    const where = `config.json ${path}`;
    const secret = SECRETS.get(path);
    if (secret !== undefined) readSecret(secret, setting, where, secrets, left);
    else if (path === "tools.telegram.chatId")
      chatId = idOf(setting) ?? left.add(where, "is no chat id", "Write who may use the bot into channels.telegram.allow.");
    else if (path === "tools.telegram.allowedUsers") allowed = idsOf(setting, where, left);
    else if (path.startsWith("tools.whatsapp.") && setting === "") continue;
    else if (path === "tools.whatsapp.phoneNumberId") {
      const id = digitsOf(setting, /^\d{5,32}$/);
      if (id === undefined) left.add(where, "is no phone number id", "Write its digits into channels.whatsapp.phoneNumberId, in quotes.");
      else whatsapp.phoneNumberId = id;
    } else if (path === "tools.whatsapp.recipientPhoneNumber") {
      const recipient = digitsOf(setting, /^\d{3,20}$/);
      if (recipient === undefined) left.add(where, "is no phone number", "Write who may use the bot into channels.whatsapp.allow.");
      else whatsapp.recipient = recipient;
    } else if (KNOWN_DEFAULTS.has(path)) {
      agent.push(`${path.slice(DEFAULTS.length)}: ${brief(JSON.stringify(setting), 200)}`);
      left.add(where, NO_MODELS, "It stands in the configuration as a comment.");
    } else if (/^providers\.\w+\.apiBase$/.test(path)) {
      agent.push(`${path}: ${brief(JSON.stringify(setting), 200)}`);
      left.add(where, NO_MODELS, "It stands in the configuration as a comment.");
    } else if (path === "tools.web.server.allowOrigin")
      left.add(where, "no foreign page may call the HTTP API of satibot", "Put both behind one address, or call the API from a server.");
    else left.add(where, "unknown setting", "Nothing reads it here; look in docs/configuration.md for what you need.");
  }
  const telegramAllow = [...new Set([...(chatId === undefined ? [] : [chatId]), ...allowed])];
  return { ...empty, telegramAllow, telegramChatId: chatId, whatsapp };
}

function readSecret(
  { name, why, todo = "" }: Secret,
  setting: unknown,
  where: string,
  secrets: Map<string, string>,
  left: Leftovers,
): void {
  if (setting === "") return;
  if (typeof setting !== "string") return left.add(where, "is no text", `Set ${name} yourself.`);
  if (!CARRIED.test(setting))
    return left.add(where, "holds characters that an environment file does not carry, or is over 4096 long", `Set ${name} yourself.`);
  secrets.set(name, setting);
  if (why !== undefined) left.add(where, why, `${todo}It is kept in .env for later.`);
}

function idOf(setting: unknown): string | undefined {
  const text = typeof setting === "number" && Number.isSafeInteger(setting) ? String(setting) : setting;
  return typeof text === "string" && CHAT_ID.test(text.trim()) ? text.trim() : undefined;
}

/** `+1 (555) 123-4567` in digits. */
function digitsOf(setting: unknown, form: RegExp): string | undefined {
  const text = typeof setting === "number" && Number.isSafeInteger(setting) ? String(setting) : setting;
  const digits = typeof text === "string" ? text.replace(/^\s*\+|[\s().-]/g, "") : "";
  return form.test(digits) ? digits : undefined;
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
