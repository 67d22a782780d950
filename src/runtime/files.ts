/** Files of received messages: opened when somebody asks, by the channel that brought them, and never larger than was said. */
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import { TerminalError } from "../core/errors.ts";
import type { OpenedFile } from "../ports/channel.ts";
import type { ChannelDirectory } from "./channels.ts";

/** Largest file that is opened unless the caller says more, in bytes. */
export const FILE_BYTES_MAX = 20 * 1024 * 1024;

/** @throws TerminalError CHANNEL_REFUSED where the channel has no files, and what its `open` throws */
export async function openFile(
  channels: Pick<ChannelDirectory, "find">,
  chat: ChatKey,
  ref: string,
  options: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<OpenedFile> {
  const open = channels.find(channelOf(chat))?.open;
  if (!open) throw new TerminalError("CHANNEL_REFUSED", `channel ${channelOf(chat)} cannot open files; nothing can be read from ${chat}`);
  const { mime, bytes } = await open(ref, options);
  return { mime, bytes: bounded(bytes, options.maxBytes) };
}

/** Whatever a platform says of its files, no more than this is handed on. */
async function* bounded(bytes: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.byteLength;
    if (total > maxBytes) throw new TerminalError("TOO_LARGE", `the file is over ${maxBytes} bytes; ask for more with maxBytes`);
    yield chunk;
  }
}
