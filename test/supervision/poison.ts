/** A chat machine with a bug in it, for one chat, while told so. */
import { vi } from "vitest";
import { chatMachine } from "../../machines/chat.machine.ts";

export interface Poison {
  /** How often the bug was met. */
  met: number;
  readonly cure: () => void;
}

/** The machine of `chat` throws wherever `isBad` says so. It is cured at the end of the test, too. */
export function poison(chat: string, isBad: (event: string, state: string) => boolean): Poison {
  const prototype = Object.getPrototypeOf(chatMachine) as typeof chatMachine;
  // Machines made from now on take it from the prototype; this one, which computes what is stored, has its own.
  const spies = [prototype, chatMachine].map((owner) => {
    const transition = owner.transition.bind(owner);
    return vi.spyOn(owner, "transition").mockImplementation(function (this: typeof chatMachine, snapshot, event, scope) {
      const isIt = (this ?? owner).id === "chat" && snapshot.context.key === chat;
      if (isIt && isBad(event.type, String(snapshot.value))) {
        found.met += 1;
        throw new TypeError(`a bug at ${event.type}`);
      }
      return transition(snapshot, event, scope);
    });
  });
  const found: Poison = { met: 0, cure: () => spies.forEach((spy) => spy.mockRestore()) };
  return found;
}
