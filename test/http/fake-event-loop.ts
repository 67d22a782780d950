/** An event loop without actors: records calls, answers fixed facts, and lets a test push stream events. */
import { parseChatKey } from "../../src/core/chat-key.ts";
import type { Content } from "../../src/core/content.ts";
import { RequestError } from "../../src/core/errors.ts";
import { createFakeJobs } from "./fake-jobs.ts";
import type { ChatDetail, EventLoop, StreamEvent, StreamOptions, SystemStatus } from "../../src/runtime/api.ts";

export interface FakeStream {
  readonly key: string;
  readonly options: StreamOptions;
  readonly push: (event: StreamEvent) => void;
  readonly fail: (error: Error) => void;
  /** Resolves once the iterator was returned. */
  readonly released: Promise<void>;
}

export interface FakeEventLoop {
  readonly loop: EventLoop;
  readonly calls: { readonly name: string; readonly args: readonly unknown[] }[];
  /** Resolves to the next stream that is opened. */
  readonly nextStream: () => Promise<FakeStream>;
  readonly jobs: ReturnType<typeof createFakeJobs>;
  /** What the next call of a method does instead of succeeding. */
  readonly fail: (name: keyof EventLoop, error: unknown) => void;
}

export const STATUS: SystemStatus = {
  version: "0.0.0",
  state: "running",
  startedAt: 1_000,
  node: "n1",
  store: "memory:",
  queue: { waiting: 0, running: 1, slots: 16, abandoned: 0, byClass: { interactive: 0 } },
  timers: 3,
  chats: { known: 2, live: 1, quarantined: 0 },
  loopDelayMs: { p50: 1, p99: 2 },
  memoryBytes: 1,
  channels: [
    {
      name: "telegram",
      kind: "telegram",
      state: "ready",
      since: 5,
      reason: undefined,
      lastTrafficAt: 7,
      counters: { received: 1, sent: 2, failed: 0 },
    },
  ],
};

export const reply = (id: number, text: string): StreamEvent => ({
  type: "reply",
  id: String(id),
  turnId: "t1",
  part: 1,
  of: 1,
  content: [{ type: "text", text }],
  text,
  inReplyTo: [id],
});

export function chatDetail(key: string): ChatDetail {
  const chat = parseChatKey(key);
  const content: Content = [{ type: "text", text: "hello" }];
  return {
    key: chat,
    channel: "api",
    state: "idle",
    since: 10,
    waiting: 1,
    lastMessageAt: 11,
    lastReplyAt: undefined,
    error: undefined,
    address: "",
    overlap: "queue",
    timers: [{ id: "idle", event: { type: "idle.over" }, dueAtMs: 99 }],
    waitingRows: [
      {
        chat,
        seq: 2,
        kind: "message",
        turnClass: "interactive",
        content,
        sender: { id: "1" },
        receivedAtMs: 12,
        status: "waiting",
        turnId: undefined,
      },
    ],
    turn: { turnId: "t1", attempt: 1, startedAt: 13, steps: 0 },
    history: [{ role: "user", content, atMs: 11, seq: 1 }],
    outbox: [
      {
        id: "7",
        chat,
        turnId: "t0",
        part: 1,
        of: 1,
        content,
        status: "waiting",
        attempts: 2,
        ambiguous: true,
        createdAtMs: 14,
        nextTryAtMs: 15,
        platformId: undefined,
        error: { code: "SEND_UNKNOWN", message: "no answer" },
        inReplyTo: [1],
      },
    ],
    revision: 4,
    unreachableSince: undefined,
  };
}

export function createFakeEventLoop(known: readonly string[] = ["api:alice", "telegram:1"]): FakeEventLoop {
  const calls: { name: string; args: readonly unknown[] }[] = [];
  const failures = new Map<string, unknown>();
  const waiters: ((stream: FakeStream) => void)[] = [];
  const opened: FakeStream[] = [];
  const seqs = new Map<string, number>();

  const does = async <T>(name: keyof EventLoop, args: readonly unknown[], result: () => T): Promise<T> => {
    calls.push({ name, args });
    if (failures.has(name)) {
      const error = failures.get(name);
      failures.delete(name);
      throw error;
    }
    return result();
  };
  const chatOf = (name: keyof EventLoop, key: string, ...rest: readonly unknown[]): Promise<ChatDetail> =>
    does(name, [key, ...rest], () => {
      if (!known.includes(key)) throw new RequestError("CHAT_UNKNOWN", `${key} is unknown; write to it first`, { path: "key" });
      return chatDetail(key);
    });

  const jobs = createFakeJobs();
  const loop: EventLoop = {
    start: () => Promise.resolve(),
    run: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
    addChatMessage: (key, content, options) =>
      does("addChatMessage", [key, content, options], () => {
        if (!key.startsWith("api:") && !known.includes(key)) throw new RequestError("CHAT_UNKNOWN", `${key} is unknown`, { path: "key" });
        const id = options?.messageId;
        const before = id === undefined ? undefined : seqs.get(id);
        const seq = before ?? seqs.size + 1;
        seqs.set(id ?? `#${seq}`, seq);
        return { seq, duplicate: before !== undefined };
      }),
    access: { configure: () => undefined },
    pairing: {
      list: () => does("pairing", ["list"], () => []),
      issue: (channel) =>
        does("pairing", ["issue", channel], () => ({ channel, code: "ABCD-EFGH", account: "@bot", url: undefined, expiresAtMs: 1 })),
      approve: (channel, id) => does("pairing", ["approve", channel, id], () => ({ id, role: "guest" as const, sinceMs: 1 })),
      revoke: (channel, id) => does("pairing", ["revoke", channel, id], () => undefined),
    },
    outbox: {
      list: (filter, page) => does("outbox", ["list", filter, page], () => ({ items: chatDetail("api:a").outbox, next: "7" })),
      retry: (id) => does("outbox", ["retry", id], () => chatDetail("api:a").outbox[0]!),
      purge: (id) => does("outbox", ["purge", id], () => undefined),
    },
    webhook: async (channel, request) => {
      const body = Buffer.from(await request.clone().arrayBuffer());
      return does("webhook", [channel, request, body], () => {
        if (channel !== "telegram") throw new RequestError("NOT_FOUND", `${channel} takes no webhooks`);
        return new Response(`took ${body.length}`, { headers: { "Content-Type": "text/plain" } });
      });
    },
    mayBegin: (key) => key.startsWith("api:"),
    send: (key, content) => does("send", [key, content], () => "42"),
    stream: (key, options = {}) => {
      calls.push({ name: "stream", args: [key, options] });
      const { stream, iterable } = createFakeStream(key, options);
      const waiter = waiters.shift();
      if (waiter) waiter(stream);
      else opened.push(stream);
      return iterable;
    },
    ...jobs,
    configure: () => Promise.resolve(),
    export: async (key) => ({ chat: await chatOf("export", key) }),
    erase: async (key) => void (await chatOf("erase", key)),
    stop: (key) => chatOf("stop", key),
    reset: (key) => chatOf("reset", key),
    retry: (key, options) => chatOf("retry", key, options),
    passivate: (key) => chatOf("passivate", key),
    chat: (key) => chatOf("chat", key),
    why: (key) =>
      does("why", [key], () => ({
        key,
        state: "idle",
        since: 10,
        sentence: "Idle.",
        waitsFor: undefined,
        endsBy: [{ event: "message.received" }],
      })),
    chats: (filter, page) => does("chats", [filter, page], () => ({ items: [chatDetail("api:alice")], next: "api:alice" })),
    events: (key, from, limit) =>
      does("events", [key, from, limit], () =>
        Array.from({ length: Math.min(limit, 2) }, (_, place) => ({
          revision: from + place,
          atMs: 20,
          events: [{ type: "message.received" }],
          stateBefore: "idle",
          stateAfter: "queued",
        })),
      ),
    status: () => does("status", [], () => STATUS),
    health: () => does("health", [], () => ({ healthy: true, loopDelayMs: 1, lastCommitAt: 2 })),
    isReady: () => !failures.delete("isReady"),
  };
  return {
    jobs,
    loop,
    calls,
    nextStream: () => {
      const stream = opened.shift();
      return stream ? Promise.resolve(stream) : new Promise((resolve) => waiters.push(resolve));
    },
    fail: (name, error) => void failures.set(name, error),
  };
}

/** Ignores its signal on purpose: only `return` ends it. */
function createFakeStream(
  key: string,
  options: StreamOptions,
): { readonly stream: FakeStream; readonly iterable: AsyncIterable<StreamEvent> } {
  const queue: StreamEvent[] = [];
  let failure: Error | undefined;
  let wake = (): void => undefined;
  let markReleased = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    markReleased = resolve;
  });
  const next = async (): Promise<IteratorResult<StreamEvent>> => {
    for (;;) {
      const value = queue.shift();
      if (value !== undefined) return { done: false, value };
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    stream: {
      key,
      options,
      released,
      push: (event) => {
        queue.push(event);
        wake();
      },
      fail: (error) => {
        failure = error;
        wake();
      },
    },
    iterable: {
      [Symbol.asyncIterator]: () => ({
        next,
        return: () => {
          markReleased();
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    },
  };
}
