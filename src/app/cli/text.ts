/** Text for terminals: what comes from chats is made harmless, measured in columns, and cut between characters as people see them. */
import stringWidth from "string-width";

// oxlint-disable-next-line no-control-regex -- control and direction characters are what is made visible
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g;
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** One line without control characters: line breaks, escape sequences and changes of direction become a space. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(UNSAFE, " ").trim();
}

/** Columns that a text takes on a terminal. */
export const displayWidth: (text: string) => number = stringWidth;

/** The text in at most `columns` columns, cut with `…`. */
export function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const { segment } of segmenter.segment(text)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return columns < 1 ? "" : `${kept.trimEnd()}…`;
}

/** The text in lines of at most `columns` columns, broken at spaces; one that has no space is left whole. Not broken without `columns`. */
export function wrap(text: string, columns: number | undefined, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of oneLine(text).split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    const isTooLong = columns !== undefined && line !== "" && displayWidth((lines.length === 0 ? "" : indent) + longer) > columns;
    if (isTooLong) lines.push(line.trimEnd());
    line = isTooLong ? word : longer;
  }
  return [...lines, line].join(`\n${indent}`);
}
