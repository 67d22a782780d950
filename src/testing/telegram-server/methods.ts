/** Carries out calls of the Bot API, or lets them go wrong as scripted. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../ports/clock.ts";
import { badRequest, refuse, succeed, type Answer, type Payload } from "./answer.ts";
import type { Faults } from "./faults.ts";
import type { Files } from "./files.ts";
import { readPayload, writeAnswer, writeFault } from "./http.ts";
import type { Messages } from "./messages.ts";
import type { Polls } from "./polls.ts";
import type { Webhooks } from "./webhooks.ts";

/** What the calls act on. */
export interface MethodParts {
  readonly clock: Clock;
  readonly token: string;
  readonly bot: Payload;
  readonly latencyMs: number;
  readonly faults: Faults;
  readonly files: Files;
  readonly messages: Messages;
  readonly polls: Polls;
  readonly webhooks: Webhooks;
  /** Seconds that a send to this chat must wait. */
  readonly secondsToWait: (chatId: number) => number | undefined;
  /** True when a press of this id waited for an answer. */
  readonly answerPress: (id: string) => boolean;
  readonly called: (method: string, payload: Payload) => void;
}

const WEBHOOK_ACTIVE = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
/** Methods that are answered `true` and change nothing here. */
const SILENT_METHODS: ReadonlySet<string> = new Set(["sendChatAction", "setMyCommands", "deleteMyCommands"]);

/** Serves one request to its end. */
export function createMethods(parts: MethodParts): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { clock, token, bot, latencyMs, faults, files, messages, polls, webhooks } = parts;

  const setUp = (method: string, payload: Payload): Answer => {
    switch (method) {
      case "getMe":
        return succeed(bot);
      case "getFile":
        return files.describe(payload.file_id);
      case "getWebhookInfo":
        return webhooks.info();
      case "deleteWebhook":
        return webhooks.remove(payload);
      case "setWebhook":
        polls.end(refuse(409, "Conflict: terminated by setWebhook request"));
        return webhooks.set(payload);
      case "answerCallbackQuery":
        if (parts.answerPress(String(payload.callback_query_id))) return succeed(true);
        return badRequest("query is too old and response timeout expired or query ID is invalid");
      default:
        return SILENT_METHODS.has(method) ? succeed(true) : refuse(404, "Not Found: method not found");
    }
  };

  /** Undefined for a method that shows nothing to anybody. */
  const show = (method: string, payload: Payload): Answer | undefined => {
    if (SILENT_METHODS.has(method) || (method !== "editMessageText" && !method.startsWith("send"))) return undefined;
    const waitS = parts.secondsToWait(Number(payload.chat_id));
    if (waitS !== undefined) return refuse(429, `Too Many Requests: retry after ${waitS}`, { retry_after: waitS });
    return method === "editMessageText" ? messages.edit(payload) : messages.send(method, payload);
  };

  const poll = (payload: Payload, request: IncomingMessage, response: ServerResponse): void => {
    if (webhooks.state()) {
      writeAnswer(response, refuse(409, WEBHOOK_ACTIVE));
      return;
    }
    polls.poll(payload, {
      isGone: () => request.socket.destroyed || response.destroyed || request.socket.readableEnded,
      onClose: (closed) => response.on("close", closed),
      answer: (answer) => writeAnswer(response, answer),
      spoil: (fault) => writeFault(request, response, fault),
    });
  };

  const perform = (method: string, payload: Payload, request: IncomingMessage, response: ServerResponse): void => {
    const fault = faults.take(method, Number(payload.chat_id));
    if (method === "getUpdates" && !fault) return poll(payload, request, response);
    if (fault && !fault.kind.startsWith("taken")) return writeFault(request, response, fault);
    const shown = show(method, payload);
    const answer = shown ?? setUp(method, payload);
    if (fault) writeFault(request, response, fault);
    else if (shown && latencyMs > 0) clock.setTimer(latencyMs, () => writeAnswer(response, answer));
    else writeAnswer(response, answer);
  };

  const download = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const fault = faults.take("file", Number.NaN);
    const bytes = files.read(path);
    if (fault?.kind === "takenThenCut" && bytes) {
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, bytes.length >> 1), () => request.socket.destroy());
    } else if (fault) writeFault(request, response, fault);
    else if (bytes) response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes.length }).end(bytes);
    else writeAnswer(response, refuse(404, "Not Found"));
  };

  return async (request, response) => {
    const payload = await readPayload(request).catch(() => undefined);
    const [, file, given, rest] = /^\/(file\/)?bot([^/]*)\/([^?]+)/.exec(request.url ?? "") ?? [];
    if (payload === undefined) writeAnswer(response, badRequest("can't parse the body"));
    else if (given === undefined || rest === undefined) writeAnswer(response, refuse(404, "Not Found"));
    else if (decodeURIComponent(given) !== token) writeAnswer(response, refuse(401, "Unauthorized"));
    else if (file === undefined) {
      parts.called(rest, payload);
      perform(rest, payload, request, response);
    } else {
      parts.called("file", payload);
      download(decodeURIComponent(rest), request, response);
    }
  };
}
