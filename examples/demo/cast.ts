/** Who takes part: three platforms, the people on them, and one who asks for too much. */

export type PlatformName = "telegram" | "discord" | "whatsapp";

export interface PlatformTraits {
  readonly name: PlatformName;
  readonly label: string;
  /** Shortest and longest time that it takes to accept a message, milliseconds. */
  readonly sendMs: readonly [number, number];
  /** Longest message, UTF-16 units. */
  readonly textUnits: number;
}

export const PLATFORMS: readonly PlatformTraits[] = [
  { name: "telegram", label: "Telegram", sendMs: [20, 45], textUnits: 4_096 },
  { name: "discord", label: "Discord", sendMs: [25, 60], textUnits: 2_000 },
  { name: "whatsapp", label: "WhatsApp", sendMs: [30, 80], textUnits: 4_096 },
];

export interface Person {
  readonly platform: PlatformName;
  readonly name: string;
  readonly chat: `${PlatformName}:${string}`;
}

/** Asks for more than anybody wants to wait for, and is no part of what is measured. */
export const READER = { platform: "discord", name: "Nina", chat: "discord:nina" } as const satisfies Person;

const NAMES = ["Ada", "Ben", "Chloé", "Dmitri", "Emre", "Fatima", "Goran", "花子", "Inés", "José", "Kim", "Łucja"];

export function traitsOf(name: PlatformName): PlatformTraits {
  return PLATFORMS.find((platform) => platform.name === name) as PlatformTraits;
}

/** The people in turn on the three platforms; there is no last one. */
export function personOf(place: number): Person {
  const { name: platform } = PLATFORMS[place % PLATFORMS.length] as PlatformTraits;
  const turn = Math.floor(place / NAMES.length);
  const name = `${NAMES[place % NAMES.length]}${turn === 0 ? "" : ` ${turn + 1}`}`;
  return { platform, name, chat: `${platform}:${name.toLowerCase().replace(" ", "-")}` };
}
