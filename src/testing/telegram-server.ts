/**
 * A strict Bot API server over real HTTP, as far as this project uses it: it holds long polls or calls a webhook, redelivers what was not
 * confirmed, answers 409 to the older of two polls and to any beside a webhook, 401 to a wrong token and 400 to wrong entities, and keeps
 * an ordered log of what it took. Faults are scripted per call. It never confirms by itself.
 * @see https://core.telegram.org/bots/api
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../ports/clock.ts";
import type { Payload } from "./telegram-server/answer.ts";
import { createFaults, type FaultScope, type TelegramFault } from "./telegram-server/faults.ts";
import { createFiles } from "./telegram-server/files.ts";
import { createMessages, type ShownMessage, type TakenEdit, type TakenSend } from "./telegram-server/messages.ts";
import { createMethods } from "./telegram-server/methods.ts";
import { createPeople, type PressOptions, type SayOptions } from "./telegram-server/people.ts";
import { createPolls } from "./telegram-server/polls.ts";
import { createRates, type TelegramRates } from "./telegram-server/rates.ts";
import { createUpdates } from "./telegram-server/updates.ts";
import { createWebhooks, type WebhookState } from "./telegram-server/webhooks.ts";

export interface TelegramServerOptions {
  /** Used for holding polls, for latency and for repeating deliveries. */
  readonly clock: Clock;
  /** Default `1000001:test-token-AAAA`. */
  readonly token?: string;
  /** First update id. Default 1. */
  readonly firstUpdateId?: number;
  /** Delay before each answer to a send or an edit, in milliseconds. Default 0. */
  readonly latencyMs?: number;
  /** Longest wait before a webhook delivery is repeated, whatever the bot asks for, in milliseconds. Default 50; Telegram's is an hour. */
  readonly webhookRetryMaxMs?: number;
  /** Answer 429 to sends and edits beyond these. Default: no limits. */
  readonly rates?: TelegramRates;
}

export interface TelegramServer {
  /** For the channel's `apiRoot`. */
  readonly apiRoot: string;
  readonly token: string;
  readonly bot: { readonly id: number; readonly username: string };
  /** A person writes a text; gives the update id. */
  readonly say: (text: string, options?: SayOptions) => number;
  /** A person changes what they said by `say`, named by its update id; gives the update id. `extra` is laid over the message. */
  readonly editSaid: (updateId: number, text: string, extra?: Payload) => number;
  /** A person presses a button of a sent message; gives the update id. */
  readonly press: (data: string, options?: PressOptions) => number;
  /** A group becomes a supergroup: both updates, and sends to the old id are refused from now on. */
  readonly migrate: (from: number, to: number) => void;
  /** Any update, without its id; `updateId` overrides the counter. */
  readonly push: (update: Payload, updateId?: number) => number;
  /** Makes a file, for downloads and for sending again. */
  readonly putFile: (fileId: string, bytes: Uint8Array, path?: string) => void;
  /** Ids of the updates that no offset and no webhook has confirmed. */
  readonly unconfirmed: () => readonly number[];
  readonly sends: () => readonly TakenSend[];
  readonly edits: () => readonly TakenEdit[];
  /** The bot's messages in a chat as they are now. */
  readonly shown: (chatId: number) => readonly ShownMessage[];
  readonly webhook: () => WebhookState | undefined;
  /** Requests made to the webhook, repetitions included. */
  readonly deliveries: () => number;
  /** How often a method was called, faults included. */
  readonly calls: (method: string) => number;
  /** Payload of the last call of a method. */
  readonly lastPayload: (method: string) => Payload | undefined;
  /** How often a poll met another that was still held. */
  readonly overlaps: () => number;
  readonly heldPolls: () => number;
  /** The next calls in scope go wrong; a poll that is held goes wrong at once. */
  readonly fail: (fault: TelegramFault, scope?: FaultScope) => void;
  /** Resolves as soon as the condition holds; it is looked at whenever something happens here. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Resolves waiters as soon as what they wait for holds. */
function createWaiters(): { readonly until: (condition: () => boolean) => Promise<void>; readonly changed: () => void } {
  const waiters = new Set<{ readonly condition: () => boolean; readonly resolve: () => void }>();
  return {
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    changed: () => {
      for (const waiter of waiters) {
        if (!waiter.condition()) continue;
        waiters.delete(waiter);
        waiter.resolve();
      }
    },
  };
}

/** Opens the server on 127.0.0.1, port 0. */
export async function openTelegramServer(options: TelegramServerOptions): Promise<TelegramServer> {
  const { clock, token = "1000001:test-token-AAAA", latencyMs = 0 } = options;
  const bot = { id: Number(token.split(":")[0]) || 666, is_bot: true, first_name: "Sati", username: "sati_test_bot" };
  let lastMessageId = 0;
  const nextMessageId = (): number => (lastMessageId += 1);
  const calls = new Map<string, number>();
  const lastPayloads = new Map<string, Payload>();
  const { until, changed } = createWaiters();
  const faults = createFaults();
  const files = createFiles();
  const updates = createUpdates(options.firstUpdateId ?? 1);
  const polls = createPolls(clock, updates, changed);
  const webhooks = createWebhooks({ clock, updates, faults, retryMaxMs: options.webhookRetryMaxMs ?? 50, changed });
  const messages = createMessages({ clock, bot, nextMessageId, hasFile: files.has });
  const push = (update: Payload, updateId?: number): number => {
    const pushed = updates.push(update, updateId);
    polls.wake();
    webhooks.pushed(pushed);
    changed();
    return pushed.update_id;
  };
  const people = createPeople({ clock, bot, nextMessageId, push, sends: messages.sends });
  const serve = createMethods({
    clock,
    token,
    bot,
    latencyMs,
    faults,
    files,
    messages,
    polls,
    webhooks,
    secondsToWait: createRates(clock, options.rates ?? {}),
    answerPress: people.answerPress,
    called: (method, payload) => {
      calls.set(method, (calls.get(method) ?? 0) + 1);
      lastPayloads.set(method, payload);
    },
  });
  const server = createServer((request, response) => {
    // A request whose socket dies while it is read has nobody left to answer.
    serve(request, response).then(changed, () => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });

  return {
    apiRoot: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    bot,
    push,
    say: people.say,
    editSaid: people.editSaid,
    press: people.press,
    migrate: (from, to) => {
      messages.migrate(from, to);
      people.migrate(from, to);
    },
    putFile: (fileId, bytes, path = `documents/${fileId}.bin`) => files.put(fileId, bytes, path),
    unconfirmed: updates.ids,
    sends: messages.sends,
    edits: messages.edits,
    shown: messages.shown,
    webhook: webhooks.state,
    deliveries: webhooks.requests,
    calls: (method) => calls.get(method) ?? 0,
    lastPayload: (method) => lastPayloads.get(method),
    overlaps: polls.overlaps,
    heldPolls: polls.held,
    fail: (fault, { method = "sendMessage", chatId, times = 1 } = {}) => {
      const isHeld = method === "getUpdates" && polls.spoil(fault);
      if (!isHeld || times > 1) faults.add(fault, { method, chatId, times: isHeld ? times - 1 : times });
    },
    until,
    close: async () => {
      webhooks.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
