import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatMarkdown } from "../../src/channels/telegram/markdown.ts";
import { entityProblem } from "../../src/testing/telegram-server/entities.ts";

const MAX = 4_096;

/** The text with its entities written out, as `<type>…</type>`. */
function show(source: string): string {
  const { text, entities } = formatMarkdown(source, MAX) ?? { text: source, entities: [] };
  expect(entityProblem(text, entities)).toBeUndefined();
  let shown = "";
  for (let at = 0; at <= text.length; at += 1) {
    for (const one of [...entities].reverse()) if (one.offset + one.length === at) shown += `</${one.type}>`;
    for (const one of entities) {
      if (one.offset !== at) continue;
      const detail = one.type === "text_link" ? ` ${one.url}` : one.type === "pre" && one.language !== undefined ? ` ${one.language}` : "";
      shown += `<${one.type}${detail}>`;
    }
    shown += text[at] ?? "";
  }
  return shown;
}

describe("markdown for telegram", () => {
  it.each([
    [
      "bold and italic",
      "**b** and *i* and __B__ and _I_",
      "<bold>b</bold> and <italic>i</italic> and <bold>B</bold> and <italic>I</italic>",
    ],
    ["both at once", "***x***", "<italic><bold>x</bold></italic>"],
    ["nesting", "**a *b* c**", "<bold>a <italic>b</italic> c</bold>"],
    ["struck", "~~no~~ but ~5 and ~t~", "<strikethrough>no</strikethrough> but ~5 and ~t~"],
    ["inline code", "run `a*b*c` now", "run <code>a*b*c</code> now"],
    ["code inside of bold", "**a `b` c**", "<bold>a</bold> <code>b</code> <bold>c</bold>"],
    ["code as a link", "[`fn`](https://a.b/c)", "<code>fn</code>"],
    ["links", "see [the page](https://a.b/c?d=e)", "see <text_link https://a.b/c?d=e>the page</text_link>"],
    ["bold links", "**[x](https://a.b)**", "<bold><text_link https://a.b>x</text_link></bold>"],
    ["bare addresses", "https://a.b/c and <https://d.e>", "https://a.b/c and https://d.e"],
    [
      "targets that Telegram refuses",
      "[x](http://localhost:3000) [y](./z) [w](javascript:a)",
      "x (http://localhost:3000) y (./z) w (javascript:a)",
    ],
    ["images", "![a cat](https://a.b/c.png)", "<text_link https://a.b/c.png>a cat</text_link>"],
    ["headings", "# One *two*\n\ntext\n\nThree\n---\nmore", "<bold>One <italic>two</italic></bold>\n\ntext\n\n<bold>Three</bold>\nmore"],
    ["fenced code", "so:\n```ts title\nconst a = 1;\n\nb();\n```\nend", "so:\n<pre ts>const a = 1;\n\nb();</pre>\nend"],
    ["fenced code that begins indented", "```\n    a\n  b\n```", "<pre>    a\n  b</pre>"],
    ["images without a name", "![](https://a.b/c.png)", "https://a.b/c.png"],
    ["a fence that is still open", "so:\n\n```py\nprint(", "so:\n\n<pre py>print(</pre>"],
    ["an empty fence", "a\n\n```\n```\n", "a\n\n```\n```"],
    ["quotations", "> one **two**\n> three\n\nafter", "<blockquote>one <bold>two</bold>\nthree</blockquote>\n\nafter"],
    ["quotations in quotations", "> a\n> > b", "<blockquote>a\nb</blockquote>"],
    ["code in quotations", "> see `x`", "<blockquote>see <code>x</code></blockquote>"],
    ["lists", "- a\n- **b**\n  - c\n\n1. x\n2. y", "• a\n• <bold>b</bold>\n  • c\n\n1. x\n2. y"],
    ["lists that begin elsewhere", "3) x\n4) y", "3) x\n4) y"],
    ["lists with tasks", "- [x] done\n- [ ] open", "• ☑ done\n• ☐ open"],
    ["lists of paragraphs", "- a\n\n  b\n\n- c", "• a\n\nb\n\n• c"],
    ["lists in a row", "- - a", "• • a"],
    ["code in lists", "1. a\n\n   ```py\n   x\n   ```\n2. b", "1. a\n\n<pre py>x</pre>\n2. b"],
    ["rules", "a\n\n---\n\nb", "a\n\n———\n\nb"],
    [
      "tables",
      "| name | n |\n|---|--:|\n| `a` | **1** |\n| bb | 22 |\n\nend",
      "<pre>name |  n\n-----+---\na    |  1\nbb   | 22</pre>\n\nend",
    ],
    ["tables of wide letters", "| 名 | e\u0301 |\n|---|---|\n| a | 😀 |", "<pre>名 | e\u0301\n---+---\na  | 😀</pre>"],
    ["line breaks", "a  \nb<br>c\nd", "a\nb\nc\nd"],
    ["escapes", "\\*not\\* \\# x", "*not* # x"],
    ["character references", "a &lt; b &amp;&amp; c &copy;", "a < b && c &copy;"],
    ["other HTML", "a <b>x</b> & <u>", "a <b>x</b> & <u>"],
    ["products", "2*3*4, a*b*c, 2**3**4 and (x)*y*(z)", "2*3*4, a*b*c, 2**3**4 and (x)*y*(z)"],
    ["emphasis beside wide letters", "中文**粗体**中文", "中文<bold>粗体</bold>中文"],
    ["names with underscores", "the_long_name __init__.py", "the_long_name <bold>init</bold>.py"],
    ["emoji before", "😀 **b**", "😀 <bold>b</bold>"],
    ["indented text", "a\n\n    b c\n", "a\n\n    b c"],
    ["half a markup", "**bo", "**bo"],
    ["half a link", "see [the page](https://a", "see [the page](https://a"],
    ["white space around", "\n\n  **a**\n\n", "<bold>a</bold>"],
    ["text that is none", "Hello, you.\nHow are you?", "Hello, you.\nHow are you?"],
  ])("shows %s", (_, source, shown) => {
    expect(show(source)).toBe(shown);
  });

  it.each(["", "   ", "\n"])("has no form for %o", (source) => {
    expect(formatMarkdown(source, MAX)).toBeUndefined();
  });

  it("leaves a table as it was written where aligning it would not fit", () => {
    const source = `|a|b|\n|-|-|\n|${"x".repeat(40)}|1|\n|y|2|`;
    expect(formatMarkdown(source, 90)?.text).toBe(source);
    expect(formatMarkdown(source, source.length - 1)).toBeUndefined();
  });

  it("survives any depth of nesting", () => {
    expect(formatMarkdown(`${"> ".repeat(100)}deep`, MAX)?.text).toContain("deep");
    expect(() => formatMarkdown("> ".repeat(2_048), MAX)).not.toThrow();
    expect(formatMarkdown(`${"- ".repeat(200)}deep`, MAX)?.text).toContain("deep");
    expect(formatMarkdown(`${"*a ".repeat(300)}${"b* ".repeat(300)}`, MAX)?.text).toContain("a");
  });

  it("shows at most a hundred entities", () => {
    expect(formatMarkdown("**a** b ".repeat(300), MAX)?.entities).toHaveLength(100);
  });

  const shard = fc.oneof(
    fc.constantFrom("**", "*", "_", "__", "~~", "~", "`", "``", "```", "\n```js\n", "\n```\n", "[", "](https://a.b/c)", "](x)", "![", "\\"),
    fc.constantFrom(
      "\n",
      "\n\n",
      "  \n",
      "# ",
      "> ",
      "- ",
      "1. ",
      "  - ",
      "    ",
      "\t",
      "---\n",
      "|",
      "| a | b |\n|---|---|\n| c | d |\n",
      "<b>",
    ),
    fc.constantFrom("😀", "&amp;", "[x]: http://y.z\n", "https://e.f", "中", "\u00a0", "\r\n"),
    fc.stringMatching(/^[a-z0-9 .]{0,12}$/),
    fc.string({ maxLength: 6 }),
  );
  const markdown = fc.array(shard, { maxLength: 40 }).map((shards) => shards.join(""));

  it("gives sound entities and invents no text", () => {
    fc.assert(
      fc.property(markdown, (source) => {
        const formatted = formatMarkdown(source, MAX);
        if (!formatted) return true;
        expect(entityProblem(formatted.text, formatted.entities)).toBeUndefined();
        expect(formatted.text).toBe(formatted.text.trimEnd());
        // Letters and digits come in the order of the source; all else may be markup.
        const letters = (formatted.text.match(/[a-z0-9中😀]/gu) ?? []).join("");
        let at = 0;
        for (const letter of letters) {
          at = source.indexOf(letter, at) + letter.length;
          if (at < letter.length) return false;
        }
        return true;
      }),
      { numRuns: 3_000 },
    );
  });
});
