import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { TransientError } from "../../src/core/errors.ts";
import { closeRigs, openRig, raw, type Rig } from "./rig.ts";

afterEach(closeRigs);

const PATH = "/webhooks/telegram";
const MIB = 1024 * 1024;

/** The channel, the request and the body that reached the event loop last. */
function lastCall(rig: Rig): { readonly channel: unknown; readonly request: Request; readonly body: Buffer } {
  const [channel, request, body] = rig.calls.findLast(({ name }) => name === "webhook")?.args ?? [];
  return { channel, request: request as Request, body: body as Buffer };
}

describe("webhooks", () => {
  it("reach their channel with every byte of the body and the headers as they were sent", async () => {
    const rig = await openRig();
    const body = Buffer.from([0x7b, 0x00, 0xff, 0xfe, 0x0d, 0x0a, 0x7d]);
    const answer = await raw(rig, { method: "POST", path: `${PATH}?a=1%20b`, body, headers: { "X-Hub-Signature-256": "sha256=00" } });
    expect([answer.status, answer.text, answer.headers["content-type"]]).toEqual([200, "took 7", "text/plain"]);
    const { channel, request, body: given } = lastCall(rig);
    expect(channel).toBe("telegram");
    expect(given.equals(body)).toBe(true);
    expect([request.method, new URL(request.url).search, request.headers.get("x-hub-signature-256")]).toEqual([
      "POST",
      "?a=1%20b",
      "sha256=00",
    ]);
  });

  it("reach it by GET with their query, for the challenge", async () => {
    const rig = await openRig();
    expect((await raw(rig, { path: `${PATH}?hub.challenge=1` })).status).toBe(200);
    expect([lastCall(rig).request.method, lastCall(rig).body.length]).toEqual(["GET", 0]);
  });

  it("come in whatever their Host and Origin, and without the token", async () => {
    const rig = await openRig({ token: "s3cret", host: "127.0.0.1" });
    const headers = { Host: "bot.example", Origin: "https://web.telegram.org" };
    expect((await raw(rig, { method: "POST", path: PATH, headers, body: "{}" })).status).toBe(200);
    expect((await raw(rig, { path: "/api/system", headers: { Host: "localhost" } })).status).toBe(401);
  });

  it.each(["/webhooks/other", "/webhooks/", "/webhooks", "/webhooks/telegram/more", "/webhooks/%2e%2e/api"])(
    "for %s are 404 and do not say what there is",
    async (path) => {
      const rig = await openRig();
      const answer = await raw(rig, { method: "POST", path, body: "{}" });
      expect(answer.status).toBe(404);
      expect(answer.text).not.toContain("whatsapp");
    },
  );

  it("open no way around the token", async () => {
    const rig = await openRig({ token: "s3cret" });
    for (const path of ["/webhooks/../api/system", "/webhooks/..%2fapi%2fsystem", "//webhooks/../api/system", "/api/system?/webhooks/"])
      expect([401, 404]).toContain((await raw(rig, { path })).status);
  });

  it("take POST and GET only", async () => {
    const rig = await openRig();
    const answer = await raw(rig, { method: "DELETE", path: PATH });
    expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD, POST"]);
  });

  it("take 1 MiB, and refuse one byte more before the channel sees it", async () => {
    const rig = await openRig();
    expect((await raw(rig, { method: "POST", path: PATH, body: Buffer.alloc(MIB) })).text).toBe(`took ${MIB}`);
    const calls = rig.calls.length;
    expect((await raw(rig, { method: "POST", path: PATH, body: Buffer.alloc(MIB + 1) })).status).toBe(413);
    expect(rig.calls.length).toBe(calls);
  });

  it("whose connection ends before their body never reach the channel", async () => {
    const rig = await openRig();
    const socket = connect(rig.port, "127.0.0.1");
    socket.write(`POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`, () => socket.destroy());
    await once(socket, "close");
    await raw(rig, { method: "POST", path: PATH, body: "whole" });
    expect(rig.calls.filter(({ name }) => name === "webhook")).toHaveLength(1);
  });

  it("are answered while strangers are slow to send what they announced", async () => {
    const rig = await openRig();
    const strangers = Array.from({ length: 200 }, () => connect(rig.port, "127.0.0.1"));
    await Promise.all(strangers.map((socket) => once(socket, "connect")));
    for (const socket of strangers) socket.write(`POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`);
    expect((await raw(rig, { method: "POST", path: PATH, body: "{}" })).status).toBe(200);
    for (const socket of strangers) socket.destroy();
  });

  it.each([
    [new TransientError("DRAINING", "shutting down", { retryAfterMs: 2_000 }), "2"],
    [new TransientError("NOT_READY", "telegram is not connected; send it again", { retryAfterMs: 5_000 }), "5"],
  ])("are told to come again: %s", async (error, retryAfter) => {
    const rig = await openRig();
    rig.fail("webhook", error);
    const answer = await raw(rig, { method: "POST", path: PATH, body: "{}" });
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, retryAfter]);
  });

  it("that nobody foresaw to fail say nothing of why, and the log does", async () => {
    const rig = await openRig();
    rig.fail("webhook", new Error("password of the database"));
    const answer = await raw(rig, { method: "POST", path: PATH, body: "{}" });
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(answer.text).not.toContain("password");
    expect(rig.lines.join("\n")).toContain("password");
  });

  it("pass on what the channel answers, but neither its own failures nor its cookies", async () => {
    const rig = await openRig();
    const answers = [
      new Response("no", { status: 401, headers: { "Content-Type": "text/plain", "Set-Cookie": "a=b", "X-Powered-By": "adapter" } }),
      new Response("TypeError at adapter.js:7", { status: 500 }),
      new Response("busy", { status: 503, headers: { "Retry-After": "9" } }),
      new Response(null, { status: 204 }),
    ];
    Object.assign(rig.loop, { webhook: () => Promise.resolve(answers.shift()) });
    const post = () => raw(rig, { method: "POST", path: PATH, body: "{}" });
    const refused = await post();
    expect([refused.status, refused.text, refused.headers["set-cookie"], refused.headers["x-powered-by"]]).toEqual([
      401,
      "no",
      undefined,
      undefined,
    ]);
    expect(refused.headers["x-content-type-options"]).toBe("nosniff");
    const failed = await post();
    expect([failed.status, failed.text, failed.headers["retry-after"]]).toEqual([503, "not taken; send it again", "5"]);
    expect((await post()).headers["retry-after"]).toBe("9");
    expect((await post()).status).toBe(204);
  });

  it("that are not answered in time are told to come again", async () => {
    const rig = await openRig();
    let called: (() => void) | undefined;
    const isCalled = new Promise<void>((resolve) => {
      called = resolve;
    });
    Object.assign(rig.loop, {
      webhook: () => {
        called?.();
        return new Promise(() => undefined);
      },
    });
    const answer = raw(rig, { method: "POST", path: PATH, body: "{}" });
    await isCalled;
    rig.clock.advance(30_000);
    expect((await answer).status).toBe(503);
  });

  it("wait for their turn when many come at once, and are all taken", async () => {
    const rig = await openRig();
    let [running, most] = [0, 0];
    Object.assign(rig.loop, {
      webhook: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        return new Response("ok");
      },
    });
    const answers = await Promise.all(Array.from({ length: 600 }, () => raw(rig, { method: "POST", path: PATH, body: "{}" })));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(most).toBeLessThanOrEqual(128);
  });
});
