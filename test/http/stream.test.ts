import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "../../src/runtime/api.ts";
import { BACKLOG_BYTES_MAX } from "../../src/http/stream.ts";
import { reply } from "./fake-event-loop.ts";
import { closeRigs, openRig, readEvents } from "./rig.ts";

afterEach(closeRigs);

const PATH = "/api/chats/api:new/stream";

describe("a stream", () => {
  it("tells every event in its form, ids on replies only", async () => {
    const rig = await openRig();
    const reader = await readEvents(rig, PATH);
    expect(reader.response.headers.get("content-type")).toContain("text/event-stream");
    expect(reader.response.headers.get("cache-control")).toBe("no-store");
    const stream = await rig.nextStream();
    const events: StreamEvent[] = [
      { type: "state", state: "responding", since: 5 },
      { type: "turn", turnId: "t1", attempt: 1, status: "started" },
      { type: "delta", turnId: "t1", attempt: 1, offset: 0, text: "line\nbreak \ud83d\ude00" },
      { type: "delta", turnId: "t1", attempt: 1, offset: 13, text: "half \ud83d" },
      reply(12, "done"),
      { type: "reset" },
    ];
    for (const event of events) stream.push(event);
    const blocks: (string | undefined)[] = [];
    for (let count = 0; count < 7; count += 1) blocks.push(await reader.next());
    expect(blocks).toEqual([
      "retry: 1000",
      'event: state\ndata: {"state":"responding","since":5}',
      'event: turn\ndata: {"turnId":"t1","attempt":1,"status":"started"}',
      'event: delta\ndata: {"turnId":"t1","attempt":1,"offset":0,"text":"line\\nbreak 😀"}',
      'event: delta\ndata: {"turnId":"t1","attempt":1,"offset":13,"text":"half \\ud83d"}',
      'id: 12\nevent: reply\ndata: {"turnId":"t1","part":1,"of":1,"content":[{"type":"text","text":"done"}],"text":"done","inReplyTo":[12]}',
      "event: reset\ndata: {}",
    ]);
    await reader.leave();
  });

  it.each([
    ["?after=7", {}, "7"],
    ["", { "Last-Event-ID": "9" }, "9"],
    ["?after=7", { "Last-Event-ID": "9" }, "9"],
    ["?after=007", {}, "7"],
    ["", {}, undefined],
    ["?after=", { "Last-Event-ID": "" }, undefined],
  ])("goes on after %s %j", async (query, headers, after) => {
    const rig = await openRig();
    const reader = await readEvents(rig, `${PATH}${query}`, headers);
    expect((await rig.nextStream()).options.after).toBe(after);
    await reader.leave();
  });

  it("beats every 15 s", async () => {
    const rig = await openRig();
    const reader = await readEvents(rig, PATH);
    expect(await reader.next()).toBe("retry: 1000");
    rig.clock.advance(14_999);
    rig.clock.advance(1);
    expect(await reader.next()).toBe(": heartbeat");
    rig.clock.advance(15_000);
    expect(await reader.next()).toBe(": heartbeat");
    await reader.leave();
  });

  it("lets go of the runtime's stream when its reader leaves", async () => {
    const rig = await openRig();
    const reader = await readEvents(rig, PATH);
    const stream = await rig.nextStream();
    await reader.leave();
    await stream.released;
    expect(stream.options.signal?.aborted).toBe(true);
  });

  it("ends, logged, when the runtime fails", async () => {
    const rig = await openRig();
    const reader = await readEvents(rig, PATH);
    const stream = await rig.nextStream();
    stream.push(reply(1, "a"));
    stream.fail(new Error("store gone"));
    await reader.next();
    expect(await reader.next()).toContain("id: 1");
    expect(await reader.next()).toBeUndefined();
    await stream.released;
    expect(rig.lines.join("\n")).toContain("store gone");
  });

  it("of another channel needs a chat that exists", async () => {
    const rig = await openRig();
    expect((await fetch(`${rig.url}/api/chats/telegram:2/stream`)).status).toBe(404);
    const reader = await readEvents(rig, "/api/chats/telegram:1/stream");
    expect(reader.response.status).toBe(200);
    await reader.leave();
  });

  it("is cut at 1 MiB of backlog, and its reader catches up by its last id", async () => {
    const rig = await openRig();
    const socket = connect(rig.port, "127.0.0.1");
    socket.pause();
    socket.write(`GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const stream = await rig.nextStream();
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket.on("error", () => undefined);
    const big = "x".repeat(60_000);
    let isReleased = false;
    void stream.released.then(() => (isReleased = true));
    // Kernel buffers take several MB before anything piles up; 64 MB is far beyond them.
    let sent = 0;
    for (; sent < 1_000 && !isReleased; sent += 1) {
      stream.push(reply(sent + 1, big));
      await new Promise(setImmediate);
    }
    await stream.released;
    expect(sent * big.length).toBeGreaterThan(BACKLOG_BYTES_MAX);
    expect(rig.lines.join("\n")).toContain("too slow");
    let got = "";
    socket.on("data", (chunk: Buffer) => (got += chunk.toString("latin1")));
    socket.resume();
    await closed;

    const last = [...got.matchAll(/^id: (\d+)\nevent: reply\ndata: .*\}\n\n/gm)].at(-1)?.[1] ?? "";
    const reader = await readEvents(rig, PATH, { "Last-Event-ID": last });
    expect((await rig.nextStream()).options.after).toBe(last);
    await reader.leave();
  });

  it("sends a long catch-up to a reader that keeps up without cutting it", async () => {
    const rig = await openRig();
    const socket = connect(rig.port, "127.0.0.1");
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
    const ended = new Promise<void>((resolve) => socket.on("end", () => resolve()));
    socket.write(`GET ${PATH}?after=0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    const stream = await rig.nextStream();
    const text = "x".repeat(60_000);
    for (let id = 1; id <= 300; id += 1) stream.push(reply(id, text));
    stream.fail(new Error("end of the test"));
    await stream.released;
    await ended;
    expect(bytes).toBeGreaterThan(300 * text.length);
    expect(rig.lines.join("\n")).not.toContain("too slow");
  });

  it("passes a single event larger than the backlog to a reader that keeps up", async () => {
    const rig = await openRig();
    const reader = await readEvents(rig, PATH);
    await reader.next();
    const text = "y".repeat(3 * BACKLOG_BYTES_MAX);
    (await rig.nextStream()).push({ type: "delta", turnId: "t", attempt: 1, offset: 0, text });
    expect((await reader.next())?.length).toBeGreaterThan(text.length);
    await reader.leave();
  });

  it("refuses what comes beyond 1,000 open streams", async () => {
    const rig = await openRig();
    const readers = await Promise.all(Array.from({ length: 1_000 }, () => readEvents(rig, PATH)));
    const refused = await fetch(`${rig.url}${PATH}`);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    await Promise.all(readers.map((reader) => reader.leave()));
  });
});

describe("stop", () => {
  it("ends streams and lets a running request finish", async () => {
    const rig = await openRig();
    const reader = await readEvents(rig, PATH);
    const stream = await rig.nextStream();
    let isCalled = (): void => undefined;
    const called = new Promise<void>((resolve) => (isCalled = resolve));
    let finish = (): void => undefined;
    const slow = await openRig({
      loop: {
        ...rig.loop,
        addChatMessage: () => {
          isCalled();
          return new Promise((resolve) => (finish = () => resolve({ seq: 1, duplicate: false })));
        },
      },
    });
    const answer = fetch(`${slow.url}/api/chats/api:a/messages`, { method: "POST", body: '{"text":"hi"}' });
    await called;
    const stopped = slow.server.stop();
    await expect(fetch(`${slow.url}/readyz`)).rejects.toThrow("fetch failed");
    finish();
    expect(await (await answer).json()).toEqual({ seq: 1, duplicate: false });
    await stopped;

    await rig.server.stop();
    expect(await reader.next()).toBe("retry: 1000");
    expect(await reader.next()).toBeUndefined();
    await stream.released;
    await rig.server.stop();
  });

  it("cuts what has not finished after the grace", async () => {
    const rig = await openRig();
    let isCalled = (): void => undefined;
    const called = new Promise<void>((resolve) => (isCalled = resolve));
    const hung = await openRig({ loop: { ...rig.loop, status: () => (isCalled(), new Promise(() => undefined)) } });
    const answer = fetch(`${hung.url}/api/system`).then(
      () => "answered",
      () => "cut",
    );
    await called;
    const stopped = hung.server.stop({ graceMs: 100 });
    hung.clock.advance(100);
    await stopped;
    expect(await answer).toBe("cut");
  });
});
