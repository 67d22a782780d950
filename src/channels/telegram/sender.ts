/**
 * Sends and edits. A part is one message wherever Telegram allows it; where it takes several calls, a repetition goes on after the last
 * one that was taken, as far as this process remembers it.
 */
import type { Api } from "grammy/web";
import type { InlineKeyboardMarkup, MessageEntity } from "grammy/types";
import { AmbiguousError, TerminalError, TransientError } from "../../core/errors.ts";
import type { ChannelHost, DeliverRequest, EditRequest } from "../../ports/channel.ts";
import { parseAddress } from "./address.ts";
import type { TelegramAddress } from "./address.ts";
import { signalFor } from "./api-client.ts";
import { deliveryError, isContentRefusal, isEntityRefusal, isNotModified, movedTo } from "./delivery-error.ts";
import { failureOf } from "./failure.ts";
import type { Failure, Redact } from "./failure.ts";
import { formatMarkdown } from "./markdown.ts";
import { CAPTION_UNITS_MAX, inWords, outgoingOf } from "./outgoing.ts";
import type { Outgoing, SendableFile } from "./outgoing.ts";
import { keyOf } from "./translate.ts";

/** Longest text of one message, after entities. @see https://core.telegram.org/bots/api#sendmessage */
export const TEXT_UNITS_MAX = 4_096;
/** Parts of several messages whose progress is remembered, and moves that were told. */
const REMEMBERED_MAX = 1_000;

export interface SenderOptions {
  readonly api: Api;
  readonly redact: Redact;
  readonly name: string;
  /** Undefined before the first start. */
  readonly host: () => Pick<ChannelHost, "moved"> | undefined;
}

export interface Sender {
  readonly deliver: (request: DeliverRequest) => Promise<{ readonly platformId: string }>;
  readonly edit: (request: EditRequest) => Promise<void>;
}

/** What is the same for all calls of one request. */
interface Target {
  readonly chat: TelegramAddress;
  readonly signal: AbortSignal;
  /** For messages: `send to 7`. */
  readonly what: string;
}

interface Markup {
  readonly text: string;
  readonly entities?: MessageEntity[];
}

type Attempt<T> = { readonly answer: T } | { readonly failure: Failure };

function remember<T>(memory: Map<string, T>, key: string, value: T): void {
  memory.delete(key);
  memory.set(key, value);
  const [oldest] = memory.keys();
  if (memory.size > REMEMBERED_MAX && oldest !== undefined) memory.delete(oldest);
}

function withKeyboard(keyboard: InlineKeyboardMarkup | undefined): { readonly reply_markup?: InlineKeyboardMarkup } {
  return keyboard ? { reply_markup: keyboard } : {};
}

/** Makes the way out of one channel. */
export function createSender({ api, redact, name, host }: SenderOptions): Sender {
  /** Messages of a part that were taken: how many, and the id of the first. */
  const progress = new Map<string, { readonly taken: number; readonly platformId: string }>();
  const told = new Map<string, true>();

  const attempt = async <T>(call: () => Promise<T>): Promise<Attempt<T>> => {
    try {
      return { answer: await call() };
    } catch (error) {
      return { failure: failureOf(error, redact) };
    }
  };

  const checkAbort = ({ signal, what }: Target): void => {
    if (signal.aborted) throw new TransientError("CHANNEL_UNAVAILABLE", `telegram ${what}: aborted before it began; try again`);
  };

  /** The runtime learns the new address; the part is sent again, there. */
  const tellMoved = async (from: number | string, to: number, what: string): Promise<TransientError> => {
    const move = `${from} ${to}`;
    const isNew = !told.has(move);
    await host()?.moved({ from: keyOf(name, Number(from)), to: keyOf(name, to), address: String(to) });
    remember(told, move, true);
    const message = `telegram ${what}: the group became the supergroup ${to}; it is sent there`;
    // Told before and still sent to the old address: no hurry, or it would go round at full speed.
    return new TransientError("CHANNEL_UNAVAILABLE", message, isNew ? { retryAfterMs: 1 } : {});
  };

  const errorOf = async (failure: Failure, { chat, what }: Target): Promise<TerminalError | TransientError> => {
    const to = movedTo(failure);
    return to === undefined ? deliveryError(failure, what) : tellMoved(chat.chat_id, to, what);
  };

  /** With entities, and once more as it was written when Telegram refuses those. */
  const formatted = async <T>(
    source: string,
    target: Target,
    maxUnits: number,
    call: (markup: Markup) => Promise<T>,
  ): Promise<Attempt<T>> => {
    const markup = formatMarkdown(source, maxUnits);
    const isPlain = !markup || markup.entities.length === 0;
    const first = await attempt(() =>
      call(isPlain ? { text: markup?.text ?? source } : { text: markup.text, entities: [...markup.entities] }),
    );
    if (isPlain || !("failure" in first) || !isEntityRefusal(first.failure)) return first;
    checkAbort(target);
    return attempt(() => call({ text: source }));
  };

  const sendText = (text: string, keyboard: InlineKeyboardMarkup | undefined, target: Target) =>
    formatted(text, target, TEXT_UNITS_MAX, (markup) =>
      api.raw.sendMessage(
        { ...target.chat, ...markup, link_preview_options: { is_disabled: true }, ...withKeyboard(keyboard) },
        signalFor(target.signal),
      ),
    );

  const sendFile = async (message: Outgoing & { readonly kind: "file" }, target: Target) => {
    const { file, caption, keyboard } = message;
    const sent = await formatted(caption, target, CAPTION_UNITS_MAX, ({ text, entities }) => {
      const shown = { ...(text === "" ? {} : { caption: text }), ...(entities ? { caption_entities: entities } : {}) };
      return callFor(api, file, { ...target.chat, ...shown, ...withKeyboard(keyboard) }, target.signal);
    });
    if (!("failure" in sent) || !isContentRefusal(sent.failure)) return sent;
    checkAbort(target);
    // Another bot's file, or a URL that Telegram cannot fetch: what it is and where is said in words.
    return sendText(caption === "" ? file.words : `${caption}\n${file.words}`, keyboard, target);
  };

  const send = (message: Outgoing, target: Target): Promise<Attempt<{ readonly message_id?: unknown }>> => {
    if (message.kind === "text") return sendText(message.text, message.keyboard, target);
    if (message.kind === "file") return sendFile(message, target);
    const { latitude, longitude, keyboard } = message;
    return attempt(() =>
      api.raw.sendLocation({ ...target.chat, latitude, longitude, ...withKeyboard(keyboard) }, signalFor(target.signal)),
    );
  };

  return {
    deliver: async ({ address, content, signal, idempotencyKey }) => {
      const target: Target = { chat: parseAddress(address), signal, what: `send to ${address}` };
      const messages = outgoingOf(content);
      if (messages.length === 0) {
        throw new TerminalError("CHANNEL_REFUSED", `telegram ${target.what}: there is no text to send; add some`);
      }
      let { taken, platformId } = progress.get(idempotencyKey) ?? { taken: 0, platformId: "" };
      for (const message of messages.slice(taken)) {
        checkAbort(target);
        const sent = await send(message, target);
        if ("failure" in sent) throw await errorOf(sent.failure, target);
        if (typeof sent.answer?.message_id !== "number") {
          throw new AmbiguousError("SEND_UNKNOWN", `telegram ${target.what}: answered without a message id; it may have arrived`);
        }
        taken += 1;
        platformId ||= String(sent.answer.message_id);
        if (messages.length > 1) remember(progress, idempotencyKey, { taken, platformId });
      }
      progress.delete(idempotencyKey);
      return { platformId };
    },
    edit: async ({ address, content, signal, platformId }) => {
      const target: Target = { chat: parseAddress(address), signal, what: `edit of ${platformId} in ${address}` };
      const messageId = Number(platformId);
      const { text, keyboard } = inWords(content);
      if (!Number.isSafeInteger(messageId) || text.trim() === "") {
        throw new TerminalError("CHANNEL_REFUSED", `telegram ${target.what}: needs the number of a message and some text`);
      }
      checkAbort(target);
      const edited = await formatted(text, target, TEXT_UNITS_MAX, (markup) =>
        api.raw.editMessageText(
          {
            chat_id: target.chat.chat_id,
            message_id: messageId,
            ...markup,
            link_preview_options: { is_disabled: true },
            ...withKeyboard(keyboard),
          },
          signalFor(signal),
        ),
      );
      if ("failure" in edited && !isNotModified(edited.failure)) throw await errorOf(edited.failure, target);
    },
  };
}

type FileCall = TelegramAddress & {
  readonly caption?: string;
  readonly caption_entities?: MessageEntity[];
  readonly reply_markup?: InlineKeyboardMarkup;
};

function callFor(
  api: Api,
  { media, source }: SendableFile,
  payload: FileCall,
  signal: AbortSignal,
): Promise<{ readonly message_id?: unknown }> {
  switch (media) {
    case "photo":
      return api.raw.sendPhoto({ ...payload, photo: source }, signalFor(signal));
    case "voice":
      return api.raw.sendVoice({ ...payload, voice: source }, signalFor(signal));
    case "audio":
      return api.raw.sendAudio({ ...payload, audio: source }, signalFor(signal));
    case "video":
      return api.raw.sendVideo({ ...payload, video: source }, signalFor(signal));
    case "document":
      return api.raw.sendDocument({ ...payload, document: source }, signalFor(signal));
  }
}
