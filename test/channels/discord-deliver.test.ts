import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiscordChannel } from "../../src/channels/discord/channel.ts";
import { textContent } from "../../src/core/content.ts";
import type { Content } from "../../src/core/content.ts";
import { AmbiguousError } from "../../src/core/errors.ts";
import type { DeliverRequest } from "../../src/ports/channel.ts";
import type { DiscordServer } from "../../src/testing/discord-server/server.ts";
import { createHeldClock } from "./clocks.ts";
import { openChannel, openServer } from "./discord-rig.ts";

describe("discord deliver", () => {
  let server: DiscordServer;
  let channel: DiscordChannel;
  let address: string;
  const request = (content: Content | string, options: Partial<DeliverRequest> = {}): DeliverRequest => ({
    chat: "discord:1",
    address,
    content: typeof content === "string" ? textContent(content) : content,
    idempotencyKey: "turn-1:0",
    signal: new AbortController().signal,
    ...options,
  });
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => {
        throw new Error("resolved where an error was due");
      },
      (error: unknown) => error,
    );

  beforeEach(async () => {
    server = await openServer();
    channel = openChannel(server);
    address = server.directId("7");
  });
  afterEach(async () => {
    await server.close();
  });

  it("sends Markdown as it is, calls nobody by mentions and passes its key on", async () => {
    const text = "**bold** @everyone <@1>\n```ts\nlet x = 1;\n```";
    const { platformId } = await channel.deliver(request(text));
    expect(server.messages(address)[0]?.id).toBe(platformId);
    expect(server.lastPayload("send")).toEqual({
      content: text,
      components: [],
      allowed_mentions: { parse: [] },
      nonce: expect.stringMatching(/^[\w-]{25}$/) as unknown,
      enforce_nonce: true,
    });
  });

  it("does not send twice what arrived although the connection was cut", async () => {
    server.fail({ kind: "takenThenCut" });
    const error = await failure(channel.deliver(request("once")));
    expect(error).toBeInstanceOf(AmbiguousError);
    const { platformId } = await channel.deliver(request("once"));
    expect(server.sends().map(({ messageId }) => messageId)).toEqual([platformId]);
    await channel.deliver(request("once", { idempotencyKey: "turn-1:1" }));
    expect(server.sends()).toHaveLength(2);
  });

  it("says that a part may have arrived when no answer comes within 30 s", async () => {
    const clock = createHeldClock();
    server.fail({ kind: "takenThenSilent" });
    const failed = failure(openChannel(server, { clock }).deliver(request("perhaps")));
    await server.until(() => server.sends().length === 1);
    clock.pass(30_000);
    expect(await failed).toMatchObject({ name: "AmbiguousError", code: "SEND_UNKNOWN" });
    expect(clock.pending()).toEqual([]);
  });

  it("says that a part may have arrived when it is aborted under way", async () => {
    const abort = new AbortController();
    server.fail({ kind: "takenThenSilent" });
    const failed = failure(channel.deliver(request("perhaps", { signal: abort.signal })));
    await server.until(() => server.sends().length === 1);
    abort.abort();
    expect(await failed).toMatchObject({ name: "AmbiguousError" });
  });

  it.each([
    [{ kind: "error", status: 500 }, "AmbiguousError", "SEND_UNKNOWN"],
    [{ kind: "html", status: 502 }, "AmbiguousError", "SEND_UNKNOWN"],
    [{ kind: "cut" }, "AmbiguousError", "SEND_UNKNOWN"],
    [{ kind: "html", status: 200 }, "AmbiguousError", "SEND_UNKNOWN"],
    [{ kind: "error", status: 503 }, "TransientError", "CHANNEL_UNAVAILABLE"],
    [{ kind: "html", status: 503 }, "TransientError", "CHANNEL_UNAVAILABLE"],
    [{ kind: "html", status: 403 }, "TransientError", "CHANNEL_UNAVAILABLE"],
    [{ kind: "error", status: 401 }, "TransientError", "CHANNEL_UNAVAILABLE"],
    [{ kind: "error", status: 403, code: 50_007 }, "TerminalError", "CHAT_UNREACHABLE"],
    [{ kind: "error", status: 403, code: 50_001 }, "TerminalError", "CHAT_UNREACHABLE"],
    [{ kind: "error", status: 403, code: 50_013 }, "TerminalError", "CHAT_UNREACHABLE"],
    [{ kind: "error", status: 404, code: 10_003 }, "TerminalError", "CHAT_UNREACHABLE"],
    [{ kind: "error", status: 400, code: 50_035 }, "TerminalError", "CHANNEL_REFUSED"],
    [{ kind: "error", status: 403, code: 20_028 }, "TerminalError", "CHANNEL_REFUSED"],
  ] as const)("takes %o for a %s %s", async (fault, name, code) => {
    server.fail(fault);
    const error = await failure(channel.deliver(request("text")));
    expect(error).toMatchObject({ name, code });
    expect(inspect(error, { depth: 5, showHidden: true })).not.toContain(server.token);
  });

  it("says that nothing was taken when nothing listens", async () => {
    await server.close();
    expect(await failure(channel.deliver(request("text")))).toMatchObject({ name: "TransientError", code: "CHANNEL_UNAVAILABLE" });
    server = await openServer();
  });

  it("says that nothing was taken of an answer of 429, for how long, and whether it is the chat or the bot", async () => {
    server.fail({ kind: "throttled", retryAfterS: 1.2345 });
    expect(await failure(channel.deliver(request("text")))).toMatchObject({ retryAfterMs: 1_235, scope: "chat" });
    server.fail({ kind: "throttled", retryAfterS: 64.57, isGlobal: true });
    expect(await failure(channel.deliver(request("text")))).toMatchObject({ retryAfterMs: 64_570, scope: "channel" });
    server.fail({ kind: "html", status: 429, retryAfterS: 3_600 });
    expect(await failure(channel.deliver(request("text")))).toMatchObject({ retryAfterMs: 3_600_000, scope: "channel" });
    expect(server.sends()).toEqual([]);
  });

  it("does not ask for a 429 that Discord has announced, in that chat and until it is over", async () => {
    const clock = createHeldClock();
    channel = openChannel(server, { clock });
    server.limitSends(2, 60_000);
    for (const idempotencyKey of ["a", "b"]) await channel.deliver(request("text", { idempotencyKey }));
    const error = (await failure(channel.deliver(request("text", { idempotencyKey: "c" })))) as { retryAfterMs: number };
    expect(error).toMatchObject({ name: "TransientError", code: "CHANNEL_UNAVAILABLE", scope: "chat" });
    expect(server.calls("send")).toBe(2);
    await channel.deliver(request("elsewhere", { address: server.generalId, idempotencyKey: "d" }));
    clock.pass(error.retryAfterMs);
    server.limitSends(100, 1);
    await channel.deliver(request("text", { idempotencyKey: "c" }));
    expect(server.sends()).toHaveLength(4);
  });

  it("refuses what Discord would refuse", async () => {
    for (const part of [request(" \n"), request("text", { address: "general" }), request("x".repeat(2_001))])
      expect(await failure(channel.deliver(part))).toMatchObject({ name: "TerminalError", code: "CHANNEL_REFUSED" });
    await channel.deliver(request("x".repeat(2_000)));
    expect(server.sends()).toHaveLength(1);
  });

  it("names files, gives links as links, and makes buttons", async () => {
    const options = Array.from({ length: 6 }, (_, n) => ({ id: `o${n}`, label: `Option ${n}` }));
    await channel.deliver(
      request([
        { type: "text", text: "see" },
        { type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 1, ref: "https://example.com/a.png" },
        { type: "file", kind: "document", name: "b.pdf", mime: "application/pdf", bytes: 1, ref: "store:b" },
        { type: "buttons", questionId: "q:1", options },
      ]),
    );
    const payload = server.lastPayload("send") as { content: string; components: { components: { custom_id: string }[] }[] };
    expect(payload.content).toBe("see\nhttps://example.com/a.png\n[document: b.pdf]");
    expect(payload.components.map((row) => row.components.map((button) => button.custom_id))).toEqual([
      ["q%3A1:o0", "q%3A1:o1", "q%3A1:o2", "q%3A1:o3", "q%3A1:o4"],
      ["q%3A1:o5"],
    ]);
  });

  it("writes options as lines where Discord has no room for buttons", async () => {
    const options = Array.from({ length: 26 }, (_, n) => ({ id: `o${n}`, label: `Option ${n}` }));
    await channel.deliver(request([{ type: "buttons", questionId: "q", options }]));
    expect(server.sends()[0]?.text).toContain("- Option 25");
    expect(server.lastPayload("send")?.components).toEqual([]);
  });

  it("edits what it sent, as often as asked with the same text", async () => {
    const { platformId } = await channel.deliver(request("draf", { isDraft: true }));
    for (let round = 0; round < 2; round += 1) await channel.edit?.({ ...request("draft, finished"), platformId });
    expect(server.messages(address).map(({ raw }) => raw.content)).toEqual(["draft, finished"]);
    server.fail({ kind: "throttled", retryAfterS: 2 }, { call: "edit" });
    expect(await failure(channel.edit?.({ ...request("more"), platformId }) ?? Promise.resolve())).toMatchObject({ retryAfterMs: 2_000 });
    expect(await failure(channel.edit?.({ ...request("more"), platformId: "12345" }) ?? Promise.resolve())).toMatchObject({
      name: "TerminalError",
      code: "CHANNEL_REFUSED",
    });
  });

  it("shows that it is typing, and is silent when it cannot", async () => {
    const { signal } = new AbortController();
    await channel.typing?.(address, signal);
    expect(server.calls("typing")).toBe(1);
    server.fail({ kind: "error", status: 500 }, { call: "typing" });
    await channel.typing?.(address, signal);
    await channel.typing?.("not-a-channel", signal);
    expect(server.calls("typing")).toBe(2);
  });

  it("knows the address of a chat by its key", () => {
    expect([channel.addressOf?.("discord:123"), channel.addressOf?.("discord:general")]).toEqual(["123", undefined]);
  });
});

describe("discord files", () => {
  let server: DiscordServer;
  let channel: DiscordChannel;
  let ref: string;
  const bytes = new Uint8Array(100_000).fill(7);
  const { signal } = new AbortController();

  beforeEach(async () => {
    server = await openServer();
    channel = openChannel(server);
    const messageId = server.say("see", { attachments: [{ name: "a b.bin", mime: "application/x-test", bytes }] });
    const [message] = server.messages(server.directId("7"));
    ref = `discord:${server.directId("7")}/${messageId}/${message?.attachments[0]?.id}`;
  });
  afterEach(async () => {
    await server.close();
  });
  const read = async (maxBytes: number): Promise<{ mime: string; length: number }> => {
    const file = await channel.open?.(ref, { maxBytes, signal });
    let length = 0;
    for await (const chunk of file?.bytes ?? []) length += chunk.length;
    return { mime: file?.mime ?? "", length };
  };

  it("are opened by a fresh address, as the one given has expired", async () => {
    server.expireUrls();
    expect(await read(100_000)).toEqual({ mime: "application/x-test", length: 100_000 });
  });

  it("are never read beyond the limit", async () => {
    await expect(read(99_999)).rejects.toMatchObject({ name: "TerminalError", code: "TOO_LARGE" });
    expect(server.calls("attachment")).toBe(0);
  });

  it("are gone with their message, and not a reason to try for ever", async () => {
    ref = ref.replace(/\/\d+$/, "/5");
    await expect(read(1)).rejects.toMatchObject({ name: "TerminalError", code: "CHANNEL_REFUSED" });
    ref = `discord:${server.directId("7")}/5/5`;
    await expect(read(1)).rejects.toMatchObject({ name: "TerminalError", code: "CHANNEL_REFUSED" });
    ref = "https://example.com/a.png";
    await expect(read(1)).rejects.toMatchObject({ name: "TerminalError", code: "CHANNEL_REFUSED" });
  });

  it.each([{ kind: "html", status: 503 }, { kind: "cut" }] as const)("are worth another try after %o", async (fault) => {
    server.fail(fault, { call: "attachment" });
    await expect(read(200_000)).rejects.toMatchObject({ name: "TransientError", code: "CHANNEL_UNAVAILABLE" });
    expect((await read(200_000)).length).toBe(100_000);
  });
});
