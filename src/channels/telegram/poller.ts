/**
 * The polling loop. Its order is what no message is lost by: a batch is stored, then its offset, and only the next poll confirms both to
 * Telegram.
 */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import { noteOf, TransientError } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { signalFor } from "./api-client.ts";
import { LOST_ADVICE } from "./fate.ts";
import type { Fate } from "./fate.ts";
import { failureOf } from "./failure.ts";
import type { Redact } from "./failure.ts";
import type { Intake } from "./intake.ts";
import { pause } from "./pause.ts";
import { UPDATE_KINDS } from "./translate.ts";
import type { TranslateOptions } from "./translate.ts";

/** Shortest time between the starts of two polls that moved nothing: some servers never hold a poll. */
const EMPTY_POLL_MS = 1_000;
/** Bounds of the wait before a batch that could not be stored is tried again. */
const STORE_RETRY_MS = { min: 50, default: 1_000, max: 30_000 } as const;

export interface PollOptions {
  readonly api: Api;
  readonly host: Pick<ChannelHost, "report" | "save">;
  readonly clock: Clock;
  readonly name: string;
  readonly pollTimeoutS: number;
  readonly redact: Redact;
  readonly log: Log | undefined;
  readonly signal: AbortSignal;
  readonly fate: Fate;
  readonly intake: Intake;
  readonly translation: TranslateOptions;
  /** Nobody waits for this loop any more: what it stores late moves nothing. */
  readonly isAbandoned: () => boolean;
}

function isOffset(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

/** Repeats a store call until it succeeds; undefined when the channel stops first. */
async function untilStored<T>(options: PollOptions, what: string, store: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
  const { clock, signal, name, log } = options;
  for (;;) {
    try {
      return { value: await store() };
    } catch (error) {
      if (signal.aborted) return undefined;
      const asked = (error instanceof TransientError ? error.retryAfterMs : undefined) ?? STORE_RETRY_MS.default;
      const delayMs = Math.min(STORE_RETRY_MS.max, Math.max(STORE_RETRY_MS.min, asked));
      log?.warn({ channel: name, what, delayMs, error: noteOf(error) }, "not stored; telegram keeps it, tried again");
      await pause(clock, delayMs, signal);
      if (signal.aborted) return undefined;
    }
  }
}

/** Stores a batch, then its offset. Undefined: stopped before it was stored, nothing may be confirmed. */
async function take(options: PollOptions, updates: readonly Update[]): Promise<number | undefined> {
  const { host, intake, translation, isAbandoned } = options;
  const ids = updates.map((update) => update.update_id).filter((id) => Number.isSafeInteger(id));
  for (const step of intake.stepsOf(updates, translation)) {
    if (!(await untilStored(options, "messages", () => intake.store(step)))) return undefined;
  }
  if (ids.length === 0) return undefined;
  // The highest of this batch, not of all time: Telegram starts at a random lower id after a quiet week.
  const offset = Math.max(...ids) + 1;
  if (isAbandoned()) return undefined;
  return (await untilStored(options, "offset", () => host.save(`offset:${translation.bot.id}`, offset))) ? offset : undefined;
}

/** Polls until the signal aborts, or until a failure ends the connection and is reported. */
export async function poll(options: PollOptions, stored: unknown): Promise<void> {
  const { api, host, clock, pollTimeoutS, redact, signal, fate } = options;
  let offset = isOffset(stored) ? stored : undefined;
  while (!signal.aborted) {
    const startedMs = clock.monotonic();
    let updates: readonly Update[];
    try {
      const payload = { timeout: pollTimeoutS, allowed_updates: UPDATE_KINDS, ...(offset === undefined ? {} : { offset }) };
      updates = await api.raw.getUpdates(payload, signalFor(signal));
    } catch (error) {
      if (signal.aborted || !(await fate.waitOut(failureOf(error, redact)))) return;
      continue;
    }
    if (signal.aborted) return;
    if (!Array.isArray(updates)) {
      fate.lose({ code: "CHANNEL_UNAVAILABLE", message: `telegram: getUpdates gave no list; check apiRoot; ${LOST_ADVICE}` });
      return;
    }
    host.report({ type: "traffic.seen" });
    const next = updates.length > 0 ? await take(options, updates) : undefined;
    const hasMoved = next !== undefined && next !== offset;
    offset = next ?? offset;
    if (!hasMoved) await pause(clock, EMPTY_POLL_MS - (clock.monotonic() - startedMs), signal);
  }
}
