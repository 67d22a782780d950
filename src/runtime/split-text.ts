/**
 * Cuts a reply into messages. A platform shows each piece by itself, so a piece must be sound Markdown by itself: a code block that goes on
 * is closed and opened again, and a cut avoids bold, links and the like. Two passes over the text, both linear: the first finds what should
 * stay whole (text-spans.ts), the second cuts, looking at each unit a bounded number of times.
 */
import { invariant } from "../core/errors.ts";
import { spansOf, type Fence, type Span } from "./text-spans.ts";

/** Least length of a piece: less could not hold one character outside the basic plane. */
const PIECE_UNITS_MIN = 2;

/** A way to cut, the lower the better. Cuts in the second half of a piece come first: short pieces are many messages. */
type Rank = number;
const PARAGRAPH = 0;
const LINE = 1;
const SENTENCE = 2;
const SPACE = 3;
const ANYWHERE = 4;
/** Added in the first half of a piece. */
const EARLY: Rank = 10;
/** Added inside of what should stay whole. */
const INSIDE: Rank = 20;
/** Between two characters that belong together. */
const JOINED: Rank = 50;
/** No place at all. */
const NONE: Rank = 100;

/**
 * Cuts a text into pieces of at most `max` UTF-16 units (2 or more): between paragraphs, else lines, sentences, words; never inside a
 * surrogate pair, and inside bold, code, links and the like only where nothing else fits. A fenced code block that is cut is closed at the
 * end of the piece and opened again, with its info string, in the next; beside those fences nothing is changed. Pieces of white space
 * alone are left out, since no platform takes them. Linear time.
 * @throws InvariantError when `max` is less than 2
 */
export function splitText(text: string, max: number): readonly string[] {
  invariant(max >= PIECE_UNITS_MIN, `a piece of at most ${max} units holds no text; write ${PIECE_UNITS_MIN} or more`);
  if (text.length <= max) return [text];
  const { spans, fences } = spansOf(text, max);
  const pieces: string[] = [];
  const places = { span: 0, fence: 0 };
  let from = 0;
  /** Set while the piece begins inside a fence that the one before had to cut. */
  let opened: Reopened | undefined;
  while (from < text.length) {
    while ((spans[places.span]?.end ?? text.length) <= from) places.span += 1;
    while ((fences[places.fence]?.end ?? text.length) <= from) places.fence += 1;
    const head = opened?.head ?? "";
    const to =
      head.length + text.length - from <= max ? text.length : cutOf({ text, spans, fences, places, from, room: max - head.length, max });
    const fence = to < text.length ? fenceAround(fences, places.fence, to) : undefined;
    const cut = fence && isReopened(fence, max) ? fence : undefined;
    const piece = `${head}${opened ? bodyOf(text, from, to, opened.fence) : text.slice(from, to)}`;
    const tail = cut ? closing(text, cut, to) : "";
    // No room for it after an opening line that is nearly a piece: a block left open ends with its message as well.
    const closed = piece.length + tail.length <= max ? piece + tail : piece;
    if (closed.trim() !== "") pieces.push(closed);
    opened = cut && { fence: cut, head: opening(cut, max) };
    from = to;
  }
  return pieces.length === 0 ? [text.slice(0, max)] : pieces;
}

interface Reopened {
  readonly fence: Fence;
  readonly head: string;
}

/** The fence whose content is cut at `at`. */
function fenceAround(fences: readonly Fence[], first: number, at: number): Fence | undefined {
  for (let index = first; index < fences.length; index += 1) {
    const fence = fences[index];
    if (!fence || fence.start >= at) return undefined;
    if (at > fence.contentStart && at < fence.contentEnd) return fence;
  }
  return undefined;
}

/** What a fence needs of a piece: too much of a small one, and it is cut like any text. */
function isReopened(fence: Fence, max: number): boolean {
  return 4 * (fence.marker.length + 1 + fence.indent) <= max;
}

/** Opens at the margin: the list that an indented fence stood in is not part of the piece. The info string may be longer than a piece. */
function opening(fence: Fence, max: number): string {
  const head = `${fence.marker}${fence.info}\n`;
  return 4 * head.length <= max ? head : `${fence.marker}\n`;
}

function closing(text: string, fence: Fence, to: number): string {
  return `${text[to - 1] === "\n" ? "" : "\n"}${" ".repeat(fence.indent)}${fence.marker}`;
}

/** A closing line further in than three columns would not close what was opened at the margin. */
function bodyOf(text: string, from: number, to: number, fence: Fence): string {
  if (fence.indent <= 3 || to < fence.end || fence.contentEnd === fence.end) return text.slice(from, to);
  return text.slice(from, fence.contentEnd) + text.slice(fence.contentEnd, to).replace(/^[ \t]+/, "");
}

interface CutSearch {
  readonly text: string;
  readonly spans: readonly Span[];
  readonly fences: readonly Fence[];
  /** The first span and fence that end after `from`. */
  readonly places: { readonly span: number; readonly fence: number };
  readonly from: number;
  /** Units of the text that this piece has room for. */
  readonly room: number;
  readonly max: number;
}

/** The best place to cut in `(from, from + room]`, the last of equals. Looks back over the second half, over the first only if it must. */
function cutOf({ text, spans, fences, places, from, room, max }: CutSearch): number {
  const limit = from + room;
  const half = from + Math.ceil(room / 2);
  let span = places.span;
  while ((spans[span]?.start ?? limit) < limit) span += 1;
  let fence = places.fence;
  while ((fences[fence]?.start ?? limit) < limit) fence += 1;
  let best = { at: isPair(text, limit) ? limit - 1 : limit, rank: NONE };
  for (let at = limit; at > from && best.rank !== PARAGRAPH; at -= 1) {
    // A worse half is not looked at once the better one gave a place outside of everything.
    if (at < half && best.rank < EARLY) break;
    while (span > places.span && (spans[span - 1]?.start ?? 0) >= at) span -= 1;
    while (fence > places.fence && (fences[fence - 1]?.start ?? 0) >= at) fence -= 1;
    const around = fence > places.fence ? fences[fence - 1] : undefined;
    const within = span > places.span ? spans[span - 1] : undefined;
    const rank = rankOf(text, at, { fence: around, isInSpan: within !== undefined && at < within.end, limit, max });
    const whole = rank + (at < half ? EARLY : 0);
    if (whole < best.rank) best = { at, rank: whole };
  }
  return best.at;
}

interface Surroundings {
  /** The last fence that begins before the place. */
  readonly fence: Fence | undefined;
  readonly isInSpan: boolean;
  readonly limit: number;
  readonly max: number;
}

function rankOf(text: string, at: number, { fence, isInSpan, limit, max }: Surroundings): Rank {
  if (isPair(text, at)) return NONE;
  const isInside = fence !== undefined && at < fence.end;
  if (isInside && isReopened(fence, max)) {
    // Neither an empty block nor half of a fence's own line.
    if (at <= fence.contentStart || at >= fence.contentEnd) return NONE;
    if (at + fence.indent + fence.marker.length + (text[at - 1] === "\n" ? 0 : 1) > limit) return NONE;
    return Math.max(plainRank(text, at), LINE) + (fence.isLong ? 0 : INSIDE);
  }
  if (fence?.end === at) return PARAGRAPH;
  return plainRank(text, at) + (isInSpan || isInside ? INSIDE : 0);
}

function plainRank(text: string, at: number): Rank {
  const before = text.charCodeAt(at - 1);
  if (before === NEWLINE) return text.charCodeAt(at - 2) === NEWLINE && text.charCodeAt(at) !== NEWLINE ? PARAGRAPH : LINE;
  if (isSpace(before)) return endsSentence(text, at - 2) && !isSpace(text.charCodeAt(at)) ? SENTENCE : SPACE;
  if (WIDE_ENDS.has(before)) return SENTENCE;
  return isJoined(text, at) ? JOINED : ANYWHERE;
}

const NEWLINE = 10;
/** Ends of sentences that no space follows: 。！？ */
const WIDE_ENDS: ReadonlySet<number> = new Set([0x3002, 0xff01, 0xff1f]);

function isSpace(unit: number): boolean {
  return unit === 32 || unit === 9 || unit === NEWLINE;
}

/** `.`, `!`, `?` and `…`, but not the point of `1. ` */
function endsSentence(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  if (unit === 33 || unit === 63 || unit === 0x2026) return true;
  const before = text.charCodeAt(at - 1);
  return unit === 46 && !(before >= 48 && before <= 57);
}

function isPair(text: string, at: number): boolean {
  return isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at));
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Accents, variation selectors, joiners, skin tones and the halves of a flag belong to what stands before them. */
function isJoined(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  if (text.charCodeAt(at - 1) === 0x200d || unit === 0x200d) return true;
  if ((unit >= 0x300 && unit <= 0x36f) || (unit >= 0xfe00 && unit <= 0xfe0f) || unit === 0x20e3) return true;
  if (unit !== 0xd83c) return false;
  const low = text.charCodeAt(at + 1);
  const isTone = low >= 0xdffb && low <= 0xdfff;
  const isFlag = low >= 0xdde6 && low <= 0xddff && text.charCodeAt(at - 2) === 0xd83c;
  return isTone || isFlag;
}
