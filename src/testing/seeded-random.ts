import type { Random } from "../ports/random.ts";

/** A sequence that its seed determines (mulberry32); ids count upwards behind the seed, so that logs read well. */
export function createSeededRandom(seed: number, name = "r"): Random {
  let state = seed >>> 0;
  let ids = 0;
  return {
    next: () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    },
    id: () => `${name}${(seed >>> 0).toString(36)}.${(ids++).toString(36)}.`.padEnd(16, "0"),
  };
}
