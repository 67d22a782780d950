/**
 * WhatsApp from the outside, over real HTTP: a strict Graph API as far as this project uses it (phone number, messages, read marks, typing,
 * media), and a sender of signed webhooks that sends one after the other and each again until it is answered with 200. Faults are scripted.
 * @see https://developers.facebook.com/documentation/business-messaging/whatsapp/reference
 */
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../ports/clock.ts";
import { messageValue, statusValue, webhookBody, type SayOptions, type StatusOptions } from "./whatsapp-payloads.ts";

export interface WhatsAppServerOptions {
  /** Used for the pauses between two tries of a webhook. */
  readonly clock: Pick<Clock, "setTimer">;
  /** Pause before a webhook is sent again, in milliseconds. Default 5. */
  readonly retryMs?: number;
}

/** How a call goes wrong. */
export type WhatsAppFault =
  /** A proper answer of the Graph API. */
  | { readonly kind: "error"; readonly status: number; readonly code?: number; readonly message?: string; readonly retryAfterS?: number }
  /** A gateway's page in place of JSON. */
  | { readonly kind: "html"; readonly status: number }
  /** The connection is cut before anything was done. */
  | { readonly kind: "cut" }
  /** The call takes effect, then the connection is cut. */
  | { readonly kind: "takenThenCut" }
  /** The call takes effect, and its answer has no message id. */
  | { readonly kind: "takenWithoutId" };

/** One send that took effect, in order. */
export interface TakenWhatsApp {
  readonly id: string;
  /** Number or user id. */
  readonly to: string;
  readonly type: string;
  /** Of a text, an interactive body or a caption. */
  readonly text: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** One try of a webhook. */
export interface WebhookTry {
  readonly status: number;
  readonly text: string;
}

export interface WhatsAppServer {
  /** For the channel's `apiUrl`. */
  readonly apiUrl: string;
  readonly phoneNumberId: string;
  readonly accessToken: string;
  readonly appSecret: string;
  readonly verifyToken: string;
  /** Where webhooks go from now on. */
  readonly sendTo: (url: string) => void;
  /** A person writes a text; gives the message id. */
  readonly say: (text: string, options?: SayOptions) => string;
  /** A message of any kind: `type` and its fields. */
  readonly push: (message: Readonly<Record<string, unknown>>, options?: SayOptions) => string;
  readonly status: (options: StatusOptions) => void;
  /** Any body, signed and sent like the others. */
  readonly post: (body: string | Uint8Array) => void;
  /** One request of one's own, tried once. */
  readonly tryOnce: (body: string | Uint8Array, headers?: Readonly<Record<string, string>>) => Promise<WebhookTry>;
  /** What Meta does when a webhook is set up. */
  readonly challenge: (query?: Readonly<Record<string, string>>) => Promise<WebhookTry>;
  readonly sign: (body: string | Uint8Array) => string;
  /** Bodies that were not answered with 200 yet. */
  readonly unconfirmed: () => number;
  /** Every answer to a webhook, in order. */
  readonly tries: () => readonly WebhookTry[];
  readonly sends: () => readonly TakenWhatsApp[];
  /** Ids of messages that were marked as read, and whether typing was shown with it. */
  readonly reads: () => readonly { readonly messageId: string; readonly isTyping: boolean }[];
  /** Keeps a file; gives its media id. */
  readonly addMedia: (bytes: Uint8Array, facts?: { readonly mime?: string; readonly size?: number; readonly url?: string }) => string;
  /** The next calls go wrong: sends by default. */
  readonly fail: (fault: WhatsAppFault, what?: "send" | "number" | "media" | "bytes") => void;
  /** Resolves as soon as the condition holds; it is looked at whenever something happens here. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

const KEPT_MAX = 1_000_000;
const TEXT_UNITS_MAX = 4_096;
type Payload = Readonly<Record<string, unknown>>;

async function bodyOf(request: IncomingMessage): Promise<Payload> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString("utf8")) as Payload);
}

/** A field as text; empty for what is none. */
function word(payload: Payload | undefined, name: string): string {
  const value = payload?.[name];
  return typeof value === "string" ? value : "";
}

function shownText(payload: Payload): string {
  const part = payload[word(payload, "type")] as Payload | undefined;
  const body = part?.body;
  if (typeof body === "object" && body !== null) return word(body as Payload, "text");
  return word(part, "body") || word(part, "caption");
}

/** Opens the server on 127.0.0.1, port 0. */
export async function openWhatsAppServer({ clock, retryMs = 5 }: WhatsAppServerOptions): Promise<WhatsAppServer> {
  const [phoneNumberId, accessToken] = ["106540352242922", "EAAtest-access-token-AAAA"];
  const [appSecret, verifyToken] = ["test-app-secret-BBBB", "test-verify-token-CCCC"];
  let target = "";
  let isClosed = false;
  let isSending = false;
  let count = 0;
  const pending: Buffer[] = [];
  const tries: WebhookTry[] = [];
  const sends: TakenWhatsApp[] = [];
  const reads: { messageId: string; isTyping: boolean }[] = [];
  const media = new Map<string, { bytes: Uint8Array; mime: string; size: number; url: string | undefined }>();
  const faults: { fault: WhatsAppFault; what: string }[] = [];
  const waiters = new Set<{ condition: () => boolean; resolve: () => void }>();

  const changed = (): void => {
    for (const waiter of waiters) if (waiter.condition() && waiters.delete(waiter)) waiter.resolve();
  };
  const answer = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void => {
    if (!response.destroyed) response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, status: number, code: number | undefined, message: string, retryAfterS?: number): void =>
    answer(
      response,
      status,
      {
        error: { message, type: "OAuthException", code, error_data: { messaging_product: "whatsapp", details: message }, fbtrace_id: "A" },
      },
      retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) },
    );

  const take = (payload: Payload): string => {
    count += 1;
    const id = `wamid.out${count}`;
    sends.push({
      id,
      to: word(payload, "to") || word(payload, "recipient"),
      type: word(payload, "type"),
      text: shownText(payload),
      payload,
    });
    return id;
  };

  /** Why a send is not acceptable, as the API says it. */
  const faultIn = (payload: Payload): string | undefined => {
    const isNumber = /^\d{5,20}$/.test(word(payload, "to"));
    const isUserId = payload.to === undefined && /^[A-Z]{2}\.\w+$/i.test(word(payload, "recipient"));
    if (!isNumber && !isUserId) return "(#100) The parameter to is required.";
    const text = shownText(payload);
    if (payload.type === "text" && (text.trim() === "" || text.length > TEXT_UNITS_MAX))
      return "(#100) Param text['body'] must be 1 to 4096 characters";
    return payload[word(payload, "type")] === undefined ? "(#100) Invalid parameter" : undefined;
  };

  const messages = (payload: Payload, request: IncomingMessage, response: ServerResponse): void => {
    if (payload.messaging_product !== "whatsapp") return refuse(response, 400, 100, "(#100) The parameter messaging_product is required.");
    if (payload.status === "read") {
      reads.push({ messageId: word(payload, "message_id"), isTyping: payload.typing_indicator !== undefined });
      return answer(response, 200, { success: true });
    }
    const fault = takeFault("send");
    if (fault?.kind === "takenThenCut" || fault?.kind === "takenWithoutId") take(payload);
    if (fault?.kind === "takenWithoutId") return answer(response, 200, { messaging_product: "whatsapp" });
    if (fault) return fail(fault, request, response);
    const wrong = sends.length >= KEPT_MAX ? "the test server's log is full" : faultIn(payload);
    if (wrong !== undefined) return refuse(response, 400, 100, wrong);
    const id = take(payload);
    const to = word(payload, "to") || word(payload, "recipient");
    answer(response, 200, { messaging_product: "whatsapp", contacts: [{ input: to, wa_id: to }], messages: [{ id }] });
  };

  const takeFault = (what: string): WhatsAppFault | undefined => {
    const place = faults.findIndex((one) => one.what === what);
    return place < 0 ? undefined : faults.splice(place, 1)[0]?.fault;
  };
  const fail = (fault: WhatsAppFault, request: IncomingMessage, response: ServerResponse): void => {
    if (fault.kind === "error") refuse(response, fault.status, fault.code, fault.message ?? `scripted ${fault.status}`, fault.retryAfterS);
    else if (fault.kind === "html") response.writeHead(fault.status, { "content-type": "text/html" }).end("<html>gateway</html>");
    else request.socket.destroy();
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const payload = await bodyOf(request);
    const [, version, first = "", second] = new URL(request.url ?? "/", "http://127.0.0.1").pathname.split("/");
    const file = media.get(first);
    const what = version === "bytes" ? "bytes" : file ? "media" : "number";
    const fault = second === undefined ? takeFault(what) : undefined;
    if (request.headers.authorization !== `Bearer ${accessToken}`) refuse(response, 401, 190, "Invalid OAuth access token");
    else if (fault) fail(fault, request, response);
    else if (version === "bytes" && file) response.writeHead(200, { "content-type": file.mime }).end(file.bytes);
    else if (first === phoneNumberId && second === "messages" && request.method === "POST") messages(payload, request, response);
    else if (first === phoneNumberId && second === undefined)
      answer(response, 200, { id: phoneNumberId, display_phone_number: "+1 555-078-3881", verified_name: "Sati" });
    else if (file) {
      const url = file.url ?? `${root}/bytes/${first}`;
      answer(response, 200, { messaging_product: "whatsapp", id: first, url, mime_type: file.mime, file_size: file.size });
    } else refuse(response, 400, 100, `Unsupported request. Object with ID '${first}' does not exist`);
    changed();
  };

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const sign = (body: string | Uint8Array): string => `sha256=${createHmac("sha256", appSecret).update(body).digest("hex")}`;
  const send = async (method: string, url: string, headers: Readonly<Record<string, string>>, body?: Uint8Array): Promise<WebhookTry> => {
    try {
      const response = await fetch(url, { method, headers, body: body as RequestInit["body"] });
      return { status: response.status, text: await response.text() };
    } catch {
      return { status: 0, text: "" };
    }
  };
  const post = (body: Buffer, headers: Readonly<Record<string, string>>): Promise<WebhookTry> =>
    send("POST", target, { "content-type": "application/json", ...headers }, body);

  const sendAll = async (): Promise<void> => {
    if (isSending) return;
    isSending = true;
    for (let body = pending[0]; body && target !== "" && !isClosed; body = pending[0]) {
      const tried = await post(body, { "x-hub-signature-256": sign(body) });
      if (isClosed) break;
      tries.push(tried);
      if (tried.status === 200) pending.shift();
      else await new Promise<void>((resolve) => void clock.setTimer(retryMs, resolve));
      changed();
    }
    isSending = false;
  };
  const offer = (body: string | Uint8Array): void => {
    if (pending.length >= KEPT_MAX) throw new Error(`more than ${KEPT_MAX} webhooks wait; answer some`);
    pending.push(Buffer.from(body as Uint8Array));
    void sendAll();
  };
  const push: WhatsAppServer["push"] = (message, options = {}) => {
    count += 1;
    const id = options.id ?? `wamid.in${count}`;
    offer(webhookBody([messageValue(phoneNumberId, { ...message, id }, options)]));
    return id;
  };

  return {
    apiUrl: `${root}/v25.0`,
    phoneNumberId,
    accessToken,
    appSecret,
    verifyToken,
    sendTo: (url) => {
      target = url;
      void sendAll();
    },
    say: (text, options) => push({ type: "text", text: { body: text } }, options),
    push,
    status: (options) => offer(webhookBody([statusValue(phoneNumberId, options)])),
    post: offer,
    tryOnce: (body, headers = {}) => post(Buffer.from(body as Uint8Array), headers),
    challenge: (query = {}) => {
      const all = { "hub.mode": "subscribe", "hub.verify_token": verifyToken, "hub.challenge": "1158201444", ...query };
      return send("GET", `${target}?${new URLSearchParams(all).toString()}`, {});
    },
    sign,
    unconfirmed: () => pending.length,
    tries: () => tries,
    sends: () => sends,
    reads: () => reads,
    addMedia: (bytes, { mime = "image/jpeg", size = bytes.length, url } = {}) => {
      count += 1;
      media.set(`media${count}`, { bytes, mime, size, url });
      return `media${count}`;
    },
    fail: (fault, what = "send") => void faults.push({ fault, what }),
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    close: async () => {
      isClosed = true;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
