/**
 * Files of received messages as lazy references, and the way back. A reference holds what the adapter needs to fetch the file after a
 * restart: its own metadata where it can rehydrate that, and else the message to look it up in.
 */
import type { Adapter, Attachment } from "chat";
import type { FilePart } from "../../core/content.ts";
import { TerminalError, TransientError } from "../../core/errors.ts";
import type { OpenedFile } from "../../ports/channel.ts";
import { failureOf } from "./failure.ts";
import type { Mask } from "./secrets.ts";
import { listenTo, unless } from "./wait.ts";

const PREFIX = "chat-sdk:";
/** Longest reference in UTF-16 units. */
const REF_UNITS_MAX = 4_096;
const NAME_UNITS_MAX = 128;
/** Most files kept open for an adapter that can fetch each only from its event. */
const LIVE_MAX = 64;
/** Largest file that is kept in memory because its event brought it whole. */
const LIVE_BYTES_MAX = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

type Fetch = () => Promise<ArrayBuffer | Uint8Array>;

/** Where a file is, as JSON inside the reference. */
interface FileRef {
  readonly thread: string;
  readonly message: string;
  readonly index: number;
  readonly attachment: Pick<Attachment, "type" | "url" | "name" | "mimeType" | "size" | "fetchMetadata">;
}

export interface Files {
  /** The parts of one message's attachments, in order. */
  readonly partsOf: (adapter: Adapter, threadId: string, messageId: string, attachments: readonly Attachment[]) => readonly FilePart[];
  /**
   * Opens a file by the `ref` of its part.
   * @throws TerminalError TOO_LARGE, CHANNEL_REFUSED
   * @throws TransientError CHANNEL_UNAVAILABLE
   */
  readonly open: (
    adapter: Adapter,
    ref: string,
    options: { readonly maxBytes: number; readonly signal: AbortSignal },
  ) => Promise<OpenedFile>;
}

const KINDS: Readonly<Record<Attachment["type"], FilePart["kind"]>> = { image: "image", video: "video", audio: "audio", file: "document" };

function liveFetch({ fetchData, data, size }: Attachment): Fetch | undefined {
  if (fetchData) return fetchData;
  if (data === undefined || (size ?? 0) > LIVE_BYTES_MAX) return undefined;
  const bytes = data instanceof Blob ? data.size : data.byteLength;
  if (bytes > LIVE_BYTES_MAX) return undefined;
  return () => (data instanceof Blob ? data.arrayBuffer() : Promise.resolve(data));
}

function refOf(ref: FileRef): string {
  return `${PREFIX}${JSON.stringify(ref)}`;
}

function parseRef(ref: string): FileRef {
  try {
    if (!ref.startsWith(PREFIX)) throw new Error("another prefix");
    return JSON.parse(ref.slice(PREFIX.length)) as FileRef;
  } catch (cause) {
    throw new TerminalError("CHANNEL_REFUSED", "the reference is none of this channel's files; use the one of the message", { cause });
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) yield bytes.subarray(start, start + CHUNK_BYTES);
}

export function createFiles(mask: Mask): Files {
  /** By reference; only of adapters that have no other way. */
  const live = new Map<string, Fetch>();

  const keepLive = (ref: string, fetch: Fetch): void => {
    live.set(ref, fetch);
    for (const oldest of live.keys()) {
      if (live.size <= LIVE_MAX) break;
      live.delete(oldest);
    }
  };

  const partOf = (adapter: Adapter, threadId: string, messageId: string, attachment: Attachment, index: number): FilePart => {
    const { type, url, name, mimeType, size, fetchMetadata } = attachment;
    const isRehydrated = adapter.rehydrateAttachment !== undefined && (fetchMetadata !== undefined || url !== undefined);
    const place = { thread: threadId, message: messageId, index };
    // Some platforms put the token into the URL, and a reference is shown to others.
    const whole = [
      { type, url, name, mimeType, size, fetchMetadata },
      { type, name, mimeType, size, fetchMetadata },
    ]
      .map((described) => refOf({ ...place, attachment: described }))
      .find((ref) => ref.length <= REF_UNITS_MAX && mask(ref) === ref);
    const ref = isRehydrated && whole !== undefined ? whole : refOf({ ...place, attachment: { type } });
    const fetch = liveFetch(attachment);
    if (fetch && !adapter.fetchMessage && ref !== whole) keepLive(ref, fetch);
    return {
      type: "file",
      kind: KINDS[type] ?? "other",
      name: (name ?? type).toWellFormed().slice(0, NAME_UNITS_MAX),
      mime: mimeType ?? "application/octet-stream",
      bytes: Number.isSafeInteger(size) && (size ?? 0) > 0 ? (size ?? 0) : 0,
      ref,
    };
  };

  const rehydrated = async (adapter: Adapter, attachment: FileRef["attachment"]): Promise<ArrayBuffer | Uint8Array | undefined> => {
    const fetch = adapter.rehydrateAttachment?.(attachment).fetchData;
    if (!fetch) return undefined;
    try {
      return await fetch();
    } catch (error) {
      // The Slack adapter's own metadata names a workspace, for which one that serves a single workspace has no installation.
      const isMetadataAtFault = attachment.url !== undefined && attachment.fetchMetadata !== undefined;
      if (!isMetadataAtFault || failureOf(error, mask).kind !== "unauthorized") throw error;
      return rehydrated(adapter, { ...attachment, fetchMetadata: undefined });
    }
  };

  const fetchAgain = async (adapter: Adapter, ref: string): Promise<ArrayBuffer | Uint8Array> => {
    const { thread, message, index, attachment } = parseRef(ref);
    const isDescribed = attachment.fetchMetadata !== undefined || attachment.url !== undefined;
    const given = isDescribed ? await rehydrated(adapter, attachment) : undefined;
    if (given) return given;
    const kept = live.get(ref);
    if (kept) return kept();
    const again = (await adapter.fetchMessage?.(thread, message))?.attachments[index];
    const fetch = again && liveFetch(again);
    if (fetch) return fetch();
    const why = adapter.fetchMessage ? "it is gone" : `the ${adapter.name} adapter cannot fetch it again after a restart`;
    throw new TerminalError("CHANNEL_REFUSED", `file of message ${message}: ${why}; ask the person to send it again`);
  };

  return {
    partsOf: (adapter, threadId, messageId, attachments) =>
      attachments.map((attachment, index) => partOf(adapter, threadId, messageId, attachment, index)),
    open: async (adapter, ref, { maxBytes, signal }) => {
      const { attachment, message } = parseRef(ref);
      const tooLarge = (bytes: number): TerminalError =>
        new TerminalError(
          "TOO_LARGE",
          `file of message ${message}: ${bytes} bytes are more than the ${maxBytes} allowed; ask for a smaller one`,
        );
      if ((attachment.size ?? 0) > maxBytes) throw tooLarge(attachment.size ?? 0);
      let given: ArrayBuffer | Uint8Array;
      try {
        const aborted = (): Error => new TransientError("CHANNEL_UNAVAILABLE", "opening the file was aborted; try again");
        given = await unless(listenTo(signal), aborted, fetchAgain(adapter, ref));
      } catch (error) {
        if (error instanceof TerminalError || error instanceof TransientError) throw error;
        const failure = failureOf(error, mask);
        const why = `file of message ${message}: ${failure.text}`;
        if (failure.kind === "refused" || failure.kind === "unreachable")
          throw new TerminalError("CHANNEL_REFUSED", `${why}; ask the person to send it again`, { cause: new Error(failure.text) });
        throw new TransientError("CHANNEL_UNAVAILABLE", `${why}; try again later`, { cause: new Error(failure.text) });
      }
      const bytes = new Uint8Array(given instanceof ArrayBuffer ? given : given.slice());
      if (bytes.length > maxBytes) throw tooLarge(bytes.length);
      return { mime: attachment.mimeType ?? "application/octet-stream", bytes: chunksOf(bytes) };
    },
  };
}
