/** The bots of an old home as channels of the new configuration. One that could not be opened as it is will stand there behind `#`. */
import { readChannels } from "../config/channels.ts";
import { type Environment, substitute, withEnvironment } from "../config/environment.ts";
import type { Problem } from "../config/problem.ts";
import type { OldConfig } from "./old-config.ts";
import type { Leftovers } from "./report.ts";

/** A section of `channels`. */
export interface NewChannel {
  readonly name: "telegram" | "discord" | "whatsapp";
  /** As the file says them; secrets are `${NAME}`. */
  readonly settings: Readonly<Record<string, string>>;
  /** Whoever is named may write; empty: whoever sends the one-time code. */
  readonly allow: readonly string[];
  /** Variables and keys without which it cannot be opened. */
  readonly lacks: readonly string[];
}

type Wanted = Omit<NewChannel, "lacks">;

const TELEGRAM_TOKEN = /^\d{3,20}:[\w-]{20,}$/;

/**
 * The channels that the home has, each looked at as the daemon will: a configuration made of those that lack nothing starts.
 * @param env - what the daemon will see besides the secrets of the home; it wins over them
 */
export function channelsOf(old: OldConfig, env: Environment, left: Leftovers): readonly NewChannel[] {
  const known = { ...Object.fromEntries(old.secrets), ...env };
  return wantedOf(old).map((wanted) => {
    const channel = { ...wanted, lacks: lacksOf(wanted, known) };
    if (channel.lacks.length > 0) sayWhatLacks(channel, left);
    else sayWhoMayWrite(channel, left);
    const token = old.secrets.get("TELEGRAM_BOT_TOKEN");
    if (channel.name === "telegram" && token !== undefined && !TELEGRAM_TOKEN.test(token))
      left.add(
        "config.json tools.telegram.botToken",
        "does not look like a token of @BotFather",
        "It was taken as it is; check it in .env.",
      );
    return channel;
  });
}

function wantedOf({ secrets, telegramAllow, whatsapp }: OldConfig): readonly Wanted[] {
  const wanted: Wanted[] = [];
  if (secrets.has("TELEGRAM_BOT_TOKEN"))
    wanted.push({ name: "telegram", settings: { token: "${TELEGRAM_BOT_TOKEN}" }, allow: telegramAllow });
  if (secrets.has("DISCORD_BOT_TOKEN")) wanted.push({ name: "discord", settings: { token: "${DISCORD_BOT_TOKEN}" }, allow: [] });
  const { phoneNumberId, recipient } = whatsapp;
  if (secrets.has("WHATSAPP_ACCESS_TOKEN") || phoneNumberId !== undefined)
    wanted.push({
      name: "whatsapp",
      settings: {
        accessToken: "${WHATSAPP_ACCESS_TOKEN}",
        ...(phoneNumberId === undefined ? {} : { phoneNumberId }),
        appSecret: "${WHATSAPP_APP_SECRET}",
        verifyToken: "${WHATSAPP_VERIFY_TOKEN}",
      },
      allow: recipient === undefined ? [] : [recipient],
    });
  return wanted;
}

function lacksOf({ name, settings, allow }: Wanted, env: Environment): readonly string[] {
  const problems: Problem[] = [];
  const section = substitute({ ...settings, ...(allow.length === 0 ? {} : { allow }) }, env, ["channels", name], problems);
  const { values } = withEnvironment({ channels: { [name]: section } }, env);
  readChannels(values.channels, { env, text: undefined, problems });
  // The environment may hold other channels, which are as good or bad without this one.
  const keys = problems.filter(({ path }) => path[1] === name).map(({ path }) => String(path[2] ?? name));
  return [...new Set(keys.map((key) => /^\$\{(\w+)\}$/.exec(settings[key] ?? "")?.[1] ?? key))];
}

function sayWhatLacks({ name, lacks }: NewChannel, left: Leftovers): void {
  left.add(
    `config.json tools.${name}`,
    `satibot needs more for it than SatiBot did: ${lacks.join(", ")}`,
    `docs/channels/${name}.md says where to get that; write it into .env, and take the # away from ${name} in the configuration (or run this again, which prints that section).`,
  );
}

function sayWhoMayWrite({ name, allow }: NewChannel, left: Leftovers): void {
  if (allow.length === 0)
    left.add(
      `config.json tools.${name}`,
      "SatiBot let everyone in, satibot lets nobody in who is not named",
      `The daemon prints a one-time code at its start: send it to the bot. Or write channels.${name}.allow.`,
    );
  else
    left.add(
      `config.json tools.${name}`,
      `SatiBot let everyone in; here only ${allow.slice(0, 5).join(", ")}${allow.length > 5 ? ", …" : ""} may write`,
      `Name others in channels.${name}.allow, or let them in with \`satibot pair approve ${name} ID\`.`,
    );
}
