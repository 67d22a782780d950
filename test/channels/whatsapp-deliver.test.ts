import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toWhatsApp } from "../../src/channels/whatsapp/markup.ts";
import type { Content, FilePart } from "../../src/core/content.ts";
import { textContent } from "../../src/core/content.ts";
import { AmbiguousError, TerminalError, TransientError } from "../../src/core/errors.ts";
import type { WhatsAppFault } from "../../src/testing/whatsapp-server.ts";
import { openWhatsAppRig, type WhatsAppRig } from "./whatsapp-rig.ts";

const NUMBER = "16505551234";

describe("whatsapp delivery", () => {
  let rig: WhatsAppRig;
  beforeEach(async () => {
    rig = await openWhatsAppRig();
  });
  afterEach(() => rig.close());
  const send = (content: string | Content, address = NUMBER): Promise<{ readonly platformId: string }> =>
    rig.channel.deliver({
      chat: `whatsapp:${address}`,
      address,
      content: typeof content === "string" ? textContent(content) : content,
      idempotencyKey: "k",
      signal: new AbortController().signal,
    });
  const failing = async (fault: WhatsAppFault): Promise<unknown> => {
    rig.server.fail(fault);
    return send("x").catch((error: unknown) => error);
  };
  const lastPayload = (): unknown => rig.server.sends().at(-1)?.payload;

  it("sends a text to a number, without a preview of its links", async () => {
    expect(await send("hello")).toEqual({ platformId: "wamid.out1" });
    expect(lastPayload()).toEqual({
      messaging_product: "whatsapp",
      recipient_type: "individual",
      to: NUMBER,
      type: "text",
      text: { body: "hello", preview_url: false },
    });
  });

  it("writes to a user id as recipient, never as a number", async () => {
    await send("hello", "US.134");
    expect(lastPayload()).toMatchObject({ recipient: "US.134" });
    expect(lastPayload()).not.toHaveProperty("to");
  });

  it.each(["", "abc", "+16505551234", "123", "US."])("refuses the address %o", async (address) => {
    await expect(send("x", address)).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    expect(rig.server.sends()).toEqual([]);
  });

  it("refuses what has no text", async () => {
    await expect(send("  ")).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it("takes 4,096 units and is refused one more", async () => {
    await send("x".repeat(4_096));
    await expect(send("x".repeat(4_097))).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it.each([
    [131_047, 400, TerminalError, { code: "CHANNEL_REFUSED" }, /24 hours.*message templates/],
    [131_026, 400, TerminalError, { code: "CHAT_UNREACHABLE" }, /cannot be reached/],
    [131_030, 400, TerminalError, { code: "CHAT_UNREACHABLE" }, /list of recipients of a test number/],
    [100, 400, TerminalError, { code: "CHANNEL_REFUSED" }, /never be taken/],
    [131_009, 400, TerminalError, { code: "CHANNEL_REFUSED" }, /never be taken/],
    [130_429, 429, TransientError, { scope: "channel", retryAfterMs: undefined }, /faster than its limit/],
    [80_007, 400, TransientError, { scope: "channel" }, /faster than its limit/],
    [131_056, 400, TransientError, { scope: "chat", retryAfterMs: 6_000 }, /to this person/],
    [131_048, 400, TransientError, { scope: "channel", retryAfterMs: 3_600_000 }, /quality in WhatsApp Manager/],
    [368, 403, TransientError, { scope: "channel", retryAfterMs: 3_600_000 }, /violation of policy/],
    [131_042, 400, TransientError, { scope: "channel" }, /payment method/],
    [131_000, 500, TransientError, { code: "CHANNEL_UNAVAILABLE", scope: undefined }, /tried again/],
    [undefined, 503, TransientError, { code: "CHANNEL_UNAVAILABLE" }, /tried again/],
  ])("tells what error %s of status %i means", async (code, status, kind, facts, reason) => {
    const error = await failing({ kind: "error", status, ...(code === undefined ? {} : { code }), message: "said by Meta" });
    expect(error).toBeInstanceOf(kind);
    expect(error).not.toBeInstanceOf(AmbiguousError);
    expect(error).toMatchObject(facts);
    expect(String(error)).toMatch(reason);
    expect(String(error)).toContain("said by Meta");
  });

  it.each<WhatsAppFault>([
    { kind: "takenThenCut" },
    { kind: "takenWithoutId" },
    { kind: "html", status: 502 },
    { kind: "html", status: 200 },
    { kind: "error", status: 504, code: 2 },
  ])("does not claim to know what became of a send after %o", async (fault) => {
    expect(await failing(fault)).toBeInstanceOf(AmbiguousError);
  });

  it("knows that a gateway which refused took nothing", async () => {
    const error = await failing({ kind: "html", status: 403 });
    expect(error).toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    expect(error).not.toBeInstanceOf(AmbiguousError);
  });

  it("keeps the part and reports the connection when the token is refused", async () => {
    await rig.channel.start(rig.host);
    await rig.host.until(() => rig.host.reports().length > 0);
    const error = await failing({ kind: "error", status: 401, code: 190, message: "Session has expired" });
    expect(error).toBeInstanceOf(TransientError);
    expect(rig.host.reports().at(-1)).toMatchObject({
      type: "connection.refused",
      error: { code: "TOKEN_REFUSED", message: expect.stringMatching(/Session has expired.*make a new one/) as string },
    });
  });

  it("says that nothing was taken where nobody listens, and shows no secret", async () => {
    const closed = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => closed.once("listening", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const lost = await openWhatsAppRig({ apiUrl: `http://127.0.0.1:${port}/v25.0` });
    const { signal } = new AbortController();
    const error: unknown = await lost.channel
      .deliver({ chat: `whatsapp:${NUMBER}`, address: NUMBER, content: textContent("x"), idempotencyKey: "k", signal })
      .catch((caught: unknown) => caught);
    await lost.channel.start(lost.host);
    await lost.host.until(() => lost.host.reports().length > 0);
    expect(error).toBeInstanceOf(TransientError);
    expect(error).not.toBeInstanceOf(AmbiguousError);
    expect(lost.host.reports()[0]).toMatchObject({ type: "connection.lost" });
    const shown = inspect([error, lost.host.reports(), lost.lines], { depth: 10, showHidden: true });
    for (const secret of [lost.server.accessToken, lost.server.appSecret, lost.server.verifyToken]) expect(shown).not.toContain(secret);
    await lost.close();
  });

  describe("start", () => {
    it("reports the number and a link that brings a pairing code", async () => {
      await rig.channel.start(rig.host);
      await rig.host.until(() => rig.host.reports().length > 0);
      expect(rig.host.reports()).toEqual([
        { type: "connection.opened", account: { name: "+1 555-078-3881", startUrl: "https://wa.me/15550783881?text=" } },
      ]);
    });

    it.each<[WhatsAppFault, string, object]>([
      [{ kind: "error", status: 401, code: 190 }, "connection.refused", { error: { code: "TOKEN_REFUSED" } }],
      [{ kind: "error", status: 400, code: 100 }, "connection.refused", { error: { code: "CONFIG_INVALID" } }],
      [{ kind: "error", status: 403, code: 10 }, "connection.refused", { error: { code: "TOKEN_REFUSED" } }],
      [{ kind: "error", status: 500, code: 2 }, "connection.lost", { error: { code: "CHANNEL_UNAVAILABLE" } }],
      [{ kind: "error", status: 429, code: 4, retryAfterS: 90 }, "connection.lost", { retryAfterMs: 90_000 }],
      [{ kind: "html", status: 503 }, "connection.lost", {}],
      [{ kind: "cut" }, "connection.lost", {}],
    ])("after %o reports %s", async (fault, type, facts) => {
      rig.server.fail(fault, "number");
      await rig.channel.start(rig.host);
      await rig.host.until(() => rig.host.reports().length > 0);
      expect(rig.host.reports()).toEqual([expect.objectContaining({ type })]);
      expect(rig.host.reports()[0]).toMatchObject(facts);
    });
  });

  describe("richer content", () => {
    const buttons = (...labels: readonly string[]): Content => [
      { type: "text", text: "Deploy?" },
      { type: "buttons", questionId: "q1", options: labels.map((label, place) => ({ id: `o${place}`, label })) },
    ];

    it("has up to three buttons", async () => {
      await send(buttons("Yes", "No"));
      expect(lastPayload()).toMatchObject({
        type: "interactive",
        interactive: {
          type: "button",
          body: { text: "Deploy?" },
          action: { buttons: [{ reply: { id: "q/q1/o0", title: "Yes" } }, { reply: { title: "No" } }] },
        },
      });
    });

    it("has a list for four to ten", async () => {
      await send(buttons("a", "b", "c", "d"));
      expect(lastPayload()).toMatchObject({
        interactive: { type: "list", action: { sections: [{ rows: [{ id: "q/q1/o0" }, {}, {}, {}] }] } },
      });
    });

    it.each([[["same", "same"]], [Array.from({ length: 11 }, (_, place) => `${place}`)], [["a label far too long for a row", "b"]]])(
      "writes out the options %o, which no button can show",
      async (labels) => {
        await send(buttons(...labels));
        expect(rig.server.sends()[0]).toMatchObject({
          type: "text",
          text: `Deploy?\n${labels.map((label, place) => `${place + 1}. ${label}`).join("\n")}`,
        });
      },
    );

    const file = (facts: Partial<FilePart>): FilePart => ({
      type: "file",
      kind: "image",
      name: "a.png",
      mime: "image/png",
      bytes: 1,
      ref: "https://example.org/a.png",
      ...facts,
    });
    it.each<[string, Content, object]>([
      [
        "a picture with its caption",
        [{ type: "text", text: "**look**" }, file({})],
        { type: "image", image: { link: "https://example.org/a.png", caption: "*look*" } },
      ],
      [
        "a file of WhatsApp itself",
        [file({ kind: "document", name: "a.pdf", ref: "whatsapp:m1" })],
        { type: "document", document: { id: "m1", filename: "a.pdf" } },
      ],
      [
        "a place",
        [file({ kind: "location", name: "Café", ref: "geo:1.5,-2" })],
        { type: "location", location: { latitude: 1.5, longitude: -2, name: "Café" } },
      ],
      ["a file from elsewhere, by its name", [file({ ref: "telegram:x" })], { type: "text", text: { body: "[image: a.png]" } }],
      [
        "sound with text, by its name",
        [{ type: "text", text: "hear" }, file({ kind: "audio" })],
        { type: "text", text: { body: "hear\n[audio: a.png]" } },
      ],
    ])("sends %s", async (_, content, payload) => {
      await send(content);
      expect(lastPayload()).toMatchObject(payload);
    });
  });

  describe("files", () => {
    const open = (ref: string, maxBytes = 1_000) => rig.channel.open?.(ref, { maxBytes, signal: new AbortController().signal });
    const read = async (opened: { readonly bytes: AsyncIterable<Uint8Array> } | undefined): Promise<string> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of opened?.bytes ?? []) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };

    it("are opened by their id, through the address that WhatsApp gives", async () => {
      const id = rig.server.addMedia(Buffer.from("bytes of a picture"), { mime: "image/png" });
      const opened = await open(`whatsapp:${id}`);
      expect([opened?.mime, await read(opened)]).toEqual(["image/png", "bytes of a picture"]);
    });

    it("are refused when WhatsApp says that they are too large, and cut off when they turn out so", async () => {
      const told = rig.server.addMedia(Buffer.alloc(2_000));
      await expect(open(`whatsapp:${told}`)).rejects.toMatchObject({ code: "TOO_LARGE" });
      const untold = rig.server.addMedia(Buffer.alloc(2_000), { size: 10 });
      await expect(read(await open(`whatsapp:${untold}`))).rejects.toMatchObject({ code: "TOO_LARGE" });
    });

    it("are gone after a week, and tried again when WhatsApp is in trouble", async () => {
      await expect(open("whatsapp:unknown")).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
      const id = rig.server.addMedia(Buffer.from("x"));
      rig.server.fail({ kind: "error", status: 500, code: 2 }, "media");
      await expect(open(`whatsapp:${id}`)).rejects.toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
      rig.server.fail({ kind: "html", status: 404 }, "bytes");
      await expect(open(`whatsapp:${id}`)).rejects.toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    });

    it.each(["telegram:x", "whatsapp:", "whatsapp:../me", "https://example.org/a"])("of the ref %o are none of WhatsApp's", async (ref) => {
      await expect(open(ref)).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    });

    it("never take the token to another place", async () => {
      const id = rig.server.addMedia(Buffer.from("x"), { url: "http://evil.example/file" });
      await expect(open(`whatsapp:${id}`)).rejects.toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    });
  });
});

describe("whatsapp markup", () => {
  it.each([
    ["**bold** and __bold__", "*bold* and *bold*"],
    ["*italic* and _italic_", "_italic_ and _italic_"],
    ["***both***", "*_both_*"],
    ["**bold with *italic* inside**", "*bold with _italic_ inside*"],
    ["~~gone~~", "~gone~"],
    ["# Title\ntext", "*Title*\ntext"],
    ["### A **bold** title ###", "*A bold title*"],
    ["see [the docs](https://example.org/a_b)", "see the docs (https://example.org/a_b)"],
    ["[https://a.org](https://a.org)", "https://a.org"],
    ['![alt](https://a.org/x.png "t")', "alt (https://a.org/x.png)"],
    ["* one\n+ two\n- three", "- one\n- two\n- three"],
    ["> quote", "> quote"],
    ["`**code**` stays", "`**code**` stays"],
    ["```ts\nconst a = **b**;\n# no title\n```", "```\nconst a = **b**;\n# no title\n```"],
    ["~~~\ncode\n~~~\n**x**", "```\ncode\n```\n*x*"],
    ["````\n```\n````", "```\n```\n```"],
    ["2 * 3 * 4 and a*b*c", "2 * 3 * 4 and a*b*c"],
    ["snake_case_name", "snake_case_name"],
    ["**unclosed", "**unclosed"],
    ["#hashtag", "#hashtag"],
    ["", ""],
  ])("%j becomes %j", (markdown, expected) => expect(toWhatsApp(markdown)).toBe(expected));

  it("is never longer than the Markdown", () => {
    const piece = fc.constantFrom(
      "*",
      "**",
      "***",
      "_",
      "__",
      "~~",
      "~~~",
      "`",
      "```",
      "#",
      "# ",
      "[",
      "](",
      ")",
      "\n",
      " ",
      "a",
      "b c",
      "!",
      "+ ",
      "- ",
      "\u0001",
      "🌍",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const markdown = pieces.join("");
        expect(toWhatsApp(markdown).length).toBeLessThanOrEqual(markdown.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
