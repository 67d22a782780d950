/** The agent of a simulated world: it answers, fails, hangs, ignores its signal or kills its process, by its dice. */
import { TerminalError, TransientError } from "../../core/errors.ts";
import type { Agent, Turn } from "../../ports/agent.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Account } from "./account.ts";
import type { Dice } from "./faults.ts";

/** The number of replies to a message: the same at every attempt. */
export function repliesTo(dice: Dice, text: string): number {
  return 1 + dice.roll(3, "replies", text);
}

/** Longer than `limits.turnTimeout` of the simulator, so that it is abandoned first. */
const DEAF_MS = 200_000;

export function simulatedAgent(parts: {
  readonly dice: Dice;
  readonly account: Account;
  /** Of this life: what an agent waits for ends with the process. */
  readonly clock: Clock;
  readonly isDead: () => boolean;
  readonly kill: () => void;
}): Agent {
  const { dice, account, clock } = parts;

  const misbehave = async (turn: Turn, text: string, signal: AbortSignal): Promise<void> => {
    const at = [text, turn.attempt] as const;
    if (text === "poison") {
      await delay(clock, dice.roll(400, "poison", turn.attempt));
      parts.kill();
      await new Promise(() => undefined);
    }
    if (dice.strikes("agentHang", 5, ...at)) {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new TransientError("TURN_ABORTED", "hung, and heard its signal")), { once: true });
      });
    }
    if (dice.strikes("agentDeaf", 5, ...at)) await delay(clock, DEAF_MS);
    if (dice.strikes("agentGivesUp", 6, text)) {
      account.mayFail(turn);
      // One way is at once, the other after as many failures as there may be.
      if (dice.roll(2, "hopeless", text) === 0) throw new TerminalError("AGENT_FAILED", "never");
      throw new TransientError("AGENT_FAILED", "not this time");
    }
    if (dice.strikes("agentError", 8, ...at)) {
      const retryAfterMs = dice.roll(3, "asks", ...at) === 0 ? dice.roll(90_000, "retry after", ...at) : undefined;
      if (retryAfterMs !== undefined) account.notBefore(`turn ${turn.turnId}`, retryAfterMs);
      throw new TransientError("AGENT_FAILED", "by chance", retryAfterMs === undefined ? {} : { retryAfterMs });
    }
  };

  return async function* simulated(turn, { signal }) {
    if (parts.isDead()) return;
    const text = turn.messages[0]?.text ?? "";
    const ended = account.attempt(turn);
    // Abandoned by its owner: whatever it still does must change nothing.
    signal.addEventListener("abort", ended, { once: true });
    try {
      await delay(clock, dice.roll(dice.roll(4, "slow", text) === 0 ? 8_000 : 300, "think", text, turn.attempt));
      await misbehave(turn, text, signal);
      const count = await turn.step("count", () => {
        account.steps(turn);
        return repliesTo(dice, text);
      });
      account.stepped(turn);
      await delay(clock, dice.roll(50, "write", text, turn.attempt));
      if (turn.trigger === "cron") return yield `tick ${turn.turnId}`;
      yield* spoken(clock, `re ${text}`, (place) => dice.roll(dice.has("drafts") ? 2_500 : 1, "speak", text, turn.attempt, place));
      for (let part = 2; part <= count; part += 1) yield [{ type: "text", text: `re ${text} part ${part}` }];
    } finally {
      ended();
      signal.removeEventListener("abort", ended);
    }
  };
}

/** A word at a time, where the world has pauses between them. */
async function* spoken(clock: Clock, text: string, pauseMs: (place: number) => number): AsyncGenerator<string> {
  for (const [place, word] of text.split(/(?<= )/).entries()) {
    yield word;
    await delay(clock, pauseMs(place));
  }
}

export function delay(clock: Clock, ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => void clock.setTimer(ms, resolve));
}
