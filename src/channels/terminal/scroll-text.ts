/** What the prompt puts into the scrollback, and the end of what it is about to put there. */
import { styleMarkdown, type Style } from "./style.ts";
import { harmless, typed, widthOf, wrap } from "./text.ts";

/** Rows shown again of a long message that was sent. */
const ECHO_ROWS = 20;

const withoutTabs = (text: string): string => text.replaceAll("\t", "    ");

/** Harmless lines, broken at words. */
export function wrapLines(text: string, columns: number): string {
  return text
    .split("\n")
    .flatMap((line) => wrap(line, columns, true))
    .join("\n");
}

/** A reply, whole. Code and long words are left to the terminal to break, so that they can be copied. */
export function replyText(text: string, columns: number, style: Style): string {
  return styleMarkdown(withoutTabs(harmless(text)), style)
    .flatMap((line) => (line.isVerbatim ? [line.text] : wrap(line.text, columns, true)))
    .join("\n");
}

/** What was entered, behind the name of its chat. */
export function enteredText(name: string, text: string, columns: number, style: Style): string {
  const sign = `${name}> `;
  const width = widthOf(sign);
  const rows = withoutTabs(typed(text))
    .split("\n")
    .flatMap((line) => wrap(line, Math.max(4, columns - width), true));
  const shown = rows.slice(0, ECHO_ROWS).map((row, place) => (place === 0 ? style.accent(sign) : " ".repeat(width)) + style.bold(row));
  const rest = rows.length - shown.length;
  return [...shown, ...(rest > 0 ? [style.dim(`… ${rest} more rows`)] : [])].join("\n");
}

/** The last rows of text that is not complete yet, at most `rowsMax`, each at most `columns` wide. */
export function streamedRows(streamed: string, columns: number, rowsMax: number, style: Style): readonly string[] {
  const whole = streamed.trimEnd();
  if (rowsMax < 1 || whole === "") return [];
  const end = whole.slice(-columns * rowsMax * 2);
  const rows = styleMarkdown(withoutTabs(harmless(end)), style).flatMap((line) => wrap(line.text, columns));
  if (rows.length <= rowsMax && end === whole) return rows;
  return rowsMax === 1 ? rows.slice(-1) : [style.dim("…"), ...rows.slice(1 - rowsMax)];
}
