import fc from "fast-check";
import { expect, it } from "vitest";
import { splitText } from "../../src/runtime/split-text.ts";

const FENCE_LINE = /^[ \t]*(?:`{3,}|~{3,})[^\n]*/;
const OPENED = /^(?:`{3,}|~{3,})[^\n]*\n/;
const CLOSED = /\n?[ ]*(?:`{3,}|~{3,})$/;

const shard = fc.oneof(
  fc.constantFrom("```", "```ts\n", "\n```\n", "~~~~ sh x\n", "\n~~~~\n", "    ```py\n", "\n    ```\n"),
  fc.constantFrom("**", "*", "_", "~~", "`", "``", "[", "](https://a.b)", "\\", "\n", "\n\n", " ", ". ", "- ", "1. ", "> "),
  fc.constantFrom("😀", "e\u0301", "👩\u200d👧", "中文。", "\ud800", "\udc00", "\t", "\r\n"),
  fc.string({ maxLength: 12 }),
  fc.stringMatching(/^[a-z ]{1,30}$/),
);
const markdown = fc.array(shard, { maxLength: 60 }).map((shards) => shards.join(""));

/** True when the pieces are the text, in order, with nothing but white space left out and nothing but fences put in. */
function isFaithful(text: string, pieces: readonly string[], at = 0, index = 0): boolean {
  const piece = pieces[index];
  if (piece === undefined) return text.slice(at).trim() === "";
  const bodies = new Set([piece, piece.replace(OPENED, ""), piece.replace(CLOSED, ""), piece.replace(OPENED, "").replace(CLOSED, "")]);
  return [...bodies].some((body) => {
    const found = locate(text, at, body);
    return found >= 0 && isFaithful(text, pieces, found + body.length, index + 1);
  });
}

/** Where `body` stands at or after `at`, with nothing but white space before it. */
function locate(text: string, at: number, body: string): number {
  for (let place = at; ; place += 1) {
    if (text.startsWith(body, place)) return place;
    if (place >= text.length || (text[place] ?? "").trim() !== "") return -1;
  }
}

it("gives pieces within the limit that cut no surrogate pair and are never blank", () => {
  fc.assert(
    fc.property(markdown, fc.integer({ min: 2, max: 120 }), (text, max) => {
      const pieces = splitText(text, max);
      expect(pieces.length).toBeGreaterThan(0);
      for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(max);
      expect(pieces.some((piece) => piece.trim() === "")).toBe(text.trim() === "");
      expect(pieces.every((piece) => piece.isWellFormed())).toBe(text.isWellFormed());
    }),
    { numRuns: 2_000 },
  );
});

it("changes nothing beside the fences that it closes and opens again", () => {
  fc.assert(
    fc.property(
      // A fence further in than three columns is opened at the margin; that is shown by an example.
      markdown.filter((text) => !/^(?: {4}|\t)[ \t]*(```|~~~)/m.test(text)),
      fc.integer({ min: 2, max: 120 }),
      (text, max) => {
        expect(isFaithful(text, splitText(text, max))).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
});

it("gives the text back where it has no fences", () => {
  fc.assert(
    fc.property(
      markdown.filter((text) => !text.split("\n").some((line) => FENCE_LINE.test(line))),
      fc.integer({ min: 2, max: 60 }),
      (text, max) => {
        const pieces = splitText(text, max);
        expect(pieces.join("").replaceAll(/\s/g, "")).toBe(text.replaceAll(/\s/g, ""));
      },
    ),
    { numRuns: 1_000 },
  );
});

it("leaves every piece with as many opening as closing fences, where the text has them", () => {
  const block = fc
    .tuple(fc.constantFrom("```", "~~~~", "````"), fc.constantFrom("", "ts", "sh -x"), fc.array(fc.stringMatching(/^[a-z(); ]{0,20}$/)))
    .map(([marker, info, lines]) => `${marker}${info}\n${lines.map((line) => `${line}\n`).join("")}${marker}\n`);
  const paragraph = fc.stringMatching(/^[a-z .]{0,80}\n$/);
  fc.assert(
    fc.property(fc.array(fc.oneof(block, paragraph), { maxLength: 12 }), fc.integer({ min: 40, max: 160 }), (blocks, max) => {
      for (const piece of splitText(blocks.join(""), max)) {
        let open: string | undefined;
        for (const line of piece.split("\n")) {
          const marker = /^(`{3,}|~{3,})/.exec(line)?.[1];
          if (marker === undefined) continue;
          if (open === undefined) open = marker;
          else if (marker === open && line.trim() === marker) open = undefined;
        }
        expect(open).toBeUndefined();
      }
    }),
    { numRuns: 1_000 },
  );
});
