/**
 * What of a Markdown text should stay in one piece: fenced code blocks, and inside of paragraphs code, bold, italic, struck and links.
 * One pass, linear, and forgiving: it only advises where not to cut, so a wrong guess costs a less pretty cut and nothing else.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Offsets: `start` ≤ opening line < `contentStart` ≤ content < `contentEnd` ≤ closing line < `end`. Never closed: `contentEnd` is `end`. */
export interface Fence extends Span {
  readonly contentStart: number;
  readonly contentEnd: number;
  /** Columns before the fence. */
  readonly indent: number;
  /** Such as three backticks. */
  readonly marker: string;
  readonly info: string;
  /** No piece could hold it whole. */
  readonly isLong: boolean;
}

export interface TextSpans {
  /** Sorted, none inside another. */
  readonly spans: readonly Span[];
  readonly fences: readonly Fence[];
}

const OPENING = /^([ \t]*)(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
/** Longest target of a link, in UTF-16 units. */
const TARGET_UNITS_MAX = 2_048;

/** @param max - longest piece, in UTF-16 units */
export function spansOf(text: string, max: number): TextSpans {
  const spans: Span[] = [];
  const fences: Fence[] = [];
  const next: NextSigns = { tick: createNext(text, "`"), paren: createNext(text, ")") };
  let paragraph = 0;
  let open: { start: number; contentStart: number; indent: number; marker: string; info: string } | undefined;
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline + 1;
    const line = text.slice(start, newline < 0 ? end : newline);
    if (open) {
      if (isClosing(line, open.marker)) {
        fences.push({ ...open, contentEnd: start, end, isLong: end - open.start > max });
        open = undefined;
        paragraph = end;
      }
    } else {
      const [, indent = "", marker, info = ""] = OPENING.exec(line) ?? [];
      if (marker !== undefined || line.trim() === "") {
        addInline(text, { from: paragraph, to: start, next }, spans);
        paragraph = end;
      }
      if (marker !== undefined) open = { start, contentStart: end, indent: indent.length, marker, info: info.trimEnd() };
    }
    start = end;
  }
  if (open) fences.push({ ...open, contentEnd: text.length, end: text.length, isLong: text.length - open.start > max });
  else addInline(text, { from: paragraph, to: text.length, next }, spans);
  return { spans, fences };
}

function isClosing(line: string, marker: string): boolean {
  const text = line.trim();
  return text.length >= marker.length && text === (marker[0] ?? "`").repeat(text.length);
}

/** Where the next of these is; one for the whole text, so that no paragraph looks further than the one before. */
interface NextSigns {
  readonly tick: (at: number) => number;
  readonly paren: (at: number) => number;
}

interface Paragraph {
  readonly from: number;
  readonly to: number;
  readonly next: NextSigns;
}

/** A mark that may yet be closed. */
interface Mark {
  readonly at: number;
  readonly kind: string;
}

/** Marks that are open, innermost last. */
function createMarks(found: Span[]) {
  const open: Mark[] = [];
  /** How many of each kind, so that a closer without an opener is passed over at once. */
  const counts = new Map<string, number>();
  const count = (kind: string, by: number): void => void counts.set(kind, (counts.get(kind) ?? 0) + by);
  return {
    begin: (kind: string, at: number): void => {
      open.push({ at, kind });
      count(kind, 1);
    },
    /** Closes the innermost of its kind; what was opened inside stays open for ever. `end` undefined: it was no span after all. */
    close: (kind: string, end: number | undefined): boolean => {
      if (!counts.get(kind)) return false;
      for (let mark = open.pop(); mark; mark = open.pop()) {
        count(mark.kind, -1);
        if (mark.kind !== kind) continue;
        if (end !== undefined) found.push({ start: mark.at, end });
        break;
      }
      return true;
    },
  };
}

/** Adds the outermost spans of one paragraph. */
function addInline(text: string, { from, to, next: nextSigns }: Paragraph, spans: Span[]): void {
  const found: Span[] = [];
  const marks = createMarks(found);
  const codes = codesOf(text, { from, to, next: nextSigns });
  for (let at = from; at < to;) {
    const sign = text[at] ?? "";
    let next = at + 1;
    if (sign === "\\") next = at + 2;
    else if (sign === "`") {
      const code = codes.get(at);
      next = code?.next ?? next;
      if (code?.isClosed) found.push({ start: at, end: next });
    } else if (sign === "*" || sign === "_" || sign === "~") {
      next = runEnd(text, at, to);
      markRun(text, { from, at, next, to }, marks);
    } else if (sign === "[") marks.begin(sign, at);
    else if (sign === "]") {
      const paren = text[next] === "(" ? nextSigns.paren(next) : -1;
      const isLink = paren > 0 && paren < to && paren - at <= TARGET_UNITS_MAX;
      if (isLink) next = paren + 1;
      marks.close("[", isLink ? next : undefined);
    }
    at = next;
  }
  addOutermost(found, spans);
}

interface Run {
  readonly from: number;
  readonly at: number;
  readonly next: number;
  readonly to: number;
}

/** A run of stars and the like closes what it can, and else opens; one that could do both closes, as in `**a**b`. */
function markRun(text: string, { from, at, next, to }: Run, marks: ReturnType<typeof createMarks>): void {
  const isAfterText = at > from && !isBlank(text.charCodeAt(at - 1));
  const isBeforeText = next < to && !isBlank(text.charCodeAt(next));
  const sign = text[at] ?? "";
  const isIntraword = sign === "_" && isAfterText && isBeforeText && isWord(text.charCodeAt(at - 1)) && isWord(text.charCodeAt(next));
  if (next - at > 3 || isIntraword || (sign === "~" && next - at === 1)) return;
  const kind = sign.repeat(next - at);
  if (isAfterText) {
    if (marks.close(kind, next)) return;
    // "**bold *both***" closes two at once.
    if (kind.length === 3 && marks.close(sign, next)) return void marks.close(sign.repeat(2), next);
  }
  if (isBeforeText) marks.begin(kind, at);
}

interface Code {
  readonly next: number;
  readonly isClosed: boolean;
}

/** What begins at each run of backticks: code up to the next run of the same length, or nothing. */
function codesOf(text: string, { from, to, next }: Paragraph): ReadonlyMap<number, Code> {
  const runs: { readonly at: number; readonly end: number }[] = [];
  for (let at = next.tick(from); at >= 0 && at < to;) {
    const end = runEnd(text, at, to);
    runs.push({ at, end });
    at = next.tick(end);
  }
  const codes = new Map<number, Code>();
  const later = new Map<number, number>();
  for (const { at, end } of runs.toReversed()) {
    const closing = later.get(end - at);
    codes.set(at, { next: closing ?? end, isClosed: closing !== undefined });
    later.set(end - at, end);
  }
  return codes;
}

function addOutermost(found: Span[], spans: Span[]): void {
  let end = -1;
  for (const span of found.sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (span.start < end) continue;
    spans.push(span);
    ({ end } = span);
  }
}

/** The place of the next `sign` at or after a place, or -1; asked for rising places. */
function createNext(text: string, sign: string): (at: number) => number {
  let known = -2;
  return (at) => {
    if (known !== -1 && known < at) known = text.indexOf(sign, at);
    return known;
  };
}

function runEnd(text: string, at: number, to: number): number {
  const sign = text.charCodeAt(at);
  let end = at + 1;
  while (end < to && text.charCodeAt(end) === sign) end += 1;
  return end;
}

function isBlank(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13) || unit === 0xa0;
}

/** Letters and digits, roughly: all beyond ASCII count as such. */
function isWord(unit: number): boolean {
  return (unit >= 48 && unit <= 57) || (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122) || unit > 127;
}
