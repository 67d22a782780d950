/**
 * The agent without a model: says back what it is told, word by word. Scripted commands show what the runtime does with slow, failing
 * and talkative agents: `/slow 3s text`, `/fail`, `/fail 2` (fails twice, then answers), `/parts 4`, `/long 10000`, `/hang`, `/help`.
 */
import { textContent } from "../core/content.ts";
import { parseDuration } from "../core/duration.ts";
import { TerminalError, TransientError } from "../core/errors.ts";
import type { Agent, Turn } from "../ports/agent.ts";
import type { Clock } from "../ports/clock.ts";

export interface EchoOptions {
  readonly clock: Clock;
  /** Pause between two words of the streamed answer, milliseconds; default 0. */
  readonly wordDelayMs?: number;
}

/** Longest `/slow`, milliseconds. */
const SLOW_MAX_MS = 10 * 60_000;
const PARTS_MAX = 20;
const LONG_MAX = 100_000;

const HELP = "I say back what you write. Try /slow 3s hello, /fail, /fail 2, /parts 4, /long 10000, /hang; /stop and /new always work.";

/** @throws TransientError and TerminalError on request, for demonstrations and tests */
export function createEchoAgent({ clock, wordDelayMs = 0 }: EchoOptions): Agent {
  return async function* echo(turn, { signal }) {
    const text = turn.messages.map((message) => message.text).join("\n");
    const [, name, rest = ""] = /^\/(\w+)\s*([\s\S]*)$/.exec(text) ?? [];
    switch (name) {
      case "slow": {
        const [delay = "3s", ...words] = rest.split(/\s+/);
        await sleep(clock, slowMs(delay), signal);
        yield* stream(clock, words.join(" ") || `That took ${delay}.`, wordDelayMs, signal);
        return;
      }
      case "fail":
        fail(turn, Number.parseInt(rest, 10));
        yield `It worked at attempt ${turn.attempt}.`;
        return;
      case "parts": {
        const count = Math.min(PARTS_MAX, Math.max(1, Number.parseInt(rest, 10) || 2));
        for (let part = 1; part <= count; part += 1) yield textContent(`part ${part} of ${count}`);
        return;
      }
      case "long":
        yield "lorem ipsum ".repeat(Math.ceil(Math.min(LONG_MAX, Number.parseInt(rest, 10) || 10_000) / 12));
        return;
      case "hang":
        await sleep(clock, SLOW_MAX_MS, signal);
        return;
      case "help":
        yield HELP;
        return;
      default:
        yield* stream(clock, `You said: ${text}`, wordDelayMs, signal);
    }
  };
}

function slowMs(delay: string): number {
  try {
    return Math.min(SLOW_MAX_MS, parseDuration(delay));
  } catch (cause) {
    throw new TerminalError("AGENT_FAILED", `/slow needs a duration such as 3s, not ${JSON.stringify(delay.slice(0, 20))}`, { cause });
  }
}

function fail(turn: Turn, times: number): void {
  if (Number.isNaN(times)) throw new TerminalError("AGENT_FAILED", "you asked me to fail");
  if (turn.attempt <= times) throw new TransientError("AGENT_FAILED", `you asked me to fail ${times} times`, { retryAfterMs: 100 });
}

async function* stream(clock: Clock, text: string, delayMs: number, signal: AbortSignal): AsyncGenerator<string> {
  if (delayMs === 0) return yield text;
  for (const word of text.split(/(?<=\s)/)) {
    yield word;
    await sleep(clock, delayMs, signal);
  }
}

function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.setTimer(delayMs, () => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
