/**
 * Buttons as an inline keyboard, and presses as answers. What a button calls back with must fit into 64 bytes: `q<n>:` and the question id
 * of n units, then the option's id; where that is too long, `p<n>:`, the question id and the option's place.
 * @see https://core.telegram.org/bots/api#inlinekeyboardbutton
 */
import type { CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup } from "grammy/types";
import type { ButtonsPart } from "../../core/content.ts";

const DATA_BYTES_MAX = 64;
/** More of them are shown as a list. */
const BUTTONS_MAX = 100;
/** Options that are together no longer than this share a row. */
const ROW_UNITS_MAX = 24;
const ROW_BUTTONS_MAX = 4;

/** Undefined where buttons cannot carry the question; then its options are to be written out. */
export function keyboardOf({ questionId, options }: ButtonsPart): InlineKeyboardMarkup | undefined {
  if (options.length > BUTTONS_MAX) return undefined;
  const buttons: InlineKeyboardButton[] = [];
  for (const [place, { id, label }] of options.entries()) {
    const text = label.trim() === "" ? id : label;
    const question = `${questionId.length}:${questionId}`;
    const data = [`q${question}${id}`, `p${question}${place}`].find((one) => Buffer.byteLength(one) <= DATA_BYTES_MAX);
    if (data === undefined || text.trim() === "") return undefined;
    buttons.push({ text, callback_data: data });
  }
  const units = buttons.reduce((sum, { text }) => sum + text.length, 0);
  const isOneRow = buttons.length <= ROW_BUTTONS_MAX && units <= ROW_UNITS_MAX;
  return { inline_keyboard: isOneRow ? [buttons] : buttons.map((button) => [button]) };
}

export interface Press {
  /** The option's id; its label where a button cannot carry the id or is not ours. */
  readonly text: string;
  /** Absent for a button that is not ours. */
  readonly questionId?: string;
}

/** What a press says; undefined for one that says nothing, such as of a game. */
export function pressOf({ data, message }: CallbackQuery): Press | undefined {
  if (data === undefined || data === "") return undefined;
  const keyboard = message && "reply_markup" in message ? message.reply_markup?.inline_keyboard : undefined;
  const label = keyboard?.flat().find((button) => "callback_data" in button && button.callback_data === data)?.text;
  const [head = "", sign, length] = /^([qp])(\d{1,2}):/.exec(data) ?? [];
  const end = head.length + Number(length ?? 0);
  if (end === head.length || end >= data.length) return { text: label ?? data };
  const option = data.slice(end);
  return { text: sign === "p" ? (label ?? option) : option, questionId: data.slice(head.length, end) };
}
