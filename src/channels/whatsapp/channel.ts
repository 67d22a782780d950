/**
 * WhatsApp by the Cloud API of Meta: messages come in as signed webhooks, answers go out over the Graph API. Translates, and holds no
 * policy: no retries, no pacing, no reconnecting; those live in the runtime.
 */
import { setMaxListeners } from "node:events";
import { AmbiguousError, invariant, TransientError } from "../../core/errors.ts";
import type { Channel, ChannelHost, DeliverRequest } from "../../ports/channel.ts";
import type { WhatsAppCounters } from "./counters.ts";
import { deliveryError, isTokenRefused, reportOf } from "./failure.ts";
import { createGraphApi } from "./graph.ts";
import { openMedia } from "./media.ts";
import { checkOptions, isNumber, isUserId } from "./options.ts";
import type { WhatsAppOptions as Options } from "./options.ts";
import { messageFor } from "./outgoing.ts";
import { textIn } from "./payload.ts";
import { createPeople } from "./people.ts";
import { createPresence } from "./presence.ts";
import { createWebhook, type Listener } from "./webhook.ts";

export type WhatsAppOptions = Options;

export interface WhatsAppChannel extends Channel {
  /** What became of webhooks since the channel was made. */
  readonly counters: () => Readonly<WhatsAppCounters>;
}

/** Longest text of one message. @see https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/text-messages */
const TEXT_UNITS_MAX = 4_096;
/** 80 messages a second are what a number may send until Meta raises it. @see https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput */
const CHANNEL_PACE_MS = 13;
const TYPING_MS = 25_000;
/** Longest that `stop` waits for commits under way; Meta sends again what they would have stored. */
const STOP_MS_MAX = 10_000;
/** Most requests that wait for the store at once. */
const REQUESTS_MAX = 500;

interface Connection {
  readonly listener: Listener;
  readonly host: ChannelHost;
  readonly ended: AbortController;
  /** Resolved once the platform has answered the first call. */
  readonly verified: Promise<void>;
  readonly answering: Set<Promise<unknown>>;
}

/**
 * Makes the channel; nothing is connected before `start`. `deliver`, `typing` and `open` work also before `start` and after `stop`.
 * @throws ConfigError CONFIG_INVALID with the path of the bad option
 */
export function createWhatsAppChannel(options: WhatsAppOptions): WhatsAppChannel {
  const checked = checkOptions(options);
  const { name, phoneNumberId, apiUrl, accessToken, appSecret, verifyToken, allow, clock, log } = checked;
  const graph = createGraphApi({ apiUrl, accessToken, secrets: [appSecret, verifyToken], clock });
  const presence = createPresence({ name, graph, phoneNumberId, log });
  const counters: WhatsAppCounters = { accepted: 0, forbidden: 0, ignored: 0, notUnderstood: 0, statuses: 0, badSignatures: 0 };
  const answer = createWebhook({ name, phoneNumberId, appSecret, verifyToken, counters, clock, log });
  let connection: Connection | undefined;
  let stopping: Promise<void> | undefined;

  /** One call that shows whether number and token are good; what is heard before its answer is reported after it. */
  const verify = async (host: ChannelHost, signal: AbortSignal): Promise<boolean> => {
    const found = await graph.get(`/${phoneNumberId}?fields=display_phone_number,verified_name`, signal);
    if (signal.aborted) return false;
    if (found.failure) {
      host.report(reportOf(found.failure));
      return false;
    }
    const number = textIn(found.body, "display_phone_number") ?? phoneNumberId;
    const digits = number.replace(/\D/g, "");
    host.report({
      type: "connection.opened",
      account: isNumber(digits) ? { name: number, startUrl: `https://wa.me/${digits}?text=` } : { name: number },
    });
    return true;
  };

  const open = (host: ChannelHost): Connection => {
    const ended = new AbortController();
    // Every read mark under way listens, and their number has its own limit.
    setMaxListeners(0, ended.signal);
    let isOpened = false;
    let hasHeard = false;
    const heard = (): void => {
      hasHeard = true;
      if (isOpened && !ended.signal.aborted) host.report({ type: "traffic.seen" });
    };
    const verified = verify(host, ended.signal).then((isGood) => {
      isOpened = isGood;
      if (isGood && hasHeard) heard();
    });
    const listener: Listener = {
      host,
      people: createPeople(name, host),
      heard,
      taken: (address, messageId) => presence.read(address, messageId, ended.signal),
    };
    return { host, ended, listener, verified, answering: new Set() };
  };

  const close = async ({ ended, verified, answering }: Connection): Promise<void> => {
    ended.abort();
    await verified;
    if (answering.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.setTimer(STOP_MS_MAX, () => {
        log?.error({ channel: name, limitMs: STOP_MS_MAX }, "commits did not end in time; WhatsApp will offer their messages again");
        resolve();
      });
      void Promise.allSettled(answering).then(() => {
        cancel();
        resolve();
      });
    });
  };

  const deliver = async ({ address, content, signal }: DeliverRequest): Promise<{ readonly platformId: string }> => {
    const message = messageFor(address, content);
    if (signal.aborted) throw new TransientError("CHANNEL_UNAVAILABLE", `whatsapp send to ${address}: aborted before it began; try again`);
    const sent = await graph.post(`/${phoneNumberId}/messages`, message, signal);
    if (sent.failure) {
      if (isTokenRefused(sent.failure)) connection?.host.report(reportOf(sent.failure));
      throw deliveryError(sent.failure, address);
    }
    const [first] = Array.isArray(sent.body.messages) ? (sent.body.messages as readonly { readonly id?: unknown }[]) : [];
    if (typeof first?.id === "string" && first.id !== "") return { platformId: first.id };
    throw new AmbiguousError("SEND_UNKNOWN", `whatsapp send to ${address}: answered without a message id; it may have arrived`);
  };

  return {
    name,
    kind: "whatsapp",
    access: { allow },
    limits: { textUnits: TEXT_UNITS_MAX, canEdit: false, pace: { channelMs: CHANNEL_PACE_MS }, typingMs: TYPING_MS },
    counters: () => ({ ...counters }),
    start: async (host) => {
      invariant(connection === undefined, `channel ${name} was started twice; stop it first`);
      connection = open(host);
    },
    stop: () => {
      const current = connection;
      if (!current) return stopping ?? Promise.resolve();
      connection = undefined;
      stopping = close(current);
      return stopping;
    },
    webhook: async (request) => {
      const current = connection;
      if (!current || current.answering.size >= REQUESTS_MAX) {
        const why = current ? "too many at once" : "not connected";
        return new Response(`${why}; send it again`, { status: 503, headers: { "Retry-After": "5" } });
      }
      const answered = answer(request, current.listener);
      current.answering.add(answered);
      try {
        return await answered;
      } finally {
        current.answering.delete(answered);
      }
    },
    deliver,
    open: (ref, opening) => openMedia(graph, apiUrl, ref, opening),
    addressOf: (chat) => {
      const rest = chat.slice(chat.indexOf(":") + 1);
      return isNumber(rest) || isUserId(rest) ? rest : undefined;
    },
    typing: presence.typing,
  };
}
