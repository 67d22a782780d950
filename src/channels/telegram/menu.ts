import type { Api } from "grammy/web";
import { bodyHash } from "../../core/body-hash.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { signalFor } from "./api-client.ts";
import { failureOf } from "./failure.ts";
import type { Redact } from "./failure.ts";

/** Most commands of a menu. @see https://core.telegram.org/bots/api#setmycommands */
const COMMANDS_MAX = 100;
/** Wait after a 429 without `retry_after`. */
const THROTTLED_MS = 60_000;

export interface MenuOptions {
  readonly api: Api;
  readonly host: Pick<ChannelHost, "load" | "save" | "commands">;
  readonly clock: Clock;
  readonly botId: number;
  readonly name: string;
  readonly signal: AbortSignal;
  readonly redact: Redact;
  readonly log: Log | undefined;
}

interface MenuCell {
  readonly hash?: string;
  /** Telegram asked to come back no sooner. */
  readonly notBeforeMs?: number;
}

/**
 * Tells Telegram the commands for its menu, only when they changed since the last time: a call at each start is soon refused, for minutes.
 * Never throws; what fails is tried at a later start, and no start asks again before the time that a 429 named.
 */
export async function syncMenu(options: MenuOptions): Promise<void> {
  const { api, host, clock, botId, name, signal, redact, log } = options;
  const cell = `menu:${botId}`;
  try {
    const commands = host.commands.slice(0, COMMANDS_MAX).map(({ name: command, description }) => ({ command, description }));
    const hash = bodyHash(JSON.stringify(commands));
    const { hash: known, notBeforeMs = 0 } = cellOf(await host.load(cell));
    if (signal.aborted || known === hash || clock.now() < notBeforeMs || (known === undefined && commands.length === 0)) return;
    try {
      await api.raw.setMyCommands({ commands }, signalFor(signal));
      await host.save(cell, { hash });
    } catch (error) {
      const failure = failureOf(error, redact);
      if (failure.kind !== "answered" || failure.status !== 429) throw error;
      const waitMs = failure.retryAfterMs ?? THROTTLED_MS;
      log?.warn({ channel: name, waitMs }, "telegram asks to set the menu of commands later; it is set at a later start");
      await host.save(cell, { ...(known === undefined ? {} : { hash: known }), notBeforeMs: clock.now() + waitMs });
    }
  } catch (error) {
    if (signal.aborted) return;
    log?.warn({ channel: name, reason: failureOf(error, redact).text }, "the menu of commands was not set; it is tried at the next start");
  }
}

function cellOf(value: unknown): MenuCell {
  if (typeof value !== "object" || value === null) return {};
  const { hash, notBeforeMs } = value as Record<string, unknown>;
  return { ...(typeof hash === "string" ? { hash } : {}), ...(typeof notBeforeMs === "number" ? { notBeforeMs } : {}) };
}
