/** Satibot's log as the Chat SDK's logger: ids and errors only, since adapters also log what people wrote. */
import type { Logger } from "chat";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { reasonOf } from "./failure.ts";
import type { Mask } from "./secrets.ts";

export interface AdapterLogger {
  readonly logger: Logger;
  /** Calls `seen` with each error that is logged, until the returned function is called. */
  readonly watch: (seen: (error: unknown) => void) => () => void;
}

/** Facts that hold no text of people and no secret. */
const FACTS: ReadonlySet<string> = new Set(
  "channel channelId threadId threadTs messageId eventId teamId userId botUserId status statusCode code retryNum type subtype actionId command adapter".split(
    " ",
  ),
);
/** The same warning is written once in this time. */
const REPEAT_MS = 60_000;
const LINES_MAX = 200;

type Level = "debug" | "info" | "warn" | "error";

function errorIn(value: unknown): unknown {
  if (value instanceof Error) return value;
  if (typeof value !== "object" || value === null || !("error" in value)) return undefined;
  return value.error;
}

/** @param name - of the channel, a fact of every line */
export function createAdapterLogger(name: string, mask: Mask, clock: Pick<Clock, "monotonic">, log: Log | undefined): AdapterLogger {
  const written = new Map<string, number>();
  const watchers = new Set<(error: unknown) => void>();

  const isRepeated = (level: Level, line: string): boolean => {
    if (level !== "warn" && level !== "error") return false;
    const nowMs = clock.monotonic();
    const lastMs = written.get(line);
    if (lastMs !== undefined && nowMs - lastMs < REPEAT_MS) return true;
    if (written.size >= LINES_MAX) written.clear();
    written.set(line, nowMs);
    return false;
  };

  const write = (level: Level, prefix: string, message: string, args: readonly unknown[]): void => {
    const facts: Record<string, unknown> = { channel: name };
    if (prefix !== "") facts.part = prefix;
    for (const arg of args) {
      const error = errorIn(arg);
      if (error !== undefined) {
        for (const seen of watchers) seen(error);
        facts.reason = reasonOf(error, mask);
      }
      if (typeof arg !== "object" || arg === null || arg instanceof Error) continue;
      for (const [key, value] of Object.entries(arg)) {
        if (FACTS.has(key) && (typeof value === "string" || typeof value === "number"))
          facts[key === "channel" ? "place" : key] = mask(String(value)).slice(0, 200);
      }
    }
    const line = mask(String(message)).slice(0, 300);
    if (log && !isRepeated(level, `${line} ${String(facts.reason)}`)) log[level](facts, line);
  };

  const loggerOf = (prefix: string): Logger => ({
    child: (more) => loggerOf(prefix === "" ? more : `${prefix}:${more}`),
    debug: (message, ...args) => write("debug", prefix, message, args),
    // An adapter's "info" is about single requests.
    info: (message, ...args) => write("debug", prefix, message, args),
    warn: (message, ...args) => write("warn", prefix, message, args),
    error: (message, ...args) => write("error", prefix, message, args),
  });

  return {
    logger: loggerOf(""),
    watch: (seen) => {
      watchers.add(seen);
      return () => watchers.delete(seen);
    },
  };
}
