/**
 * Markdown as virtual nodes: marked finds the structure, and every text becomes a text node, so nothing in it can become markup.
 * Raw HTML is shown as it was written, images become links, and a link opens only http, https and mailto.
 */
import { type Token, type Tokens, lexer } from "marked";
import { type ComponentChild, type ComponentType, h } from "preact";

/** Shows a block of code. */
export type CodeView = ComponentType<{ readonly text: string; readonly language: string | undefined }>;

/** UTF-16 units; longer text is shown as it is. */
const MARKED_MAX = 200_000;
/** Nesting of lists and quotes; deeper text is shown as it is. */
const DEPTH_MAX = 16;
const PROTOCOLS: ReadonlySet<string> = new Set(["http:", "https:", "mailto:"]);

/** Never throws; what cannot be read as Markdown is plain text. */
export function renderMarkdown(text: string, code: CodeView): ComponentChild {
  if (text.length > MARKED_MAX) return plain(text);
  try {
    return blocks(lexer(text, { gfm: true, breaks: true }), { code, depth: 0 });
  } catch {
    return plain(text);
  }
}

/** The address as a browser would open it, or undefined for one that must not be a link. */
export function safeHref(href: string): string | undefined {
  if (!URL.canParse(href)) return undefined;
  const url = new URL(href);
  return PROTOCOLS.has(url.protocol) ? url.href : undefined;
}

interface Place {
  readonly code: CodeView;
  readonly depth: number;
}

function deeper(at: Place): Place {
  return { ...at, depth: at.depth + 1 };
}

function plain(text: string): ComponentChild {
  return h("p", { class: "plain", dir: "auto" }, text);
}

function blocks(tokens: readonly Token[], at: Place): ComponentChild[] {
  return tokens.map((token) => block(token, at));
}

function block(token: Token, at: Place): ComponentChild {
  if (at.depth > DEPTH_MAX) return plain(token.raw);
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      // Below the headings of the page itself.
      return h(`h${Math.min(6, (token as Tokens.Heading).depth + 2)}`, { dir: "auto" }, inlines(token.tokens, at));
    case "paragraph":
      return h("p", { dir: "auto" }, inlines(token.tokens, at));
    case "text":
      return h("span", { dir: "auto" }, token.tokens === undefined ? decode((token as Tokens.Text).text) : inlines(token.tokens, at));
    case "code":
      return h(at.code, { text: (token as Tokens.Code).text, language: (token as Tokens.Code).lang?.split(/\s/)[0] });
    case "blockquote":
      return h("blockquote", { dir: "auto" }, blocks(token.tokens ?? [], deeper(at)));
    case "list":
      return list(token as Tokens.List, at);
    case "table":
      return table(token as Tokens.Table, at);
    case "hr":
      return h("hr", {});
    case "html":
      return plain(token.raw.trimEnd());
    default:
      return inline(token, at);
  }
}

function list(token: Tokens.List, at: Place): ComponentChild {
  const items = token.items.map((item) => {
    const box = item.task
      ? h("span", { class: "task", role: "img", "aria-label": item.checked ? "done" : "open" }, item.checked ? "☑ " : "☐ ")
      : null;
    return h(
      "li",
      { dir: "auto" },
      box,
      blocks(
        item.tokens.filter(({ type }) => type !== "checkbox"),
        deeper(at),
      ),
    );
  });
  if (!token.ordered) return h("ul", { dir: "auto" }, items);
  return h("ol", { dir: "auto", start: token.start === "" ? 1 : token.start }, items);
}

function table(token: Tokens.Table, at: Place): ComponentChild {
  const cell = (tag: "th" | "td") => (one: Tokens.TableCell) =>
    h(tag, { dir: "auto", class: one.align === null ? undefined : `align-${one.align}` }, inlines(one.tokens, at));
  return h(
    "div",
    // Scrolls on its own, so the keyboard has to reach it.
    { class: "table", tabIndex: 0, role: "region", "aria-label": "Table" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, token.header.map(cell("th")))),
      h(
        "tbody",
        {},
        token.rows.map((row) => h("tr", {}, row.map(cell("td")))),
      ),
    ),
  );
}

function inlines(tokens: readonly Token[] | undefined, at: Place): ComponentChild[] {
  return (tokens ?? []).map((token) => inline(token, deeper(at)));
}

function inline(token: Token, at: Place): ComponentChild {
  if (at.depth > DEPTH_MAX * 2) return token.raw;
  switch (token.type) {
    case "escape":
      return (token as Tokens.Escape).text;
    case "text":
      return token.tokens === undefined ? decode((token as Tokens.Text).text) : inlines(token.tokens, at);
    case "strong":
      return h("strong", {}, inlines(token.tokens, at));
    case "em":
      return h("em", {}, inlines(token.tokens, at));
    case "del":
      return h("del", {}, inlines(token.tokens, at));
    case "codespan":
      return h("code", { dir: "auto" }, (token as Tokens.Codespan).text);
    case "br":
      return h("br", {});
    case "link":
      return link((token as Tokens.Link).href, inlines(token.tokens, at), token.raw);
    case "image": {
      const { href, text, raw } = token as Tokens.Image;
      return link(href, [`image: ${decode(text) || href}`], raw);
    }
    default:
      return token.raw;
  }
}

/** What must not be a link is shown as it was written. */
function link(href: string, label: ComponentChild[], raw: string): ComponentChild {
  const safe = safeHref(decode(href));
  if (safe === undefined) return raw;
  return h("a", { href: safe, target: "_blank", rel: "noopener noreferrer", title: safe, dir: "auto" }, label);
}

const NAMED: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  hellip: "…",
  mdash: "—",
  ndash: "–",
};

/** Character references of running text, which a browser would have read; unknown ones stay. */
function decode(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (match, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return Object.hasOwn(NAMED, name) ? (NAMED[name] ?? match) : match;
    const point = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
    const isText = point >= 0x20 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return isText ? String.fromCodePoint(point) : match;
  });
}
