/**
 * Files of received messages, fetched when somebody asks for them. The address of a file holds the token, so it stays in here.
 * @see https://core.telegram.org/bots/api#getfile
 */
import type { Api } from "grammy/web";
import { TerminalError, TransientError } from "../../core/errors.ts";
import type { OpenedFile } from "../../ports/channel.ts";
import { signalFor } from "./api-client.ts";
import { failureOf } from "./failure.ts";
import type { Redact } from "./failure.ts";

export interface OpenOptions {
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export interface FileSurroundings {
  readonly api: Api;
  readonly apiRoot: string;
  readonly token: string;
  readonly redact: Redact;
}

/** By the ending of the path that Telegram gives; it serves all files as plain bytes. */
const MIMES: Readonly<Record<string, string>> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  gif: "image/gif",
  oga: "audio/ogg",
  ogg: "audio/ogg",
  mp3: "audio/mpeg",
  m4a: "audio/mp4",
  mp4: "video/mp4",
  webm: "video/webm",
  pdf: "application/pdf",
  txt: "text/plain",
  json: "application/json",
};

function gone(ref: string, why: string): TerminalError {
  return new TerminalError("CHANNEL_REFUSED", `telegram file ${ref.slice(0, 40)}: ${why}`);
}

function tooLarge(ref: string, maxBytes: number): TerminalError {
  return new TerminalError(
    "TOO_LARGE",
    `telegram file ${ref.slice(0, 40)}: is over ${maxBytes} bytes; allow more, or ask for a smaller one`,
  );
}

function unavailable(ref: string, why: string, retryAfterMs?: number): TransientError {
  const message = `telegram file ${ref.slice(0, 40)}: ${why}; try again later`;
  return new TransientError("CHANNEL_UNAVAILABLE", message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

/**
 * Opens what a `ref` of a received part names; the bytes come as they are read.
 * @throws TerminalError TOO_LARGE, CHANNEL_REFUSED
 * @throws TransientError CHANNEL_UNAVAILABLE
 */
export async function openFile(surroundings: FileSurroundings, ref: string, options: OpenOptions): Promise<OpenedFile> {
  const { apiRoot, token, redact } = surroundings;
  const { maxBytes, signal } = options;
  const place = /^geo:(-?[\d.]+),(-?[\d.]+)/.exec(ref);
  if (place) return pointOf(Number(place[1]), Number(place[2]));
  if (!ref.startsWith("telegram:")) throw gone(ref, "is no file of Telegram; open it where it came from");
  const path = await pathOf(surroundings, ref, options);
  let response: Response;
  try {
    const encoded = path.split("/").map(encodeURIComponent).join("/");
    response = await fetch(`${apiRoot}/file/bot${token}/${encoded}`, { signal, redirect: "error" });
  } catch (error) {
    throw unavailable(ref, redact(failureOf(error, redact).text));
  }
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    if (response.status === 404 || response.status === 410) throw gone(ref, "Telegram no longer has it");
    throw unavailable(ref, `the download was answered ${response.status}`);
  }
  if (Number(response.headers.get("content-length") ?? 0) > maxBytes) {
    await response.body.cancel();
    throw tooLarge(ref, maxBytes);
  }
  const mime = MIMES[path.slice(path.lastIndexOf(".") + 1).toLowerCase()] ?? "application/octet-stream";
  return { mime, bytes: bounded(response.body, ref, maxBytes, redact) };
}

/** A place as GeoJSON. */
function pointOf(latitude: number, longitude: number): OpenedFile {
  const bytes = new TextEncoder().encode(JSON.stringify({ type: "Point", coordinates: [longitude, latitude] }));
  return {
    mime: "application/geo+json",
    bytes: (async function* point() {
      yield bytes;
    })(),
  };
}

async function pathOf({ api, redact }: FileSurroundings, ref: string, { maxBytes, signal }: OpenOptions): Promise<string> {
  let file: { readonly file_path?: string; readonly file_size?: number };
  try {
    file = await api.raw.getFile({ file_id: ref.slice("telegram:".length) }, signalFor(signal));
  } catch (error) {
    const failure = failureOf(error, redact);
    if (failure.kind !== "answered" || failure.status === 429 || failure.status >= 500 || failure.status === 401) {
      throw unavailable(ref, failure.text, failure.kind === "answered" ? failure.retryAfterMs : undefined);
    }
    if (/too big/i.test(failure.text)) {
      throw new TerminalError("TOO_LARGE", `telegram file ${ref.slice(0, 40)}: bots can fetch at most 20 MB; ask for a smaller one`);
    }
    throw gone(ref, failure.text);
  }
  if (Number(file?.file_size ?? 0) > maxBytes) throw tooLarge(ref, maxBytes);
  const path = file?.file_path ?? "";
  if (path.startsWith("/")) throw gone(ref, "the Bot API server runs with --local and keeps files on its own disk; run it without");
  if (path === "" || path.split("/").includes("..")) throw unavailable(ref, "Telegram gave no path for it");
  return path;
}

async function* bounded(body: ReadableStream<Uint8Array>, ref: string, maxBytes: number, redact: Redact): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        throw unavailable(ref, redact(failureOf(error, redact).text));
      });
      if (done) return;
      bytes += value.length;
      if (bytes > maxBytes) throw tooLarge(ref, maxBytes);
      yield value;
    }
  } finally {
    // Also when the reader of it stops early: the connection is given back.
    await reader.cancel().catch(() => undefined);
  }
}
