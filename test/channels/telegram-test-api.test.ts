/** The channel against the npm server `telegram-test-api`: another author's idea of the Bot API, which never holds a poll and lacks methods. */
import { TelegramServer } from "telegram-test-api/lib/telegramServer.js";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import { textContent, textOf } from "../../src/core/content.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import { freePort } from "../e2e/rig.ts";
import { createHeldClock, systemClock } from "./clocks.ts";

const TOKEN = "sampleToken";
let server: TelegramServer;

beforeEach(async () => {
  server = new TelegramServer({ host: "127.0.0.1", port: await freePort() });
  await server.start();
});
afterEach(async () => {
  await server.stop();
});

it("hears a message and answers it", async () => {
  const channel = createTelegramChannel({ token: TOKEN, apiRoot: server.config.apiURL, allow: ["*"], clock: systemClock });
  const host = createRecordingHost("telegram");
  const client = server.getClient(TOKEN, { timeout: 5_000 });
  await client.sendMessage(client.makeMessage("hello"));
  await client.sendCommand(client.makeCommand("/start"));
  await channel.start(host);
  await host.until(() => host.stored().length === 2);
  expect(host.stored().map((message) => textOf(message.content))).toEqual(["hello", "/start"]);
  const address = host.stored()[0]?.address ?? "";
  const { signal } = new AbortController();
  await channel.typing?.(address, signal);
  const sent = await channel.deliver({ chat: "telegram:1", address, content: textContent("hello back"), idempotencyKey: "k", signal });
  expect(Number(sent.platformId)).toBeGreaterThan(0);
  const { result } = (await client.getUpdates()) as { result: { message: { text: string } }[] };
  expect(result.map((update) => update.message.text)).toEqual(["hello back"]);
  await channel.stop();
});

it("does not spin although no poll is ever held", async () => {
  const clock = createHeldClock();
  const channel = createTelegramChannel({ token: TOKEN, apiRoot: server.config.apiURL, allow: ["*"], clock });
  const host = createRecordingHost("telegram");
  const polls = (): number => host.reports().filter((report) => report.type === "traffic.seen").length;
  await channel.start(host);
  for (let round = 1; round <= 3; round += 1) {
    await clock.untilPending(1_000);
    expect(polls()).toBe(round);
    clock.pass(1_000);
  }
  await clock.untilPending(1_000);
  await channel.stop();
  expect(clock.pending()).toEqual([]);
});
