/** Reads messages back, a few channels at once, and waits out what passes by itself. */
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { createAllowance } from "./allowance.ts";
import { describe } from "./failure.ts";
import type { Failure } from "./failure.ts";
import { pause } from "./pause.ts";
import type { Rest, RestResult } from "./rest.ts";
import { isLater, isSnowflake } from "./snowflake.ts";
import { PAGE_MESSAGES } from "./stream.ts";
import type { WireMessage } from "./wire.ts";

export type ReadResult = readonly (WireMessage & { readonly id: string })[] | "gone" | "hidden" | "aborted";

export interface Reader {
  /** At most 100 messages, oldest first: those right after an id, or the newest; urgent ones first. Repeats until Discord answers; never throws. */
  readonly read: (channelId: string, after: string | undefined, isUrgent: () => boolean) => Promise<ReadResult>;
}

export interface ReaderOptions {
  readonly rest: Rest;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly name: string;
  readonly log: Log | undefined;
  /** Discord refuses the token. */
  readonly onRefused: (failure: Failure) => void;
}

const REQUESTS_AT_ONCE = 4;
/** Wait before a page is asked for again: doubled with each failure. */
const RETRY_MS = { first: 1_000, max: 30_000 } as const;

/** Discord's own codes: a 404 or 403 of anything that stands before it must not make a channel forgotten. */
const UNKNOWN_CHANNEL = 10_003;
const NO_ACCESS: ReadonlySet<number> = new Set([50_001, 50_013]);

/** Lets a few run at once; the others wait in line, and who has become urgent is next. */
function createPermits(count: number): (isUrgent: () => boolean, work: () => Promise<RestResult>) => Promise<RestResult> {
  let free = count;
  const waiting: { readonly isUrgent: () => boolean; readonly go: () => void }[] = [];
  return async (isUrgent, work) => {
    if (free === 0) await new Promise<void>((go) => waiting.push({ isUrgent, go }));
    else free -= 1;
    try {
      return await work();
    } finally {
      const urgent = waiting.findIndex((one) => one.isUrgent());
      const [next] = waiting.splice(Math.max(0, urgent), 1);
      if (next) next.go();
      else free += 1;
    }
  };
}

function inOrder(list: readonly unknown[]): (WireMessage & { readonly id: string })[] {
  const messages = list.filter((one): one is WireMessage & { readonly id: string } => isSnowflake((one as WireMessage | null)?.id));
  return messages.sort((a, b) => (isLater(a.id, b.id) ? 1 : -1));
}

export function createReader({ rest, clock, signal, name, log, onRefused }: ReaderOptions): Reader {
  const withPermit = createPermits(REQUESTS_AT_ONCE);
  const allowance = createAllowance(clock);

  /** What a failure means; undefined: ask again after the wait. */
  const judge = async (failure: Failure, channelId: string, failures: number): Promise<ReadResult | undefined> => {
    const facts = { channel: name, chat: channelId, reason: describe(failure) };
    if (failure.kind === "answered" && failure.code === UNKNOWN_CHANNEL) {
      log?.info(facts, "a channel is gone; it is forgotten");
      return "gone";
    }
    if (failure.kind === "answered" && NO_ACCESS.has(failure.code)) {
      log?.warn(facts, "a channel cannot be read back; give the bot's role View Channel and Read Message History there");
      return "hidden";
    }
    if (failure.kind === "answered" && failure.status === 401) onRefused(failure);
    const backoffMs = Math.min(RETRY_MS.max, RETRY_MS.first * 2 ** Math.min(10, failures));
    const delayMs = failure.kind === "throttled" ? failure.retryAfterMs : backoffMs;
    log?.warn({ ...facts, delayMs }, "messages could not be read back; tried again");
    await pause(clock, delayMs, signal);
    return undefined;
  };

  return {
    read: async (channelId, after, isUrgent) => {
      const path = `/channels/${channelId}/messages`;
      const query = `limit=${PAGE_MESSAGES}${after === undefined ? "" : `&after=${after}`}`;
      for (let failures = 0; ; failures += 1) {
        await pause(clock, allowance.waitMs(path), signal);
        if (signal.aborted) return "aborted";
        const result = await withPermit(isUrgent, () =>
          signal.aborted
            ? Promise.resolve<Failure>({ kind: "unreached", text: "stopped" })
            : rest.call({ method: "GET", path: `${path}?${query}`, signal }),
        );
        if (signal.aborted) return "aborted";
        if (result.kind === "ok") allowance.learn(path, result.headers);
        if (result.kind === "ok" && Array.isArray(result.body)) return inOrder(result.body);
        const failure: Failure =
          result.kind === "ok" ? { kind: "garbled", status: 200, text: "no list of messages; check apiRoot" } : result;
        const verdict = await judge(failure, channelId, failures);
        if (verdict !== undefined) return verdict;
      }
    },
  };
}
