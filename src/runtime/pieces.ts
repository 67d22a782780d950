/** A reply as the parts of it that a platform takes. */
import { textContent, type Content } from "../core/content.ts";
import { splitText } from "./split-text.ts";

/** Texts are cut at `maxUnits`, files are parts of their own, and buttons stay with what they are about. */
export function piecesOf(reply: Content, maxUnits: number): readonly Content[] {
  const [only] = reply;
  if (reply.length === 1 && only?.type === "text") return splitText(only.text, maxUnits).map(textContent);
  const pieces: Content[] = [];
  for (const item of reply) {
    const last = pieces.at(-1);
    if (item.type === "text") pieces.push(...splitText(item.text, maxUnits).map(textContent));
    else if (item.type === "buttons" && last) pieces[pieces.length - 1] = [...last, item];
    else pieces.push([item]);
  }
  return pieces;
}
