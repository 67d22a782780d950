import { afterEach, describe, expect, it } from "vitest";
import { InvariantError, RequestError, TransientError } from "../../src/core/errors.ts";
import { STATUS } from "./fake-event-loop.ts";
import { closeRigs, openRig, raw } from "./rig.ts";

afterEach(closeRigs);

const get = async (url: string): Promise<{ status: number; body: unknown }> => {
  const answer = await fetch(url);
  return { status: answer.status, body: await answer.json() };
};
const post = async (url: string, body?: unknown): Promise<{ status: number; body: unknown; headers: Headers }> => {
  const answer = await fetch(url, { method: "POST", body: body === undefined ? undefined : JSON.stringify(body) });
  return { status: answer.status, body: await answer.json(), headers: answer.headers };
};

const CHAT = { key: "api:alice", channel: "api", state: "idle", since: 10, waiting: 1, lastMessageAt: 11 };
const DETAIL = {
  ...CHAT,
  address: "",
  overlap: "queue",
  timers: [{ id: "idle", event: "idle.over", dueAt: 99 }],
  waitingRows: [{ seq: 2, kind: "message", text: "hello", receivedAt: 12 }],
  turn: { turnId: "t1", attempt: 1, startedAt: 13, steps: 0 },
  history: [{ role: "user", text: "hello", at: 11, seq: 1 }],
  outbox: [
    {
      id: "7",
      chat: "api:alice",
      seq: 7,
      part: 1,
      of: 1,
      content: [{ type: "text", text: "hello" }],
      text: "hello",
      status: "ambiguous",
      attempts: 2,
      ambiguous: true,
      nextTryAt: 15,
      error: { code: "SEND_UNKNOWN", message: "no answer" },
      inReplyTo: [1],
    },
  ],
  revision: 4,
};

describe("reading", () => {
  it.each([
    ["/healthz", { status: "ok", loopDelayMs: 1, lastCommitAt: 2 }],
    ["/readyz", { status: "ready" }],
    ["/api/system", JSON.parse(JSON.stringify(STATUS)) as unknown],
    ["/api/channels", { items: JSON.parse(JSON.stringify(STATUS.channels)) as unknown, next: null }],
    ["/api/chats", { items: [CHAT], next: "api:alice" }],
    ["/api/chats/api:alice", DETAIL],
    [
      "/api/chats/api%3Aalice/why",
      { key: "api:alice", state: "idle", since: 10, sentence: "Idle.", endsBy: [{ event: "message.received" }] },
    ],
    [
      "/api/chats/api:alice/events?from=3",
      {
        items: [
          { revision: 3, at: 20, events: [{ type: "message.received" }], stateBefore: "idle", stateAfter: "queued" },
          { revision: 4, at: 20, events: [{ type: "message.received" }], stateBefore: "idle", stateAfter: "queued" },
        ],
        next: null,
      },
    ],
  ])("GET %s answers in the shape of the API", async (path, body) => {
    const rig = await openRig();
    expect(await get(`${rig.url}${path}`)).toEqual({ status: 200, body });
  });

  it("passes filters and pages on", async () => {
    const rig = await openRig();
    await get(`${rig.url}/api/chats?state=idle,passivated&channel=telegram&q=al&limit=5&cursor=api%3Aa`);
    expect(rig.calls[0]?.args).toEqual([
      { states: ["idle", "passivated"], channel: "telegram", query: "al" },
      { limit: 5, cursor: "api:a" },
    ]);
  });

  it("pages through events by revision", async () => {
    const rig = await openRig();
    const { body } = await get(`${rig.url}/api/chats/api:alice/events?limit=2`);
    expect(body).toMatchObject({ next: "2" });
    await get(`${rig.url}/api/chats/api:alice/events?limit=2&cursor=2`);
    expect(rig.calls.map(({ args }) => args)).toEqual([
      ["api:alice", 0, 2],
      ["api:alice", 2, 2],
    ]);
  });

  it("lists its routes at /", async () => {
    const rig = await openRig();
    const { body } = await get(`${rig.url}/`);
    expect((body as { routes: string[] }).routes).toContain("POST /api/chats/:key/messages");
  });

  it("answers HEAD without a body", async () => {
    const rig = await openRig();
    expect(await raw(rig, { method: "HEAD", path: "/api/system" })).toMatchObject({ status: 200, text: "" });
  });
});

describe("keys in paths", () => {
  it.each(["api:a/b", "api:100%", "api:%41", "api:a b", "api:😀", "api:%2F", "api:a?b#c", "api:..", "api:a:b", "api:é"])(
    "are decoded once: %s",
    async (key) => {
      const rig = await openRig();
      expect((await post(`${rig.url}/api/chats/${encodeURIComponent(key)}/messages`, { text: "hi" })).status).toBe(202);
      expect(rig.calls[0]?.args[0]).toBe(key);
    },
  );
});

describe("writing", () => {
  it("accepts a message after its commit and tells of repetitions", async () => {
    const rig = await openRig();
    const url = `${rig.url}/api/chats/api:bob/messages`;
    const body = { text: "hi", messageId: "m1", sender: { id: "7", name: "Bob" } };
    expect(await post(url, body)).toMatchObject({ status: 202, body: { seq: 1, duplicate: false } });
    expect(await post(url, body)).toMatchObject({ status: 202, body: { seq: 1, duplicate: true } });
    expect(rig.calls[0]).toEqual({
      name: "addChatMessage",
      args: ["api:bob", [{ type: "text", text: "hi" }], { messageId: "m1", sender: { id: "7", name: "Bob" } }],
    });
  });

  it("accepts content", async () => {
    const rig = await openRig();
    const content = [{ type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 3, ref: "x" }];
    expect((await post(`${rig.url}/api/chats/api:bob/messages`, { content })).status).toBe(202);
    expect(rig.calls[0]?.args[1]).toEqual(content);
  });

  it('delivers direction "out" without a turn', async () => {
    const rig = await openRig();
    const answer = await post(`${rig.url}/api/chats/telegram:1/messages`, { text: "hi", direction: "out" });
    expect(answer).toMatchObject({ status: 202, body: { id: "42" } });
    expect(rig.calls).toEqual([{ name: "send", args: ["telegram:1", [{ type: "text", text: "hi" }]] }]);
  });

  it.each(["stop", "reset", "retry", "passivate"])("POST /%s answers with the chat", async (action) => {
    const rig = await openRig();
    expect(await post(`${rig.url}/api/chats/api:alice/${action}`)).toMatchObject({ status: 200, body: DETAIL });
  });

  it("passes skip on to retry", async () => {
    const rig = await openRig();
    await post(`${rig.url}/api/chats/api:alice/retry`, { skip: true });
    expect(rig.calls[0]?.args).toEqual(["api:alice", { skip: true }]);
  });
});

describe("errors", () => {
  it.each([
    [new RequestError("MESSAGE_CONFLICT", "other body"), 409, undefined],
    [new RequestError("WRONG_STATE", "nothing to retry"), 409, undefined],
    [new RequestError("CHAT_UNKNOWN", "unknown"), 404, undefined],
    [new RequestError("INBOX_FULL", "full"), 429, "1"],
    [new TransientError("INBOX_FULL", "full", { retryAfterMs: 2_500 }), 429, "3"],
    [new TransientError("DRAINING", "draining"), 503, "5"],
    [new TransientError("STORE_UNAVAILABLE", "no store", { retryAfterMs: 10 }), 503, "1"],
  ])("%s becomes %i", async (error, status, retryAfter) => {
    const rig = await openRig();
    rig.fail("addChatMessage", error);
    const answer = await post(`${rig.url}/api/chats/api:bob/messages`, { text: "hi" });
    expect(answer).toMatchObject({ status, body: { error: { code: error.code, message: error.message } } });
    expect(answer.headers.get("retry-after") ?? undefined).toBe(retryAfter);
  });

  it.each([
    new Error("secret detail", { cause: new Error("deep cause") }),
    new InvariantError("secret detail", { cause: new Error("deep cause") }),
  ])("an unforeseen one is a 500 that tells nothing, and is logged with its cause", async (error) => {
    const rig = await openRig();
    rig.fail("status", error);
    const { status, body } = await get(`${rig.url}/api/system`);
    expect(status).toBe(500);
    expect(body).toMatchObject({ error: { code: "INTERNAL" } });
    expect(JSON.stringify(body)).not.toContain("secret");
    expect(rig.lines.join("\n")).toMatch(/secret detail[^]*deep cause/);
  });

  it("survives a thrown value that is no error", async () => {
    const rig = await openRig();
    rig.fail("status", "a string");
    expect(await get(`${rig.url}/api/system`)).toMatchObject({ status: 500, body: { error: { code: "INTERNAL" } } });
  });

  it.each([
    ["POST", "/api/system", 405],
    ["DELETE", "/api/chats", 405],
    ["PUT", "/api/chats/api:alice/messages", 405],
    ["GET", "/api/chats/api:alice/stop", 405],
    ["HEAD", "/api/chats/api:alice/stream", 405],
    ["OPTIONS", "/healthz", 405],
    ["PUT", "/api/chats/api:alice", 405],
    ["GET", "/api/chats/api:alice/nothing", 404],
    ["GET", "/api/job", 404],
    ["POST", "/api/jobs/x/walk", 404],
    ["GET", "/api/outboxes", 404],
    ["GET", "/api/machines", 404],
    ["GET", "/metrics", 404],
    ["POST", "/webhooks/telegram/more", 404],
    ["POST", "/hooks/deploy/more", 404],
    ["GET", "/inspect", 404],
    ["GET", "/api//chats", 404],
    ["GET", "//api/chats", 404],
    ["GET", "/api/chats/", 404],
    ["GET", "/api/chats/api:a/b", 404],
  ])("%s %s is %i", async (method, path, status) => {
    const rig = await openRig();
    const answer = await raw(rig, { method, path });
    expect(answer.status).toBe(status);
    const wanted = status === 405 ? '"METHOD_NOT_ALLOWED"' : "does not exist in this version";
    expect(answer.text).toContain(method === "HEAD" ? "" : wanted);
    expect(/GET|POST/.test(answer.headers.allow?.toString() ?? "")).toBe(status === 405);
  });
});

describe("health", () => {
  it("is 503 when the loop says so, fails or does not answer", async () => {
    const rig = await openRig();
    rig.fail("health", new Error("broken"));
    expect(await get(`${rig.url}/healthz`)).toMatchObject({ status: 503, body: { status: "unhealthy", error: { code: "NOT_READY" } } });

    const sick = await openRig({
      loop: { ...rig.loop, health: () => Promise.resolve({ healthy: false, loopDelayMs: 900, lastCommitAt: undefined }) },
    });
    expect(await get(`${sick.url}/healthz`)).toMatchObject({ status: 503, body: { status: "unhealthy", loopDelayMs: 900 } });

    let asked = (): void => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const mute = await openRig({ loop: { ...rig.loop, health: () => (asked(), new Promise(() => undefined)) } });
    const answer = get(`${mute.url}/healthz`);
    await isAsked;
    await new Promise(setImmediate);
    mute.clock.advance(5_000);
    expect(await answer).toMatchObject({ status: 503 });
  });

  it("is not ready while intake is closed", async () => {
    const rig = await openRig();
    rig.fail("isReady", undefined);
    const answer = await raw(rig, { path: "/readyz" });
    expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  });
});
