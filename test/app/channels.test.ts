import { afterEach, describe, expect, it } from "vitest";
import { openPlatform } from "../../src/app/channels/platforms.ts";
import type { ChannelOptions } from "../../src/app/channels/options.ts";
import { createGateway, type Gateway } from "../../src/app/gateway.ts";
import { SILENT } from "../../src/app/event-loop.ts";
import { createSystemRandom } from "../../src/app/system-random.ts";
import { openWhatsAppServer, type WhatsAppServer } from "../../src/testing/whatsapp-server.ts";
import { systemClock } from "../channels/clocks.ts";
import { raw } from "../http/rig.ts";

const AROUND = { clock: systemClock, random: createSystemRandom(), log: SILENT };
const WHATSAPP = { accessToken: "EAA", phoneNumberId: "106540352242922", appSecret: "app", verifyToken: "verify" };
const open = (name: string, options: ChannelOptions | true) => openPlatform(name, options, AROUND);

describe("channels of a gateway", () => {
  it.each<[string, ChannelOptions, string]>([
    ["telegram", { token: "1:a" }, "telegram"],
    ["telegram-2", { token: "1:a" }, "telegram"],
    ["support", { kind: "discord", token: "d" }, "discord"],
    ["discord", { token: "d", groups: "all" }, "discord"],
    ["whatsapp", WHATSAPP, "whatsapp"],
    ["slack", { options: {} }, "chat-sdk"],
    ["teams", { adapter: "@chat-adapter/teams" }, "chat-sdk"],
  ])("named %s with %o are of the kind %s", async (name, options, kind) => {
    expect(await open(name, options)).toMatchObject({ name, kind });
  });

  it("know who administers them and how much one may write", async () => {
    const { access } = await open("telegram", {
      token: "1:a",
      allow: ["@Ann"],
      admins: ["US.Boss"],
      rate: { perUser: "20/1m", perChat: { count: 5, perMs: 1_000 } },
    });
    expect(access).toEqual({
      allow: ["@ann"],
      admins: ["us.boss"],
      rate: { perUser: { count: 20, perMs: 60_000 }, perChat: { count: 5, perMs: 1_000 } },
    });
    expect((await open("telegram", { token: "1:a" })).access).toEqual({ allow: undefined });
  });

  it.each<[string, ChannelOptions | true, string]>([
    ["telegram", { token: "" }, "channels.telegram.token"],
    ["telegram", true, "channels.telegram"],
    ["discord", { token: "d", allow: ["me!"] }, "channels.discord.allow[0]"],
    ["discord", { token: "d", groups: { nowhere: "all" } }, "channels.discord.groups.nowhere"],
    ["whatsapp", { ...WHATSAPP, appSecret: "" }, "channels.whatsapp.appSecret"],
    ["chat-sdk", { options: {} }, "channels.chat-sdk.adapter"],
    ["telegram", { token: "1:a", rate: { perUser: "many" } }, "channels.telegram.rate.perUser"],
    ["telegram", { token: "1:a", admins: ["@ann"] }, "channels.telegram.admins[0]"],
    ["nowhere", { token: "1:a" }, "channels.nowhere"],
  ])("name the option that is wrong: %s with %o", async (name, options, path) => {
    await expect(open(name, options)).rejects.toMatchObject({ name: "ConfigError", path });
  });
});

describe("WhatsApp behind the daemon's webhooks", () => {
  let gateway: Gateway;
  let server: WhatsAppServer;
  afterEach(async () => {
    await gateway.shutdown();
    await server.close();
  });

  it("is answered in order, refuses who cannot sign, and asks to come again once it shuts down", async () => {
    server = await openWhatsAppServer({ clock: systemClock });
    const { apiUrl, accessToken, phoneNumberId, appSecret, verifyToken } = server;
    gateway = createGateway({
      http: { port: 0, token: "http-token" },
      channels: { whatsapp: { apiUrl, accessToken, phoneNumberId, appSecret, verifyToken, allow: ["*"] } },
    });
    await gateway.start();
    const port = gateway.address()?.port ?? 0;
    server.sendTo(`http://127.0.0.1:${port}/webhooks/whatsapp`);
    expect(await server.challenge()).toEqual({ status: 200, text: "1158201444" });
    expect((await server.tryOnce("{}")).status).toBe(401);

    const texts = Array.from({ length: 20 }, (_, place) => `message ${place}`);
    for (const text of texts) server.say(text);
    server.say("message 3", { id: "wamid.in4" });
    await server.until(() => server.unconfirmed() === 0 && server.sends().length === texts.length);
    expect(server.sends().map((send) => send.text)).toEqual(texts.map((text) => `You said: ${text}`));
    expect((await gateway.status()).channels).toMatchObject([{ name: "whatsapp", kind: "whatsapp", state: "online" }, { name: "web" }]);

    expect((await raw({ port }, { path: "/api/channels" })).status).toBe(401);
    const listed = await raw({ port }, { path: "/api/channels", headers: { Authorization: "Bearer http-token" } });
    expect(JSON.parse(listed.text)).toMatchObject({ items: [{ name: "whatsapp", state: "online", counters: { sent: texts.length } }, {}] });

    const closed = gateway.shutdown();
    server.say("too late");
    await server.until(() => server.tries().at(-1)?.status !== 200);
    expect([503, 0]).toContain(server.tries().at(-1)?.status);
    await closed;
    expect(server.unconfirmed()).toBe(1);
  });
});
