import { TerminalError, TransientError } from "../../core/errors.ts";
import type { OpenedFile } from "../../ports/channel.ts";
import type { GraphApi, GraphFailure } from "./graph.ts";
import { REF_PREFIX } from "./translate.ts";

interface OpenOptions {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

function tooLarge(what: string, maxBytes: number): TerminalError {
  return new TerminalError("TOO_LARGE", `${what} has more than ${maxBytes} bytes; ask for a smaller one`);
}

function mediaError(what: string, failure: GraphFailure): TerminalError | TransientError {
  const cause = new Error(failure.text);
  // Media ids of webhooks end after a week; a token that is refused is another matter.
  const isGone = failure.kind === "answered" && [400, 404, 410].includes(failure.status) && failure.code !== 190;
  return isGone
    ? new TerminalError(
        "CHANNEL_REFUSED",
        `${what} is gone: ${failure.text}; WhatsApp keeps files for a week, ask the person to send it again`,
        {
          cause,
        },
      )
    : new TransientError("CHANNEL_UNAVAILABLE", `${what} could not be fetched: ${failure.text}; try again`, { cause });
}

/**
 * Opens a file by its `ref`: its id gives an address that is good for five minutes, and that address the bytes, both with the token.
 * @param options.apiUrl - the only place beside https that the token is sent to
 * @throws TerminalError TOO_LARGE, CHANNEL_REFUSED @throws TransientError CHANNEL_UNAVAILABLE
 * @see https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
 */
export async function openMedia(graph: GraphApi, apiUrl: string, ref: string, { maxBytes, signal }: OpenOptions): Promise<OpenedFile> {
  const what = `whatsapp file ${JSON.stringify(ref.slice(0, 60))}`;
  const id = /^[\w-]{1,128}$/.exec(ref.startsWith(REF_PREFIX) ? ref.slice(REF_PREFIX.length) : "")?.[0];
  if (id === undefined) throw new TerminalError("CHANNEL_REFUSED", `${what} is none that WhatsApp keeps; open it where it came from`);
  const found = await graph.get(`/${id}`, signal);
  if (found.failure) throw mediaError(what, found.failure);
  const { url, mime_type: mime, file_size: size } = found.body;
  const isTrusted =
    typeof url === "string" && URL.canParse(url) && (url.startsWith("https:") || new URL(url).origin === new URL(apiUrl).origin);
  if (!isTrusted) throw new TransientError("CHANNEL_UNAVAILABLE", `${what}: WhatsApp gave no usable address for it; try again`);
  if (typeof size === "number" && size > maxBytes) throw tooLarge(what, maxBytes);
  const opened = await graph.download(url, signal);
  if (opened.failure) throw mediaError(what, opened.failure);
  return { mime: typeof mime === "string" ? mime : "application/octet-stream", bytes: boundedBytes(graph, opened.body, what, maxBytes) };
}

async function* boundedBytes(graph: GraphApi, response: Response, what: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  const source = (response.body ?? []) as AsyncIterable<Uint8Array>;
  try {
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(what, maxBytes);
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof TerminalError) throw cause;
    const text = graph.redact(cause instanceof Error ? cause.message : String(cause));
    throw new TransientError("CHANNEL_UNAVAILABLE", `${what} broke off: ${text}; try again`, { cause: new Error(text) });
  }
}
