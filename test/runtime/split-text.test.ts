import { describe, expect, it } from "vitest";
import { splitText } from "../../src/runtime/split-text.ts";

const words = (count: number, word = "word"): string => Array.from({ length: count }, () => word).join(" ");

describe("splitText", () => {
  it("leaves a text that fits as it is", () => {
    expect(splitText("hello", 5)).toEqual(["hello"]);
    expect(splitText("", 5)).toEqual([""]);
    expect(splitText("   ", 5)).toEqual(["   "]);
  });

  it("refuses a length that no text fits in", () => {
    expect(() => splitText("ab", 1)).toThrow(/2 or more/);
  });

  it.each([
    ["paragraphs", "First one. Here.\n\nSecond\none here", ["First one. Here.\n\n", "Second\none here"]],
    ["lines", "First one. Here.\nSecond one here", ["First one. Here.\n", "Second one here"]],
    ["sentences", "First one. Second one here", ["First one. ", "Second one here"]],
    ["words", "First one second one here", ["First one second ", "one here"]],
    ["characters", "Firstonesecondonehere", ["Firstonesecondoneh", "ere"]],
    ["wide sentences", "これは一つの長い文です。次の文も続きます", ["これは一つの長い文です。", "次の文も続きます"]],
  ])("cuts between %s", (_, text, pieces) => {
    expect(splitText(text, 18)).toEqual(pieces);
  });

  it("does not take the number of a list for the end of a sentence", () => {
    expect(splitText("Do these now: 1. aa", 18)).toEqual(["Do these now: 1. ", "aa"]);
  });

  it("cuts no pair of surrogates, no accent and no family", () => {
    expect(splitText("abc😀def", 4)).toEqual(["abc", "😀de", "f"]);
    expect(splitText("abcde\u0301f", 5)).toEqual(["abcd", "e\u0301f"]);
    expect(splitText("abc👩\u200d👧d", 6)).toEqual(["abc", "👩\u200d👧d"]);
    expect(splitText("👍🏽👍🏽", 6)).toEqual(["👍🏽", "👍🏽"]);
    expect(splitText("abc🇫🇷", 5)).toEqual(["abc", "🇫🇷"]);
  });

  it("closes a code block at the end of a piece and opens it again, with its info string, in the next", () => {
    const text = `Look:\n\`\`\`ts title\n${"const x = 1;\n".repeat(8)}\`\`\`\nDone.`;
    const pieces = splitText(text, 64);
    expect(pieces).toEqual([
      `Look:\n\`\`\`ts title\n${"const x = 1;\n".repeat(3)}\`\`\``,
      `\`\`\`ts title\n${"const x = 1;\n".repeat(3)}\`\`\``,
      `\`\`\`ts title\n${"const x = 1;\n".repeat(2)}\`\`\`\nDone.`,
    ]);
  });

  it("moves a code block that fits whole into the next piece", () => {
    const code = `\`\`\`\n${"x\n".repeat(20)}\`\`\`\n`;
    expect(splitText(`A short introduction.\n${code}End.`, 60)).toEqual(["A short introduction.\n", `${code}End.`]);
  });

  it("cuts a line of code that is longer than a piece, and opens the block again", () => {
    const pieces = splitText(`~~~\n${"y".repeat(100)}\n~~~`, 40);
    expect(pieces.every((piece) => piece.startsWith("~~~\n") && piece.endsWith("\n~~~") && piece.length <= 40)).toBe(true);
    expect(pieces.join("").replaceAll(/[~\n]/g, "")).toBe("y".repeat(100));
  });

  it("keeps a block open at its end that the text never closed", () => {
    expect(splitText(`\`\`\`sh\n${"echo 1\n".repeat(6)}`, 32)).toEqual([
      "```sh\necho 1\necho 1\necho 1\n```",
      "```sh\necho 1\necho 1\necho 1\n",
    ]);
  });

  it("closes what it opened at the margin where the text closes further in", () => {
    const pieces = splitText(`1. so:\n    \`\`\`js\n${"    call();\n".repeat(9)}    \`\`\`\n2. then`, 92);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.at(-1)).toMatch(/^```js\n( {4}call\(\);\n)+```\n2\. then$/);
    expect(pieces[0]).toMatch(/\n {4}```$/);
  });

  it("treats a fence as text where a piece could not hold it twice", () => {
    const text = "`````````\nabcdef\nghijkl\n`````````";
    const pieces = splitText(text, 12);
    expect(pieces.join("")).toBe(text);
  });

  it.each([
    ["bold", "**some bold words here**"],
    ["italic", "_some italic words here_"],
    ["both", "***some strong words here***"],
    ["bold with code in it", "**some `bold code` here**"],
    ["struck", "~~some struck words here~~"],
    ["code", "`some code with spaces`"],
    ["code with a backtick", "``some ` code of one``"],
    ["a link", "[some link text](https://example.org/a)"],
  ])("keeps %s in one piece where it fits into one", (_, span) => {
    const pieces = splitText(`${words(5)} ${span} ${words(5)}`, 44);
    expect(pieces.filter((piece) => piece.includes(span))).toHaveLength(1);
  });

  it.each([
    ["stars as signs", "2 * 3 and 4 * 5 is what it says here, all of it"],
    ["names with underscores", "the_long_name and an_other_name of some things there"],
    ["an unclosed mark", "**bold that never ends but goes on and on and on"],
    ["an unclosed bracket", "[see this and that and all of those many things"],
    ["an escaped mark", "\\*not bold\\* but it goes on and on and on and on"],
  ])("cuts between words after %s", (_, text) => {
    const pieces = splitText(text, 24);
    expect(pieces.join("")).toBe(text);
    for (const piece of pieces.slice(0, -1)) expect(piece).toMatch(/ $/);
  });

  it("cuts inside bold where nothing else fits, between its words", () => {
    const text = `**${words(20)}**`;
    expect(splitText(text, 30).join("")).toBe(text);
    expect(splitText(text, 30)[0]).toMatch(/ $/);
  });

  it("leaves out pieces of white space, which no platform takes", () => {
    expect(splitText(`a${"\n".repeat(30)}b`, 10).map((piece) => piece.trim())).toEqual(["a", "b"]);
  });

  it.each([
    ["words", "word ".repeat(200_000)],
    ["one word", "w".repeat(1_000_000)],
    ["newlines and letters", "a\n\n".repeat(333_333)],
    ["openers", "[*_`~".repeat(200_000)],
    ["links without an end", "[a](".repeat(250_000)],
    ["backticks of all lengths", Array.from({ length: 1_400 }, (_, n) => "`".repeat(n)).join(" ")],
    ["fences", "```\nx\n```\n".repeat(100_000)],
    ["an open fence", `\`\`\`\n${"code\n".repeat(200_000)}`],
    ["bold that is just too long", `a **${"b ".repeat(2_100)}** `.repeat(200)],
    ["backslashes", "\\".repeat(1_000_000)],
  ])("takes a million units of %s", (_, text) => {
    const pieces = splitText(text, 4_096);
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(4_096);
    // Each piece fills at least a third on the average.
    expect(pieces.length).toBeLessThanOrEqual(1 + (3 * text.length) / 4_096);
  });
});
