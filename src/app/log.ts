import { createRequire } from "node:module";
import pino from "pino";
import type PinoPretty from "pino-pretty";
import type { Log } from "../ports/log.ts";

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  /** Lines for people, in colour, instead of JSON; for a terminal. */
  readonly pretty: boolean;
  /** Texts that must never appear, such as tokens; each at least 4 characters to be masked. */
  readonly secrets?: readonly string[];
  /** Where lines go, each with its newline; standard output by default. */
  readonly write?: (line: string) => void;
}

/** A log whose level and secrets may change while it is written. */
export interface AdjustableLog extends Log {
  readonly setLevel: (level: LogOptions["level"]) => void;
  /** From now on these are masked too. */
  readonly hide: (secrets: readonly string[]) => void;
}

const SECRET_KEYS = ["token", "apiKey", "authorization", "appSecret", "accessToken", "verifyToken", "password", "cookie"];
/** A Telegram token, as it stands in URLs and in the messages of failed requests. */
const TELEGRAM_TOKEN = /(\d{5,}):[A-Za-z0-9_-]{20,}/g;
const SECRET_LENGTH_MIN = 4;

/**
 * The log of the daemon: one line per fact, written before the call returns, so that the last line before a crash is there.
 * Secrets are masked by key, by value and by the shape of a Telegram token.
 */
export function createLog({ level, pretty, secrets = [], write }: LogOptions): AdjustableLog {
  const known = new Set<string>();
  const hide = (more: readonly string[]): void => {
    for (const secret of more) if (secret.length >= SECRET_LENGTH_MIN) known.add(secret);
  };
  hide(secrets);
  const masked = (line: string): string =>
    [...known]
      .reduce((text, secret) => text.replaceAll(secret, "***").replaceAll(JSON.stringify(secret).slice(1, -1), "***"), line)
      .replace(TELEGRAM_TOKEN, "$1:***");
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "***" },
    hooks: { streamWrite: masked },
  };
  const sink = write === undefined ? standardOutput() : { write };
  const adjustable = (log: pino.Logger): AdjustableLog => {
    const setLevel = (wanted: LogOptions["level"]): void => {
      log.level = wanted;
    };
    return Object.assign(log, { setLevel, hide });
  };
  if (!pretty) return adjustable(pino(options, sink));
  // Loaded here because a daemon without a terminal never needs it.
  const pinoPretty = createRequire(import.meta.url)("pino-pretty") as typeof PinoPretty;
  const format = pinoPretty.prettyFactory({ colorize: write === undefined, translateTime: "SYS:HH:MM:ss", singleLine: true });
  return adjustable(pino(options, { write: (line: string) => void sink.write(format(line)) }));
}

function standardOutput(): ReturnType<typeof pino.destination> {
  const output = pino.destination({ dest: 1, sync: true });
  // Who reads it may end before the daemon does: a pager, a terminal. Nobody is left to be told then.
  output.on("error", () => undefined);
  return output;
}
