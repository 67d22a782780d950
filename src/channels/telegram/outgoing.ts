/** What a part becomes: the messages that show it, in order. */
import type { InlineKeyboardMarkup } from "grammy/types";
import type { ButtonsPart, Content, FilePart } from "../../core/content.ts";
import { keyboardOf } from "./buttons.ts";

/** One message. */
export type Outgoing =
  | { readonly kind: "text"; readonly text: string; keyboard?: InlineKeyboardMarkup }
  | { readonly kind: "file"; readonly file: SendableFile; readonly caption: string; keyboard?: InlineKeyboardMarkup }
  | { readonly kind: "place"; readonly latitude: number; readonly longitude: number; keyboard?: InlineKeyboardMarkup };

/** A file that Telegram has, by its id, or that it can fetch, by its URL. */
export interface SendableFile {
  readonly media: "photo" | "voice" | "audio" | "video" | "document";
  readonly source: string;
  readonly name: string;
  /** Written in its place when it is refused. */
  readonly words: string;
}

/** Longest caption, after entities. @see https://core.telegram.org/bots/api#sendphoto */
export const CAPTION_UNITS_MAX = 1_024;

const MEDIA: Readonly<Record<FilePart["kind"], SendableFile["media"]>> = {
  image: "photo",
  voice: "voice",
  audio: "audio",
  video: "video",
  document: "document",
  location: "document",
  other: "document",
};

/** A file in words, so that nothing is dropped in silence. */
function wordsOf({ kind, name, ref }: FilePart): string {
  return `[${kind}: ${name}]${ref.startsWith("https:") ? ` ${ref}` : ""}`;
}

function fileOf(part: FilePart): Outgoing | undefined {
  const words = wordsOf(part);
  const media = MEDIA[part.kind];
  if (part.ref.startsWith("telegram:")) {
    return { kind: "file", file: { media, source: part.ref.slice("telegram:".length), name: part.name, words }, caption: "" };
  }
  if (part.ref.startsWith("https://") && URL.canParse(part.ref)) {
    return { kind: "file", file: { media, source: part.ref, name: part.name, words }, caption: "" };
  }
  const place = /^geo:(-?\d{1,3}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)/.exec(part.ref);
  return place ? { kind: "place", latitude: Number(place[1]), longitude: Number(place[2]) } : undefined;
}

function listOf({ options }: ButtonsPart): string {
  return options.map((option) => `- ${option.label}`).join("\n");
}

/** Texts that follow each other are one message; buttons hang below the message before them; a short text beside a single file is its caption. */
export function outgoingOf(content: Content): readonly Outgoing[] {
  const messages: Outgoing[] = [];
  const addText = (text: string): void => {
    const last = messages.at(-1);
    if (last?.kind === "text" && !last.keyboard) messages[messages.length - 1] = { kind: "text", text: `${last.text}\n${text}` };
    else messages.push({ kind: "text", text });
  };
  for (const item of content) {
    if (item.type === "text") addText(item.text);
    else if (item.type === "file") {
      const file = fileOf(item);
      if (file) messages.push(file);
      else addText(wordsOf(item));
    } else {
      const keyboard = keyboardOf(item);
      if (!keyboard) addText(listOf(item));
      else {
        if (!messages.at(-1) || messages.at(-1)?.keyboard) messages.push({ kind: "text", text: "Please choose:" });
        const last = messages.at(-1);
        if (last) last.keyboard = keyboard;
      }
    }
  }
  return captioned(messages.filter((message) => message.kind !== "text" || message.text.trim() !== ""));
}

function captioned(messages: readonly Outgoing[]): readonly Outgoing[] {
  const [first, second] = messages;
  const text = first?.kind === "text" ? first : second?.kind === "text" ? second : undefined;
  const file = first?.kind === "file" ? first : second?.kind === "file" ? second : undefined;
  if (messages.length !== 2 || !text || !file || text.text.length > CAPTION_UNITS_MAX || (text.keyboard && file.keyboard)) return messages;
  const keyboard = text.keyboard ?? file.keyboard;
  return [{ kind: "file", file: file.file, caption: text.text, ...(keyboard ? { keyboard } : {}) }];
}

/** All of a part in words and one keyboard, for a message that is text already. */
export function inWords(content: Content): { readonly text: string; readonly keyboard: InlineKeyboardMarkup | undefined } {
  const buttons = content.filter((item) => item.type === "buttons");
  const [only] = buttons;
  const keyboard = buttons.length === 1 && only ? keyboardOf(only) : undefined;
  const lines = content.map((item) => {
    if (item.type === "text") return item.text;
    if (item.type === "file") return wordsOf(item);
    return keyboard ? "" : listOf(item);
  });
  return { text: lines.filter((line) => line !== "").join("\n"), keyboard };
}
