/**
 * Text with entities, written piece by piece. Entities come out as Telegram wants them: in UTF-16 units, none partly over another, nothing
 * inside of code and code inside of nothing but a quotation, no white space at their ends.
 * @see https://core.telegram.org/bots/api#formatting-options
 */
import type { MessageEntity } from "grammy/types";

/** What a piece of text is shown as. One object is one entity, or several where code interrupts it. */
export type Mark =
  | { readonly type: "bold" | "italic" | "strikethrough" | "code" | "blockquote" }
  | { readonly type: "pre"; readonly language?: string }
  | { readonly type: "text_link"; readonly url: string };

export interface FormattedText {
  readonly text: string;
  readonly entities: readonly MessageEntity[];
}

interface Piece {
  text: string;
  readonly marks: readonly Mark[];
}

export interface TextWriter {
  readonly write: (text: string) => void;
  /** What `write` does inside is shown as `mark`; ignored inside of the same, and inside of code. */
  readonly within: (mark: Mark, write: () => void) => void;
  /** Writes a block and `tail` in place of the line breaks it ends with. */
  readonly block: (write: () => void, tail: string) => void;
  readonly isAtLineStart: () => boolean;
  /** The text without white space at its ends; only the first 100 entities, since Telegram shows no more. */
  readonly finish: () => FormattedText;
}

const ENTITIES_MAX = 100;

/** An empty text. */
export function createTextWriter(): TextWriter {
  const pieces: Piece[] = [];
  let marks: readonly Mark[] = [];
  const write = (text: string): void => {
    if (text !== "") pieces.push({ text, marks });
  };
  return {
    write,
    within: (mark, writeInside) => {
      const before = marks;
      if (!marks.some(({ type }) => type === mark.type || isCode(type))) marks = withMark(marks, mark);
      writeInside();
      marks = before;
    },
    block: (writeInside, tail) => {
      const first = pieces.length;
      writeInside();
      for (let last = pieces.at(-1); last && pieces.length > first; last = pieces.at(-1)) {
        last.text = last.text.replace(/\n+$/, "");
        if (last.text !== "") break;
        pieces.pop();
      }
      write(tail);
    },
    isAtLineStart: () => pieces.at(-1)?.text.endsWith("\n") ?? true,
    finish: () => finish(pieces),
  };
}

function isCode(type: Mark["type"]): boolean {
  return type === "code" || type === "pre";
}

function withMark(marks: readonly Mark[], mark: Mark): readonly Mark[] {
  return isCode(mark.type) ? [...marks.filter(({ type }) => type === "blockquote"), mark] : [...marks, mark];
}

interface Range {
  readonly mark: Mark;
  start: number;
  end: number;
}

/** One range for each unbroken run of pieces under a mark. */
function rangesOf(pieces: readonly Piece[]): Range[] {
  const ranges: Range[] = [];
  const open = new Map<Mark, Range>();
  let at = 0;
  for (const { text, marks } of pieces) {
    for (const mark of open.keys()) if (!marks.includes(mark)) open.delete(mark);
    for (const mark of marks) {
      const range = open.get(mark) ?? { mark, start: at, end: at };
      if (!open.has(mark)) ranges.push(range);
      open.set(mark, range);
      range.end = at + text.length;
    }
    at += text.length;
  }
  return ranges;
}

function finish(pieces: readonly Piece[]): FormattedText {
  const whole = pieces.map(({ text }) => text).join("");
  const ranges = rangesOf(pieces);
  // A message that begins with code keeps its indentation, as Telegram does.
  const code = ranges.find(({ mark }) => mark.type === "pre")?.start ?? whole.length;
  const shift = Math.min(whole.length - whole.trimStart().length, code);
  const entities = ranges.flatMap(({ mark, start, end }) => {
    const inside = whole.slice(start, end).trimEnd();
    const gap = mark.type === "pre" ? 0 : inside.length - inside.trimStart().length;
    return inside === "" ? [] : [{ ...mark, offset: start + gap - shift, length: inside.length - gap }];
  });
  return { text: whole.slice(shift).trimEnd(), entities: entities.slice(0, ENTITIES_MAX) };
}
