import { describe, expect, it } from "vitest";
import { facts, table } from "../../../src/app/cli/table.ts";
import { displayWidth, fit, oneLine } from "../../../src/app/cli/text.ts";
import { relative, when } from "../../../src/app/cli/when.ts";

const FAMILY = "👨‍👩‍👧‍👦";

describe("text", () => {
  it("is measured in terminal columns", () => {
    expect(["abc", "日本", FAMILY, "e\u0301", "🇫🇷", "…", "©", "\u200b"].map(displayWidth)).toEqual([3, 4, 2, 1, 2, 1, 1, 0]);
  });

  it("is cut between characters as people see them", () => {
    expect(fit("hello world", 6)).toBe("hello…");
    expect(fit(`a${FAMILY}${FAMILY}`, 4)).toBe(`a${FAMILY}…`);
    expect(fit("日本語", 4)).toBe("日…");
    expect(fit("abc", 3)).toBe("abc");
    expect(fit("abc", 0)).toBe("");
  });

  it("loses escape sequences, line breaks, changes of direction and lone surrogates", () => {
    expect(oneLine("a\n\u001b[31mb\u202ec\ud800")).toBe("a [31mb c\ufffd");
  });
});

describe("table", () => {
  const rows = [
    { name: "short", text: "x".repeat(50), count: "7" },
    { name: "日本語テキスト", text: "", count: "12" },
  ];
  const columns = [
    { title: "NAME", cell: (row: (typeof rows)[0]) => row.name, shrinksTo: 8 },
    { title: "N", cell: (row: (typeof rows)[0]) => row.count, right: true },
    { title: "EMPTY", cell: () => "" },
    { title: "TEXT", cell: (row: (typeof rows)[0]) => row.text, shrinksTo: 6 },
  ];

  it("keeps everything in a pipe and leaves empty columns out", () => {
    const lines = table(rows, columns, undefined).split("\n");
    expect(lines[0]).toBe("NAME             N  TEXT");
    expect(lines[1]).toBe(`short            7  ${"x".repeat(50)}`);
    expect(lines[2]).toBe("日本語テキスト  12");
  });

  it.each([200, 60, 40, 24, 10, 1])("fits a terminal of %i columns", (width) => {
    for (const line of table(rows, columns, width).split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(width);
  });

  it("aligns facts and leaves unknown ones out", () => {
    expect(
      facts(
        [
          ["a", "1"],
          ["long", "2"],
          ["gone", undefined],
          ["blank", ""],
        ],
        undefined,
      ),
    ).toBe("a     1\nlong  2");
  });
});

describe("when", () => {
  const now = new Date(2026, 2, 1, 12, 0, 0).getTime();
  it("is local and relative", () => {
    expect(when(now - 3_000, now)).toBe("11:59:57 (3 s ago)");
    expect(when(now + 300_000, now)).toBe("12:05:00 (in 5 min)");
    expect(when(now - 49 * 3_600_000, now)).toBe("2026-02-27 11:00 (2 d 1 h ago)");
    expect(when(undefined, now)).toBe("");
    expect([relative(-400), relative(900), relative(-1_400)]).toEqual(["now", "now", "1 s ago"]);
  });
});
