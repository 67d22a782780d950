/** Where the demo writes: a view that is drawn over on a terminal, plain lines anywhere else. */
import { inspect } from "node:util";
import { createLogUpdate } from "log-update";
import stringWidth from "string-width";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan";

/** A piece of a line. */
export type Span = string | readonly [style: Style, text: string];

export interface Screen {
  /** False when standard output is no terminal: then nothing is drawn over and nothing is coloured. */
  readonly isLive: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
  /** Replaces what was drawn before. Lines that are too long are cut, and so are lines at the end that do not fit. */
  readonly draw: (lines: readonly (readonly Span[])[]) => void;
  /** Removes what was drawn, and shows the cursor again. */
  readonly clear: () => void;
  /** Writes a line that stays, whole. */
  readonly print: (...spans: readonly Span[]) => void;
}

const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;

/** Colours only on a terminal, and only when NO_COLOR is not set. @see https://no-color.org */
export function createScreen(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Screen {
  const isLive = stream.isTTY && env.TERM !== "dumb";
  const isColoured = isLive && (env.NO_COLOR ?? "") === "";
  const update = isLive ? createLogUpdate(stream) : undefined;
  const columns = (): number => stream.columns || COLUMNS_DEFAULT;
  const rows = (): number => stream.rows || ROWS_DEFAULT;
  const paint = (span: Span): string => {
    const codes = isColoured && typeof span !== "string" ? inspect.colors[span[0]] : undefined;
    return codes ? `\u001b[${codes[0]}m${plain(span)}\u001b[${codes[1]}m` : plain(span);
  };

  return {
    isLive,
    columns,
    rows,
    draw: (lines) =>
      update?.(
        lines
          .slice(0, rows() - 1)
          .map((spans) =>
            fitSpans(spans, columns() - 1)
              .map(paint)
              .join(""),
          )
          .join("\n"),
      ),
    clear: () => {
      update?.clear();
      update?.done();
    },
    print: (...spans) => {
      update?.clear();
      stream.write(`${spans.map(paint).join("")}\n`);
    },
  };
}

function widthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, span) => sum + stringWidth(plain(span)), 0);
}

/** The text in exactly `columns` columns: cut with `…`, or filled with spaces at its end (or at its beginning). */
export function cell(text: string, columns: number, side: "left" | "right" = "left"): string {
  const fitted = stringWidth(text) > columns ? cut(text, columns) : text;
  const space = " ".repeat(Math.max(0, columns - stringWidth(fitted)));
  return side === "left" ? fitted + space : space + fitted;
}

/** A text in lines of at most `columns` columns, broken between words. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && stringWidth(`${last} ${word}`) <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function fitSpans(spans: readonly Span[], columns: number): readonly Span[] {
  if (widthOf(spans) <= columns) return spans;
  const fitted: Span[] = [];
  let left = columns;
  for (const span of spans) {
    const text = plain(span);
    const width = stringWidth(text);
    const kept = width < left ? text : cut(`${text} `, left);
    fitted.push(typeof span === "string" ? kept : [span[0], kept]);
    left -= width;
    if (left <= 0) break;
  }
  return fitted;
}

const segmenter = new Intl.Segmenter();

/** Between characters as people see them; wide ones count twice. */
function cut(text: string, columns: number): string {
  let kept = "";
  let width = 0;
  for (const { segment } of segmenter.segment(text)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return columns < 1 ? "" : `${kept.trimEnd()}…`;
}

function plain(span: Span): string {
  return typeof span === "string" ? span : span[1];
}
