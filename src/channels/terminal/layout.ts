/** Where the characters of the line being typed stand on the screen. */
import { graphemesOf } from "./text.ts";

export interface EditLayout {
  readonly rows: readonly string[];
  readonly cursorRow: number;
  readonly cursorColumn: number;
}

/**
 * Rows of a text behind a prompt, at most `rowsMax` of them around the cursor. Later lines begin below the text, not below the prompt.
 * @param promptWidth - columns of `prompt`, which may have colours
 */
export function layOut(
  options: { readonly prompt: string; readonly promptWidth: number; readonly text: string; readonly cursor: number },
  columns: number,
  rowsMax: number,
): EditLayout {
  const { prompt, promptWidth, text, cursor } = options;
  const indent = " ".repeat(promptWidth);
  const rows: string[] = [prompt];
  let width = promptWidth;
  let place = 0;
  let at = { row: 0, column: promptWidth };
  const breakRow = (): void => {
    rows.push(indent);
    width = promptWidth;
  };
  for (const grapheme of graphemesOf(text)) {
    const shown = grapheme.text === "\t" ? "    " : grapheme.text;
    const taken = grapheme.text === "\t" ? 4 : grapheme.width;
    if (width + taken > columns) breakRow();
    if (place === cursor) at = { row: rows.length - 1, column: width };
    place += grapheme.text.length;
    if (grapheme.text === "\n") breakRow();
    else {
      rows[rows.length - 1] += shown;
      width += taken;
    }
  }
  if (place <= cursor) {
    if (width >= columns) breakRow();
    at = { row: rows.length - 1, column: width };
  }
  const first = Math.max(0, Math.min(rows.length - rowsMax, at.row - Math.floor(rowsMax / 2)));
  return { rows: rows.slice(first, first + rowsMax), cursorRow: at.row - first, cursorColumn: at.column };
}
