import { createPigeon } from "../chat-sdk-pigeon.ts";
import type { Pigeon } from "../chat-sdk-pigeon.ts";

/** What the factory was given last. */
export const given: unknown[] = [];

export function createPigeonAdapter(options: object): Pigeon {
  given.push(options);
  if ("refuse" in options) throw new Error("refuse is not for pigeons, nor is feather-0123456789");
  return createPigeon();
}
