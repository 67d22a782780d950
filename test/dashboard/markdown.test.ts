import fc from "fast-check";
import { type ComponentChild, type VNode, isValidElement } from "preact";
import { describe, expect, it } from "vitest";
import { type CodeView, renderMarkdown, safeHref } from "../../dashboard/markdown/markdown.ts";

const code: CodeView = () => null;

/** Every node with its properties, and every text. */
function walk(child: ComponentChild, found: { nodes: VNode<Record<string, unknown>>[]; text: string }): typeof found {
  if (Array.isArray(child)) for (const one of child as ComponentChild[]) walk(one, found);
  else if (typeof child === "string" || typeof child === "number") found.text += child;
  else if (isValidElement(child)) {
    const node = child as VNode<Record<string, unknown>>;
    found.nodes.push(node);
    if (node.type === code) found.text += String(node.props.text);
    walk(node.props.children as ComponentChild, found);
  }
  return found;
}

const read = (text: string): { nodes: VNode<Record<string, unknown>>[]; text: string } =>
  walk(renderMarkdown(text, code), { nodes: [], text: "" });
const tags = (text: string): readonly unknown[] => read(text).nodes.map(({ type }) => (type === code ? "code-block" : type));

const TAGS: ReadonlySet<unknown> = new Set(
  "p span a strong em del code br hr blockquote ul ol li h3 h4 h5 h6 div table thead tbody tr th td code-block".split(" "),
);
const PROPERTIES: ReadonlySet<string> = new Set(
  "children class dir href target rel title start role aria-label tabIndex text language".split(" "),
);

describe("Markdown", () => {
  it.each([
    ["# t", ["h3"]],
    ["**b** _i_ ~~d~~ `c`", ["p", "strong", "em", "del", "code"]],
    ["```ts\na\n```", ["code-block"]],
    ["- a\n- b", ["ul", "li", "span", "li", "span"]],
    ["|a|\n|-|\n|b|", ["div", "table", "thead", "tr", "th", "tbody", "tr", "td"]],
    ["a\nb", ["p", "br"]],
    ["[x](https://e.example/)", ["p", "a"]],
    ["<me@e.example>", ["p", "a"]],
  ])("%j becomes %j", (text, expected) => {
    expect(tags(text)).toEqual(expected);
  });

  it.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <svg/onload=alert(1)> text",
    "<!-- <b> -->",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](java&#x73;cript:alert(1))",
    "[x](data:text/html,<script>1</script>)",
    "[x](//evil.example/)",
    "[x](/api/system)",
    "![x](javascript:alert(1))",
    '![x](x" onerror="alert(1))',
    "[a]: javascript:alert(1)\n\n[a]",
    "<javascript:alert(1)>",
  ])("%j has neither markup nor link", (text) => {
    expect(tags(text).filter((tag) => tag !== "p" && tag !== "br")).toEqual([]);
  });

  it("shows images as links, and raw HTML as it was written", () => {
    const { nodes, text } = read("![a cat](https://e.example/cat.png)\n\n<b onclick=x>no</b>");
    expect(nodes.find(({ type }) => type === "a")?.props).toMatchObject({ href: "https://e.example/cat.png", rel: "noopener noreferrer" });
    expect(text).toBe("image: a cat<b onclick=x>no</b>");
  });

  it("reads character references of running text, not of code", () => {
    expect(read("a &lt; b &amp;&amp; &#x1F600; &nosuch; `&lt;`").text).toBe("a < b && 😀 &nosuch; &lt;");
  });

  it("holds nothing but known tags and properties, whatever it is given", () => {
    const pieces = fc.constantFrom(
      "<",
      ">",
      "[",
      "]",
      "(",
      ")",
      "!",
      "`",
      "```\n",
      "*",
      "_",
      "\n",
      "\n\n",
      "- ",
      "> ",
      "|",
      "-",
      "#",
      " ",
      "a",
      "&lt;",
      "javascript:",
      "http://e.example",
      "<b onclick=x>",
      '"',
      "\\",
      "~~",
      "1. ",
      ":",
      "<!--",
      "\u202e",
      "\u0000",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        const { nodes } = read(parts.join(""));
        for (const { type, props } of nodes) {
          expect(TAGS).toContain(type === code ? "code-block" : type);
          for (const name of Object.keys(props)) expect(PROPERTIES).toContain(name);
          expect(typeof props.href === "string" ? safeHref(props.href) : props.href).toBe(props.href);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["quotes in quotes", ">".repeat(5_000)],
    ["open brackets", "[".repeat(20_000)],
    ["stars", "*a".repeat(10_000)],
    ["open tags", "<a ".repeat(20_000)],
    ["lists in lists", Array.from({ length: 400 }, (_, depth) => `${"  ".repeat(depth)}- x`).join("\n")],
    ["a long line", "lorem ipsum ".repeat(50_000)],
  ])("takes %s in bounded time", (_, text) => {
    // Time of this process, which others on the machine do not lengthen.
    const before = process.cpuUsage();
    read(text);
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(2_000);
  });
});
