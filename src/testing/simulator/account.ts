/** The account of a simulated world, kept from outside: what people said, what agents saw, what the platform took. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Turn } from "../../ports/agent.ts";
import type { Clock } from "../../ports/clock.ts";

/** What a person said, and over HTTP as which number it was accepted. */
export interface Saying {
  readonly text: string;
  seq: number | undefined;
}

export interface Account {
  /** Said once: from here on it must not be lost. In the order of acceptance for one chat. */
  readonly said: (chat: ChatKey, text: string) => Saying;
  readonly sayings: () => ReadonlyMap<ChatKey, readonly Saying[]>;
  /** A text handed out without a turn was acknowledged. */
  readonly sentOut: (chat: ChatKey, text: string) => void;
  readonly outgoing: () => ReadonlyMap<ChatKey, readonly string[]>;
  /** A process begins: no turn of an earlier one runs any more. */
  readonly begin: () => void;
  /** An attempt begins; call the answer when it ends or is abandoned. */
  readonly attempt: (turn: Turn) => () => void;
  /** The body of a step runs, and its journal entry is there. */
  readonly steps: (turn: Turn) => void;
  readonly stepped: (turn: Turn) => void;
  /** The agent gives this message up, so it may end as failed. */
  readonly mayFail: (turn: Turn) => void;
  readonly mayHaveFailed: (turnId: string) => boolean;
  /** Nothing with this name may happen again for so long, while this process lives. */
  readonly notBefore: (what: string, delayMs: number) => void;
  readonly happens: (what: string) => void;
  readonly violate: (what: string) => void;
  readonly violations: () => readonly string[];
}

/** @param isTimed - false when the system clock is set meanwhile: waits in the store are instants of the calendar */
export function createAccount(clock: Clock, note: (line: string) => void, isTimed: boolean): Account {
  const sayings = new Map<ChatKey, Saying[]>();
  const outgoing = new Map<ChatKey, string[]>();
  const running = new Map<ChatKey, string>();
  const journaled = new Set<string>();
  const failing = new Set<string>();
  const earliest = new Map<string, number>();
  const violations: string[] = [];
  let life = 0;

  const violate = (what: string): void => {
    note(`VIOLATION ${what}`);
    violations.push(what);
  };
  const happens: Account["happens"] = (what) => {
    const atMs = earliest.get(what);
    earliest.delete(what);
    if (isTimed && atMs !== undefined && clock.monotonic() < atMs) violate(`${what} came ${atMs - clock.monotonic()} ms early`);
  };

  return {
    said: (chat, text) => {
      const saying: Saying = { text, seq: undefined };
      sayings.set(chat, [...(sayings.get(chat) ?? []), saying]);
      return saying;
    },
    sayings: () => sayings,
    sentOut: (chat, text) => void outgoing.set(chat, [...(outgoing.get(chat) ?? []), text]),
    outgoing: () => outgoing,
    begin: () => {
      life += 1;
      running.clear();
      earliest.clear();
    },
    attempt: (turn) => {
      const born = life;
      const name = `${turn.turnId} attempt ${turn.attempt}`;
      note(`begins ${name} in ${turn.chat}`);
      happens(`turn ${turn.turnId}`);
      const other = running.get(turn.chat);
      if (other !== undefined) violate(`${turn.chat}: ${name} began beside ${other}: two turns at a time`);
      running.set(turn.chat, name);
      return () => {
        if (born === life && running.get(turn.chat) === name) running.delete(turn.chat);
      };
    },
    steps: (turn) => {
      if (journaled.has(turn.turnId)) violate(`${turn.chat}: a journaled step of ${turn.turnId} ran again`);
    },
    stepped: (turn) => void journaled.add(turn.turnId),
    mayFail: (turn) => void failing.add(turn.turnId),
    mayHaveFailed: (turnId) => failing.has(turnId),
    notBefore: (what, delayMs) => void earliest.set(what, clock.monotonic() + delayMs),
    happens,
    violate,
    violations: () => violations,
  };
}
