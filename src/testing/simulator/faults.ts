/** What may go wrong in a simulated world, and the dice that decide when. */
import { bodyHash } from "../../core/body-hash.ts";
import { AmbiguousError, TransientError } from "../../core/errors.ts";

/**
 * Every kind of fault; the last three are what a platform asks of those who talk to it: replies that are shown while they grow, a pace, and
 * silence that says that a connection is dead. A seed has each of
 * them or not, so that every combination comes up.
 */
export const FAULTS = [
  "crash",
  "drain",
  "commitError",
  "lostAnswer",
  "slowCommit",
  "redelivery",
  "sendError",
  "sendUnknown",
  "rateLimit",
  "refusal",
  "disconnect",
  "agentError",
  "agentGivesUp",
  "agentHang",
  "agentDeaf",
  "poison",
  "clockStep",
  "command",
  "drafts",
  "pace",
  "silence",
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Dice {
  /** A whole number below `count` that depends on the seed and the key alone, not on what was asked before. */
  readonly roll: (count: number, ...key: readonly (string | number)[]) => number;
  /** True in `percent` of all cases, if the world has that fault. */
  readonly strikes: (fault: Fault, percent: number, ...key: readonly (string | number)[]) => boolean;
  readonly has: (fault: Fault) => boolean;
}

/** A turn that kills its process is looked for in a world without other deaths: those would hide whom it harms. */
const NOT_BESIDE_POISON: ReadonlySet<Fault> = new Set([
  "crash",
  "drain",
  "agentError",
  "agentHang",
  "agentDeaf",
  "commitError",
  "lostAnswer",
]);

/** @param without - faults that this world must not have, whatever its seed */
export function createDice(seed: number, without: ReadonlySet<Fault>): Dice {
  const roll: Dice["roll"] = (count, ...key) =>
    Math.floor((Number.parseInt(bodyHash(`${seed} ${key.join(" ")}`).slice(-8), 16) / 2 ** 32) * count);
  const present = new Set(FAULTS.filter((fault) => !without.has(fault) && roll(100, "world", fault) < (fault === "poison" ? 20 : 55)));
  if (present.has("poison")) for (const fault of NOT_BESIDE_POISON) present.delete(fault);
  return {
    roll,
    has: (fault) => present.has(fault),
    strikes: (fault, percent, ...key) => present.has(fault) && roll(1_000, fault, ...key) < percent * 10,
  };
}

/** Reads of the runtime that tell nothing to anybody. */
const SPARED: ReadonlySet<string> = new Set(["ping", "nodes.beat"]);

export interface StoreFaults {
  /** Milliseconds that the call waits before it applies. @throws TransientError STORE_UNAVAILABLE when it does not */
  readonly before: (call: string) => number;
  /** Milliseconds until its answer. @throws AmbiguousError STORE_UNAVAILABLE when that is lost */
  readonly after: (call: string) => number;
}

/** Faults of the store by the number of the call, so that a world without the others has the same ones. */
export function storeFaults(dice: Dice, note: (line: string) => void): StoreFaults {
  let calls = 0;
  return {
    before: (call) => {
      calls += 1;
      if (SPARED.has(call)) return 0;
      if (dice.strikes("commitError", 2, call, calls)) {
        note(`store ${call} fails`);
        throw new TransientError("STORE_UNAVAILABLE", "the simulated disk is full; go on when it is not");
      }
      // A slow command is what a turn may end beside.
      return dice.strikes("slowCommit", call === "chats.command" ? 30 : 2, call, calls)
        ? dice.roll(3_000, "slow", calls)
        : dice.roll(6, "before", calls);
    },
    after: (call) => {
      note(`store ${call}`);
      if (!SPARED.has(call) && dice.strikes("lostAnswer", 2, call, calls, "after")) {
        note(`store ${call} is done, its answer lost`);
        throw new AmbiguousError("STORE_UNAVAILABLE", "the simulated answer was lost; look, or repeat the call");
      }
      return dice.roll(6, "after", calls);
    },
  };
}
