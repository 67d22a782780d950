/**
 * A strict Bot API server over real HTTP, as far as this project uses it: it holds long polls, redelivers what no offset has confirmed,
 * answers 409 to the older of two polls and 401 to a wrong token, and keeps an ordered log of the sends that it took. Faults are
 * scripted per call. It never confirms by itself.
 * @see https://core.telegram.org/bots/api
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../ports/clock.ts";

export interface TelegramServerOptions {
  /** Used for holding polls and for latency. */
  readonly clock: Clock;
  /** Default `1000001:test-token-AAAA`. */
  readonly token?: string;
  /** First update id. Default 1. */
  readonly firstUpdateId?: number;
  /** Delay before each answer to a send, in milliseconds. Default 0. */
  readonly latencyMs?: number;
}

/** How a call goes wrong; `error` is a proper Bot API answer, all others are not. */
export type TelegramFault =
  | { readonly kind: "error"; readonly status: number; readonly description?: string; readonly retryAfterS?: number }
  /** A gateway's page in place of JSON. */
  | { readonly kind: "html"; readonly status: number }
  /** JSON without `ok`. */
  | { readonly kind: "noOk"; readonly status: number }
  /** The connection is cut before anything was done. */
  | { readonly kind: "cut" }
  /** The call takes effect, then the connection is cut. */
  | { readonly kind: "takenThenCut" }
  /** The call takes effect and is never answered, until `close`. */
  | { readonly kind: "takenThenSilent" };

export interface FaultScope {
  /** Default `sendMessage`. */
  readonly method?: string;
  /** Only calls for this chat. */
  readonly chatId?: number;
  /** How many calls meet it. Default 1. */
  readonly times?: number;
}

/** One sendMessage that took effect, in order. */
export interface TakenSend {
  readonly messageId: number;
  readonly chatId: number;
  readonly threadId: number | undefined;
  readonly text: string;
  /** The whole payload. */
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface SayOptions {
  /** Default 7. */
  readonly userId?: number;
  /** Default: the user's private chat. Negative: a supergroup. */
  readonly chatId?: number;
  readonly username?: string;
  /** Laid over the message. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface TelegramServer {
  /** For the channel's `apiRoot`. */
  readonly apiRoot: string;
  readonly token: string;
  readonly bot: { readonly id: number; readonly username: string };
  /** A person writes a text; gives the update id. */
  readonly say: (text: string, options?: SayOptions) => number;
  /** Any update, without its id; `updateId` overrides the counter. */
  readonly push: (update: Readonly<Record<string, unknown>>, updateId?: number) => number;
  /** Ids of the updates that no offset has confirmed. */
  readonly unconfirmed: () => readonly number[];
  readonly sends: () => readonly TakenSend[];
  /** How often a method was called, faults included. */
  readonly calls: (method: string) => number;
  /** Payload of the last call of a method. */
  readonly lastPayload: (method: string) => Readonly<Record<string, unknown>> | undefined;
  /** How often a poll met another that was still held. */
  readonly overlaps: () => number;
  readonly heldPolls: () => number;
  /** The next calls in scope go wrong; a poll that is held goes wrong at once. */
  readonly fail: (fault: TelegramFault, scope?: FaultScope) => void;
  /** Resolves as soon as the condition holds; it is looked at whenever something happens here. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

const UPDATES_PER_POLL = 100;
const TEXT_UNITS_MAX = 4_096;
const BODY_BYTES_MAX = 1024 * 1024;
/** Most updates waiting and most sends kept; more is a mistake of the test. */
const KEPT_MAX = 1_000_000;

type Payload = Record<string, unknown>;
interface Update {
  readonly update_id: number;
  readonly [kind: string]: unknown;
}
interface HeldPoll {
  readonly isGone: () => boolean;
  readonly end: (status: number, answer: unknown) => void;
  readonly wake: () => void;
  readonly spoil: (fault: TelegramFault) => void;
}

async function readPayload(request: IncomingMessage): Promise<Payload> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error("body too large");
    chunks.push(chunk);
  }
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  const body: unknown = bytes > 0 ? JSON.parse(Buffer.concat(chunks).toString("utf8")) : {};
  return { ...Object.fromEntries(url.searchParams), ...(body as Payload) };
}

function errorAnswer(status: number, description: string, retryAfterS?: number): Payload {
  return { ok: false, error_code: status, description, ...(retryAfterS === undefined ? {} : { parameters: { retry_after: retryAfterS } }) };
}

/** Opens the server on 127.0.0.1, port 0. */
export async function openTelegramServer(options: TelegramServerOptions): Promise<TelegramServer> {
  const { clock, token = "1000001:test-token-AAAA", latencyMs = 0 } = options;
  const bot = { id: Number(token.split(":")[0]) || 666, is_bot: true, first_name: "Sati", username: "sati_test_bot" };
  let nextUpdateId = options.firstUpdateId ?? 1;
  let nextMessageId = 1;
  let updates: Update[] = [];
  let held: HeldPoll | undefined;
  let overlapCount = 0;
  const sends: TakenSend[] = [];
  const calls = new Map<string, number>();
  const lastPayloads = new Map<string, Payload>();
  const faults: { fault: TelegramFault; method: string; chatId: number | undefined; times: number }[] = [];
  const waiters = new Set<{ condition: () => boolean; resolve: () => void }>();

  const changed = (): void => {
    for (const waiter of waiters) {
      if (!waiter.condition()) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };

  const answer = (response: ServerResponse, status: number, body: unknown): void => {
    if (response.writableEnded || response.destroyed) return;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };

  const takeFault = (method: string, payload: Payload): TelegramFault | undefined => {
    const index = faults.findIndex((one) => one.method === method && (one.chatId === undefined || one.chatId === Number(payload.chat_id)));
    const found = faults[index];
    if (!found) return undefined;
    found.times -= 1;
    if (found.times <= 0) faults.splice(index, 1);
    return found.fault;
  };

  /** Drops what the offset confirms: everything below it, or all but the last |offset|. */
  const confirm = (offset: number): void => {
    updates = offset < 0 ? updates.slice(offset) : updates.filter((update) => update.update_id >= offset);
  };

  const poll = (payload: Payload, request: IncomingMessage, response: ServerResponse): void => {
    if (held && !held.isGone()) {
      overlapCount += 1;
      held.end(409, errorAnswer(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"));
    }
    if (payload.offset !== undefined) confirm(Number(payload.offset));
    const kinds =
      Array.isArray(payload.allowed_updates) && payload.allowed_updates.length > 0 ? (payload.allowed_updates as string[]) : undefined;
    const offer = (): Update[] =>
      updates
        .filter((update) => !kinds || kinds.some((kind) => kind in update))
        .slice(0, Math.min(Number(payload.limit) || UPDATES_PER_POLL, UPDATES_PER_POLL));
    const timeoutMs = Number(payload.timeout ?? 0) * 1_000;
    if (offer().length > 0 || timeoutMs <= 0) {
      answer(response, 200, { ok: true, result: offer() });
      return;
    }
    const mine: HeldPoll = {
      isGone: () => request.socket.destroyed || response.destroyed || request.socket.readableEnded,
      end: (status, body) => {
        cancel();
        if (held === mine) held = undefined;
        answer(response, status, body);
      },
      wake: () => {
        if (offer().length > 0) mine.end(200, { ok: true, result: offer() });
      },
      spoil: (fault) => {
        cancel();
        if (held === mine) held = undefined;
        fail(fault, request, response);
      },
    };
    const cancel = clock.setTimer(timeoutMs, () => mine.end(200, { ok: true, result: offer() }));
    response.on("close", () => {
      cancel();
      if (held === mine) held = undefined;
      changed();
    });
    held = mine;
  };

  const send = (payload: Payload): { readonly status: number; readonly body: unknown } => {
    const refuse = (description: string): { status: number; body: unknown } => ({
      status: 400,
      body: errorAnswer(400, `Bad Request: ${description}`),
    });
    const chatId = Number(payload.chat_id);
    if (!Number.isSafeInteger(chatId)) return refuse("chat not found");
    if (typeof payload.text !== "string" || payload.text.trim() === "") return refuse("message text is empty");
    if (payload.text.length > TEXT_UNITS_MAX) return refuse("message is too long");
    if (sends.length >= KEPT_MAX) return { status: 500, body: errorAnswer(500, "the test server's log is full") };
    const threadId = payload.message_thread_id === undefined ? undefined : Number(payload.message_thread_id);
    const messageId = nextMessageId++;
    sends.push({ messageId, chatId, threadId, text: payload.text, payload });
    const chat = { id: chatId, type: chatId < 0 ? "supergroup" : "private" };
    return {
      status: 200,
      body: { ok: true, result: { message_id: messageId, date: Math.floor(clock.now() / 1_000), chat, from: bot, text: payload.text } },
    };
  };

  const fail = (fault: TelegramFault, request: IncomingMessage, response: ServerResponse): void => {
    if (fault.kind === "error")
      answer(response, fault.status, errorAnswer(fault.status, fault.description ?? `scripted ${fault.status}`, fault.retryAfterS));
    else if (fault.kind === "html") response.writeHead(fault.status, { "content-type": "text/html" }).end("<html>gateway</html>");
    else if (fault.kind === "noOk") answer(response, fault.status, { message: "not supported" });
    else if (fault.kind !== "takenThenSilent") request.socket.destroy();
  };

  const perform = (method: string, payload: Payload, request: IncomingMessage, response: ServerResponse): void => {
    const fault = takeFault(method, payload);
    if (fault) {
      if (method === "sendMessage" && fault.kind.startsWith("taken")) send(payload);
      fail(fault, request, response);
    } else if (method === "getUpdates") poll(payload, request, response);
    else if (method === "sendMessage") {
      const { status, body } = send(payload);
      if (latencyMs > 0) clock.setTimer(latencyMs, () => answer(response, status, body));
      else answer(response, status, body);
    } else if (method === "getMe") answer(response, 200, { ok: true, result: bot });
    else if (["sendChatAction", "deleteWebhook", "setMyCommands"].includes(method)) answer(response, 200, { ok: true, result: true });
    else answer(response, 404, errorAnswer(404, "Not Found: method not found"));
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let payload: Payload;
    try {
      payload = await readPayload(request);
    } catch {
      answer(response, 400, errorAnswer(400, "Bad Request: can't parse the body"));
      return;
    }
    const [, given, method] = /^\/bot([^/]*)\/(\w+)/.exec(decodeURIComponent(request.url ?? "")) ?? [];
    if (given === undefined || method === undefined) answer(response, 404, errorAnswer(404, "Not Found"));
    else if (given !== token) answer(response, 401, errorAnswer(401, "Unauthorized"));
    else {
      calls.set(method, (calls.get(method) ?? 0) + 1);
      lastPayloads.set(method, payload);
      perform(method, payload, request, response);
    }
    changed();
  };

  const server = createServer((request, response) => {
    // A request whose socket dies while it is read has nobody left to answer.
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });

  const push = (update: Readonly<Record<string, unknown>>, updateId?: number): number => {
    if (updates.length >= KEPT_MAX) throw new Error(`more than ${KEPT_MAX} updates wait; confirm some`);
    const id = updateId ?? nextUpdateId;
    nextUpdateId = id + 1;
    updates.push({ ...update, update_id: id });
    held?.wake();
    changed();
    return id;
  };

  return {
    apiRoot: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    bot,
    push,
    say: (text, { userId = 7, chatId = userId, username, extra } = {}) => {
      const from = { id: userId, is_bot: false, first_name: "Person", ...(username === undefined ? {} : { username }) };
      const chat = chatId < 0 ? { id: chatId, type: "supergroup", title: "Group" } : { id: chatId, type: "private", first_name: "Person" };
      return push({ message: { message_id: nextMessageId++, date: Math.floor(clock.now() / 1_000), from, chat, text, ...extra } });
    },
    unconfirmed: () => updates.map((update) => update.update_id),
    sends: () => sends,
    calls: (method) => calls.get(method) ?? 0,
    lastPayload: (method) => lastPayloads.get(method),
    overlaps: () => overlapCount,
    heldPolls: () => (held ? 1 : 0),
    fail: (fault, { method = "sendMessage", chatId, times = 1 } = {}) => {
      const isHeld = method === "getUpdates" && held !== undefined;
      if (isHeld) held?.spoil(fault);
      if (!isHeld || times > 1) faults.push({ fault, method, chatId, times: isHeld ? times - 1 : times });
    },
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    close: async () => {
      held = undefined;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
