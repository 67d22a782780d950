/** A model that is not there: it takes its time, and streams what the play says word by word. */
import type { Agent } from "satibot";
import { clock, pause } from "./clock.ts";
import { messageOf, type Play, type PlayedMessage } from "./play.ts";

/** A person who asks for this gets an agent that is busy for half a minute: something to stop. */
export const NOVEL = "write me a novel";

const NOVEL_MS = 30_000;
const CRON_MS = 60;

export interface AgentEvents {
  readonly onBegin: (message: PlayedMessage) => void;
  readonly onCron: () => void;
}

/** The same agent serves both gateways. */
export function createModelAgent(play: Play, { onBegin, onCron }: AgentEvents): Agent {
  return async function* model(turn, { signal }) {
    const text = turn.messages[0]?.text ?? "";
    const message = messageOf(play, text);
    if (message) {
      onBegin(message);
      yield* write(message.reply, message.thinkMs, signal);
    } else if (turn.trigger === "cron") {
      onCron();
      yield* write(text, CRON_MS, signal);
    } else {
      yield* write(`It was a dark and stormy night. ${"And it went on. ".repeat(200)}`, text === NOVEL ? NOVEL_MS : CRON_MS, signal);
    }
  };
}

/** Half of the time passes before the first word; the words keep to the clock, so that coarse timers do not add up. */
async function* write(text: string, thinkMs: number, signal: AbortSignal): AsyncGenerator<string> {
  const startMs = clock.monotonic();
  const words = text.split(/(?<=\s)/);
  for (const [place, word] of words.entries()) {
    const dueMs = startMs + thinkMs * (0.5 + (0.5 * (place + 1)) / words.length);
    await pause(dueMs - clock.monotonic(), signal);
    signal.throwIfAborted();
    yield word;
  }
}
