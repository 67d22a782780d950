import { afterEach, describe, expect, it } from "vitest";
import { closeRigs, openRig, raw, rawBytes } from "./rig.ts";

afterEach(closeRigs);

const MESSAGES = "/api/chats/api:a/messages";
const json = (value: unknown): string => JSON.stringify(value);

describe("a bad body is refused with a 4xx that names the field", () => {
  const cases: readonly [string, string | Uint8Array, number, string | undefined][] = [
    ["nothing", "", 400, "body.text"],
    ["no JSON", "{", 400, "body"],
    ["a form", "text=hi", 400, "body"],
    ["null", "null", 400, "body"],
    ["an array", "[]", 400, "body"],
    ["a number", "1e999", 400, "body"],
    ["a string", '"hi"', 400, "body"],
    ["no UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 400, "body"],
    ["UTF-16", Buffer.from('{"text":"hi"}', "utf16le"), 400, "body"],
    ["compressed bytes", new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0]), 400, "body"],
    ["deep nesting", `{"text":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, 400, "body.text"],
    ["text of a wrong type", json({ text: 5 }), 400, "body.text"],
    ["text null", json({ text: null }), 400, "body.text"],
    ["empty text", json({ text: "" }), 400, "body.text"],
    ["blank text", json({ text: " \n " }), 400, "body.text"],
    ["a lone surrogate", '{"text":"\\ud800"}', 400, "body.text"],
    ["text and content", json({ text: "a", content: [{ type: "text", text: "b" }] }), 400, "body.text"],
    ["text through a prototype", '{"__proto__":{"text":"hi"}}', 400, "body.text"],
    ["content of a wrong type", json({ content: 1 }), 400, "body.content"],
    ["content as text", json({ content: "hi" }), 400, "body.content"],
    ["empty content", json({ content: [] }), 400, "body.content"],
    ["content of nulls", json({ content: [null] }), 400, "body.content[0]"],
    ["an unknown item", json({ content: [{ type: "video" }] }), 400, "body.content[0].type"],
    ["negative bytes", json({ content: [{ type: "file", bytes: -1 }] }), 400, "body.content[0].bytes"],
    ["odd buttons", json({ content: [{ type: "buttons", questionId: "q", options: [null] }] }), 400, "body.content[0].options[0]"],
    ["too many items", json({ content: Array(33).fill({ type: "text", text: "a" }) }), 400, "body.content"],
    ["a number as message id", json({ text: "a", messageId: 1 }), 400, "body.messageId"],
    ["an empty message id", json({ text: "a", messageId: "" }), 400, "body.messageId"],
    ["a long message id", json({ text: "a", messageId: "x".repeat(257) }), 400, "body.messageId"],
    ["a broken message id", '{"text":"a","messageId":"\\udfff"}', 400, "body.messageId"],
    ["a sender without id", json({ text: "a", sender: {} }), 400, "body.sender.id"],
    ["a sender as text", json({ text: "a", sender: "bob" }), 400, "body.sender"],
    ["a sender's name of a wrong type", json({ text: "a", sender: { id: "1", name: {} } }), 400, "body.sender.name"],
    ["a direction that is none", json({ text: "a", direction: "up" }), 400, "body.direction"],
    ["out with a message id", json({ text: "a", direction: "out", messageId: "m" }), 400, "body.messageId"],
    ["text over 64 KiB", json({ text: "x".repeat(65_537) }), 413, "body.text"],
    ["text over 64 KiB in UTF-8", json({ text: "é".repeat(32_769) }), 413, "body.text"],
    ["content over 64 KiB", json({ content: [1, 2].map(() => ({ type: "text", text: "x".repeat(40_000) })) }), 413, "body.content"],
    ["a body over 1 MiB", json({ text: "x".repeat(1024 * 1024) }), 413, "body"],
    ["a body of 10 MB", json({ text: "x".repeat(10_000_000) }), 413, "body"],
  ];
  it.each(cases)("%s", async (_name, body, status, path) => {
    const rig = await openRig();
    const answer = await raw(rig, { method: "POST", path: MESSAGES, body, headers: { "Content-Length": String(Buffer.byteLength(body)) } });
    expect([answer.status, (JSON.parse(answer.text) as { error: { path?: string } }).error.path]).toEqual([status, path]);
    expect(rig.calls).toEqual([]);
  });

  it("accepts exactly 64 KiB of text under any content type", async () => {
    const rig = await openRig();
    const answer = await raw(rig, {
      method: "POST",
      path: MESSAGES,
      body: json({ text: "x".repeat(65_536) }),
      headers: { "Content-Type": "image/png" },
    });
    expect(answer.status).toBe(202);
  });

  it("stops reading a chunked body beyond 1 MiB", async () => {
    const rig = await openRig();
    const answer = await raw(rig, {
      method: "POST",
      path: MESSAGES,
      body: "x".repeat(5_000_000),
      headers: { "Transfer-Encoding": "chunked" },
    });
    expect(answer.status).toBe(413);
    expect((await raw(rig, { path: "/readyz" })).status).toBe(200);
  });

  it.each([
    ["retry", '{"skip":"yes"}', 400],
    ["retry", "[", 400],
    ["stop", "nonsense", 400],
    ["reset", `"${"x".repeat(2_000_000)}"`, 413],
  ])("POST /%s", async (action, body, status) => {
    const rig = await openRig();
    expect((await raw(rig, { method: "POST", path: `/api/chats/api:alice/${action}`, body })).status).toBe(status);
    expect(rig.calls).toEqual([]);
  });

  it("survives a client that leaves in the middle of its body", async () => {
    const rig = await openRig();
    const head = `POST ${MESSAGES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n{"text":`;
    const { connect } = await import("node:net");
    await new Promise<void>((resolve) => {
      const socket = connect(rig.port, "127.0.0.1", () => socket.write(head, () => socket.destroy()));
      socket.on("close", () => resolve());
    });
    expect((await raw(rig, { path: "/readyz" })).status).toBe(200);
    expect(rig.lines.filter((line) => line.includes("failed"))).toEqual([]);
    expect(rig.calls.map(({ name }) => name)).toEqual(["health"]);
  });
});

describe("a bad address is refused with a 4xx", () => {
  it.each([
    ["/api/chats/%", 400],
    ["/api/chats/%zz", 400],
    ["/api/chats/api:%ff", 400],
    ["/api/chats/api:%ed%a0%80", 400],
    ["/api/chats/api:%00", 400],
    ["/api/chats/api:", 400],
    ["/api/chats/API:x", 400],
    ["/api/chats/nocolon", 400],
    ["/api/chats/:key", 400],
    [`/api/chats/api:${"x".repeat(200)}`, 400],
    ["/api/chats/api:unknown", 404],
    ["/api/chats/../../etc/passwd", 404],
    ["/api/chats/%2e%2e/system", 200],
    ["/api/chats?limit=0", 400],
    ["/api/chats?limit=-1", 400],
    ["/api/chats?limit=1.5", 400],
    ["/api/chats?limit=1001", 400],
    ["/api/chats?limit=99999999999999999999999", 400],
    ["/api/chats?limit=1e3", 400],
    ["/api/chats?limit=NaN", 400],
    ["/api/chats?limit=%ZZ", 400],
    ["/api/chats?limit=", 200],
    [`/api/chats?cursor=${"x".repeat(600)}`, 400],
    ["/api/chats?cursor=%00", 400],
    ["/api/chats?cursor=%ff", 400],
    ["/api/chats?channel=NO!", 400],
    [`/api/chats?q=${"x".repeat(600)}`, 400],
    [`/api/chats?state=${"a,".repeat(40)}`, 400],
    ["/api/chats/api:alice/events?from=-1", 400],
    ["/api/chats/api:alice/events?from=9007199254740993", 400],
    ["/api/chats/api:alice/events?cursor=abc", 400],
    ["/api/chats/api:alice/stream?after=abc", 400],
    ["/api/chats/api:alice/stream?after=9223372036854775808", 400],
    ["/api/chats/api:alice/stream?after=-1", 400],
    ["/api/chats/telegram:unknown/stream", 404],
    ["/\\api\\chats", 400],
    ["*", 400],
    [`/${"x".repeat(20_000)}`, 431],
  ])("%s is %i", async (path, status) => {
    const rig = await openRig();
    expect((await raw(rig, { path })).status).toBe(status);
  });

  it.each([
    ["garbage", "garbage\r\n\r\n"],
    ["an unknown method", "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["a NUL in the path", "GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["both lengths", `POST ${MESSAGES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["a negative length", `POST ${MESSAGES} HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n`],
    ["no Host", "GET /api/system HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ["no Host in HTTP/1.0", "GET /api/system HTTP/1.0\r\n\r\n"],
    ["two Hosts", "GET /api/system HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"],
    ["a foreign target", "GET http://evil.example/api/system HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
    ["a target that is no URL", "GET http://[ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"],
    ["a header of raw bytes", "GET /api/system HTTP/1.1\r\nHost: localhost\r\nOrigin: \xff\xfe\r\nConnection: close\r\n\r\n"],
  ])("%s", async (_name, bytes) => {
    const rig = await openRig();
    expect(await rawBytes(rig, Buffer.from(bytes, "latin1"))).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(rig.calls).toEqual([]);
  });
});
