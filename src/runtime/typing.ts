/** "Typing…" while a turn runs: an activity of the state `responding`, so it cannot outlive it. */
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import type { CancelTimer } from "../ports/clock.ts";
import type { ChannelDirectory } from "./channels.ts";
import type { Kernel } from "./kernel.ts";
import type { Pacer } from "./pacer.ts";

/** A turn that is over sooner shows none. */
const FIRST_MS = 250;
/** Shown again before the last one fades. */
const OVERLAP = 0.8;

const NOTHING = (): void => undefined;

/** Begins to show it where the chat's platform can; answers the function that ends it. */
export type ShowTyping = (key: ChatKey) => () => void;

export function createTyping(
  { clock, log }: Pick<Kernel, "clock" | "log">,
  channels: ChannelDirectory,
  pacer: Pacer,
  addressOf: (key: ChatKey) => Promise<string>,
): ShowTyping {
  return (key) => {
    const name = channelOf(key);
    const channel = channels.find(name);
    const show = channel?.typing;
    if (!show) return NOTHING;
    const { typingMs } = channel.limits;
    let ended: AbortController | undefined;
    let cancel: CancelTimer = clock.setTimer(FIRST_MS, () => tick());
    let isOver = false;
    const tick = (): void => {
      ended ??= new AbortController();
      const { signal } = ended;
      // It counts against the rate of replies, so it goes first when that is short.
      if (channels.isOnline(name) && pacer.pausedMs(name) === 0) {
        addressOf(key)
          .then((address) => (signal.aborted ? undefined : show(address, signal)))
          .catch((error: unknown) => log.debug({ chat: key, err: error }, "typing was not shown"));
      }
      if (typingMs !== undefined && !isOver) cancel = clock.setTimer(typingMs * OVERLAP, tick);
    };
    return () => {
      isOver = true;
      cancel();
      ended?.abort();
    };
  };
}
