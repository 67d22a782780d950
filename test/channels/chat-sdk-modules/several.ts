import { createPigeon } from "../chat-sdk-pigeon.ts";

export const createRockPigeonAdapter = createPigeon;
export const createWoodPigeonAdapter = createPigeon;
export const makeNothing = (): object => ({ name: "nothing" });
