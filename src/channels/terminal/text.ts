/** Text for a terminal: made harmless, measured in columns as people see characters, wrapped and cut between them. */
import stringWidth from "string-width";
import type { Content } from "../../core/content.ts";

// oxlint-disable-next-line no-control-regex -- control and direction characters are what is made visible
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
// oxlint-disable-next-line no-control-regex -- the one kind of escape sequence that is ours, or that print lets through
const COLOURS = /(\u001b\[[0-9;]*m)/;
const PRINTABLE_ASCII = /^[\u0020-\u007e]*$/;
const RESET = "\u001b[0m";
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Nothing in the result can move the cursor, recolour or reorder: control characters are shown as pictures (`␛`), changes of direction
 * as `�`. Line breaks of any kind become `\n`; tabs stay.
 */
export function harmless(text: string): string {
  return text
    .toWellFormed()
    .replace(/\r\n?|\u2028|\u2029/g, "\n")
    .replace(UNSAFE, (character) => {
      const code = character.charCodeAt(0);
      if (code < 0x20) return String.fromCharCode(0x2400 + code);
      return code === 0x7f ? "\u2421" : "\ufffd";
    });
}

/** What a person typed or pasted, without the characters that a terminal would act on; tabs and line breaks stay. */
export function typed(text: string): string {
  return text
    .toWellFormed()
    .replace(/\r\n?|\u2028|\u2029/g, "\n")
    .replace(UNSAFE, "");
}

/** As `harmless`, in one line. */
export function oneLine(text: string): string {
  return harmless(text).replace(/\s+/g, " ").trim();
}

/** Harmless but for colours, which are ended with each line; without them when `hasColour` is false. For lines of this program. */
export function harmlessLog(text: string, hasColour: boolean): string {
  return text
    .replace(/\r\n/g, "\n")
    .split("\n")
    .map((line) => {
      const pieces = line.split(COLOURS).map((piece, place) => (place % 2 === 0 ? harmless(piece) : hasColour ? piece : ""));
      return hasColour && pieces.length > 1 ? pieces.join("") + RESET : pieces.join("");
    })
    .join("\n");
}

/** Files and buttons, which a terminal cannot show as such, are named so that nothing is dropped in silence. */
export function plainText(content: Content): string {
  return content
    .map((item) => {
      if (item.type === "text") return item.text;
      return item.type === "file" ? `[${item.kind}: ${item.name}]` : item.options.map((option) => `- ${option.label}`).join("\n");
    })
    .join("\n");
}

/** Columns that a text takes; colours take none. */
export function widthOf(text: string): number {
  return PRINTABLE_ASCII.test(text) ? text.length : stringWidth(text);
}

/** The characters of a text as people see them, each with its columns; colours are characters without width. */
export function* graphemesOf(text: string): Generator<{ readonly text: string; readonly width: number }> {
  for (const [place, piece] of text.split(COLOURS).entries()) {
    if (place % 2 === 1) yield { text: piece, width: 0 };
    else if (PRINTABLE_ASCII.test(piece)) for (const character of piece) yield { text: character, width: 1 };
    else for (const { segment } of segmenter.segment(piece)) yield { text: segment, width: widthOf(segment) };
  }
}

/** One line in at most `columns` columns, cut with `…`. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const grapheme of graphemesOf(text)) {
    if (width + grapheme.width > columns - 1) break;
    width += grapheme.width;
    kept += grapheme.text;
  }
  return columns < 1 ? "" : `${kept}…`;
}

/** Start and end of the character before or after a place. */
export function graphemeBefore(text: string, place: number): number {
  let last = 0;
  // A character is never longer than this; looking back further would make each key cost the whole text.
  const from = Math.max(0, text.lastIndexOf("\n", place - 1) + 1, place - 200);
  for (const { index } of segmenter.segment(text.slice(from, place))) last = index;
  return place === from ? Math.max(0, place - 1) : from + last;
}

export function graphemeAfter(text: string, place: number): number {
  const [first] = segmenter.segment(text.slice(place, place + 200));
  return place + (first?.segment.length ?? 0);
}

/**
 * One line in rows of at most `columns` columns, broken at spaces. A word that is longer is broken too, unless `keepsWords`: then it
 * stays whole, for the terminal to wrap and for people to copy.
 */
export function wrap(line: string, columns: number, keepsWords = false): readonly string[] {
  if (widthOf(line) <= columns) return [line];
  const rows: string[] = [];
  let row = "";
  let width = 0;
  /** Length and width of the row up to its last space. */
  let space: { length: number; width: number } | undefined;
  for (const grapheme of graphemesOf(line)) {
    if (grapheme.width > 0 && width + grapheme.width > columns) {
      if (grapheme.text === " ") {
        rows.push(row);
        [row, width, space] = ["", 0, undefined];
        continue;
      }
      if (space) {
        rows.push(row.slice(0, space.length).trimEnd());
        [row, width, space] = [row.slice(space.length), width - space.width, undefined];
      } else if (!keepsWords && row !== "") {
        rows.push(row);
        [row, width] = ["", 0];
      }
    }
    row += grapheme.text;
    width += grapheme.width;
    if (grapheme.text === " " && row.trim() !== "") space = { length: row.length, width };
  }
  return [...rows, row];
}
