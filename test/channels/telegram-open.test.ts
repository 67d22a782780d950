import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { TelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { OpenedFile } from "../../src/ports/channel.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { systemClock } from "./clocks.ts";

describe("telegram files", () => {
  let server: TelegramServer;
  let channel: TelegramChannel;
  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock });
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, allow: [], clock: systemClock });
  });
  afterEach(() => server.close());

  const open = async (ref: string, maxBytes = 1_000_000, signal = new AbortController().signal): Promise<OpenedFile> => {
    const opened = await channel.open?.(ref, { maxBytes, signal });
    if (!opened) throw new Error("the channel opens no files");
    return opened;
  };
  const read = async ({ bytes }: OpenedFile): Promise<Uint8Array> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    return Uint8Array.from(Buffer.concat(chunks));
  };
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => new Error("no error"),
      (error: unknown) => error,
    );
  const noise = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 31) % 251);

  it("come as they are, with what they are by their name", async () => {
    server.putFile("f1", noise(300_000), "photos/file 1&?.jpg");
    const opened = await open("telegram:f1");
    expect(opened.mime).toBe("image/jpeg");
    expect(await read(opened)).toEqual(noise(300_000));
    server.putFile("f2", noise(3), "documents/what");
    expect((await open("telegram:f2")).mime).toBe("application/octet-stream");
  });

  it("of exactly the bytes allowed come, and one more is refused before anything is read", async () => {
    server.putFile("f", noise(1_000));
    expect(await read(await open("telegram:f", 1_000))).toHaveLength(1_000);
    expect(await failure(open("telegram:f", 999))).toMatchObject({ code: "TOO_LARGE" });
    expect(server.calls("file")).toBe(1);
  });

  it("end with an error when more comes than Telegram said", async () => {
    // Another server, that lies about the size.
    const { createServer } = await import("node:http");
    const liar = createServer((request, response) => {
      if (request.url?.startsWith("/file/")) response.end(noise(5_000));
      else response.end(JSON.stringify({ ok: true, result: { file_id: "f", file_path: "a/b.bin", file_size: 10 } }));
    });
    await new Promise<void>((resolve) => {
      liar.listen(0, "127.0.0.1", resolve);
    });
    const { port } = liar.address() as { port: number };
    channel = createTelegramChannel({ token: server.token, apiRoot: `http://127.0.0.1:${port}`, allow: [], clock: systemClock });
    expect(await failure(open("telegram:f", 1_000).then(read))).toMatchObject({ code: "TOO_LARGE" });
    await new Promise((resolve) => liar.close(resolve));
  });

  it("that Telegram has no more, or never had, are gone", async () => {
    expect(await failure(open("telegram:unknown"))).toMatchObject({ code: "CHANNEL_REFUSED" });
    server.putFile("f", noise(3));
    server.fail({ kind: "error", status: 404 }, { method: "file" });
    expect(await failure(open("telegram:f"))).toMatchObject({ code: "CHANNEL_REFUSED" });
    expect(await failure(open("slack:F1"))).toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it("over what a bot can fetch are too large", async () => {
    server.putFile("big", new Uint8Array(20 * 1024 * 1024 + 1));
    expect(await failure(open("telegram:big", 100_000_000))).toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining("20 MB"),
    });
  });

  it("on the disk of a local server are refused with advice, and a path upwards is never asked for", async () => {
    server.putFile("local", noise(3), "/var/lib/telegram-bot-api/x");
    expect(await failure(open("telegram:local"))).toMatchObject({ code: "CHANNEL_REFUSED", message: expect.stringContaining("--local") });
    server.putFile("up", noise(3), "a/../../b");
    expect(await failure(open("telegram:up"))).toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    expect(server.calls("file")).toBe(0);
  });

  it("can be asked for again after a failure that passes, as long as that asks", async () => {
    server.putFile("f", noise(3));
    server.fail({ kind: "error", status: 429, retryAfterS: 6_775 }, { method: "getFile" });
    expect(await failure(open("telegram:f"))).toMatchObject({ code: "CHANNEL_UNAVAILABLE", retryAfterMs: 6_775_000 });
    server.fail({ kind: "html", status: 502 }, { method: "file" });
    expect(await failure(open("telegram:f"))).toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    expect(await read(await open("telegram:f"))).toEqual(noise(3));
  });

  it("never show the token, whatever goes wrong", async () => {
    server.putFile("f", noise(100_000));
    const seen: unknown[] = [];
    for (const method of ["getFile", "file"]) {
      for (const fault of [{ kind: "cut" }, { kind: "html", status: 500 }, { kind: "error", status: 401 }] as const) {
        server.fail(fault, { method });
        seen.push(await failure(open("telegram:f").then(read)));
      }
    }
    server.fail({ kind: "takenThenCut" }, { method: "file" });
    seen.push(await failure(open("telegram:f").then(read)));
    expect(seen.map((error) => (error as { code?: string }).code)).toEqual(Array.from({ length: 7 }, () => "CHANNEL_UNAVAILABLE"));
    expect(inspect(seen, { depth: 10, showHidden: true })).not.toContain("token-AAAA");
  });

  it("stop coming when they are no longer wanted", async () => {
    server.putFile("f", noise(3_000_000));
    const abort = new AbortController();
    const opened = await open("telegram:f", 5_000_000, abort.signal);
    abort.abort();
    expect(await failure(read(opened))).toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    for await (const chunk of (await open("telegram:f", 5_000_000)).bytes) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
  });

  it("of a place are GeoJSON", async () => {
    const opened = await open("geo:48.85,-2.35");
    expect(opened.mime).toBe("application/geo+json");
    expect(JSON.parse(new TextDecoder().decode(await read(opened)))).toEqual({ type: "Point", coordinates: [-2.35, 48.85] });
  });
});
