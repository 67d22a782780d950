import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { textOf } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { messageValue, statusValue, webhookBody } from "../../src/testing/whatsapp-payloads.ts";
import { openWhatsAppRig, type WhatsAppRig } from "./whatsapp-rig.ts";

describe("whatsapp webhooks", () => {
  let rig: WhatsAppRig;
  beforeEach(async () => {
    rig = await openWhatsAppRig();
    await rig.channel.start(rig.host);
    await rig.host.until(() => rig.host.reports().length > 0);
  });
  afterEach(() => rig.close());
  const texts = (): string[] => rig.host.stored().map((message) => textOf(message.content));
  const confirmed = (): Promise<void> => rig.server.until(() => rig.server.unconfirmed() === 0);
  const value = (id: string, text: string) => messageValue(rig.server.phoneNumberId, { id, type: "text", text: { body: text } });

  describe("the challenge", () => {
    it("is repeated to who knows the verify token", async () => {
      expect(await rig.server.challenge()).toEqual({ status: 200, text: "1158201444" });
    });

    it.each<Readonly<Record<string, string>>>([{ "hub.verify_token": "guess" }, { "hub.verify_token": "" }, { "hub.mode": "unsubscribe" }])(
      "is refused for %o",
      async (query) => {
        expect(await rig.server.challenge(query)).toMatchObject({ status: 403 });
      },
    );
  });

  describe("signatures", () => {
    it("are asked for: 401 without one, 403 with a wrong one, and nothing is taken", async () => {
      const body = webhookBody([value("wamid.1", "forged")]);
      const other = webhookBody([value("wamid.1", "signed")]);
      const given = async (signature: string): Promise<number> =>
        (await rig.server.tryOnce(body, { "x-hub-signature-256": signature })).status;
      expect((await rig.server.tryOnce(body)).status).toBe(401);
      expect(await given(rig.server.sign(other))).toBe(403);
      expect(await given("sha256=")).toBe(403);
      expect(await given(rig.server.sign(body).replace("sha256=", "sha1="))).toBe(403);
      expect(rig.host.offers()).toBe(0);
      expect(rig.channel.counters().badSignatures).toBe(4);
      expect(await given(rig.server.sign(body))).toBe(200);
    });

    it("that are wrong are one line of the log, not one each", async () => {
      for (let round = 0; round < 5; round += 1) await rig.server.tryOnce("{}", { "x-hub-signature-256": "sha256=00" });
      expect(rig.lines.filter((line) => line.includes("app secret"))).toHaveLength(1);
    });

    it("are made over the bytes as sent: escaped Unicode is taken as it came", async () => {
      const body = webhookBody([value("wamid.1", "Grüße 🌍")]).replace(
        /[^\u0020-\u007e]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
      );
      expect(body).toContain("\\u00fc");
      rig.server.post(body);
      await confirmed();
      expect(texts()).toEqual(["Grüße 🌍"]);
    });
  });

  it("refuses a signed body that is not JSON, and goes on", async () => {
    const body = '{"object":"whatsapp_business_account","entry":[{"cha';
    expect((await rig.server.tryOnce(body, { "x-hub-signature-256": rig.server.sign(body) })).status).toBe(400);
    rig.server.say("after it");
    await confirmed();
    expect(texts()).toEqual(["after it"]);
  });

  it.each([
    "{}",
    "null",
    "[]",
    "7",
    '{"object":"page","entry":[]}',
    '{"object":"whatsapp_business_account"}',
    '{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":"none"}}]}]}',
    '{"object":"whatsapp_business_account","entry":[null,{"changes":[null]}]}',
  ])("acknowledges %s and counts it", async (body) => {
    rig.server.post(body);
    await confirmed();
    expect(rig.server.tries()).toEqual([{ status: 200, text: "" }]);
    expect(rig.host.offers()).toBe(0);
    expect(rig.channel.counters().ignored).toBe(1);
  });

  it("takes all of a payload with several entries and changes in one commit, in order", async () => {
    const first = JSON.parse(webhookBody([value("wamid.1", "one"), value("wamid.2", "two")])) as { entry: object[] };
    const second = JSON.parse(webhookBody([value("wamid.3", "three")])) as { entry: object[] };
    rig.server.post(JSON.stringify({ ...first, entry: [...first.entry, ...second.entry] }));
    await confirmed();
    expect(texts()).toEqual(["one", "two", "three"]);
    expect(rig.host.offers()).toBe(1);
  });

  it("passes over what belongs to another number or another field", async () => {
    rig.server.post(webhookBody([messageValue("999", { id: "wamid.1", type: "text", text: { body: "not ours" } })]));
    rig.server.post(webhookBody([value("wamid.2", "echo")], "smb_message_echoes"));
    rig.server.post(
      webhookBody([messageValue(rig.server.phoneNumberId, { id: "wamid.3", type: "text", text: { body: "group" }, group_id: "g" })]),
    );
    await confirmed();
    expect(rig.host.offers()).toBe(0);
    expect(rig.channel.counters().ignored).toBe(3);
  });

  it("hands a message over again under the same id, so that it is known as a duplicate", async () => {
    rig.server.say("once", { id: "wamid.same" });
    rig.server.say("once", { id: "wamid.same" });
    await confirmed();
    expect(rig.host.stored().map(({ externalId }) => externalId)).toEqual(["wamid.same", "wamid.same"]);
    expect(rig.server.tries().map(({ status }) => status)).toEqual([200, 200]);
  });

  it("asks to send again, and tells when, what could not be stored", async () => {
    rig.host.setAccept(async () => {
      throw new TransientError("STORE_UNAVAILABLE", "the disk is away", { retryAfterMs: 7_000 });
    });
    const body = webhookBody([value("wamid.1", "kept by Meta")]);
    const answer = await rig.channel.webhook?.(
      new Request("http://bot/webhooks/whatsapp", { method: "POST", body, headers: { "x-hub-signature-256": rig.server.sign(body) } }),
    );
    expect(answer?.status).toBe(503);
    expect(answer?.headers.get("retry-after")).toBe("7");
    expect(await answer?.text()).not.toContain("disk");
  });

  it("holds no more requests than 500 for a store that hangs, and its end waits for them ten seconds", async () => {
    const clock = createVirtualClock();
    const stuck = await openWhatsAppRig({ clock });
    await stuck.channel.start(stuck.host);
    stuck.host.setAccept(() => new Promise(() => undefined));
    const body = webhookBody([value("wamid.1", "kept by Meta")]);
    const headers = { "x-hub-signature-256": stuck.server.sign(body) };
    const send = () => stuck.channel.webhook?.(new Request("http://bot/webhooks/whatsapp", { method: "POST", body, headers }));
    for (let count = 0; count < 500; count += 1) void send();
    const answer = await send();
    expect([answer?.status, answer?.headers.get("retry-after")]).toEqual([503, "5"]);
    const stopped = stuck.channel.stop();
    await vi.waitFor(() => expect(clock.pending()).toBeGreaterThan(0));
    await clock.advance(10_000);
    await stopped;
    await stuck.close();
  });

  it("answers 503 before it is started and after it was stopped", async () => {
    await rig.channel.stop();
    expect((await rig.server.challenge()).status).toBe(503);
  });

  it("takes GET and POST only", async () => {
    const answer = await rig.channel.webhook?.(new Request("http://bot/webhooks/whatsapp", { method: "DELETE" }));
    expect([answer?.status, answer?.headers.get("allow")]).toEqual([405, "GET, POST"]);
  });

  describe("statuses", () => {
    it("become receipts of the parts that were sent", async () => {
      for (const status of ["sent", "delivered", "read"]) rig.server.status({ id: "wamid.out1", status });
      await confirmed();
      const receipt = { chat: "whatsapp:16505551234", platformId: "wamid.out1", atMs: 1_750_263_773_000 };
      expect(rig.host.receipts()).toEqual([
        { ...receipt, status: "delivered" },
        { ...receipt, status: "read" },
      ]);
      expect(rig.channel.counters().statuses).toBe(3);
    });

    it.each([
      [131_026, "CHAT_UNREACHABLE", /cannot be reached/],
      [131_047, "CHANNEL_REFUSED", /24 hours/],
      [131_049, "CHANNEL_REFUSED", /chose not to deliver/],
      [999_999, "CHANNEL_REFUSED", /999999 title: details/],
    ])("that failed by %i say why", async (code, expected, reason) => {
      rig.server.status({ id: "wamid.out1", status: "failed", errors: [{ code, title: "title", error_data: { details: "details" } }] });
      await confirmed();
      expect(rig.host.receipts()[0]).toMatchObject({
        status: "failed",
        error: { code: expected, message: expect.stringMatching(reason) as string },
      });
    });

    it("are confirmed only once they are stored", async () => {
      let failures = 0;
      const { receive } = rig.host;
      Object.assign(rig.host, {
        receive: (receipts: Parameters<typeof receive>[0]) => {
          failures += 1;
          return failures === 1 ? Promise.reject(new TransientError("STORE_UNAVAILABLE", "away")) : receive(receipts);
        },
      });
      rig.server.status({ id: "wamid.out1", status: "delivered" });
      await confirmed();
      expect(rig.server.tries().map(({ status }) => status)).toEqual([503, 200]);
      expect(rig.host.receipts()).toHaveLength(1);
    });

    it("and messages of one payload are both taken", async () => {
      const status = statusValue(rig.server.phoneNumberId, { id: "wamid.out1", status: "delivered" });
      rig.server.post(webhookBody([status, value("wamid.1", "hello")]));
      await confirmed();
      expect([rig.host.receipts().length, texts()]).toEqual([1, ["hello"]]);
    });
  });

  it("writes into the log what WhatsApp says of the account", async () => {
    const problem = { metadata: { phone_number_id: rig.server.phoneNumberId }, errors: [{ code: 131_031, title: "Account locked" }] };
    rig.server.post(webhookBody([problem]));
    await confirmed();
    expect(rig.lines.join("\n")).toContain("131031 Account locked");
  });

  describe("presence", () => {
    it("marks what was taken in as read, the last one of a chat for all of its payload", async () => {
      rig.server.post(webhookBody([value("wamid.1", "one"), value("wamid.2", "two")]));
      await rig.server.until(() => rig.server.reads().length === 1);
      expect(rig.server.reads()).toEqual([{ messageId: "wamid.2", isTyping: false }]);
    });

    it("shows nothing to who may not write", async () => {
      rig.host.setAccept(async (messages) => messages.map(() => "forbidden"));
      rig.server.say("let me in");
      await confirmed();
      rig.host.setAccept(undefined);
      rig.server.say("hello", { from: "447700900000" });
      await rig.server.until(() => rig.server.reads().length > 0);
      await rig.channel.typing?.("16505551234", new AbortController().signal);
      expect(rig.server.reads()).toHaveLength(1);
      expect(rig.channel.counters()).toMatchObject({ accepted: 1, forbidden: 1 });
    });

    it("shows typing with the last message of that chat, and nothing where nobody has written", async () => {
      const { signal } = new AbortController();
      await rig.channel.typing?.("16505551234", signal);
      expect(rig.server.reads()).toEqual([]);
      rig.server.say("hello", { id: "wamid.hello" });
      await rig.server.until(() => rig.server.reads().length === 1);
      await rig.channel.typing?.("16505551234", signal);
      expect(rig.server.reads().at(-1)).toEqual({ messageId: "wamid.hello", isTyping: true });
    });
  });
});
