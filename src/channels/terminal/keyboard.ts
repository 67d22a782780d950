/** Keys of a terminal in raw mode, decoded by `node:readline`; a paste that the terminal marks arrives as one text. */
import { emitKeypressEvents } from "node:readline";
import type { Key } from "./editor.ts";
import type { TerminalInput } from "./front.ts";

export interface KeyboardWays {
  readonly key: (character: string | undefined, key: Key) => void;
  readonly paste: (text: string) => void;
  /** The terminal is gone. */
  readonly ended: () => void;
}

export interface Keyboard {
  readonly open: () => void;
  /** Gives the terminal back as it was found. */
  readonly close: () => void;
}

/** A paste is handed over in pieces of this many UTF-16 units. */
const PASTE_PIECE = 16 * 1024;
/** Written around the time in which pastes are to be marked. */
export const MARK_PASTES = "\u001b[?2004h";
export const LEAVE_PASTES = "\u001b[?2004l";

export function createKeyboard(input: TerminalInput, ways: KeyboardWays): Keyboard {
  /** Text of the paste under way. */
  let pasted: string | undefined;
  let isOpen = false;

  const flush = (): void => {
    if (pasted) ways.paste(pasted);
  };
  const onKey = (character: string | undefined, key: Key): void => {
    if (key.name === "paste-start") {
      pasted = "";
    } else if (key.name === "paste-end" || (key.ctrl && key.name === "c" && pasted !== undefined)) {
      flush();
      pasted = undefined;
    } else if (pasted === undefined) {
      ways.key(character, key);
    } else {
      pasted += character ?? "";
      // A line break of two characters stays together.
      if (pasted.length < PASTE_PIECE || pasted.endsWith("\r")) return;
      flush();
      pasted = "";
    }
  };
  const onEnd = (): void => {
    if (isOpen) ways.ended();
  };

  return {
    open: () => {
      isOpen = true;
      emitKeypressEvents(input);
      input.on("keypress", onKey);
      input.on("end", onEnd);
      input.on("error", onEnd);
      input.setRawMode?.(true);
      input.resume();
    },
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      flush();
      pasted = undefined;
      input.pause();
      input.off("keypress", onKey);
      input.off("end", onEnd);
      input.off("error", onEnd);
      try {
        input.setRawMode?.(false);
      } catch {
        // The terminal is gone (EIO); there is nothing to give back.
      }
    },
  };
}
