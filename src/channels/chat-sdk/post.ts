/** Content as what adapters post: Markdown, and a card where there are buttons. */
import type { AdapterPostableMessage, CardElement } from "chat";
import type { ButtonsPart, Content, FilePart } from "../../core/content.ts";
import { buttonId } from "./buttons.ts";

/** Slack's limits, the strictest of those that are known: longest label, and most buttons in one row. */
const LABEL_UNITS_MAX = 75;
const BUTTONS_MAX = 25;
/** Slack's limit for one text of a card is 3,000 characters; some room is for its markup. */
const CARD_TEXT_UNITS = 2_800;

function fileLine({ kind, name, ref }: FilePart): string {
  const label = `${kind}: ${name}`;
  return /^https?:\/\/\S+$/.test(ref) ? `[${label.replaceAll(/[[\]]/g, "")}](${ref})` : `[${label}]`;
}

/** Pieces of a text, cut at line ends where that is possible. */
function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  let rest = text;
  while (rest.length > CARD_TEXT_UNITS) {
    const line = rest.lastIndexOf("\n", CARD_TEXT_UNITS);
    let end = line > CARD_TEXT_UNITS / 2 ? line + 1 : CARD_TEXT_UNITS;
    // Never between the halves of a surrogate pair.
    if (/[\ud800-\udbff]/.test(rest[end - 1] ?? "")) end -= 1;
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  return rest.trim() === "" ? pieces : [...pieces, rest];
}

function cardOf(text: string, rows: readonly ButtonsPart[]): CardElement {
  return {
    type: "card",
    children: [
      ...piecesOf(text).map((content) => ({ type: "text" as const, content })),
      ...rows.map(({ questionId, options }) => ({
        type: "actions" as const,
        children: options.map(({ id, label }, place) => ({
          type: "button" as const,
          id: buttonId(questionId, place),
          label: label.length > LABEL_UNITS_MAX ? `${label.slice(0, LABEL_UNITS_MAX - 1).toWellFormed()}…` : label,
          value: id,
        })),
      })),
    ],
  };
}

/** Undefined where there is nothing to post. Files are named, and linked where their reference is a URL: adapters upload bytes, which a reference of another channel is not. */
export function postableOf(content: Content): AdapterPostableMessage | undefined {
  const rows: ButtonsPart[] = [];
  const lines: string[] = [];
  for (const item of content) {
    if (item.type === "text") lines.push(item.text);
    else if (item.type === "file") lines.push(fileLine(item));
    else if (item.options.length <= BUTTONS_MAX) rows.push(item);
    else lines.push(item.options.map(({ label }) => `- ${label}`).join("\n"));
  }
  const markdown = lines.join("\n");
  if (rows.length > 0) return { card: cardOf(markdown, rows), fallbackText: markdown };
  return markdown.trim() === "" ? undefined : { markdown };
}
