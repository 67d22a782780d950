import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWhatsAppChannel } from "../../src/channels/whatsapp/channel.ts";
import { buttonId } from "../../src/channels/whatsapp/button-id.ts";
import { saidIn } from "../../src/channels/whatsapp/translate.ts";
import { parseChatKey } from "../../src/core/chat-key.ts";
import { parseContent, textOf } from "../../src/core/content.ts";
import { openWhatsAppRig, type WhatsAppRig } from "./whatsapp-rig.ts";
import { systemClock } from "./clocks.ts";

const said = (type: string, fields: Readonly<Record<string, unknown>>): unknown => saidIn({ type, fields })?.content;

describe("whatsapp messages", () => {
  it.each([
    [
      "image",
      { image: { id: "m1", mime_type: "image/png", caption: "look" } },
      { kind: "image", mime: "image/png", name: "image.png", ref: "whatsapp:m1" },
    ],
    ["document", { document: { id: "m2", mime_type: "application/pdf", filename: "a.pdf" } }, { kind: "document", name: "a.pdf" }],
    ["audio", { audio: { id: "m3", mime_type: "audio/ogg; codecs=opus", voice: true } }, { kind: "voice", name: "audio.ogg" }],
    ["audio", { audio: { id: "m4", mime_type: "audio/mpeg" } }, { kind: "audio", name: "audio.mpeg" }],
    ["video", { video: { id: "m5" } }, { kind: "video", mime: "video/mp4" }],
    ["sticker", { sticker: { id: "m6", mime_type: "image/webp" } }, { kind: "image", name: "sticker.webp" }],
    [
      "location",
      { location: { latitude: 1.5, longitude: -2, name: "Café", address: "1 Hacker Way" } },
      { kind: "location", name: "Café, 1 Hacker Way", ref: "geo:1.5,-2" },
    ],
  ])("give %s as a file that can be opened later: %o", (type, fields, part) => {
    const content = said(type, fields);
    expect(content).toEqual(expect.arrayContaining([expect.objectContaining({ type: "file", ...part })]));
    expect(textOf(parseContent(content))).toBe(type === "image" ? "look" : "");
  });

  it("give contacts as text", () => {
    const contacts = [
      { name: { formatted_name: "Ada" }, phones: [{ phone: "+44 1" }, { phone: "+44 2" }] },
      { name: { formatted_name: "Bob" } },
    ];
    expect(said("contacts", { contacts })).toEqual([{ type: "text", text: "Ada: +44 1, +44 2\nBob" }]);
  });

  it("know which question a pressed button answers", () => {
    const id = buttonId("q 1/ä", "yes");
    expect(saidIn({ type: "interactive", fields: { interactive: { type: "button_reply", button_reply: { id, title: "Yes" } } } })).toEqual({
      content: [{ type: "text", text: "Yes" }],
      questionId: "q 1/ä",
    });
    expect(saidIn({ type: "interactive", fields: { interactive: { list_reply: { id: "theirs", title: "Row" } } } })).toEqual({
      content: [{ type: "text", text: "Row" }],
    });
    expect(said("button", { button: { payload: "x", text: "Of a template" } })).toEqual([{ type: "text", text: "Of a template" }]);
  });

  it("name the message that they change", () => {
    const edit = { original_message_id: "wamid.1", message: { type: "text", text: { body: "better" } } };
    expect(saidIn({ type: "edit", fields: { edit } })).toEqual({ content: [{ type: "text", text: "better" }], editOf: "wamid.1" });
  });

  it.each([
    ["reaction", { reaction: { emoji: "👍" } }],
    ["system", { system: { type: "user_changed_number" } }],
    ["unsupported", { errors: [{ code: 131_051 }] }],
    ["text", { text: { body: "   " } }],
    ["text", { text: 7 }],
    ["image", { image: {} }],
    ["edit", { edit: { original_message_id: "x", message: { type: "edit", edit: {} } } }],
    ["constructor", {}],
    ["interactive", {}],
  ])("of kind %s with %o have nothing to say", (type, fields) => {
    expect(saidIn({ type, fields })).toBeUndefined();
  });

  it("are mended where intake would refuse them", () => {
    expect(() => parseContent(said("text", { text: { body: "broken \ud800 half" } }))).not.toThrow();
  });

  describe("and who wrote them", () => {
    let rig: WhatsAppRig;
    beforeEach(async () => {
      rig = await openWhatsAppRig();
      await rig.channel.start(rig.host);
    });
    afterEach(() => rig.close());
    const stored = async (): Promise<(typeof rig.host)["stored"] extends () => infer T ? T : never> => {
      await rig.server.until(() => rig.server.unconfirmed() === 0);
      return rig.host.stored();
    };

    it("are known by number, user id and username", async () => {
      rig.server.say("hi", { userId: "US.134", name: "Ada", username: "Ada_L" });
      const [message] = await stored();
      expect(message).toMatchObject({
        chat: "whatsapp:16505551234",
        address: "16505551234",
        sender: { id: "16505551234", name: "Ada" },
        identities: ["16505551234", "us.134", "@ada_l"],
        isPrivate: true,
      });
    });

    it("stay in their chat when the number is hidden later, and are answered by their user id", async () => {
      rig.server.say("with number", { userId: "US.134" });
      rig.server.say("without", { from: null, userId: "US.134" });
      const [, second] = await stored();
      expect(second).toMatchObject({ chat: "whatsapp:16505551234", address: "US.134", sender: { id: "16505551234" } });
      await rig.channel.stop();
      await rig.channel.start(rig.host);
      rig.server.say("after a restart", { from: null, userId: "US.134" });
      expect((await stored())[2]).toMatchObject({ chat: "whatsapp:16505551234" });
    });

    it("keep the chat that began without a number when the number shows", async () => {
      rig.server.say("without", { from: null, userId: "US.134" });
      rig.server.say("with number", { userId: "US.134" });
      const [first, second] = await stored();
      expect(first).toMatchObject({ chat: "whatsapp:US.134", address: "US.134" });
      expect(second).toMatchObject({ chat: "whatsapp:US.134", address: "16505551234" });
      expect(second?.identities).toEqual(["us.134", "16505551234"]);
    });

    it("have keys that the runtime takes, however long their ids", async () => {
      rig.server.say("long", { from: null, userId: `US.${"9".repeat(128)}` });
      const [message] = await stored();
      expect(message && parseChatKey(message.chat)).toBe(message?.chat);
      expect(message?.address).toHaveLength(131);
    });
  });
});

describe("whatsapp options", () => {
  const good = {
    accessToken: "EAAsecret",
    phoneNumberId: "106540352242922",
    appSecret: "appsecret",
    verifyToken: "verifysecret",
    clock: systemClock,
  };

  it.each([
    [{ accessToken: " " }, "accessToken"],
    [{ appSecret: "two words" }, "appSecret"],
    [{ verifyToken: "" }, "verifyToken"],
    [{ phoneNumberId: "+1 650 555 1234" }, "phoneNumberId"],
    [{ apiUrl: "graph.facebook.com" }, "apiUrl"],
    [{ name: "api" }, "name"],
    [{ allow: ["me!"] }, "allow[0]"],
  ])("refuses %o at its path, without showing a secret", (options, path) => {
    const make = (): unknown => createWhatsAppChannel({ ...good, ...options });
    expect(make).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", path }));
    expect(make).not.toThrow(/EAAsecret|appsecret|verifysecret|two words/);
  });

  it("takes numbers as people write them", () => {
    const channel = createWhatsAppChannel({ ...good, allow: ["+1 (650) 555-1234", "US.134", "@Ada", "*"] });
    expect(channel.access?.allow).toEqual(["16505551234", "us.134", "@ada", "*"]);
  });

  it("knows the address of a chat by its key", () => {
    const { addressOf } = createWhatsAppChannel(good);
    expect([addressOf?.("whatsapp:16505551234"), addressOf?.("whatsapp:US.134"), addressOf?.("whatsapp:ann")]).toEqual([
      "16505551234",
      "US.134",
      undefined,
    ]);
  });
});
