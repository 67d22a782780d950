/**
 * A part as the API takes it: one message of the richest form that holds all of it. What WhatsApp cannot show in one message is named in
 * its text, so that nothing is dropped in silence.
 * @see https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-phone-number/message-api
 */
import type { ButtonsPart, Content, FilePart } from "../../core/content.ts";
import { TerminalError } from "../../core/errors.ts";
import { buttonId } from "./button-id.ts";
import { toWhatsApp } from "./markup.ts";
import { isNumber, isUserId } from "./options.ts";
import { REF_PREFIX } from "./translate.ts";

/** Longest text beside buttons, and below a file. */
const BODY_UNITS_MAX = 1_024;
const BUTTONS_MAX = 3;
const BUTTON_LABEL_UNITS_MAX = 20;
const ROWS_MAX = 10;
const ROW_LABEL_UNITS_MAX = 24;

type Payload = Readonly<Record<string, unknown>>;

/** Kinds of file that WhatsApp shows as such; those without a caption are sent without text. */
const MEDIA: Partial<Record<FilePart["kind"], { readonly type: string; readonly hasCaption: boolean }>> = {
  image: { type: "image", hasCaption: true },
  video: { type: "video", hasCaption: true },
  document: { type: "document", hasCaption: true },
  other: { type: "document", hasCaption: true },
  audio: { type: "audio", hasCaption: false },
  voice: { type: "audio", hasCaption: false },
};

/**
 * Who is written to: a number in `to`, a user id in `recipient`.
 * @throws TerminalError CHANNEL_REFUSED for any other address
 */
function recipientOf(address: string): Payload {
  if (isNumber(address)) return { to: address };
  if (isUserId(address)) return { recipient: address };
  throw new TerminalError(
    "CHANNEL_REFUSED",
    `whatsapp address ${JSON.stringify(address.slice(0, 60))} is neither a phone number in digits nor a user id; correct the chat's address`,
  );
}

function named(item: Content[number]): string {
  if (item.type === "text") return toWhatsApp(item.text);
  return item.type === "file"
    ? `[${item.kind}: ${item.name}]`
    : item.options.map((option, place) => `${place + 1}. ${option.label}`).join("\n");
}

/** Where WhatsApp finds a file: an id of its own, or a public address. */
function sourceOf(ref: string): Payload | undefined {
  if (ref.startsWith(REF_PREFIX)) return { id: ref.slice(REF_PREFIX.length) };
  return /^https?:\/\//.test(ref) ? { link: ref } : undefined;
}

function fileMessage(file: FilePart, text: string): Payload | undefined {
  const [latitude, longitude] = /^geo:(-?[\d.]+),(-?[\d.]+)$/.exec(file.ref)?.slice(1).map(Number) ?? [];
  if (file.kind === "location" && latitude !== undefined && text === "")
    return { type: "location", location: { latitude, longitude, name: file.name } };
  const media = MEDIA[file.kind];
  const source = sourceOf(file.ref);
  if (!media || !source || text.length > BODY_UNITS_MAX || (text !== "" && !media.hasCaption)) return undefined;
  const filename = media.type === "document" ? { filename: file.name } : {};
  return { type: media.type, [media.type]: { ...source, ...filename, ...(text === "" ? {} : { caption: text }) } };
}

function buttonsMessage({ questionId, options }: ButtonsPart, text: string): Payload | undefined {
  if (text === "" || text.length > BODY_UNITS_MAX || options.length > ROWS_MAX) return undefined;
  if (new Set(options.map(({ label }) => label)).size < options.length) return undefined;
  const replies = options.flatMap(({ id, label }) => {
    const known = buttonId(questionId, id);
    return known === undefined || label.trim() === "" ? [] : [{ id: known, title: label }];
  });
  if (replies.length < options.length) return undefined;
  const longest = Math.max(...replies.map(({ title }) => title.length));
  const body = { text };
  if (replies.length <= BUTTONS_MAX && longest <= BUTTON_LABEL_UNITS_MAX) {
    const buttons = replies.map((reply) => ({ type: "reply", reply }));
    return { type: "interactive", interactive: { type: "button", body, action: { buttons } } };
  }
  if (longest > ROW_LABEL_UNITS_MAX) return undefined;
  return { type: "interactive", interactive: { type: "list", body, action: { button: "…", sections: [{ rows: replies }] } } };
}

/** The form beyond plain text that holds the whole content, if there is one. */
function richMessage(content: Content): Payload | undefined {
  const extras = content.filter((item) => item.type !== "text");
  const [extra] = extras;
  if (extras.length !== 1 || !extra) return undefined;
  const text = content
    .filter((item) => item.type === "text")
    .map(named)
    .join("\n");
  return extra.type === "file" ? fileMessage(extra, text) : buttonsMessage(extra, text);
}

/**
 * The body of one send.
 * @throws TerminalError CHANNEL_REFUSED for an address that is none, or for content without anything to send
 */
export function messageFor(address: string, content: Content): Payload {
  const head = { messaging_product: "whatsapp", recipient_type: "individual", ...recipientOf(address) };
  const rich = richMessage(content);
  if (rich) return { ...head, ...rich };
  const body = content.map(named).join("\n");
  if (body.trim() === "") throw new TerminalError("CHANNEL_REFUSED", `whatsapp send to ${address}: there is no text to send; add some`);
  return { ...head, type: "text", text: { body, preview_url: false } };
}
