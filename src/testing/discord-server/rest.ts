/**
 * The REST API of the fake Discord, as far as this project uses it: strict about tokens, headers, bodies, lengths and whose message is
 * changed; nonces are enforced; a 204 carries no content type.
 * @see https://discord.com/developers/docs/reference
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../ports/clock.ts";
import { createFaultScript, failWith } from "./faults.ts";
import type { DiscordCall, DiscordFault, FaultScope } from "./faults.ts";
import type { InteractionBook } from "./interactions.ts";
import type { Json, Place, StoredMessage, World } from "./world.ts";

/** A message that the bot sent, in order. */
export interface TakenSend {
  readonly messageId: string;
  readonly channelId: string;
  readonly text: string;
  /** The whole payload. */
  readonly payload: Readonly<Json>;
}

export interface RestApi {
  readonly serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly fail: (fault: DiscordFault, scope?: FaultScope) => void;
  readonly sends: () => readonly TakenSend[];
  /** How often a call was made, faults included. */
  readonly calls: (call: DiscordCall) => number;
  readonly lastPayload: (call: DiscordCall) => Readonly<Json> | undefined;
  readonly commands: () => readonly Json[];
  /** From now on a channel takes so many messages in so long, and says so in its headers. */
  readonly limitSends: (count: number, perMs: number) => void;
}

export interface RestApiOptions {
  readonly clock: Clock;
  readonly world: World;
  readonly token: string;
  readonly interactions: InteractionBook;
  readonly origin: () => string;
  readonly changed: () => void;
  /** The bot said or changed something. */
  readonly onMessage: (event: "MESSAGE_CREATE" | "MESSAGE_UPDATE", place: Place, message: StoredMessage) => void;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Call {
  readonly name: DiscordCall;
  readonly channelId?: string;
  readonly isPublic?: true;
  readonly run: (payload: Json) => Answer;
}

const TEXT_UNITS_MAX = 2_000;
const NONCE_UNITS_MAX = 25;
const NONCE_MS = 300_000;
const BODY_BYTES_MAX = 1024 * 1024;
const PAGE_MAX = 100;

function refuse(status: number, code: number, message: string): Answer {
  return { status, body: { message, code } };
}
const invalid = (field: string, why: string): Answer => ({
  status: 400,
  body: { message: "Invalid Form Body", code: 50_035, errors: { [field]: { _errors: [{ code: "BASE_TYPE_BAD", message: why }] } } },
});

/** What is wrong with the body of a message, if anything. */
function checkMessage(payload: Json): Answer | undefined {
  const { content, nonce, allowed_mentions: mentions, components } = payload;
  if (content !== undefined && typeof content !== "string") return invalid("content", "Could not interpret as string.");
  const hasComponents = Array.isArray(components) && components.length > 0;
  if ((content === undefined || content.trim() === "") && !hasComponents) return refuse(400, 50_006, "Cannot send an empty message");
  if (content !== undefined && content.length > TEXT_UNITS_MAX) return invalid("content", "Must be 2000 or fewer in length.");
  if (nonce !== undefined && (typeof nonce !== "string" || nonce.length > NONCE_UNITS_MAX))
    return invalid("nonce", "Must be 25 or fewer in length.");
  if (mentions !== undefined && (typeof mentions !== "object" || mentions === null))
    return invalid("allowed_mentions", "Not a dictionary.");
  if (components !== undefined && !areButtons(components)) return invalid("components", "Not rows of buttons.");
  return undefined;
}

function areButtons(rows: unknown): boolean {
  if (!Array.isArray(rows) || rows.length > 5) return false;
  return (rows as Json[]).every(({ type, components }) => {
    if (type !== 1 || !Array.isArray(components) || components.length < 1 || components.length > 5) return false;
    return (components as Json[]).every(
      ({ type: kind, style, label, custom_id: id }) => kind === 2 && typeof style === "number" && isText(label, 80) && isText(id, 100),
    );
  });
}

function isText(value: unknown, unitsMax: number): boolean {
  return typeof value === "string" && value.length >= 1 && value.length <= unitsMax;
}

function areCommands(list: unknown): list is Json[] {
  if (!Array.isArray(list) || list.length > 100) return false;
  return (list as Json[]).every(
    ({ name, description, type }) =>
      isText(name, 32) && /^[-_a-z0-9]+$/.test(String(name)) && isText(description, 100) && (type ?? 1) === 1,
  );
}

/** Newest first, as Discord lists them: those right after `after`, right before `before`, or the newest. */
function pageOf(place: Place, query: URLSearchParams): StoredMessage[] {
  const limit = Math.min(PAGE_MAX, Math.max(1, Number(query.get("limit") ?? 50)));
  const after = query.get("after");
  const before = query.get("before");
  const { messages } = place;
  if (after !== null) {
    const from = messages.findIndex(({ id }) => BigInt(id) > BigInt(after));
    return from < 0 ? [] : messages.slice(from, from + limit).reverse();
  }
  const end = before === null ? messages.length : messages.findLastIndex(({ id }) => BigInt(id) < BigInt(before)) + 1;
  return messages.slice(Math.max(0, end - limit), end).reverse();
}

async function readBody(request: IncomingMessage): Promise<Json | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error("body too large");
    chunks.push(chunk);
  }
  if (bytes === 0) return undefined;
  if (!String(request.headers["content-type"]).startsWith("application/json")) throw new Error("not JSON");
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as Json;
}

export function createRestApi(options: RestApiOptions): RestApi {
  const { clock, world, token, interactions, origin, changed, onMessage } = options;
  const script = createFaultScript();
  const sends: TakenSend[] = [];
  const calls = new Map<DiscordCall, number>();
  const lastPayloads = new Map<DiscordCall, Json>();
  const nonces = new Map<string, { readonly atMs: number; readonly message: StoredMessage }>();
  const windows = new Map<string, { startMs: number; count: number }>();
  let sendLimit: { readonly count: number; readonly perMs: number } | undefined;
  let commands: Json[] = [];

  /** Counts a message against its channel's limit. */
  const countSend = (channelId: string): { readonly refusal?: Answer; readonly headers: Record<string, string> } => {
    if (!sendLimit) return { headers: {} };
    const nowMs = clock.monotonic();
    let window = windows.get(channelId);
    if (!window || nowMs - window.startMs >= sendLimit.perMs) {
      window = { startMs: nowMs, count: 0 };
      windows.set(channelId, window);
    }
    const resetS = (window.startMs + sendLimit.perMs - nowMs) / 1_000;
    window.count += 1;
    const left = sendLimit.count - window.count;
    const headers = {
      "x-ratelimit-limit": String(sendLimit.count),
      "x-ratelimit-remaining": String(Math.max(0, left)),
      "x-ratelimit-reset-after": resetS.toFixed(3),
      "x-ratelimit-bucket": "send",
    };
    if (left >= 0) return { headers };
    const body = { message: "You are being rate limited.", retry_after: resetS, global: false };
    return {
      headers,
      refusal: { status: 429, body, headers: { ...headers, "x-ratelimit-scope": "user", "retry-after": String(Math.ceil(resetS)) } },
    };
  };

  const send = (place: Place, payload: Json): Answer => {
    if (place.state === "closed") return refuse(403, 50_007, "Cannot send messages to this user");
    const wrong = checkMessage(payload);
    if (wrong) return wrong;
    const nonceKey =
      payload.enforce_nonce === true && payload.nonce !== undefined ? `${place.id}/${JSON.stringify(payload.nonce)}` : undefined;
    const known = nonceKey === undefined ? undefined : nonces.get(nonceKey);
    if (known && clock.monotonic() - known.atMs < NONCE_MS) return { status: 200, body: world.messageJson(known.message) };
    const { refusal, headers } = countSend(place.id);
    if (refusal) return refusal;
    const { content = "", nonce, components = [] } = payload;
    const message = world.add(place, world.bot.id, { content, components, ...(nonce === undefined ? {} : { nonce }) });
    if (nonceKey !== undefined) nonces.set(nonceKey, { atMs: clock.monotonic(), message });
    sends.push({ messageId: message.id, channelId: place.id, text: String(content), payload });
    onMessage("MESSAGE_CREATE", place, message);
    return { status: 200, body: world.messageJson(message), headers };
  };

  const edit = (place: Place, messageId: string, payload: Json): Answer => {
    const message = world.find(place, messageId);
    if (!message) return refuse(404, 10_008, "Unknown Message");
    if (message.authorId !== world.bot.id) return refuse(403, 50_005, "Cannot edit a message authored by another user");
    const wrong = checkMessage(payload);
    if (wrong) return wrong;
    const { content, components = message.raw.components } = payload;
    message.raw = { ...message.raw, content, components, edited_timestamp: new Date(clock.now()).toISOString() };
    onMessage("MESSAGE_UPDATE", place, message);
    return { status: 200, body: world.messageJson(message) };
  };

  /** Runs what needs access to a channel. */
  const inPlace = (channelId: string, run: (place: Place) => Answer): Answer => {
    const place = world.place(channelId);
    if (!/^\d{1,20}$/.test(channelId)) return invalid("channel_id", `Value "${channelId}" is not snowflake.`);
    if (!place || place.state === "gone") return refuse(404, 10_003, "Unknown Channel");
    return place.state === "hidden" ? refuse(403, 50_001, "Missing Access") : run(place);
  };

  const channelCall = (method: string, channelId: string, rest: readonly string[], query: URLSearchParams): Call | undefined => {
    const [what, messageId] = rest;
    const at = (name: DiscordCall, run: (place: Place, payload: Json) => Answer): Call => ({
      name,
      channelId,
      run: (payload) => inPlace(channelId, (place) => run(place, payload)),
    });
    if (what === undefined && method === "GET") return at("other", (place) => ({ status: 200, body: world.placeJson(place) }));
    if (what === "typing" && method === "POST") return at("typing", () => ({ status: 204 }));
    if (what !== "messages") return undefined;
    if (messageId === undefined && method === "POST") return at("send", send);
    if (messageId === undefined && method === "GET")
      return at("read", (place) => ({ status: 200, body: pageOf(place, query).map(world.messageJson) }));
    if (messageId !== undefined && method === "PATCH") return at("edit", (place, payload) => edit(place, messageId, payload));
    if (messageId !== undefined && method === "GET") {
      return at("other", (place) => {
        const message = world.find(place, messageId);
        return message ? { status: 200, body: world.messageJson(message) } : refuse(404, 10_008, "Unknown Message");
      });
    }
    return undefined;
  };

  const gatewayAnswer = (): Answer => ({
    status: 200,
    body: {
      url: origin().replace(/^http/, "ws"),
      shards: 1,
      session_start_limit: { total: 1_000, remaining: 999, reset_after: 86_400_000, max_concurrency: 1 },
    },
  });

  const callFor = (method: string, path: string, query: URLSearchParams): Call | undefined => {
    const [first, second, third, ...rest] = path.split("/").filter((part) => part !== "");
    if (first === "channels" && second !== undefined)
      return channelCall(
        method,
        second,
        [third, ...rest].filter((part) => part !== undefined),
        query,
      );
    if (method === "GET" && path === "/gateway/bot") return { name: "gateway", run: gatewayAnswer };
    if (method === "GET" && path === "/users/@me") return { name: "other", run: () => ({ status: 200, body: world.botJson() }) };
    if (method === "POST" && path === "/users/@me/channels") {
      return {
        name: "other",
        run: ({ recipient_id: recipient }) =>
          isText(recipient, 20)
            ? { status: 200, body: world.placeJson(world.direct(String(recipient))) }
            : invalid("recipient_id", "Required."),
      };
    }
    if (first === "applications" && third === "commands") {
      if (second !== world.bot.applicationId)
        return { name: "commands", run: () => refuse(403, 20_012, "Not authorized on this application") };
      if (method === "GET") return { name: "commands", run: () => ({ status: 200, body: commands }) };
      if (method !== "PUT") return undefined;
      return {
        name: "commands",
        run: (payload) => {
          if (!areCommands(payload)) return invalid("commands", "Not a list of commands.");
          commands = payload;
          return { status: 200, body: commands.map((one) => ({ ...one, id: world.nextId() })) };
        },
      };
    }
    const ofInteraction = interactions.callFor(method, path, { checkMessage, send: (place, payload) => send(place, payload), edit });
    return ofInteraction && { ...ofInteraction, isPublic: true };
  };

  const answer = (response: ServerResponse, { status, body, headers = {} }: Answer): void => {
    if (response.writableEnded || response.destroyed) return;
    // A 204 with a content type makes clients parse nothing as JSON.
    response.writeHead(status, body === undefined ? headers : { ...headers, "content-type": "application/json" });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };

  const serveFile = (path: string, query: URLSearchParams, response: ServerResponse): void => {
    const fault = script.take("attachment", undefined);
    const file = world.attachmentAt(path.split("/")[2] ?? "", query.get("ex"));
    if (fault) failWith(fault, response);
    else if (!file) answer(response, { status: 404, body: "This content is no longer available." });
    else response.writeHead(200, { "content-type": file.mime }).end(file.bytes);
  };

  const serve: RestApi["serve"] = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", origin());
    if (pathname.startsWith("/attachments/")) {
      calls.set("attachment", (calls.get("attachment") ?? 0) + 1);
      serveFile(pathname, searchParams, response);
      return;
    }
    let payload: Json | undefined;
    try {
      payload = await readBody(request);
    } catch {
      answer(response, refuse(400, 50_109, "The request body contains invalid JSON."));
      return;
    }
    const method = request.method ?? "GET";
    const call = pathname.startsWith("/api/v10/") ? callFor(method, pathname.slice("/api/v10".length), searchParams) : undefined;
    const name = call?.name ?? "other";
    calls.set(name, (calls.get(name) ?? 0) + 1);
    if (payload) lastPayloads.set(name, payload);
    if (!String(request.headers["user-agent"]).startsWith("DiscordBot ("))
      answer(response, refuse(403, 0, "40333: internal network error"));
    else if (!call) answer(response, refuse(404, 0, "404: Not Found"));
    else if (call.isPublic !== true && request.headers.authorization !== `Bot ${token}`)
      answer(response, refuse(401, 0, "401: Unauthorized"));
    else {
      const fault = script.take(name, call.channelId);
      if (fault?.kind.startsWith("taken")) call.run(payload ?? {});
      if (fault) failWith(fault, response);
      else answer(response, call.run(payload ?? {}));
    }
    changed();
  };

  return {
    serve,
    fail: (fault, scope = {}) => script.add(fault, scope),
    sends: () => sends,
    calls: (call) => calls.get(call) ?? 0,
    lastPayload: (call) => lastPayloads.get(call),
    commands: () => commands,
    limitSends: (count, perMs) => {
      sendLimit = { count, perMs };
    },
  };
}
