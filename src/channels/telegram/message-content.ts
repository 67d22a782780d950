/** What a message says, as content: its text or caption, its file, and in words what is neither. */
import type { Message } from "grammy/types";
import type { Content, FilePart } from "../../core/content.ts";

/** Longest name of a file or person, in UTF-16 units. */
export const NAME_UNITS_MAX = 128;
const RICH_DEPTH_MAX = 16;

/** Empty for a message that says nothing, such as that of a new member. `text` is its text or caption, as it is meant for the bot. */
export function contentOf(message: Message, text: string): Content {
  const file = fileOf(message);
  const said = text.trim() === "" ? (file ? "" : describe(message)) : text;
  const words = said.trim() === "" ? [] : [{ type: "text", text: said } as const];
  return file ? [...words, file] : words;
}

/** Text or caption, also of a message in rich formatting. */
export function textOfMessage(message: Message): string {
  const text = message.text ?? message.caption;
  if (text !== undefined) return text.toWellFormed();
  return message.rich_message === undefined ? "" : flatten(message.rich_message, 0).trim().toWellFormed();
}

interface Media {
  readonly file_id: string;
  readonly file_size?: number;
  readonly file_name?: string;
  readonly mime_type?: string;
}

function filePart(kind: FilePart["kind"], media: Media, name: string, mime: string): FilePart {
  return {
    type: "file",
    kind,
    name: (media.file_name ?? name).slice(0, NAME_UNITS_MAX).toWellFormed(),
    mime: media.mime_type ?? mime,
    bytes: Number.isSafeInteger(media.file_size) ? (media.file_size ?? 0) : 0,
    ref: `telegram:${media.file_id}`,
  };
}

function fileOf(message: Message): FilePart | undefined {
  const photo = message.photo?.at(-1);
  if (photo) return filePart("image", photo, "photo.jpg", "image/jpeg");
  if (message.voice) return filePart("voice", message.voice, "voice.ogg", "audio/ogg");
  if (message.audio) return filePart("audio", message.audio, "audio.mp3", "audio/mpeg");
  if (message.live_photo) return filePart("video", message.live_photo, "live-photo.mp4", "video/mp4");
  if (message.video) return filePart("video", message.video, "video.mp4", "video/mp4");
  if (message.video_note) return filePart("video", message.video_note, "video-note.mp4", "video/mp4");
  // Before `document`: Telegram repeats an animation there for old clients.
  if (message.animation) return filePart("video", message.animation, "animation.mp4", "video/mp4");
  if (message.document) return filePart("document", message.document, "document", "application/octet-stream");
  if (message.sticker) return stickerOf(message.sticker);
  return placeOf(message);
}

function stickerOf(sticker: NonNullable<Message["sticker"]>): FilePart {
  if (sticker.is_video) return filePart("video", sticker, "sticker.webm", "video/webm");
  // An animated one is gzipped Lottie, which nothing shows as an image.
  if (sticker.is_animated) return filePart("other", sticker, "sticker.tgs", "application/gzip");
  return filePart("image", sticker, "sticker.webp", "image/webp");
}

/** A location has no file: its reference is a geo URI (RFC 5870). */
function placeOf({ venue, location }: Message): FilePart | undefined {
  const place = venue?.location ?? location;
  if (!place) return undefined;
  const point = `${place.latitude},${place.longitude}`;
  const name = (venue?.title ?? point).slice(0, NAME_UNITS_MAX).toWellFormed();
  return { type: "file", kind: "location", name, mime: "application/geo+json", bytes: 0, ref: `geo:${point}` };
}

/** In words what has no other form; empty for service messages. */
function describe({ contact, poll, dice, checklist, game, story, paid_media: paid, web_app_data: app }: Message): string {
  if (contact) return `[contact: ${[contact.first_name, contact.last_name].filter(Boolean).join(" ")}, ${contact.phone_number}]`;
  if (poll) return [`[poll: ${poll.question}]`, ...poll.options.map((option) => `- ${option.text}`)].join("\n");
  if (dice) return `[${dice.emoji} ${dice.value}]`;
  if (checklist) {
    const tasks = checklist.tasks.map((task) => `- [${task.completion_date ? "x" : " "}] ${task.text}`);
    return [`[checklist: ${checklist.title}]`, ...tasks].join("\n");
  }
  if (game) return `[game: ${game.title}]`;
  if (story) return "[story]";
  if (paid) return "[paid media]";
  return app?.data ?? "";
}

/** The words of a rich message, a block a line; blocks are of many kinds, and more come with each version of the Bot API. */
function flatten(value: unknown, depth: number): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || depth > RICH_DEPTH_MAX) return "";
  if (Array.isArray(value)) return value.map((one: unknown) => flatten(one, depth + 1)).join("");
  const fields = value as Readonly<Record<string, unknown>>;
  const inline = ["text", "expression", "alternative_text"].map((name) => flatten(fields[name], depth + 1)).join("");
  const blocks = ["blocks", "items", "cells", "summary", "caption", "credit"]
    .flatMap((name) => (Array.isArray(fields[name]) ? (fields[name] as unknown[]) : fields[name] === undefined ? [] : [fields[name]]))
    .map((one) => flatten(one, depth + 1));
  return [inline, ...blocks].filter((words) => words !== "").join("\n");
}
