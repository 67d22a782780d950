/** One send of one part: the call to its platform, bounded in time, and what it came to. */
import { backoffMs } from "../core/backoff.ts";
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import { AmbiguousError, TerminalError, TransientError, noteOf } from "../core/errors.ts";
import type { Channel, DeliverRequest } from "../ports/channel.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { SendOutcome } from "../ports/store/outbox-store.ts";
import type { ChannelDirectory } from "./channels.ts";
import type { Kernel } from "./kernel.ts";
import type { Pacer } from "./pacer.ts";

const SEND_BACKOFF = { baseMs: 1_000, maxMs: 300_000 };
/** Longest that one call to a platform may take; then its outcome is unknown. */
const SEND_TIMEOUT_MS = 60_000;

/** Never throws: whatever happens is an outcome. */
export type SendPart = (part: OutboxPart) => Promise<SendOutcome>;

export function createSender(
  { clock, random, log }: Pick<Kernel, "clock" | "random" | "log">,
  parts: {
    readonly channels: ChannelDirectory;
    readonly pacer: Pacer;
    readonly addressOf: (key: ChatKey) => Promise<string>;
  },
): SendPart {
  const { channels, pacer, addressOf } = parts;

  const send = async (part: OutboxPart): Promise<SendOutcome> => {
    const { chat } = part;
    const channel = channels.find(channelOf(chat));
    try {
      if (!channel) throw new TransientError("CHANNEL_ABSENT", `channel ${channelOf(chat)} is not configured`);
      const address = await addressOf(chat);
      const platformId = await call(channel, part, {
        chat,
        address,
        content: part.content,
        idempotencyKey: `${part.turnId}/${part.isDraft ? "draft" : part.part}`,
        ...(part.isDraft ? { isDraft: true as const } : {}),
      });
      channels.count(channel.name, "sent");
      pacer.took(channel, chat);
      return { type: "sent", platformId };
    } catch (error) {
      if (channel) channels.count(channel.name, "failed");
      if (channel && error instanceof TransientError) pacer.refused(channel, chat, error);
      return failureOf(part, error);
    }
  };

  /** Delivers a part, or shows it in the place of the draft that the platform has. */
  const call = async (channel: Channel, part: OutboxPart, request: Omit<DeliverRequest, "signal">): Promise<string> => {
    const { edit } = channel;
    const { platformId } = part;
    if (platformId !== undefined && edit) {
      try {
        await inTime((signal) => edit({ ...request, platformId, signal }));
        return platformId;
      } catch (error) {
        // An edit may be repeated: it shows the same again.
        if (error instanceof AmbiguousError) throw new TransientError("CHANNEL_UNAVAILABLE", error.message, { cause: error });
        if (!(error instanceof TerminalError) || error.code === "CHAT_UNREACHABLE") throw error;
        log.info({ chat: part.chat, part: part.id, error: noteOf(error) }, "the draft of a reply is gone; it is sent anew");
      }
    }
    return (await deliverInTime(channel, request)).platformId;
  };

  const inTime = <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const abort = new AbortController();
    return new Promise((resolve, reject) => {
      const cancel = clock.setTimer(SEND_TIMEOUT_MS, () => {
        reject(unanswered());
        abort.abort();
      });
      call(abort.signal).then(resolve, reject).finally(cancel);
    });
  };

  const unanswered = (): AmbiguousError => new AmbiguousError("SEND_UNKNOWN", `no answer from the platform within ${SEND_TIMEOUT_MS} ms`);

  /** One call to a platform, bounded. The signal is made only for channels that look at it. */
  const deliverInTime = (channel: Channel, request: Omit<DeliverRequest, "signal">): ReturnType<Channel["deliver"]> =>
    new Promise((resolve, reject) => {
      let abort: AbortController | undefined;
      const cancel = clock.setTimer(SEND_TIMEOUT_MS, () => {
        const error = unanswered();
        reject(error);
        abort?.abort(error);
      });
      const timed: DeliverRequest = {
        ...request,
        get signal() {
          abort ??= new AbortController();
          return abort.signal;
        },
      };
      channel.deliver(timed).then(resolve, reject).finally(cancel);
    });

  const failureOf = (part: OutboxPart, cause: unknown): SendOutcome => {
    const error = noteOf(cause);
    log.warn({ chat: part.chat, part: part.id, attempt: part.attempts, error }, "part was not sent");
    if (cause instanceof TerminalError) return { type: "refused", error };
    // What an adapter did not foresee may have happened after the platform took it.
    const isAmbiguous = cause instanceof AmbiguousError || !(cause instanceof TransientError);
    const asked = cause instanceof TransientError ? cause.retryAfterMs : undefined;
    return {
      type: "retry",
      ambiguous: isAmbiguous,
      nextTryAtMs: clock.now() + (asked ?? backoffMs(SEND_BACKOFF, part.attempts, random.next())),
      error,
    };
  };

  return send;
}
