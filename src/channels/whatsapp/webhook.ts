/**
 * What Meta sends: the challenge once, then messages and statuses, signed over their bytes. 200 means that everything in a payload is stored
 * or knowingly passed over; anything else makes Meta send it again, for up to seven days.
 * @see https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
 */
import { TransientError } from "../../core/errors.ts";
import type { ChannelHost, DeliveryReceipt, InboundMessage } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { WhatsAppCounters } from "./counters.ts";
import { receiptNote } from "./failure.ts";
import { readPayload, type WireMessage, type WireStatus } from "./payload.ts";
import type { People } from "./people.ts";
import { isSameSecret, isSigned } from "./signature.ts";
import { saidIn } from "./translate.ts";

/** One connection, as the webhook sees it. */
export interface Listener {
  readonly host: ChannelHost;
  readonly people: People;
  /** Something came from the platform. */
  readonly heard: () => void;
  /** A message was taken in; the last one of each address in a payload. */
  readonly taken: (address: string, messageId: string) => void;
}

export interface WebhookOptions {
  readonly name: string;
  readonly phoneNumberId: string;
  readonly appSecret: string;
  readonly verifyToken: string;
  readonly counters: WhatsAppCounters;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log | undefined;
}

const CHALLENGE_UNITS_MAX = 256;
const RETRY_AFTER_S = 5;
/** A signature that is wrong is told to the log once in this time. */
const WARN_EVERY_MS = 60_000;

function answer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { status, headers: { "Content-Type": "text/plain; charset=utf-8", ...headers } });
}

const later = (retryAfterMs: number | undefined): Response =>
  answer(503, "not stored; send it again", {
    "Retry-After": String(Math.max(1, Math.ceil((retryAfterMs ?? RETRY_AFTER_S * 1_000) / 1_000))),
  });

/** Answers one request for a connection. Never throws for what a stranger sent. */
export function createWebhook(options: WebhookOptions): (request: Request, listener: Listener) => Promise<Response> {
  const { name, phoneNumberId, appSecret, verifyToken, counters, clock, log } = options;
  let warnedAtMs = Number.NEGATIVE_INFINITY;

  const warnOfSignature = (): void => {
    counters.badSignatures += 1;
    if (clock.now() - warnedAtMs < WARN_EVERY_MS) return;
    warnedAtMs = clock.now();
    log?.warn({ channel: name }, "a webhook was not signed with the app secret; if Meta sent it, correct appSecret");
  };

  const challenge = (query: URLSearchParams): Response => {
    const given = query.get("hub.verify_token") ?? "";
    if (query.get("hub.mode") !== "subscribe" || !isSameSecret(given, verifyToken)) {
      log?.warn({ channel: name }, "a webhook was set up with another verify token; write the one of the configuration");
      return answer(403, "the verify token is another one");
    }
    return answer(200, (query.get("hub.challenge") ?? "").slice(0, CHALLENGE_UNITS_MAX));
  };

  const inboundOf = async (message: WireMessage, people: People): Promise<InboundMessage | undefined> => {
    const said = saidIn(message);
    if (!said) return undefined;
    const { id, chat, address, identities } = await people.meet(message.author);
    const writer = message.author.name?.slice(0, 200);
    return {
      chat,
      address,
      externalId: message.id,
      sender: writer === undefined ? { id } : { id, name: writer },
      identities,
      isPrivate: true,
      ...said,
    };
  };

  const receiptOf = async ({ id, status, atMs, recipient, error }: WireStatus, people: People): Promise<DeliveryReceipt | undefined> => {
    const kind = status === "played" ? "read" : status;
    if (kind !== "delivered" && kind !== "read" && kind !== "failed") return undefined;
    const { chat } = await people.meet(recipient);
    const failed = kind === "failed" ? { error: receiptNote(error?.code, error?.text ?? "without a reason") } : {};
    return { chat, platformId: id, status: kind, atMs, ...failed };
  };

  /** Stores all of a payload. @throws TransientError when it could not */
  const take = async (value: unknown, { host, people, heard, taken }: Listener): Promise<void> => {
    const { messages, statuses, problems, ignored } = readPayload(value, phoneNumberId);
    counters.ignored += ignored;
    for (const problem of problems) log?.warn({ channel: name, problem }, "WhatsApp reports a problem of the account");
    if (messages.length + statuses.length > 0) heard();
    const inbound: InboundMessage[] = [];
    for (const message of messages) {
      const translated = await inboundOf(message, people);
      if (translated) inbound.push(translated);
      else counters.notUnderstood += 1;
    }
    const outcomes = inbound.length === 0 ? [] : await host.accept(inbound);
    const lastOf = new Map<string, string>();
    for (const [place, { address, externalId }] of inbound.entries()) {
      if (outcomes[place] === "forbidden") counters.forbidden += 1;
      else counters.accepted += 1;
      if (outcomes[place] === "accepted") lastOf.set(address, externalId);
    }
    for (const [address, messageId] of lastOf) taken(address, messageId);
    const receipts: DeliveryReceipt[] = [];
    for (const status of statuses) {
      const receipt = await receiptOf(status, people);
      if (receipt) receipts.push(receipt);
    }
    counters.statuses += statuses.length;
    if (receipts.length > 0) await host.receive(receipts);
  };

  return async (request, listener) => {
    if (request.method === "GET") return challenge(new URL(request.url).searchParams);
    if (request.method !== "POST") return answer(405, "POST goes here", { Allow: "GET, POST" });
    const signature = request.headers.get("x-hub-signature-256");
    const body = new Uint8Array(await request.arrayBuffer());
    if (signature === null || !isSigned(body, signature, appSecret)) {
      warnOfSignature();
      return signature === null ? answer(401, "a signature is needed") : answer(403, "the signature is wrong");
    }
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    } catch {
      counters.notUnderstood += 1;
      log?.warn({ channel: name, bytes: body.length }, "a signed webhook is not JSON");
      return answer(400, "the body is not JSON");
    }
    try {
      await take(value, listener);
    } catch (error) {
      log?.warn({ channel: name, err: error }, "a webhook could not be stored; WhatsApp will send it again");
      return later(error instanceof TransientError ? error.retryAfterMs : undefined);
    }
    return answer(200, "");
  };
}
