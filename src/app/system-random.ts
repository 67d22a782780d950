import { randomFillSync } from "node:crypto";
import type { Random } from "../ports/random.ts";

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LENGTH = 16;
/** Bytes from here on would make some characters likelier than others. */
const UNBIASED_BELOW = 256 - (256 % ALPHABET.length);

/** Chance from the host: ids (82 bits) from its cryptographic source, fetched 1 KiB at a time; `next` for jitter only. */
export function createSystemRandom(): Random {
  const pool = new Uint8Array(1024);
  let place = pool.length;
  const nextByte = (): number => {
    if (place === pool.length) {
      randomFillSync(pool);
      place = 0;
    }
    return pool[place++] ?? 0;
  };
  return {
    next: () => Math.random(),
    id: () => {
      let id = "";
      while (id.length < ID_LENGTH) {
        const byte = nextByte();
        if (byte < UNBIASED_BELOW) id += ALPHABET[byte % ALPHABET.length];
      }
      return id;
    },
  };
}
