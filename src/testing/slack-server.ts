/**
 * A strict Slack over real HTTP, as far as this project uses it: the Web API with Slack's limits and error names, files that want the
 * token, and events that are really signed and posted again until they are confirmed (slack-events.ts). Faults are scripted per call.
 * @see https://docs.slack.dev/reference/methods
 */
import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../ports/clock.ts";
import { createSlackEvents } from "./slack-events.ts";
import type { SlackEvents } from "./slack-events.ts";

export interface SlackServerOptions {
  readonly clock: Clock;
  /** Default 5. */
  readonly retryMs?: number;
  /** Default: for ever. */
  readonly retriesMax?: number;
}

/** How a call goes wrong. */
export type SlackFault =
  /** `{ ok: false, error: name }`. */
  | { readonly kind: "error"; readonly name: string }
  | { readonly kind: "throttled"; readonly retryAfterS: number }
  /** An HTTP status with a page in place of JSON. */
  | { readonly kind: "status"; readonly status: number }
  /** The connection is cut before anything was done. */
  | { readonly kind: "cut" }
  /** The call takes effect, then the connection is cut. */
  | { readonly kind: "takenThenCut" };

/** A message that Slack shows, as it is now. */
export interface SlackMessage {
  readonly ts: string;
  readonly channel: string;
  readonly threadTs: string | undefined;
  /** `markdown_text`, or else `text`. */
  readonly text: string;
  readonly blocks: readonly Readonly<Record<string, unknown>>[];
  readonly isEdited: boolean;
}

export interface SaySlackOptions {
  /** Default `U7`. */
  readonly user?: string;
  /** Default `D7`, the direct messages of that user; `C…` is a public channel. */
  readonly channel?: string;
  readonly threadTs?: string;
  /** Default: a new one. */
  readonly ts?: string;
  /** Default `message`. */
  readonly type?: "message" | "app_mention";
  /** Laid over the event. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface SlackFile {
  readonly id: string;
  readonly name: string;
  readonly mimetype: string;
  readonly size: number;
  readonly url_private: string;
}

export interface SlackServer {
  /** For the adapter's `apiUrl`. */
  readonly apiUrl: string;
  readonly token: string;
  readonly signingSecret: string;
  readonly botUserId: string;
  readonly events: SlackEvents;
  /** A person writes; gives the message's `ts`. */
  readonly say: (text: string, options?: SaySlackOptions) => string;
  /** A file that was uploaded to Slack. */
  readonly addFile: (name: string, mimetype: string, bytes: Uint8Array) => SlackFile;
  /** Fetches a file of Slack's own host from here; for the adapter's `fileTransport`. */
  readonly fileTransport: (url: URL, signal: AbortSignal, headers?: Record<string, string>) => Promise<IncomingMessage>;
  /** Messages of the bot, in the order in which they were taken. */
  readonly messages: () => readonly SlackMessage[];
  /** How often a method was called, faults included. */
  readonly calls: (method: string) => number;
  readonly lastPayload: (method: string) => Readonly<Partial<Record<string, string>>> | undefined;
  /** The next `times` calls of a method (default one `chat.postMessage`) go wrong. */
  readonly fail: (fault: SlackFault, scope?: { readonly method?: string; readonly times?: number }) => void;
  /** From now on there is no such token. */
  readonly revoke: () => void;
  /** Resolves as soon as the condition holds; it is looked at whenever something happens here. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

const MARKDOWN_MAX = 12_000;
const TEXT_MAX = 40_000;
const SECTION_MAX = 3_000;
const BODY_BYTES_MAX = 1024 * 1024;
const KEPT_MAX = 1_000_000;
const BOT = { user: "UBOT", bot: "BBOT", name: "satibot", shown: "Sati" };

/** Form fields: what `@slack/web-api` sends; nested values are JSON. */
type Payload = Readonly<Partial<Record<string, string>>>;
type Block = Readonly<Record<string, unknown>>;
type Reply = Readonly<Record<string, unknown>>;

async function readPayload(request: IncomingMessage): Promise<Payload> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error("body too large");
    chunks.push(chunk);
  }
  return Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString("utf8")));
}

function refuse(error: string): Reply {
  return { ok: false, error };
}

/** Why Slack refuses the content of a message; undefined when it takes it. */
function contentError(payload: Payload): string | undefined {
  const { text, markdown_text: markdown, blocks } = payload;
  if (markdown !== undefined && (text !== undefined || blocks !== undefined)) return "markdown_text_conflict";
  if ((markdown ?? "").length > MARKDOWN_MAX || (text ?? "").length > TEXT_MAX) return "msg_too_long";
  const parsed = blocksOf(payload);
  const isTooLong = parsed.some((block) => ((block.text as Payload | undefined)?.text ?? "").length > SECTION_MAX);
  if (isTooLong || parsed.length > 50) return "invalid_blocks";
  return (markdown ?? text ?? "").trim() === "" && parsed.length === 0 ? "no_text" : undefined;
}

function blocksOf({ blocks }: Payload): readonly Block[] {
  return blocks === undefined ? [] : (JSON.parse(blocks) as Block[]);
}

/** Opens the server on 127.0.0.1, port 0. */
export async function openSlackServer({ clock, retryMs = 5, retriesMax = Infinity }: SlackServerOptions): Promise<SlackServer> {
  let token = "xoxb-1000001-test-token-AAAA";
  const shownToken = token;
  const signingSecret = "0123456789abcdef0123456789abcdef";
  const messages: SlackMessage[] = [];
  const files = new Map<string, { readonly file: SlackFile; readonly bytes: Uint8Array }>();
  const calls = new Map<string, number>();
  const lastPayloads = new Map<string, Payload>();
  const faults: { readonly fault: SlackFault; readonly method: string; times: number }[] = [];
  const waiters = new Set<{ readonly condition: () => boolean; readonly resolve: () => void }>();
  let nextTs = 1;

  const changed = (): void => {
    for (const waiter of waiters) {
      if (!waiter.condition()) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };
  const events = createSlackEvents({ clock, signingSecret, retryMs, retriesMax, changed });
  const newTs = (): string => `1700000000.${String(nextTs++).padStart(6, "0")}`;

  const postMessage = (payload: Payload): Reply => {
    const { channel = "", thread_ts: threadTs } = payload;
    if (!/^[CDG][A-Z0-9]+$/.test(channel) || channel === "C404") return refuse("channel_not_found");
    const wrong = contentError(payload);
    if (wrong !== undefined) return refuse(wrong);
    if (messages.length >= KEPT_MAX) return refuse("fatal_error");
    const ts = newTs();
    messages.push({
      ts,
      channel,
      threadTs,
      text: payload.markdown_text ?? payload.text ?? "",
      blocks: blocksOf(payload),
      isEdited: false,
    });
    return { ok: true, channel, ts, message: { ts, bot_id: BOT.bot, user: BOT.user, type: "message" } };
  };

  const update = (payload: Payload): Reply => {
    const place = messages.findIndex(({ ts, channel }) => ts === payload.ts && channel === payload.channel);
    const found = messages[place];
    if (!found) return refuse("message_not_found");
    const wrong = contentError(payload);
    if (wrong !== undefined) return refuse(wrong);
    messages[place] = { ...found, text: payload.markdown_text ?? payload.text ?? "", blocks: blocksOf(payload), isEdited: true };
    return { ok: true, channel: found.channel, ts: found.ts };
  };

  const userInfo = (id: string): Reply => {
    const isBot = id === BOT.user;
    const shown = isBot ? BOT.shown : `Person ${id}`;
    const profile = { display_name: shown, real_name: shown };
    return { ok: true, user: { id, name: isBot ? BOT.name : id.toLowerCase(), real_name: shown, is_bot: isBot, profile } };
  };

  const perform = (method: string, payload: Payload): Reply => {
    switch (method) {
      case "auth.test":
        return {
          ok: true,
          url: "https://test.slack.com/",
          team: "Test",
          team_id: "T1",
          user: BOT.name,
          user_id: BOT.user,
          bot_id: BOT.bot,
        };
      case "chat.postMessage":
        return postMessage(payload);
      case "chat.update":
        return update(payload);
      case "users.info":
        return userInfo(payload.user ?? "");
      case "conversations.info":
        return { ok: true, channel: { id: payload.channel, name: "general" } };
      case "assistant.threads.setStatus":
        return { ok: true };
      default:
        return refuse("unknown_method");
    }
  };

  const takeFault = (method: string): SlackFault | undefined => {
    const place = faults.findIndex((one) => one.method === method);
    const found = faults[place];
    if (!found) return undefined;
    found.times -= 1;
    if (found.times <= 0) faults.splice(place, 1);
    return found.fault;
  };

  const answer = (response: ServerResponse, status: number, body: Reply, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers }).end(JSON.stringify(body));
  };

  const goWrong = (fault: SlackFault, request: IncomingMessage, response: ServerResponse): void => {
    if (fault.kind === "error") answer(response, 200, refuse(fault.name));
    else if (fault.kind === "throttled") answer(response, 429, refuse("ratelimited"), { "retry-after": String(fault.retryAfterS) });
    else if (fault.kind === "status") response.writeHead(fault.status, { "content-type": "text/html" }).end("<html>gateway</html>");
    else request.socket.destroy();
  };

  const serveFile = (path: string, isAllowed: boolean, response: ServerResponse): void => {
    const found = files.get(path);
    // Slack shows its login page to who has no token.
    if (!found || !isAllowed) response.writeHead(200, { "content-type": "text/html" }).end("<html>sign in</html>");
    else response.writeHead(200, { "content-type": found.file.mimetype }).end(found.bytes);
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    const given = request.headers.authorization?.replace(/^Bearer /, "");
    const method = /^\/api\/([\w.]+)$/.exec(pathname)?.[1];
    if (method === undefined) return serveFile(pathname, given === token, response);
    const payload = await readPayload(request);
    calls.set(method, (calls.get(method) ?? 0) + 1);
    lastPayloads.set(method, payload);
    const fault = takeFault(method);
    if (fault?.kind === "takenThenCut") perform(method, payload);
    if (fault) goWrong(fault, request, response);
    else if ((given ?? payload.token) !== token) answer(response, 200, refuse("invalid_auth"));
    else answer(response, 200, perform(method, payload));
    changed();
  };

  const server = createServer((request, response) => {
    // A request whose socket dies while it is read has nobody left to answer.
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    apiUrl: `http://127.0.0.1:${port}/api/`,
    token: shownToken,
    signingSecret,
    botUserId: BOT.user,
    events,
    say: (text, { user = "U7", channel = "D7", threadTs, ts = newTs(), type = "message", extra } = {}) => {
      const channelType = channel.startsWith("D") ? "im" : "channel";
      const thread = threadTs === undefined ? {} : { thread_ts: threadTs };
      events.push({ type, channel, channel_type: channelType, user, text, ts, event_ts: ts, team: "T1", ...thread, ...extra });
      return ts;
    },
    addFile: (name, mimetype, bytes) => {
      const id = `F${files.size + 1}`;
      const path = `/files-pri/T1-${id}/${encodeURIComponent(name)}`;
      const file = { id, name, mimetype, size: bytes.length, url_private: `https://files.slack.com${path}` };
      files.set(path, { file, bytes });
      return file;
    },
    fileTransport: (url, signal, headers = {}) =>
      new Promise((resolve, reject) => {
        httpRequest({ host: "127.0.0.1", port, path: url.pathname, headers, signal }, resolve).on("error", reject).end();
      }),
    messages: () => messages,
    calls: (method) => calls.get(method) ?? 0,
    lastPayload: (method) => lastPayloads.get(method),
    fail: (fault, { method = "chat.postMessage", times = 1 } = {}) => {
      faults.push({ fault, method, times });
    },
    revoke: () => {
      token = "revoked";
    },
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    close: async () => {
      await events.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
