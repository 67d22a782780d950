/** What is said, as Discord takes it. Markdown is Discord's own; what has no form there is named, so that nothing is dropped in silence. */
import { createHash } from "node:crypto";
import type { ButtonsPart, Content, FilePart } from "../../core/content.ts";

export interface MessagePayload {
  readonly content: string;
  readonly components: readonly unknown[];
  readonly allowed_mentions: { readonly parse: readonly [] };
}

/** @see https://discord.com/developers/docs/components/reference#action-row */
const ACTION_ROW = 1;
const BUTTON = 2;
const STYLE_SECONDARY = 2;
const BUTTONS_PER_ROW = 5;
const ROWS_MAX = 5;
const LABEL_UNITS_MAX = 80;
const CUSTOM_ID_UNITS_MAX = 100;
/** @see https://discord.com/developers/docs/resources/message#create-message: a nonce has at most 25 characters. */
const NONCE_UNITS = 25;

/** What a button carries: its question and its option. */
export interface Choice {
  readonly questionId: string;
  readonly optionId: string;
}

function customId({ questionId, optionId }: Choice): string {
  return `${encodeURIComponent(questionId)}:${optionId}`;
}

/** Reads what `payloadOf` wrote on a button; undefined for a button of somebody else's. */
export function choiceOf(text: unknown): Choice | undefined {
  if (typeof text !== "string") return undefined;
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  try {
    return { questionId: decodeURIComponent(text.slice(0, colon)), optionId: text.slice(colon + 1) };
  } catch {
    return undefined;
  }
}

/** Rows of buttons; undefined when Discord has no room for them. */
function rowsOf({ questionId, options }: ButtonsPart): readonly unknown[] | undefined {
  if (options.length > BUTTONS_PER_ROW * ROWS_MAX) return undefined;
  const buttons = options.map(({ id, label }) => ({
    type: BUTTON,
    style: STYLE_SECONDARY,
    label: (label || id).slice(0, LABEL_UNITS_MAX),
    custom_id: customId({ questionId, optionId: id }),
  }));
  if (buttons.some(({ custom_id: id, label }) => id.length > CUSTOM_ID_UNITS_MAX || label === "")) return undefined;
  const rows = [];
  for (let at = 0; at < buttons.length; at += BUTTONS_PER_ROW)
    rows.push({ type: ACTION_ROW, components: buttons.slice(at, at + BUTTONS_PER_ROW) });
  return rows;
}

function fileText({ kind, name, ref }: FilePart): string {
  if (/^https?:\/\//.test(ref)) return ref;
  return `[${kind}: ${name}]`;
}

/** The body of a message without its nonce. Mentions in it call nobody: the text is an agent's. */
export function payloadOf(content: Content): MessagePayload {
  const lines: string[] = [];
  const components: unknown[] = [];
  for (const part of content) {
    if (part.type === "text") lines.push(part.text);
    else if (part.type === "file") lines.push(fileText(part));
    else {
      const rows = rowsOf(part);
      if (rows && components.length + rows.length <= ROWS_MAX) components.push(...rows);
      else lines.push(part.options.map(({ label }) => `- ${label}`).join("\n"));
    }
  }
  return { content: lines.join("\n"), components, allowed_mentions: { parse: [] } };
}

/** Stable for a part over its attempts: within some minutes Discord answers a repetition with the message that it already has. */
export function nonceOf(idempotencyKey: string): string {
  return createHash("sha256").update(idempotencyKey).digest("base64url").slice(0, NONCE_UNITS);
}
