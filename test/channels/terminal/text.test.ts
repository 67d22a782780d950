import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createStyle, styleMarkdown } from "../../../src/channels/terminal/style.ts";
import {
  fit,
  graphemeAfter,
  graphemeBefore,
  harmless,
  harmlessLog,
  oneLine,
  plainText,
  typed,
  widthOf,
  wrap,
} from "../../../src/channels/terminal/text.ts";

const unicode = fc.string({ unit: "binary", maxLength: 200 });

describe("text for a terminal", () => {
  it("shows control characters and changes of direction instead of obeying them", () => {
    expect(harmless("a\u001b[31mb\u0007\u007f\u009b\u202ec\u2069\ud800")).toBe("a␛[31mb␇␡��c��");
    expect(harmless("one\r\ntwo\rthree\u2028four\tx")).toBe("one\ntwo\nthree\nfour\tx");
    expect(typed("a\u001b[31m\u0000b\u202e\r\nc")).toBe("a[31mb\nc");
    expect(oneLine(" a\n\n b\tc ")).toBe("a b c");
  });

  it("lets the colours of the program's own lines through, ends them, and drops them on request", () => {
    const line = "\u001b[32mok\u001b[39m \u001b[2Jrest";
    expect(harmlessLog(line, true)).toBe("\u001b[32mok\u001b[39m ␛[2Jrest\u001b[0m");
    expect(harmlessLog(line, false)).toBe("ok ␛[2Jrest");
    expect(harmlessLog("plain\nlines", true)).toBe("plain\nlines");
  });

  it("never holds anything that a terminal acts on", () => {
    // oxlint-disable-next-line no-control-regex -- what must not be there
    const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
    fc.assert(
      fc.property(unicode, (text) => {
        expect(harmless(text)).not.toMatch(acting);
        expect(typed(text)).not.toMatch(acting);
      }),
    );
  });

  it("measures and cuts between characters as people see them", () => {
    expect(widthOf("日本🎉👨‍👩‍👧e\u0301")).toBe(9);
    expect(fit("日本語", 5)).toBe("日本…");
    expect(fit("👨‍👩‍👧👨‍👩‍👧", 3)).toBe("👨‍👩‍👧…");
    expect(graphemeBefore("a👨‍👩‍👧", 9)).toBe(1);
    expect(graphemeAfter("👨‍👩‍👧a", 0)).toBe(8);
    expect(graphemeBefore("a\nb", 2)).toBe(1);
    fc.assert(
      fc.property(
        unicode,
        fc.integer({ min: 1, max: 40 }),
        (text, columns) => widthOf(fit(harmless(text).replaceAll("\n", ""), columns)) <= columns,
      ),
    );
  });

  it("wraps at words, breaks long ones where it must, and loses nothing", () => {
    expect(wrap("one two three", 8)).toEqual(["one two", "three"]);
    expect(wrap("abcdefghij kl", 4)).toEqual(["abcd", "efgh", "ij", "kl"]);
    expect(wrap("see https://example.org/long now", 8, true)).toEqual(["see", "https://example.org/long", "now"]);
    expect(wrap("\u001b[1mone two\u001b[22m", 4)).toEqual(["\u001b[1mone", "two\u001b[22m"]);
    const words = fc.array(fc.constantFrom("a", "word", "日本語", "🎉", "averyverylongword"), { maxLength: 30 });
    fc.assert(
      fc.property(words, fc.integer({ min: 2, max: 30 }), (list, columns) => {
        const rows = wrap(list.join(" "), columns);
        expect(rows.join("").replaceAll(" ", "")).toBe(list.join(""));
        for (const row of rows) expect(widthOf(row)).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it("names what it cannot show", () => {
    const file = { type: "file", kind: "image", name: "cat.png", mime: "image/png", bytes: 1, ref: "r" } as const;
    const buttons = { type: "buttons", questionId: "q", options: [{ id: "y", label: "Yes" }] } as const;
    expect(plainText([{ type: "text", text: "look" }, file, buttons])).toBe("look\n[image: cat.png]\n- Yes");
  });

  it("styles bold, headings and code, and leaves code blocks whole", () => {
    const lines = styleMarkdown("# Title\n**a** `b` 2 ** 3 ** 4\n```\n**raw**\n```", createStyle(true));
    expect(lines.map(({ text }) => text)).toEqual([
      "\u001b[1m# Title\u001b[22m",
      "\u001b[1ma\u001b[22m \u001b[36mb\u001b[39m 2 ** 3 ** 4",
      "\u001b[2m```\u001b[22m",
      "\u001b[36m**raw**\u001b[39m",
      "\u001b[2m```\u001b[22m",
    ]);
    expect(lines.map(({ isVerbatim }) => isVerbatim)).toEqual([false, false, true, true, true]);
  });
});
