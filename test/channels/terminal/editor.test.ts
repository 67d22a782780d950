import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEditor, HISTORY_MAX, type Editor, type Key } from "../../../src/channels/terminal/editor.ts";
import { layOut } from "../../../src/channels/terminal/layout.ts";
import { createLineSplitter } from "../../../src/channels/terminal/splitter.ts";
import { widthOf } from "../../../src/channels/terminal/text.ts";

const ctrl = (name: string): Key => ({ name, ctrl: true });
const meta = (name: string): Key => ({ name, meta: true });
const plain = (name: string): Key => ({ name });

function edited(text: string, ...keys: readonly Key[]): string {
  const editor = createEditor(1_000);
  editor.insert(text);
  for (const key of keys) editor.press(undefined, key);
  return `${editor.text().slice(0, editor.cursor())}|${editor.text().slice(editor.cursor())}`;
}

describe("the editor", () => {
  it.each<[string, readonly Key[], string]>([
    ["ab cd", [plain("left"), plain("left")], "ab |cd"],
    ["a👨‍👩‍👧", [plain("backspace")], "a|"],
    ["👨‍👩‍👧a", [ctrl("a"), plain("delete")], "|a"],
    ["ab cd", [ctrl("w")], "ab |"],
    ["ab cd", [ctrl("w"), ctrl("a"), ctrl("y")], "cd|ab "],
    ["ab cd", [meta("b"), ctrl("k")], "ab |"],
    ["ab cd", [ctrl("u")], "|"],
    ["ab cd", [ctrl("a"), meta("d")], "| cd"],
    ["ab cd", [plain("home"), ctrl("right")], "ab| cd"],
    ["ab", [meta("return")], "ab\n|"],
    ["ab\ncd", [plain("up")], "ab|\ncd"],
    ["ab\ncd", [plain("home"), plain("up"), plain("down")], "ab\n|cd"],
    ["", [plain("left"), plain("backspace"), plain("delete"), ctrl("w"), plain("up"), plain("down")], "|"],
  ])("%j with its keys becomes %3$j", (text, keys, expected) => {
    expect(edited(text, ...keys)).toBe(expected);
  });

  it("ignores keys that mean nothing, and characters that a terminal would act on", () => {
    const editor = createEditor(100);
    expect(editor.press(undefined, plain("f5"))).toBe("none");
    expect(editor.press("\u0000", ctrl("space"))).toBe("none");
    expect(editor.press("\u202e", {})).toBe("none");
    expect(editor.press("constructor", plain("constructor"))).toBe("changed");
    expect(editor.text()).toBe("constructor");
  });

  it("recalls what was entered, keeps what is being typed, and is bounded", () => {
    const editor = createEditor(10_000);
    const enter = (text: string): void => {
      editor.insert(text);
      editor.take();
    };
    for (const text of ["one", "two", "two", " ", "x".repeat(3_000)]) enter(text);
    expect(editor.history()).toEqual(["one", "two"]);
    editor.insert("draft");
    const texts = [ctrl("p"), ctrl("p"), ctrl("p"), ctrl("n"), ctrl("n"), ctrl("n")].map((key) => {
      editor.press(undefined, key);
      return editor.text();
    });
    expect(texts).toEqual(["two", "one", "one", "two", "draft", "draft"]);
    for (let count = 0; count < HISTORY_MAX + 10; count += 1) enter(`line ${count}`);
    expect(editor.history()).toHaveLength(HISTORY_MAX);
  });

  it("cuts at its limit between characters, and says so", () => {
    const editor: Editor = createEditor(7);
    expect(editor.insert("日本語")).toBe("full");
    expect(editor.text()).toBe("日本");
  });
});

describe("the layout of what is typed", () => {
  it("puts later lines below the text and the cursor where it is", () => {
    const layout = layOut({ prompt: "> ", promptWidth: 2, text: "ab\ncd日", cursor: 6 }, 6, 9);
    expect(layout).toEqual({ rows: ["> ab", "  cd日", "  "], cursorRow: 2, cursorColumn: 2 });
  });

  it("keeps the cursor in its window, whatever is typed", () => {
    const text = fc.string({ unit: fc.constantFrom("a", " ", "\n", "日", "🎉", "\t"), maxLength: 80 });
    fc.assert(
      fc.property(text, fc.nat(), fc.integer({ min: 8, max: 30 }), fc.integer({ min: 1, max: 6 }), (typed, at, columns, rowsMax) => {
        const layout = layOut({ prompt: "> ", promptWidth: 2, text: typed, cursor: at % (typed.length + 1) }, columns, rowsMax);
        expect(layout.rows.length).toBeLessThanOrEqual(rowsMax);
        expect(layout.rows[layout.cursorRow]).toBeDefined();
        expect(layout.cursorColumn).toBeLessThan(columns + 1);
        for (const row of layout.rows) expect(widthOf(row)).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

describe("the lines of a pipe", () => {
  it("are the same however the bytes arrive", () => {
    const line = fc.string({ unit: fc.constantFrom("a", "é", "日", "🎉", " "), maxLength: 12 });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (lines, sizes) => {
        const bytes = Buffer.from(lines.map((text, place) => text + (place % 2 ? "\n" : "\r\n")).join(""));
        const splitter = createLineSplitter(20);
        const got: string[] = [];
        const drain = (): void => {
          for (let next = splitter.next(); next; next = splitter.next()) got.push(next.line ?? "too long");
        };
        for (let from = 0, turn = 0; from < bytes.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          splitter.push(bytes.subarray(from, from + size));
          from += size;
          drain();
        }
        splitter.end();
        drain();
        expect(got).toEqual(lines.map((text) => (Buffer.byteLength(text) <= 20 ? text : "too long")));
      }),
    );
  });
});
