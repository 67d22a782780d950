/** What the bot sent: checked, kept in order, and edited in place. */
import type { Clock } from "../../ports/clock.ts";
import { badRequest, refuse, succeed, type Answer, type Payload } from "./answer.ts";
import { entityProblem } from "./entities.ts";

/** One message that took effect, in order. */
export interface TakenSend {
  readonly method: string;
  readonly messageId: number;
  readonly chatId: number;
  readonly threadId: number | undefined;
  /** Its text, or its caption, or nothing. */
  readonly text: string;
  /** The whole payload. */
  readonly payload: Payload;
}

export interface TakenEdit {
  readonly messageId: number;
  readonly chatId: number;
  readonly text: string;
  readonly payload: Payload;
}

/** A message as a person sees it now. */
export interface ShownMessage {
  readonly messageId: number;
  readonly chatId: number;
  readonly text: string;
  readonly entities: unknown;
  readonly replyMarkup: unknown;
}

export interface Messages {
  /** Undefined for a method that sends nothing. */
  readonly send: (method: string, payload: Payload) => Answer | undefined;
  readonly edit: (payload: Payload) => Answer;
  readonly sends: () => readonly TakenSend[];
  readonly edits: () => readonly TakenEdit[];
  readonly shown: (chatId: number) => readonly ShownMessage[];
  readonly migrate: (from: number, to: number) => void;
}

/** What the messages are sent in. */
export interface MessageSurroundings {
  readonly clock: Clock;
  readonly bot: Payload;
  readonly nextMessageId: () => number;
  /** A file that can be sent again by its id. */
  readonly hasFile: (fileId: string) => boolean;
}

const TEXT_UNITS_MAX = 4_096;
const CAPTION_UNITS_MAX = 1_024;
const CALLBACK_BYTES_MAX = 64;
/** Most sends kept; more is a mistake of the test. */
const KEPT_MAX = 1_000_000;

/** The field that names the file, by method. */
const FILE_FIELDS: ReadonlyMap<string, string> = new Map([
  ["sendPhoto", "photo"],
  ["sendVoice", "voice"],
  ["sendAudio", "audio"],
  ["sendVideo", "video"],
  ["sendDocument", "document"],
]);

/** An empty log. */
export function createMessages({ clock, bot, nextMessageId, hasFile }: MessageSurroundings): Messages {
  const sends: TakenSend[] = [];
  const edits: TakenEdit[] = [];
  const shown = new Map<string, ShownMessage>();
  const moved = new Map<number, number>();

  const take = (method: string, payload: Payload): Answer => {
    const chatId = Number(payload.chat_id);
    const text = [payload.text, payload.caption].find((one) => typeof one === "string") ?? "";
    const messageId = nextMessageId();
    const threadId = payload.message_thread_id === undefined ? undefined : Number(payload.message_thread_id);
    sends.push({ method, messageId, chatId, threadId, text, payload });
    const entities = payload.entities ?? payload.caption_entities;
    shown.set(`${chatId}:${messageId}`, { messageId, chatId, text, entities, replyMarkup: payload.reply_markup });
    const chat = { id: chatId, type: chatId < 0 ? "supergroup" : "private" };
    return succeed({ message_id: messageId, date: Math.floor(clock.now() / 1_000), chat, from: bot, ...(text === "" ? {} : { text }) });
  };

  const chatProblem = (payload: Payload): Answer | undefined => {
    const chatId = Number(payload.chat_id);
    if (!Number.isSafeInteger(chatId)) return badRequest("chat not found");
    const to = moved.get(chatId);
    if (to === undefined) return undefined;
    return refuse(400, "Bad Request: group chat was upgraded to a supergroup chat", { migrate_to_chat_id: to });
  };

  const contentProblem = (method: string, payload: Payload): string | undefined => {
    if (method === "sendLocation") {
      const isPlace = typeof payload.latitude === "number" && typeof payload.longitude === "number";
      return isPlace ? undefined : "location latitude and longitude must be numbers";
    }
    const field = FILE_FIELDS.get(method);
    if (field === undefined) return textProblem(payload);
    const file = payload[field];
    if (typeof file !== "string" || !(/^https?:\/\/[^/]/.test(file) || hasFile(file))) return "wrong file identifier/HTTP URL specified";
    const caption = payload.caption ?? "";
    if (typeof caption !== "string" || caption.length > CAPTION_UNITS_MAX) return "message caption is too long";
    return entityProblem(caption, payload.caption_entities);
  };

  return {
    send: (method, payload) => {
      if (method !== "sendMessage" && method !== "sendLocation" && !FILE_FIELDS.has(method)) return undefined;
      const wrongChat = chatProblem(payload);
      if (wrongChat) return wrongChat;
      const why = contentProblem(method, payload) ?? keyboardProblem(payload.reply_markup);
      if (why !== undefined) return badRequest(why);
      if (sends.length >= KEPT_MAX) return refuse(500, "Internal Server Error: the test server's log is full");
      return take(method, payload);
    },
    edit: (payload) => {
      const wrongChat = chatProblem(payload);
      if (wrongChat) return wrongChat;
      const place = `${Number(payload.chat_id)}:${Number(payload.message_id)}`;
      const before = shown.get(place);
      if (!before) return badRequest("message to edit not found");
      const why = textProblem(payload) ?? keyboardProblem(payload.reply_markup);
      if (why !== undefined) return badRequest(why);
      const after = { ...before, text: String(payload.text), entities: payload.entities, replyMarkup: payload.reply_markup };
      if (JSON.stringify(after) === JSON.stringify(before)) {
        const same =
          "specified new message content and reply markup are exactly the same as a current content and reply markup of the message";
        return badRequest(`message is not modified: ${same}`);
      }
      shown.set(place, after);
      edits.push({ messageId: after.messageId, chatId: after.chatId, text: after.text, payload });
      return succeed({ message_id: after.messageId, text: after.text });
    },
    sends: () => sends,
    edits: () => edits,
    shown: (chatId) => [...shown.values()].filter((message) => message.chatId === chatId),
    migrate: (from, to) => void moved.set(from, to),
  };
}

function textProblem(payload: Payload): string | undefined {
  const { text, entities } = payload;
  if (typeof text !== "string" || text.trim() === "") return "message text is empty";
  if (text.length > TEXT_UNITS_MAX) return "message is too long";
  if (payload.parse_mode !== undefined) return "can't parse entities: this server takes entities, no parse_mode";
  return entityProblem(text, entities);
}

/** Inline keyboards alone: rows of buttons that call back. */
function keyboardProblem(markup: unknown): string | undefined {
  if (markup === undefined) return undefined;
  const rows = typeof markup === "object" && markup !== null && "inline_keyboard" in markup ? markup.inline_keyboard : undefined;
  if (!Array.isArray(rows)) return "object expected as reply markup";
  for (const button of (rows as unknown[]).flat() as ({ readonly text?: unknown; readonly callback_data?: unknown } | null)[]) {
    if (typeof button?.text !== "string" || button.text.trim() === "") return "inline keyboard button text can't be empty";
    const bytes = typeof button.callback_data === "string" ? Buffer.byteLength(button.callback_data) : 0;
    if (bytes < 1 || bytes > CALLBACK_BYTES_MAX) return "BUTTON_DATA_INVALID";
  }
  return undefined;
}
