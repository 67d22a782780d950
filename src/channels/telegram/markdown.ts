/**
 * Markdown, as models write it, as Telegram shows it: text and entities, so that nothing has to be escaped. What Telegram has no form for
 * becomes plain text that reads as well: headings are bold, lists have bullets, tables are aligned in a code block.
 */
import { Marked } from "marked";
import type { MarkedToken, Token, Tokens } from "marked";
import { createTextWriter } from "./formatted-text.ts";
import type { FormattedText, TextWriter } from "./formatted-text.ts";

/** Deepest nesting that is formatted; deeper tokens are shown as they were written. */
const DEPTH_MAX = 16;

const marked = new Marked({ gfm: true });

/**
 * Formats a text; half a markup, as in a reply that still grows, is shown as it stands. Undefined where plain text is the better
 * message: nothing would be left of it, or more than `maxUnits`.
 */
export function formatMarkdown(source: string, maxUnits: number): FormattedText | undefined {
  const tokens = tokensOf(source);
  if (!tokens) return undefined;
  for (const tables of ["aligned", "raw"] as const) {
    const writer = createTextWriter();
    writeBlocks(tokens, { writer, tables, depth: 0, listDepth: 0 });
    const formatted = writer.finish();
    if (formatted.text !== "" && formatted.text.length <= maxUnits) return formatted;
  }
  return undefined;
}

/** The parser recurses, so a line of a thousand `>` overflows the stack; such a text is no Markdown anybody means. */
function tokensOf(source: string): readonly Token[] | undefined {
  try {
    return marked.lexer(source);
  } catch {
    return undefined;
  }
}

interface Place {
  readonly writer: TextWriter;
  readonly tables: "aligned" | "raw";
  readonly depth: number;
  readonly listDepth: number;
}

function deeper(place: Place): Place {
  return { ...place, depth: place.depth + 1 };
}

function writeBlocks(tokens: readonly Token[], place: Place): void {
  for (const token of tokens as MarkedToken[]) {
    const { writer } = place;
    if (token.type === "space" || place.depth > DEPTH_MAX) writer.write(token.raw);
    else writer.block(() => writeBlock(token, place), /\n*$/.exec(token.raw)?.[0] ?? "");
  }
}

function writeBlock(token: MarkedToken, place: Place): void {
  const { writer } = place;
  switch (token.type) {
    case "heading":
      return writer.within({ type: "bold" }, () => writeInline(token.tokens, deeper(place)));
    case "paragraph":
      return writeInline(token.tokens, deeper(place));
    case "text":
      return token.tokens ? writeInline(token.tokens, deeper(place)) : writer.write(plain(token.text));
    case "code":
      return writeCode(token, writer);
    case "blockquote":
      return writer.within({ type: "blockquote" }, () => writeBlocks(token.tokens, deeper(place)));
    case "list":
      return writeList(token, place);
    case "table":
      return writer.within({ type: "pre" }, () => writer.write(place.tables === "raw" ? token.raw : alignedTable(token, place)));
    case "hr":
      return writer.write("———");
    case "checkbox":
      return writer.write(token.checked ? "☑ " : "☐ ");
    default:
      return writer.write(token.raw);
  }
}

function writeCode(token: Tokens.Code, writer: TextWriter): void {
  // Text that happens to be indented is seldom meant as code.
  if (token.codeBlockStyle === "indented" || token.text.trim() === "") return writer.write(token.raw);
  const language = /^[\w+#.-]{1,32}/.exec(token.lang ?? "")?.[0];
  writer.within(language === undefined ? { type: "pre" } : { type: "pre", language }, () => writer.write(token.text));
}

function writeList(list: Tokens.List, place: Place): void {
  const { writer, listDepth } = place;
  const inside = { ...deeper(place), listDepth: listDepth + 1 };
  for (const item of list.items) {
    const marker = list.ordered ? (/^\s*(\d{1,9}[.)])/.exec(item.raw)?.[1] ?? "•") : "•";
    writer.block(
      () => {
        writer.write(`${writer.isAtLineStart() ? "  ".repeat(listDepth) : ""}${marker} `);
        writeBlocks(item.tokens, inside);
      },
      /\n*$/.exec(item.raw)?.[0] ?? "",
    );
  }
}

function writeInline(tokens: readonly Token[], place: Place): void {
  const { writer } = place;
  for (const [index, token] of (tokens as MarkedToken[]).entries()) {
    if (place.depth > DEPTH_MAX || isProduct(token, tokens[index - 1], tokens[index + 1])) writer.write(token.raw);
    else writeSpan(token, deeper(place));
  }
}

/** `2*3*4` and `a*b*c` are sums, not emphasis inside of a word. */
function isProduct(token: MarkedToken, before: Token | undefined, after: Token | undefined): boolean {
  if (!(token.type === "em" || token.type === "strong") || !token.raw.startsWith("*")) return false;
  const sides = token.type === "em" ? { before: /[A-Za-z0-9)\]]$/, after: /^[A-Za-z0-9([]/ } : { before: /\d$/, after: /^\d/ };
  return sides.before.test(before?.raw ?? "") && sides.after.test(after?.raw ?? "");
}

function writeSpan(token: MarkedToken, place: Place): void {
  const { writer } = place;
  switch (token.type) {
    case "text":
      return token.tokens ? writeInline(token.tokens, place) : writer.write(plain(token.text));
    case "escape":
      return writer.write(token.text);
    case "strong":
      return writer.within({ type: "bold" }, () => writeInline(token.tokens, place));
    case "em":
      return writer.within({ type: "italic" }, () => writeInline(token.tokens, place));
    case "del":
      return writeStruck(token, place);
    case "codespan":
      return writer.within({ type: "code" }, () => writer.write(token.text));
    case "br":
      return writer.write("\n");
    case "link":
      return writeLink(token, place);
    case "image":
      if (token.text === "") return writer.write(token.href);
      return writeTarget(token.href, writer, () => writer.write(plain(token.text)));
    case "html":
      return writer.write(/^<br\s*\/?>$/i.test(token.raw) ? "\n" : token.raw);
    default:
      return writer.write(token.raw);
  }
}

function writeStruck(token: Tokens.Del, place: Place): void {
  if (token.raw.startsWith("~~")) return place.writer.within({ type: "strikethrough" }, () => writeInline(token.tokens, place));
  // One tilde means "about".
  place.writer.write("~");
  writeInline(token.tokens, place);
  place.writer.write("~");
}

function writeLink(token: Tokens.Link, place: Place): void {
  const { writer } = place;
  // Telegram finds bare addresses by itself.
  if (token.autolink || token.text === token.href) return writer.write(token.text);
  writeTarget(token.href, writer, () => writeInline(token.tokens, place));
}

/** A target that Telegram would refuse the whole message for is shown instead. */
function writeTarget(href: string, writer: TextWriter, write: () => void): void {
  if (isTarget(href)) return writer.within({ type: "text_link", url: href }, write);
  write();
  if (href !== "") writer.write(` (${href})`);
}

/** @see https://core.telegram.org/bots/api#messageentity; a host without a dot is refused */
function isTarget(href: string): boolean {
  if (!URL.canParse(href)) return false;
  const { protocol, hostname } = new URL(href);
  return protocol === "tg:" || (/^https?:$/.test(protocol) && /[^.]\.[^.]|\]$/.test(hostname));
}

function alignedTable(table: Tokens.Table, place: Place): string {
  const rows = [table.header, ...table.rows].map((cells) => cells.map((cell) => cellText(cell, place)));
  const widths = table.header.map((_, column) => Math.max(1, ...rows.map((cells) => columnsOf(cells[column] ?? ""))));
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? "";
        const gap = " ".repeat(Math.max(0, width - columnsOf(cell)));
        return table.align[column] === "right" ? gap + cell : cell + gap;
      })
      .join(" | ")
      .trimEnd();
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => "-".repeat(width)).join("-+-"), ...body.map(line)].join("\n");
}

/** What takes two columns: East Asian scripts and emoji. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/gu;
/** What takes none: accents and variation selectors. */
const NARROW = /\p{M}|\u200d/gu;

/** Roughly; a table that is off by a column is still read, and the exact measure is 4 MB of memory. */
function columnsOf(text: string): number {
  const bare = text.replace(NARROW, "");
  return [...bare].length + (bare.match(WIDE)?.length ?? 0);
}

function cellText(cell: Tokens.TableCell, { tables, depth }: Place): string {
  const writer = createTextWriter();
  writeInline(cell.tokens, { writer, tables, depth: depth + 1, listDepth: 0 });
  return writer.finish().text.replaceAll("\n", " ");
}

const REFERENCES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", "#39": "'", nbsp: "\u00a0" };

/** The few character references that models write. */
function plain(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos|#39|nbsp);/g, (whole, name: string) => REFERENCES[name] ?? whole);
}
