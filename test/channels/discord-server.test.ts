import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiscordServer } from "../../src/testing/discord-server/server.ts";
import { openServer } from "./discord-rig.ts";
import { connectGateway } from "./gateway-client.ts";
import type { GatewayClient } from "./gateway-client.ts";

describe("the fake Discord", () => {
  let server: DiscordServer;
  const clients: GatewayClient[] = [];
  const connect = async (): Promise<GatewayClient> => {
    const client = await connectGateway(server.apiRoot.replace("/api", ""));
    clients.push(client);
    await client.until(({ op }) => op === 10);
    return client;
  };
  const identify = (d: Record<string, unknown> = {}): unknown => ({
    op: 2,
    d: { token: server.token, intents: 37_377, properties: {}, ...d },
  });
  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.apiRoot}/v10${path}`, {
      method,
      headers: {
        authorization: `Bot ${server.token}`,
        "user-agent": "DiscordBot (test, 1)",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  const codeOf = async (response: Response): Promise<[number, unknown]> => [
    response.status,
    ((await response.json()) as { code: unknown }).code,
  ];

  beforeEach(async () => {
    server = await openServer();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.terminate();
    await server.close();
  });

  it("welcomes a login with READY and the server, and tells what is said, numbered", async () => {
    const client = await connect();
    client.send(identify());
    const ready = await client.until(({ t }) => t === "READY");
    expect(ready.d).toMatchObject({ user: { id: server.bot.id, bot: true }, guilds: [{ unavailable: true }] });
    await client.until(({ t }) => t === "GUILD_CREATE");
    server.say("hi");
    const said = await client.until(({ t }) => t === "MESSAGE_CREATE");
    expect(said).toMatchObject({ s: 3, d: { content: "hi", channel_type: 1 } });
    expect(said.d).not.toHaveProperty("guild_id");
  });

  it.each<[string, () => unknown, number]>([
    ["is no JSON", () => "{", 4_002],
    ["comes before the login", () => ({ op: 3, d: {} }), 4_003],
    ["logs in with another token", () => identify({ token: "x" }), 4_004],
    ["asks for intents that do not exist", () => identify({ intents: -1 }), 4_013],
    ["asks for intents that are not allowed", () => identify({ intents: 2 }), 4_014],
    ["is another shard", () => identify({ shard: [1, 2] }), 4_010],
  ])("closes a connection whose first payload %s", async (_, payload, code) => {
    const client = await connect();
    client.send(payload());
    expect(await client.closed).toBe(code);
  });

  it("closes a connection that logs in twice or speaks in unknown opcodes", async () => {
    for (const [payload, code] of [
      [identify(), 4_005],
      [{ op: 77, d: {} }, 4_001],
    ] as const) {
      const client = await connect();
      client.send(identify());
      client.send(payload);
      expect(await client.closed).toBe(code);
    }
  });

  it("resumes with everything after the number given, however the connection ended, unless the client had logged out", async () => {
    for (const [end, op] of [
      [(client: GatewayClient) => client.terminate(), 0],
      [(client: GatewayClient) => client.close(4_200), 0],
      [(client: GatewayClient) => client.close(1_000), 9],
    ] as const) {
      const client = await connect();
      client.send(identify());
      const ready = await client.until(({ t }) => t === "READY");
      end(client);
      await client.closed;
      await server.until(() => server.gateway.open() === 0);
      server.say("missed");
      const next = await connect();
      next.send({ op: 6, d: { token: server.token, session_id: ready.d.session_id, seq: 2 } });
      const answer = await next.until((payload) => payload.op === 9 || payload.t === "RESUMED");
      expect(answer.op).toBe(op);
      expect(next.received.filter(({ t }) => t === "MESSAGE_CREATE").map(({ d }) => d.content)).toEqual(op === 0 ? ["missed"] : []);
      next.terminate();
      await server.until(() => server.gateway.open() === 0);
    }
  });

  it("answers heartbeats unless told not to, and pings and fragments as a WebSocket should", async () => {
    const client = await connect();
    client.send({ op: 1, d: null });
    await client.until(({ op }) => op === 11);
    client.frame(1, '{"op":1,', { isFinal: false });
    client.frame(0, '"d":null}');
    client.frame(9, "x");
    await client.untilPong("x");
    await server.until(() => server.gateway.counts().heartbeats === 2);
    server.gateway.setAcks(false);
    client.send({ op: 1, d: null });
    await server.until(() => server.gateway.counts().heartbeats === 3);
    client.frame(9, "y");
    await client.untilPong("y");
    expect(client.received.filter(({ op }) => op === 11)).toHaveLength(2);
  });

  it("closes a connection that breaks the rules of WebSockets", async () => {
    const unmasked = await connect();
    unmasked.frame(1, "{}", { isMasked: false });
    expect(await unmasked.closed).toBe(1_002);
    const unheardOf = await connect();
    unheardOf.frame(5, "");
    expect(await unheardOf.closed).toBe(1_002);
  });

  it("hides what is said in servers from a bot without the Message Content intent, unless it is named", async () => {
    const client = await connect();
    client.send(identify({ intents: 1 | 512 | 4_096 }));
    await client.until(({ t }) => t === "READY");
    server.say("secret", { channelId: server.generalId });
    server.say("open", { channelId: server.generalId, mentions: true });
    server.say("direct");
    await client.until(({ d }) => d.content === "direct");
    expect(client.received.filter(({ t }) => t === "MESSAGE_CREATE").map(({ d }) => d.content)).toEqual([
      "",
      `<@${server.bot.id}> open`,
      "direct",
    ]);
  });

  it("refuses what Discord refuses", async () => {
    const messages = `/channels/${server.generalId}/messages`;
    const text = { content: "hi" };
    expect(await codeOf(await call("POST", messages, text, { authorization: "Bot x" }))).toEqual([401, 0]);
    expect(await codeOf(await call("POST", messages, text, { "user-agent": "curl" }))).toEqual([403, 0]);
    expect(await codeOf(await call("POST", messages, "{"))).toEqual([400, 50_109]);
    expect(await codeOf(await call("POST", messages, { content: " " }))).toEqual([400, 50_006]);
    expect(await codeOf(await call("POST", messages, { content: "x".repeat(2_001) }))).toEqual([400, 50_035]);
    expect(await codeOf(await call("POST", messages, { ...text, nonce: "x".repeat(26) }))).toEqual([400, 50_035]);
    expect(await codeOf(await call("POST", messages, { ...text, components: [{ type: 2 }] }))).toEqual([400, 50_035]);
    expect(await codeOf(await call("POST", "/channels/1/messages", text))).toEqual([404, 10_003]);
    const theirs = server.say("mine", { channelId: server.generalId });
    expect(await codeOf(await call("PATCH", `${messages}/${theirs}`, text))).toEqual([403, 50_005]);
    expect(await codeOf(await call("PUT", `/applications/${server.bot.applicationId}/commands`, [{ name: "No Spaces" }]))).toEqual([
      400, 50_035,
    ]);
    for (const [state, code] of [
      ["hidden", 50_001],
      ["closed", 50_007],
      ["gone", 10_003],
    ] as const) {
      server.setState(server.generalId, state);
      expect((await codeOf(await call("POST", messages, text)))[1]).toBe(code);
    }
    expect(server.sends()).toEqual([]);
  });

  it("gives an empty answer no content type, opens direct chats, and knows one message by its nonce", async () => {
    const typing = await call("POST", `/channels/${server.generalId}/typing`);
    expect([typing.status, typing.headers.get("content-type")]).toEqual([204, null]);
    const direct = (await (await call("POST", "/users/@me/channels", { recipient_id: "7" })).json()) as { id: string; type: number };
    expect(direct).toMatchObject({ id: server.directId("7"), type: 1 });
    const once1 = { content: "hi", nonce: "n", enforce_nonce: true };
    const ids = [];
    for (let round = 0; round < 2; round += 1) {
      const message = (await (await call("POST", `/channels/${direct.id}/messages`, once1)).json()) as { id: string };
      ids.push(message.id);
    }
    expect(ids[0]).toBe(ids[1]);
    expect(server.sends()).toHaveLength(1);
  });

  it("lists messages newest first, those right after one or right before one", async () => {
    const ids = Array.from({ length: 5 }, (_, n) => server.say(String(n)));
    const list = async (query: string): Promise<string> => {
      const page = (await (await call("GET", `/channels/${server.directId("7")}/messages?${query}`)).json()) as { content: string }[];
      return page.map(({ content }) => content).join("");
    };
    expect(await list("limit=2")).toBe("43");
    expect(await list(`after=${ids[0]}&limit=2`)).toBe("21");
    expect(await list(`before=${ids[3]}&limit=2`)).toBe("21");
    expect(await list(`after=${ids[4]}`)).toBe("");
  });
});
