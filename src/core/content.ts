import { RequestError } from "./errors.ts";

export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** `ref` is lazy: a handle that the channel can resolve later, never the bytes themselves. */
export interface FilePart {
  readonly type: "file";
  readonly kind: "image" | "audio" | "voice" | "video" | "document" | "location" | "other";
  readonly name: string;
  readonly mime: string;
  readonly bytes: number;
  readonly ref: string;
}

export interface ButtonsPart {
  readonly type: "buttons";
  readonly questionId: string;
  readonly options: readonly { readonly id: string; readonly label: string }[];
}

/** The one shape of what is said, everywhere: inbox rows, history, what agents yield, outbox parts. */
export type Content = readonly (TextPart | FilePart | ButtonsPart)[];

/** Most UTF-8 bytes of text in one message; more is 413 over HTTP. */
export const TEXT_BYTES_MAX = 64 * 1024;
/** Most items in one content. */
export const CONTENT_ITEMS_MAX = 32;

export function textContent(text: string): Content {
  return [{ type: "text", text }];
}

/** What was said until it was broken off, marked as such. */
export function interrupted(content: Content): Content {
  return [...content, { type: "text", text: "[interrupted]" }];
}

/** The text of a content, items joined by a newline; files and buttons are left out. */
export function textOf(content: Content): string {
  if (content.length === 1 && content[0]?.type === "text") return content[0].text;
  return content
    .filter((item) => item.type === "text")
    .map((item) => item.text)
    .join("\n");
}

/**
 * Checks content from outside: shape, well-formed Unicode, not empty, within the limits.
 * @throws RequestError BAD_CONTENT naming the item
 */
export function parseContent(value: unknown, path = "content"): Content {
  const refuse = (where: string, why: string): never => {
    throw new RequestError("BAD_CONTENT", `${where}: ${why}`, { path: where });
  };
  if (typeof value === "string") return parseContent([{ type: "text", text: value }], path);
  if (!Array.isArray(value) || value.length === 0) return refuse(path, "must be a non-empty array of items");
  if (value.length > CONTENT_ITEMS_MAX) return refuse(path, `has more than ${CONTENT_ITEMS_MAX} items; send several messages`);
  let bytes = 0;
  const items = value.map((item: unknown, index) => {
    const where = `${path}[${index}]`;
    if (typeof item !== "object" || item === null) return refuse(where, "must be an object");
    const part = item as Record<string, unknown>;
    const text = (name: string): string => {
      const field = part[name];
      if (typeof field !== "string" || !field.isWellFormed()) return refuse(`${where}.${name}`, "must be a well-formed string");
      bytes += field.length > TEXT_BYTES_MAX ? field.length : new TextEncoder().encode(field).length;
      return field;
    };
    switch (part.type) {
      case "text": {
        const body = text("text");
        if (body.trim() === "") return refuse(`${where}.text`, "is empty; write at least one visible character");
        return { type: "text", text: body } as const;
      }
      case "file": {
        const size = part.bytes;
        if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
          return refuse(`${where}.bytes`, "must be a whole number of bytes");
        const kind = text("kind") as FilePart["kind"];
        if (!FILE_KINDS.has(kind)) return refuse(`${where}.kind`, `must be one of ${[...FILE_KINDS].join(", ")}`);
        return { type: "file", kind, name: text("name"), mime: text("mime"), bytes: size, ref: text("ref") } as const;
      }
      case "buttons": {
        if (!Array.isArray(part.options) || part.options.length === 0) return refuse(`${where}.options`, "must be a non-empty array");
        const options = part.options.map((option: unknown, place) => {
          const one = option as Record<string, unknown> | null;
          if (typeof one?.id !== "string" || typeof one.label !== "string")
            return refuse(`${where}.options[${place}]`, "needs id and label");
          return { id: one.id, label: one.label };
        });
        return { type: "buttons", questionId: text("questionId"), options } as const;
      }
      default:
        return refuse(`${where}.type`, 'must be "text", "file" or "buttons"');
    }
  });
  if (bytes > TEXT_BYTES_MAX) return refuse(path, `is over ${TEXT_BYTES_MAX} bytes; send it in several messages`);
  return items;
}

const FILE_KINDS: ReadonlySet<string> = new Set(["image", "audio", "voice", "video", "document", "location", "other"]);
