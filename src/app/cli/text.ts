/** Text for terminals: what comes from chats is made harmless, measured in columns, and cut between characters as people see them. */

// oxlint-disable-next-line no-control-regex -- control and direction characters are what is made visible
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g;
const WIDE =
  /^(?:\p{Extended_Pictographic}|\p{Regional_Indicator}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u;
const NARROW_PICTOGRAPH = /^[\u00a9\u00ae\u2000-\u25ff\u2900-\u2bff](?!\ufe0f)/;
const INVISIBLE = /^[\p{Mark}\u200b-\u200d\ufeff]+$/u;
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** One line without control characters: line breaks, escape sequences and changes of direction become a space. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(UNSAFE, " ").trim();
}

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** The text in at most `columns` columns, cut with `…`. */
export function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const { segment } of segmenter.segment(text)) {
    width += graphemeWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return columns < 1 ? "" : `${kept.trimEnd()}…`;
}

function graphemeWidth(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  return WIDE.test(grapheme) && !NARROW_PICTOGRAPH.test(grapheme) ? 2 : 1;
}
