import type { Content, FilePart } from "../../core/content.ts";
import { readButtonId } from "./button-id.ts";
import { listIn, objectIn, textIn, type Fields, type WireMessage } from "./payload.ts";

/** What a message says, in the words of the runtime. */
export interface Said {
  readonly content: Content;
  /** The question that a pressed button answers. */
  readonly questionId?: string;
  /** Id of the message that this one changes. */
  readonly editOf?: string;
}

/** Begins the `ref` of a file that WhatsApp keeps, before its media id. */
export const REF_PREFIX = "whatsapp:";

const MEDIA: Readonly<Record<string, { readonly kind: FilePart["kind"]; readonly mime: string }>> = {
  image: { kind: "image", mime: "image/jpeg" },
  sticker: { kind: "image", mime: "image/webp" },
  video: { kind: "video", mime: "video/mp4" },
  audio: { kind: "audio", mime: "audio/ogg" },
  voice: { kind: "voice", mime: "audio/ogg" },
  document: { kind: "document", mime: "application/octet-stream" },
};

const spoken = (text: string | undefined): Content => (text === undefined || text.trim() === "" ? [] : [{ type: "text", text }]);

/** A file whose size WhatsApp tells only when it is opened. */
function mediaOf(type: string, media: Fields): Content {
  const id = textIn(media, "id");
  const form = MEDIA[type];
  if (id === undefined || !form) return [];
  const mime = textIn(media, "mime_type") ?? form.mime;
  const kind = type === "audio" && media.voice === true ? "voice" : form.kind;
  const name = textIn(media, "filename") ?? `${type}.${mime.replace(/;.*$/, "").split("/")[1]?.replace("jpeg", "jpg") ?? "bin"}`;
  return [{ type: "file", kind, name, mime, bytes: 0, ref: `${REF_PREFIX}${id}` }, ...spoken(textIn(media, "caption"))];
}

function locationOf(location: Fields): Content {
  const { latitude, longitude } = location;
  if (typeof latitude !== "number" || typeof longitude !== "number") return [];
  const name = [textIn(location, "name"), textIn(location, "address")].filter((text) => text !== undefined).join(", ");
  return [
    { type: "file", kind: "location", name: name || "location", mime: "application/geo", bytes: 0, ref: `geo:${latitude},${longitude}` },
  ];
}

/** `Ada Lovelace: +44 20 7946 0000`, a line for each person. */
function contactsOf(fields: Fields): Content {
  const lines = listIn(fields, "contacts").map((contact) => {
    const name = textIn(objectIn(contact, "name"), "formatted_name") ?? "contact";
    const numbers = listIn(contact, "phones").flatMap((phone) => textIn(phone, "phone") ?? []);
    return numbers.length === 0 ? name : `${name}: ${numbers.join(", ")}`;
  });
  return spoken(lines.join("\n"));
}

function replyOf(interactive: Fields | undefined): Said {
  const reply = objectIn(interactive, "button_reply") ?? objectIn(interactive, "list_reply");
  const content = spoken(textIn(reply, "title"));
  const questionId = readButtonId(textIn(reply, "id") ?? "")?.questionId;
  return questionId === undefined ? { content } : { content, questionId };
}

function editOf(edit: Fields | undefined): Said | undefined {
  const [original, changed] = [textIn(edit, "original_message_id"), objectIn(edit, "message")];
  const type = textIn(changed, "type");
  if (original === undefined || type === undefined || !changed || type === "edit") return undefined;
  const said = saidIn({ type, fields: changed });
  return said && { ...said, editOf: original };
}

/** The content of a message; undefined for what has none (reactions, system notices, kinds that are not known). */
export function saidIn({ type, fields }: Pick<WireMessage, "type" | "fields">): Said | undefined {
  const said = read(type, fields);
  return said && said.content.length > 0 ? said : undefined;
}

function read(type: string, fields: Fields): Said | undefined {
  switch (type) {
    case "text":
      return { content: spoken(textIn(objectIn(fields, "text"), "body")) };
    case "button":
      return { content: spoken(textIn(objectIn(fields, "button"), "text")) };
    case "interactive":
      return replyOf(objectIn(fields, "interactive"));
    case "location":
      return { content: locationOf(objectIn(fields, "location") ?? {}) };
    case "contacts":
      return { content: contactsOf(fields) };
    case "edit":
      return editOf(objectIn(fields, "edit"));
    default:
      return { content: mediaOf(type, objectIn(fields, type) ?? {}) };
  }
}
