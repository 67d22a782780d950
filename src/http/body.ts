/** Request bodies: read with a limit, decoded strictly, checked by hand so that every refusal names the field. The content type is not looked at. */
import type { IncomingMessage } from "node:http";
import { CONTENT_ITEMS_MAX, type Content, TEXT_BYTES_MAX, parseContent } from "../core/content.ts";
import { RequestError } from "../core/errors.ts";
import type { Sender } from "../ports/store/records.ts";

/** Most bytes of a request body. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** Most bytes read and thrown away of a body that is too large, so that a caller who is still sending hears the refusal and no broken pipe. */
const DISCARDED_BYTES_MAX = 32 * 1024 * 1024;
/** Most UTF-16 units of a message id, a sender's id and a sender's name. */
const NAME_UNITS_MAX = 256;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Reads a body as a JSON object; an empty body is an empty object. What lies beyond the limit is never kept.
 * @throws RequestError TOO_LARGE over BODY_BYTES_MAX, BAD_REQUEST for anything but an object in UTF-8
 */
export async function readJsonBody(incoming: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new RequestError("BAD_REQUEST", `the body ${why}`, { path: "body", cause });
  };
  const bytes = await readBytes(incoming);
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    return refuse(
      cause instanceof SyntaxError ? 'is not JSON; send an object such as { "text": "hello" }' : "is not UTF-8; encode it so",
      cause,
    );
  }
  if (!isObject(value)) return refuse('must be a JSON object such as { "text": "hello" }');
  return value;
}

/**
 * Reads a body as it was sent, every byte of it.
 * @throws RequestError TOO_LARGE over BODY_BYTES_MAX, BAD_REQUEST when the connection ends before it does
 */
export async function readBytes(incoming: IncomingMessage): Promise<Uint8Array> {
  const tooLarge = (): never => {
    throw new RequestError("TOO_LARGE", `the body is over ${BODY_BYTES_MAX} bytes; send less`, { path: "body" });
  };
  if (Number(incoming.headers["content-length"] ?? 0) > DISCARDED_BYTES_MAX) tooLarge();
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > DISCARDED_BYTES_MAX) tooLarge();
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
      else chunks = [];
    }
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    throw new RequestError("BAD_REQUEST", "the connection ended before the body did; send it again", { path: "body", cause });
  }
  if (bytes > BODY_BYTES_MAX) tooLarge();
  return Buffer.concat(chunks);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The body of `POST /api/chats/:key/messages`. `direction: "out"` delivers the text to the chat without a turn. */
export interface MessageBody {
  readonly content: Content;
  readonly direction: "in" | "out";
  readonly messageId: string | undefined;
  readonly sender: Sender | undefined;
}

/** @throws RequestError BAD_REQUEST, BAD_CONTENT or TOO_LARGE, with the field in `path` */
export function parseMessageBody(body: Readonly<Record<string, unknown>>): MessageBody {
  const { text, content, direction = "in" } = body;
  if (direction !== "in" && direction !== "out") refuseField("body.direction", 'must be "in" or "out"');
  if ((text === undefined) === (content === undefined)) refuseField("body.text", 'give either "text" or "content", and not both');
  if (text !== undefined && typeof text !== "string") refuseField("body.text", "must be a string");
  const messageId = body.messageId === undefined ? undefined : nameField(body.messageId, "body.messageId");
  const sender = body.sender === undefined ? undefined : parseSender(body.sender);
  if (direction === "out" && (messageId ?? sender) !== undefined) {
    refuseField(messageId === undefined ? "body.sender" : "body.messageId", 'goes with direction "in" only; leave it out');
  }
  return {
    content: text === undefined ? checkedContent(content) : checkedText(text),
    direction,
    messageId,
    sender,
  };
}

/** The body of `POST /api/chats/:key/retry`. @throws RequestError BAD_REQUEST */
export function parseRetryBody({ skip = false }: Readonly<Record<string, unknown>>): { readonly skip: boolean } {
  return { skip: typeof skip === "boolean" ? skip : refuseField("body.skip", "must be true or false") };
}

function checkedText(text: string): Content {
  if (Buffer.byteLength(text) > TEXT_BYTES_MAX) refuseSize("body.text");
  try {
    return parseContent(text, "body.text");
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const inner = error.path ?? "body.text";
    throw new RequestError(error.code, error.message.replace(inner, "body.text"), { path: "body.text", cause: error });
  }
}

function checkedContent(content: unknown): Content {
  if (typeof content === "string") refuseField("body.content", 'must be an array of items; write a plain text as "text"');
  try {
    return parseContent(content, "body.content");
  } catch (error) {
    // An array of a right length that is refused as a whole can only be too large.
    const isCounted = Array.isArray(content) && content.length > 0 && content.length <= CONTENT_ITEMS_MAX;
    if (isCounted && error instanceof RequestError && error.path === "body.content") refuseSize("body.content");
    throw error;
  }
}

function parseSender(value: unknown): Sender {
  if (!isObject(value)) return refuseField("body.sender", 'must be an object such as { "id": "42", "name": "Ada" }');
  const id = nameField(value.id, "body.sender.id");
  return value.name === undefined ? { id } : { id, name: nameField(value.name, "body.sender.name") };
}

function nameField(value: unknown, path: string): string {
  if (typeof value !== "string" || value === "" || value.length > NAME_UNITS_MAX) {
    return refuseField(path, `must be a string of 1 to ${NAME_UNITS_MAX} characters`);
  }
  if (!value.isWellFormed() || CONTROL.test(value)) return refuseField(path, "must be well-formed Unicode without control characters");
  return value;
}

function refuseField(path: string, why: string): never {
  throw new RequestError("BAD_REQUEST", `${path}: ${why}`, { path });
}

function refuseSize(path: string): never {
  throw new RequestError("TOO_LARGE", `${path}: is over ${TEXT_BYTES_MAX} bytes; send it in several messages`, { path });
}
