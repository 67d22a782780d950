/** The channel against the npm server `telegram-test-api`: another author's idea of the Bot API, which lacks most of its methods. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import { textContent, textOf } from "../../src/core/content.ts";
import { channelContract, createRecordingHost } from "../../src/testing/channel-contract.ts";
import { createHeldClock, systemClock } from "./clocks.ts";
import { openTestApiFront, type TestApiFront } from "./test-api-front.ts";

channelContract("telegram on telegram-test-api", async () => {
  const front = await openTestApiFront();
  return {
    ...front,
    channel: createTelegramChannel({ token: front.token, apiRoot: front.apiRoot, allow: ["*"], clock: systemClock }),
    // The only person that it knows.
    address: "1",
    secrets: [front.token],
  };
});

describe("telegram on telegram-test-api alone", () => {
  let front: TestApiFront;
  beforeEach(async () => {
    front = await openTestApiFront();
  });
  afterEach(() => front.close());

  it("hears a message and a command, and answers with formatted text that it edits", async () => {
    const { server, token } = front;
    const channel = createTelegramChannel({ token, apiRoot: server.config.apiURL, allow: ["*"], clock: systemClock });
    const host = createRecordingHost("telegram");
    const client = server.getClient(token, { timeout: 5_000 });
    await client.sendMessage(client.makeMessage("hello"));
    await client.sendCommand(client.makeCommand("/start"));
    await channel.start(host);
    await host.until(() => host.stored().length === 2);
    expect(host.stored().map((message) => textOf(message.content))).toEqual(["hello", "/start"]);
    const address = host.stored()[0]?.address ?? "";
    const { signal } = new AbortController();
    await channel.typing?.(address, signal);
    const request = { chat: "telegram:1", address, idempotencyKey: "k", signal } as const;
    const sent = await channel.deliver({ ...request, content: textContent("**hello** back") });
    await channel.edit?.({ ...request, content: textContent("hello *again*"), platformId: sent.platformId });
    const { result } = (await client.getUpdates()) as { result: { message: { text: string; entities: unknown } }[] };
    expect(result.map(({ message }) => [message.text, message.entities])).toEqual([
      ["hello again", [{ type: "italic", offset: 6, length: 5 }]],
    ]);
    await channel.stop();
  });

  it("hears a button press", async () => {
    const { server, token } = front;
    const channel = createTelegramChannel({ token, apiRoot: server.config.apiURL, allow: ["*"], clock: systemClock });
    const host = createRecordingHost("telegram");
    const client = server.getClient(token, { timeout: 5_000 });
    const message = { message_id: 1, date: 1, chat: { id: 1, type: "private", first_name: "P" } };
    await client.sendCallback(client.makeCallbackQuery("q2:abyes", { message }));
    await channel.start(host);
    await host.until(() => host.stored().length === 1);
    expect(host.stored()[0]).toMatchObject({ questionId: "ab", content: [{ type: "text", text: "yes" }] });
    await channel.stop();
  });

  it("does not spin although no poll is ever held", async () => {
    const clock = createHeldClock();
    const channel = createTelegramChannel({ token: front.token, apiRoot: front.server.config.apiURL, allow: ["*"], clock });
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
});
