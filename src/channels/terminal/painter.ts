/**
 * Keeps a live area (streamed text, prompt, status line) at the bottom of a terminal while text scrolls away above it. Each change is one
 * write: up to the top of the old area, clear to the end, the new text above, the new area. Rows of the area never wrap, even where the
 * terminal measures a character otherwise than we do.
 */
import { widthOf } from "./text.ts";

export interface Frame {
  /** Each at most as wide as the terminal, harmless, without line breaks. */
  readonly rows: readonly string[];
  readonly cursorRow: number;
  readonly cursorColumn: number;
}

export interface Painter {
  /** Text that scrolls away (complete lines) and the area below it; undefined leaves none. Answers what has to be written. */
  readonly paint: (above: string, frame: Frame | undefined, columns: number) => string;
}

const HIDE = "\u001b[?25l";
export const SHOW_CURSOR = "\u001b[?25h";
const WRAP_OFF = "\u001b[?7l";
const WRAP_ON = "\u001b[?7h";
/**
 * Clears from the start of the row, in two steps: some terminals take a clear from the very first cell for a new screen and keep the old
 * one in their scrollback.
 */
const CLEAR_DOWN = "\r\u001b[C\u001b[J\r\u001b[K";

export function createPainter(): Painter {
  let drawn: { readonly widths: readonly number[]; readonly cursorRow: number; readonly cursorColumn: number } | undefined;

  /** Rows between the top of the area and the cursor; a terminal that was made narrower has broken the rows that no longer fit. */
  const rowsAbove = (columns: number): number => {
    if (!drawn) return 0;
    let rows = Math.floor(Math.max(0, drawn.cursorColumn - 1) / columns);
    for (const width of drawn.widths.slice(0, drawn.cursorRow)) rows += Math.max(1, Math.ceil(width / columns));
    return rows;
  };

  return {
    paint: (above, frame, columns) => {
      const up = rowsAbove(columns);
      const start = `${HIDE}${up > 0 ? `\u001b[${up}A` : ""}${CLEAR_DOWN}${above.replaceAll("\n", "\r\n")}`;
      if (!frame) {
        drawn = undefined;
        return `${start}${SHOW_CURSOR}`;
      }
      const { rows, cursorRow, cursorColumn } = frame;
      drawn = { widths: rows.map(widthOf), cursorRow, cursorColumn };
      const back = rows.length - 1 - cursorRow;
      const place = `${back > 0 ? `\u001b[${back}A` : ""}\r${cursorColumn > 0 ? `\u001b[${cursorColumn}C` : ""}`;
      return `${start}${WRAP_OFF}${rows.join("\r\n")}${WRAP_ON}${place}${SHOW_CURSOR}`;
    },
  };
}
