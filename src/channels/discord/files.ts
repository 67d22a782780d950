/** Files of received messages. Their addresses expire after a day, so the message is asked for again each time one is opened. */
import { TerminalError, TransientError } from "../../core/errors.ts";
import type { Channel, OpenedFile } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import { describe, networkFailure } from "./failure.ts";
import type { Redact } from "./failure.ts";
import type { Rest } from "./rest.ts";
import type { WireAttachment, WireMessage } from "./wire.ts";

const REF = /^discord:(\d{1,20})\/(\d{1,20})\/(\d{1,20})$/;
/** Longest time without a byte, in milliseconds. */
const SILENCE_MS = 30_000;

export interface FilesOptions {
  readonly rest: Rest;
  readonly clock: Clock;
  readonly redact: Redact;
}

function tooLarge(name: string, maxBytes: number): TerminalError {
  return new TerminalError(
    "TOO_LARGE",
    `discord file ${name}: it has more than the ${maxBytes} bytes allowed; raise the limit or leave it`,
  );
}

/** The bytes of a body, up to a limit; `done` is called however it ends. */
async function* bounded(
  body: ReadableStream<Uint8Array>,
  { name, maxBytes, beat, done }: { name: string; maxBytes: number; beat: () => void; done: () => void },
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      beat();
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(name, maxBytes);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof TerminalError) throw error;
    throw new TransientError("CHANNEL_UNAVAILABLE", `discord file ${name}: the download ended before its end; try again`);
  } finally {
    done();
  }
}

export function createFiles({ rest, clock, redact }: FilesOptions): NonNullable<Channel["open"]> {
  const find = async (ref: string, signal: AbortSignal): Promise<WireAttachment & { readonly url: string }> => {
    const [, channelId, messageId, attachmentId] = REF.exec(ref) ?? [];
    if (attachmentId === undefined)
      throw new TerminalError("CHANNEL_REFUSED", `discord file ${JSON.stringify(ref.slice(0, 60))}: this is no file of Discord`);
    const result = await rest.call({ method: "GET", path: `/channels/${channelId}/messages/${messageId}`, signal });
    if (result.kind === "answered" && result.status >= 400 && result.status < 500 && result.status !== 401)
      throw new TerminalError("CHANNEL_REFUSED", `discord file ${attachmentId}: ${describe(result)}; its message is gone`);
    if (result.kind !== "ok") {
      const wait = result.kind === "throttled" ? { retryAfterMs: result.retryAfterMs, scope: result.scope } : {};
      throw new TransientError("CHANNEL_UNAVAILABLE", `discord file ${attachmentId}: ${describe(result)}; try again`, wait);
    }
    const message = (result.body ?? {}) as WireMessage;
    const all = [message, ...(message.message_snapshots ?? []).map((one) => one.message ?? {})].flatMap(
      ({ attachments = [] }) => attachments,
    );
    const found = all.find(({ id }) => id === attachmentId);
    if (found?.url === undefined || !/^https?:\/\//.test(found.url))
      throw new TerminalError("CHANNEL_REFUSED", `discord file ${attachmentId}: it was removed from its message`);
    return { ...found, url: found.url };
  };

  return async (ref, { maxBytes, signal }): Promise<OpenedFile> => {
    const { url, size, content_type: type, filename = "file" } = await find(ref, signal);
    if (size !== undefined && size > maxBytes) throw tooLarge(filename, maxBytes);
    const end = new AbortController();
    const leave = (): void => end.abort();
    let cancel = clock.setTimer(SILENCE_MS, leave);
    const beat = (): void => {
      cancel();
      cancel = clock.setTimer(SILENCE_MS, leave);
    };
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", leave);
      leave();
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    try {
      // The address carries its own signature: the token stays here.
      const response = await fetch(url, { signal: end.signal });
      if (!response.ok || !response.body) {
        const text = `discord file ${filename}: the download was answered with ${response.status}`;
        if (response.status >= 500 || response.status === 429) throw new TransientError("CHANNEL_UNAVAILABLE", `${text}; try again`);
        throw new TerminalError("CHANNEL_REFUSED", `${text}; it is gone`);
      }
      if (Number(response.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(filename, maxBytes);
      const mime = type ?? response.headers.get("content-type") ?? "application/octet-stream";
      return { mime, bytes: bounded(response.body, { name: filename, maxBytes, beat, done }) };
    } catch (error) {
      done();
      if (error instanceof TerminalError || error instanceof TransientError) throw error;
      throw new TransientError("CHANNEL_UNAVAILABLE", `discord file ${filename}: ${describe(networkFailure(error, redact))}; try again`);
    }
  };
}
