/** What happens to a simulated world from outside, drawn from its seed before it begins. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Dice } from "./faults.ts";

/** One thing that happens, `atMs` after the beginning. `number` names it for the minimiser. */
export type Action = { readonly number: number; readonly atMs: number } & (
  | { readonly kind: "say"; readonly chat: ChatKey; readonly text: string; readonly externalId: string }
  /** The platform says an update once more, perhaps long after and behind later ones. */
  | { readonly kind: "again"; readonly externalId: string }
  | { readonly kind: "http"; readonly chat: ChatKey; readonly text: string; readonly messageId: string; readonly twice: boolean }
  | { readonly kind: "out"; readonly chat: ChatKey; readonly text: string }
  /** The process dies after so many turns of the promise queue: in between any two awaits. */
  | { readonly kind: "crash"; readonly microtasks: number }
  | { readonly kind: "drain" }
  | { readonly kind: "offline"; readonly forMs: number }
  | { readonly kind: "clock"; readonly byMs: number }
);

type Told = Action extends infer One ? (One extends Action ? Omit<One, "number" | "atMs"> : never) : never;

/** The one chat whose message kills the process. */
export const POISONED: ChatKey = "sim:poisoned";
export const PLATFORM = "sim";
/** What a wait is too long by when the clock is set back before a restart is the step itself: hours are enough to see it. */
const CLOCK_STEPS = [-3_600_000, -600_000, -5_000, 5_000, 3_600_000, 86_400_000, 40 * 86_400_000];

/** @param size - chats on the platform, and messages in all (a fifth of them over HTTP) */
export function planOf(dice: Dice, size: { readonly chats: number; readonly messages: number }): readonly Action[] {
  const actions: Action[] = [];
  const add = (atMs: number, told: Told): void => void actions.push({ number: actions.length, atMs, ...told });
  let atMs = 0;
  for (let place = 0; place < size.messages; place += 1) {
    const roll = (count: number, what: string): number => dice.roll(count, "plan", what, place);
    atMs += roll(12, "pause") === 0 ? roll(40_000, "long") : 1 + roll(400, "gap");
    const chat = roll(size.chats, "chat");
    const externalId = `u${place}`;
    if (roll(5, "way") === 0)
      add(atMs, { kind: "http", chat: `api:${chat}`, text: `m${place}`, messageId: `h${place}`, twice: roll(3, "twice") === 0 });
    else if (dice.strikes("command", 12, place)) {
      // Somebody stops what they have just asked for.
      add(atMs, { kind: "say", chat: `${PLATFORM}:${chat}`, text: `m${place}`, externalId });
      const text = roll(2, "which") === 0 ? "/stop" : "/new";
      atMs += roll(400, "until stop");
      add(atMs, { kind: "say", chat: `${PLATFORM}:${chat}`, text, externalId: `${externalId}-stop` });
    } else if (roll(25, "out") === 0) add(atMs, { kind: "out", chat: `${PLATFORM}:${chat}`, text: `out ${place}` });
    else add(atMs, { kind: "say", chat: `${PLATFORM}:${chat}`, text: `m${place}`, externalId });
    if (dice.strikes("redelivery", 30, place))
      add(atMs + roll(roll(2, "soon") === 0 ? 200 : 60_000, "again"), { kind: "again", externalId });
  }
  const some = (kind: "crash" | "drain" | "offline" | "clock", most: number, tell: (n: number) => Told): void => {
    for (let n = 0; n <= dice.roll(most, kind, "count"); n += 1) add(dice.roll(atMs + 10_000, kind, "at", n), tell(n));
  };
  if (dice.has("crash")) some("crash", 4, (n) => ({ kind: "crash", microtasks: dice.roll(60, "microtasks", n) }));
  if (dice.has("drain")) some("drain", 2, () => ({ kind: "drain" }));
  if (dice.has("disconnect")) some("offline", 3, (n) => ({ kind: "offline", forMs: dice.roll(20_000, "offline for", n) }));
  if (dice.has("clockStep")) some("clock", 2, (n) => ({ kind: "clock", byMs: CLOCK_STEPS[dice.roll(CLOCK_STEPS.length, "step", n)] ?? 0 }));
  if (dice.has("poison")) add(dice.roll(atMs, "poison", "at"), { kind: "say", chat: POISONED, text: "poison", externalId: "poison" });
  if (dice.has("poison")) add(atMs + 1, { kind: "say", chat: POISONED, text: "m-after", externalId: "after" });
  return actions;
}
