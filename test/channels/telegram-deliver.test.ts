import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { TelegramChannel } from "../../src/channels/telegram/channel.ts";
import { textContent } from "../../src/core/content.ts";
import type { Content } from "../../src/core/content.ts";
import { AmbiguousError, TerminalError, TransientError } from "../../src/core/errors.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { systemClock } from "./clocks.ts";

describe("telegram delivery", () => {
  let server: TelegramServer;
  let channel: TelegramChannel;
  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock });
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, allow: [], clock: systemClock });
  });
  afterEach(() => server.close());

  const send = (
    content: string | Content,
    address = "7",
    signal = new AbortController().signal,
  ): Promise<{ readonly platformId: string }> =>
    channel.deliver({
      chat: "telegram:7",
      address,
      content: typeof content === "string" ? textContent(content) : content,
      idempotencyKey: "k",
      signal,
    });

  it("sends plain text without link preview, into the thread of the address", async () => {
    await expect(send("*hi* https://example.org", "-100123/9")).resolves.toEqual({ platformId: "1" });
    expect(server.sends()[0]?.payload).toEqual({
      chat_id: -100123,
      message_thread_id: 9,
      text: "*hi* https://example.org",
      link_preview_options: { is_disabled: true },
    });
  });

  it("names files and buttons instead of dropping them", async () => {
    await send([
      { type: "text", text: "see" },
      { type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 1, ref: "x" },
      { type: "buttons", questionId: "q", options: [{ id: "y", label: "Yes" }] },
    ]);
    expect(server.sends()[0]?.text).toBe("see\n[image: a.png]\n- Yes");
  });

  it.each([
    [{ kind: "error", status: 400, description: "Bad Request: chat not found" }, TerminalError, "CHANNEL_REFUSED", 0],
    [{ kind: "error", status: 403, description: "Forbidden: bot was blocked by the user" }, TerminalError, "CHANNEL_REFUSED", 0],
    [{ kind: "error", status: 401, description: "Unauthorized" }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "error", status: 500 }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "error", status: 429 }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "html", status: 413 }, TransientError, "CHANNEL_UNAVAILABLE", 0],
    [{ kind: "error", status: 502 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "html", status: 504 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "noOk", status: 200 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "noOk", status: 500 }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "cut" }, AmbiguousError, "SEND_UNKNOWN", 0],
    [{ kind: "takenThenCut" }, AmbiguousError, "SEND_UNKNOWN", 1],
  ] as const)("answers %o with the right class", async (fault, kind, code, taken) => {
    server.fail(fault);
    const error: unknown = await send("x").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(kind);
    expect(error instanceof AmbiguousError).toBe(code === "SEND_UNKNOWN");
    expect(error).toMatchObject({ code });
    expect(server.sends()).toHaveLength(taken);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("token-AAAA");
    await expect(send("the next one works")).resolves.toBeDefined();
  });

  it("tells a person what to do about a block", async () => {
    server.fail({ kind: "error", status: 403, description: "Forbidden: bot was blocked by the user" });
    await expect(send("x")).rejects.toThrow(/blocked.*press Start/);
  });

  it("is ambiguous when aborted while the answer is awaited", async () => {
    server.fail({ kind: "takenThenSilent" });
    const abort = new AbortController();
    const sending = send("x", "7", abort.signal);
    const outcome = sending.catch((caught: unknown) => caught);
    await server.until(() => server.sends().length === 1);
    abort.abort();
    expect(await outcome).toBeInstanceOf(AmbiguousError);
  });

  it("is transient when nothing listens, and shows no token", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => closed.once("listening", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    channel = createTelegramChannel({ token: server.token, apiRoot: `http://127.0.0.1:${port}`, allow: [], clock: systemClock });
    const error: unknown = await send("x").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).not.toBeInstanceOf(AmbiguousError);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("token-AAAA");
  });

  it.each(["", "abc", "7/x", "7/1/2"])("refuses the address %o", async (address) => {
    await expect(send("x", address)).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    expect(server.calls("sendMessage")).toBe(0);
  });

  it("takes 4,096 units and is refused one more", async () => {
    await send("x".repeat(4_096));
    await expect(send("x".repeat(4_097))).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it("shows typing in the thread, and swallows what goes wrong", async () => {
    const { signal } = new AbortController();
    await channel.typing?.("-100123/9", signal);
    expect(server.lastPayload("sendChatAction")).toEqual({ chat_id: -100123, message_thread_id: 9, action: "typing" });
    server.fail({ kind: "noOk", status: 500 }, { method: "sendChatAction" });
    await channel.typing?.("7", signal);
    expect(server.calls("sendChatAction")).toBe(2);
  });
});
