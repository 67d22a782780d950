import { expect, it } from "vitest";
import { textContent, type Content } from "../../src/core/content.ts";
import { piecesOf } from "../../src/runtime/pieces.ts";

const buttons = { type: "buttons", questionId: "q", options: [{ id: "y", label: "Yes" }] } as const;
const file = { type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 1, ref: "https://x.example/a.png" } as const;

it("cuts texts, keeps files apart and buttons with what they are about", () => {
  const reply: Content = [{ type: "text", text: "one two three" }, file, { type: "text", text: "Shall I?" }, buttons];
  expect(piecesOf(reply, 8)).toEqual([
    textContent("one two "),
    textContent("three"),
    [file],
    [{ type: "text", text: "Shall I?" }, buttons],
  ]);
});

it("sends buttons alone where nothing stands before them", () => {
  expect(piecesOf([buttons], 100)).toEqual([[buttons]]);
});
