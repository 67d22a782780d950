/** Colours, and the little Markdown that reads better in them. */

/** Each member wraps a text that is harmless already. Without colour all of them leave it as it is. */
export interface Style {
  readonly hasColour: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly code: (text: string) => string;
  readonly accent: (text: string) => string;
  readonly warning: (text: string) => string;
}

export function createStyle(hasColour: boolean): Style {
  const paint = (on: number, off: number) => (text: string) => (hasColour && text !== "" ? `\u001b[${on}m${text}\u001b[${off}m` : text);
  return { hasColour, bold: paint(1, 22), dim: paint(2, 22), code: paint(36, 39), accent: paint(32, 39), warning: paint(33, 39) };
}

const FENCE = /^\s*(?:```|~~~)/;
const HEADING = /^#{1,6}\s+\S/;
const SPANS = /`([^`\n]+)`|\*\*(\S(?:[^*\n]*\S)?)\*\*/g;

/** One line of a reply; `isVerbatim` lines are code, which is never wrapped at words. */
export interface StyledLine {
  readonly text: string;
  readonly isVerbatim: boolean;
}

/** Bold, headings and code of Markdown, marks left out where a colour says the same; all else, and everything without colour, as it is. */
export function styleMarkdown(text: string, style: Style): readonly StyledLine[] {
  let isFenced = false;
  return text.split("\n").map((line) => {
    if (FENCE.test(line)) {
      isFenced = !isFenced;
      return { text: style.dim(line), isVerbatim: true };
    }
    if (isFenced) return { text: style.code(line), isVerbatim: true };
    if (!style.hasColour) return { text: line, isVerbatim: false };
    if (HEADING.test(line)) return { text: style.bold(line), isVerbatim: false };
    const styled = line.replace(SPANS, (_, code: string | undefined, bold: string | undefined) =>
      code === undefined ? style.bold(bold ?? "") : style.code(code),
    );
    return { text: styled, isVerbatim: false };
  });
}
