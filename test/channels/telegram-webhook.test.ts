import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import type { TelegramChannel, TelegramOptions } from "../../src/channels/telegram/channel.ts";
import { textOf } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import { createHeldClock, systemClock } from "./clocks.ts";
import type { HeldClock } from "./clocks.ts";
import { openWebhookDoor } from "./webhook-door.ts";
import type { WebhookDoor } from "./webhook-door.ts";

const SECRET = "s".repeat(32);
const HEADER = "x-telegram-bot-api-secret-token";

describe("telegram webhook", () => {
  let server: TelegramServer;
  let door: WebhookDoor;
  let clock: HeldClock;
  let host: RecordingHost;
  let channel: TelegramChannel;
  const open = (options: Partial<TelegramOptions> = {}): TelegramChannel => {
    const made = createTelegramChannel({
      token: server.token,
      apiRoot: server.apiRoot,
      clock,
      mode: "webhook",
      webhookUrl: door.url,
      ...options,
    });
    door.lead(made);
    return made;
  };
  const texts = (): string[] => host.stored().map((message) => textOf(message.content));
  const isOpened = (): boolean => host.reports().some((report) => report.type === "connection.opened");
  const start = async (): Promise<void> => {
    await channel.start(host);
    await host.until(isOpened);
  };
  const ask = async (init: RequestInit): Promise<Response> =>
    (await channel.webhook?.(new Request("http://127.0.0.1/webhooks/telegram", init))) ?? new Response(null, { status: 404 });
  const post = (body: string): Promise<Response> => ask({ method: "POST", headers: { [HEADER]: SECRET }, body });
  const update = (text: string, id = 1): string =>
    JSON.stringify({
      update_id: id,
      message: { message_id: id, date: 1, chat: { id: 7, type: "private" }, from: { id: 7, is_bot: false, first_name: "P" }, text },
    });

  beforeEach(async () => {
    server = await openTelegramServer({ clock: systemClock });
    door = await openWebhookDoor();
    clock = createHeldClock();
    host = createRecordingHost("telegram");
    channel = open({ secretToken: SECRET });
  });
  afterEach(async () => {
    await channel.stop();
    await server.close();
    await door.close();
  });

  it("tells Telegram where to call, with which secret, and for what", async () => {
    await start();
    expect(server.lastPayload("setWebhook")).toEqual({
      url: `${door.url}/webhooks/telegram`,
      secret_token: SECRET,
      allowed_updates: ["message", "edited_message", "callback_query"],
      max_connections: 40,
    });
    expect(inspect([...host.cells])).not.toContain(SECRET);
    server.say("hello");
    await server.until(() => server.unconfirmed().length === 0);
    expect(texts()).toEqual(["hello"]);
    expect(server.calls("getUpdates")).toBe(0);
  });

  it("does not tell it again what it knows, but does when anything differs", async () => {
    await start();
    await channel.stop();
    await start();
    expect(server.calls("setWebhook")).toBe(1);
    await channel.stop();
    channel = open({ secretToken: "another" });
    await channel.start(host);
    await server.until(() => server.calls("setWebhook") === 2);
    server.say("still heard");
    await server.until(() => server.unconfirmed().length === 0);
    expect(texts()).toEqual(["still heard"]);
  });

  it("makes up a secret of its own, which is the same at each start and says nothing of the token", async () => {
    channel = open();
    await start();
    const secret = server.webhook()?.secretToken ?? "";
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    await channel.stop();
    channel = open();
    await start();
    expect(server.webhook()?.secretToken).toBe(secret);
    expect(server.calls("setWebhook")).toBe(1);
  });

  it("calls no setWebhook where somebody else does", async () => {
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, clock, mode: "webhook", secretToken: SECRET });
    await start();
    expect(server.calls("setWebhook")).toBe(0);
    expect((await post(update("hello"))).status).toBe(200);
    expect(texts()).toEqual(["hello"]);
  });

  it.each([undefined, "", "s", `${SECRET}s`, "S".repeat(32), "ü"])("refuses the secret %o, and stores nothing", async (secret) => {
    await start();
    const headers = secret === undefined ? new Headers() : new Headers({ [HEADER]: secret });
    expect((await ask({ method: "POST", headers, body: update("hello") })).status).toBe(401);
    expect([host.offers(), channel.counters().unauthorized]).toEqual([0, 1]);
  });

  it("refuses other methods", async () => {
    await start();
    expect((await ask({ method: "GET", headers: { [HEADER]: SECRET } })).status).toBe(405);
  });

  it("answers 200 only once the message is stored", async () => {
    let store: (() => void) | undefined;
    host.setAccept(
      (messages) =>
        new Promise((resolve) => {
          store = () => resolve(messages.map(() => "accepted"));
        }),
    );
    await start();
    let status: number | undefined;
    const posting = post(update("hello")).then((response) => {
      ({ status } = response);
    });
    await host.until(() => host.offers() === 1);
    expect(status).toBeUndefined();
    store?.();
    await posting;
    expect(status).toBe(200);
  });

  it("answers 503 when it could not be stored, and asks Telegram to come back within seconds", async () => {
    await start();
    host.setAccept(async () => {
      throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 3_600_000 });
    });
    const refused = await post(update("hello"));
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    host.setAccept(async () => {
      throw new Error("not one of ours");
    });
    const failed = await post(update("hello"));
    expect([failed.status, failed.headers.get("retry-after")]).toEqual([503, "2"]);
  });

  it.each(["", "{", "null", "[]", "7", '"text"', "\u0000"])("takes %o with the right secret, counts it and goes on", async (body) => {
    await start();
    expect((await post(body)).status).toBe(200);
    expect(channel.counters().garbled).toBe(1);
    expect((await post(update("next"))).status).toBe(200);
    expect(texts()).toEqual(["next"]);
  });

  it.each(["{}", '{"update_id":1}', '{"update_id":"x","message":{"text":1}}', '{"message":null}'])(
    "passes over the update %s",
    async (body) => {
      await start();
      expect((await post(body)).status).toBe(200);
      expect([host.offers(), channel.counters().garbled]).toEqual([0, 0]);
    },
  );

  it("says come again before it knows who the bot is, and after it was stopped", async () => {
    server.fail({ kind: "takenThenSilent" }, { method: "getMe" });
    await channel.start(host);
    await server.until(() => server.calls("getMe") === 1);
    expect((await post(update("early"))).status).toBe(503);
    await channel.stop();
    expect((await post(update("late"))).status).toBe(503);
    expect(host.offers()).toBe(0);
  });

  it("gets again what was taken but whose answer was lost, under the same identity", async () => {
    server.fail({ kind: "takenThenCut" }, { method: "webhook", times: 3 });
    await start();
    server.say("hello");
    await server.until(() => server.unconfirmed().length === 0);
    expect(new Set(host.stored().map((message) => message.externalId)).size).toBe(1);
    expect(host.stored()).toHaveLength(4);
  });

  it("keeps the order of each chat through failures of the store", async () => {
    let calls = 0;
    const stored: string[] = [];
    host.setAccept(async (messages) => {
      calls += 1;
      if (calls % 3 === 0) throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again");
      stored.push(...messages.map((message) => `${message.chat} ${textOf(message.content)}`));
      return messages.map(() => "accepted");
    });
    for (let n = 0; n < 60; n += 1) server.say(String(n), { userId: 7 + (n % 3) });
    await start();
    await server.until(() => server.unconfirmed().length === 0);
    for (const chat of [0, 1, 2]) {
      const heard = stored.filter((line) => line.startsWith(`telegram:${7 + chat} `)).map((line) => Number(line.split(" ")[1]));
      expect(heard).toEqual(Array.from({ length: 20 }, (_, n) => 3 * n + chat));
    }
  });

  it("tells of a moved group, and asks to come again while that could not be stored", async () => {
    let attempts = 0;
    const failing = Object.assign(host, {
      moved: async () => {
        attempts += 1;
        if (attempts === 1) throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again");
      },
    });
    channel = open({ secretToken: SECRET });
    await channel.start(failing);
    await host.until(isOpened);
    server.migrate(-5, -1005);
    await server.until(() => server.unconfirmed().length === 0);
    expect(attempts).toBe(3);
  });

  it("reports what Telegram says against the address, with advice, and is started again by the runtime", async () => {
    server.fail({ kind: "error", status: 400, description: "Bad Request: bad webhook: Failed to resolve host" }, { method: "setWebhook" });
    await channel.start(host);
    await host.until(() => host.reports().length === 1);
    expect(host.reports()[0]).toMatchObject({
      type: "connection.lost",
      error: { message: expect.stringMatching(/resolve host; check webhookUrl/) },
    });
    await channel.stop();
    await start();
    expect(server.webhook()?.url).toBe(`${door.url}/webhooks/telegram`);
  });

  it.each([
    [{ kind: "error", status: 401, description: "Unauthorized" }, "connection.refused"],
    [{ kind: "error", status: 429, retryAfterS: 7 }, "connection.lost"],
    [{ kind: "cut" }, "connection.lost"],
  ] as const)("reports %o from setWebhook as %s", async (fault, type) => {
    server.fail(fault, { method: "setWebhook" });
    await channel.start(host);
    await host.until(() => host.reports().length === 1);
    expect(host.reports()[0]?.type).toBe(type);
  });

  it("removes its webhook when polling takes over, and drops nothing", async () => {
    await start();
    await channel.stop();
    const id = server.say("said in between");
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, clock });
    await channel.start(host);
    await host.until(() => host.stored().length === 1);
    expect(server.lastPayload("deleteWebhook")).toEqual({ drop_pending_updates: false });
    expect(host.stored()[0]?.externalId).toContain(`:${id}`);
    await channel.stop();
    channel = open({ secretToken: SECRET });
    await channel.start(host);
    await server.until(() => server.webhook() !== undefined);
  });

  it("leaves the webhook of another program alone, says so, and polls once it is gone", async () => {
    const foreign = await fetch(`${server.apiRoot}/bot${server.token}/setWebhook?url=https://elsewhere.example.org/hook`);
    expect(foreign.status).toBe(200);
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, clock, pollTimeoutS: 25 });
    await channel.start(host);
    await clock.untilPending(30_000);
    expect(host.reports().at(-1)).toMatchObject({
      type: "connection.conflicted",
      error: { code: "CHANNEL_CONFLICT", message: expect.stringMatching(/deleteWebhook, or write mode: webhook/) },
    });
    expect(server.calls("deleteWebhook")).toBe(0);
    await fetch(`${server.apiRoot}/bot${server.token}/deleteWebhook`);
    clock.pass(30_000);
    await server.until(() => server.heldPolls() === 1);
  });

  it("leaves a webhook alone that was set over its own", async () => {
    await start();
    await channel.stop();
    await fetch(`${server.apiRoot}/bot${server.token}/setWebhook?url=https://elsewhere.example.org/hook`);
    channel = createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, clock, pollTimeoutS: 25 });
    await channel.start(host);
    await clock.untilPending(30_000);
    expect(server.calls("deleteWebhook")).toBe(0);
  });

  describe("looked at every five minutes", () => {
    const LOOK_MS = 300_000;
    const elsewhere = "https://elsewhere.example.org/hook";
    const byOther = (call: string): Promise<Response> => fetch(`${server.apiRoot}/bot${server.token}/${call}`);
    const look = async (): Promise<void> => {
      const looks = server.calls("getWebhookInfo");
      await clock.untilPending(LOOK_MS);
      clock.pass(LOOK_MS);
      await server.until(() => server.calls("getWebhookInfo") > looks);
      await clock.untilPending(LOOK_MS);
    };
    const last = (): unknown => host.reports().at(-1);

    it("is set again when somebody removed it, after telling", async () => {
      await start();
      await look();
      expect(last()).toMatchObject({ type: "connection.opened" });
      await byOther("deleteWebhook");
      await look();
      expect(last()).toMatchObject({ type: "connection.conflicted", error: { message: expect.stringContaining("was removed") } });
      expect(server.webhook()).toBeUndefined();
      await look();
      expect(last()).toEqual({ type: "traffic.seen" });
      server.say("back");
      await server.until(() => server.unconfirmed().length === 0);
      expect(texts()).toEqual(["back"]);
    });

    it("is left to who set it elsewhere, and comes back once that is gone", async () => {
      await start();
      await byOther(`setWebhook?url=${elsewhere}`);
      for (let round = 0; round < 3; round += 1) await look();
      expect(last()).toMatchObject({
        type: "connection.conflicted",
        error: { message: expect.stringContaining("elsewhere.example.org;") },
      });
      expect(server.webhook()?.url).toBe(elsewhere);
      await byOther("deleteWebhook");
      await look();
      expect(server.webhook()?.url).toBe(`${door.url}/webhooks/telegram`);
    });

    it("is looked at again after a look that failed, and no more once the token is refused", async () => {
      await start();
      server.fail({ kind: "html", status: 502 }, { method: "getWebhookInfo" });
      await look();
      expect(last()).toMatchObject({ type: "connection.opened" });
      server.fail({ kind: "error", status: 401, description: "Unauthorized" }, { method: "getWebhookInfo" });
      clock.pass(LOOK_MS);
      await host.until(() => host.reports().at(-1)?.type === "connection.refused");
      await channel.stop();
      expect(clock.pending()).toEqual([]);
    });
  });
});
