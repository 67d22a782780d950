/** From an event that Slack signs to the answer in its thread, through the whole daemon: HTTP, store, agent and delivery. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createGateway } from "../../src/app/gateway.ts";
import type { Gateway } from "../../src/app/gateway.ts";
import { createChatSdkChannel } from "../../src/channels/chat-sdk/channel.ts";
import { openSlackServer } from "../../src/testing/slack-server.ts";
import type { SlackServer } from "../../src/testing/slack-server.ts";
import { systemClock } from "./clocks.ts";

let folder: string;
let slack: SlackServer;
let gateway: Gateway | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "satibot-slack-"));
  slack = await openSlackServer({ clock: systemClock });
});
afterEach(async () => {
  await slack.close();
  await gateway?.shutdown();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  const channel = createChatSdkChannel({
    name: "slack",
    adapter: "@chat-adapter/slack",
    options: { botToken: slack.token, signingSecret: slack.signingSecret, apiUrl: slack.apiUrl },
    allow: ["*"],
    clock: systemClock,
  });
  gateway = createGateway({ store: `sqlite:${join(folder, "satibot.db")}`, channels: [channel], http: { port: 0 } });
  await gateway.start();
  const { host, port } = gateway.address()!;
  slack.events.connect(`http://${host}:${port}/webhooks/slack`);
}

it("answers in the thread of a mention, and goes on there after a restart", async () => {
  await start();
  const threadTs = slack.say("<@UBOT> hello", { channel: "C1", type: "app_mention" });
  slack.say("<@UBOT> hello", { channel: "C1", ts: threadTs });
  await slack.until(() => slack.messages().length === 1);
  expect(slack.messages()).toMatchObject([{ channel: "C1", threadTs, text: expect.stringContaining("hello") as string }]);
  await gateway?.shutdown();
  slack.say("are you still there?", { channel: "C1", threadTs });
  await start();
  await slack.until(() => slack.messages().length === 2 && slack.events.unconfirmed().length === 0);
  expect(slack.messages()[1]).toMatchObject({ channel: "C1", threadTs, text: expect.stringContaining("still there") as string });
});

it("answers each of many people once", async () => {
  await start();
  const people = Array.from({ length: 40 }, (_, n) => n);
  for (const n of people) slack.say(`I am ${n}.`, { channel: `D${n}`, user: `U${n}` });
  await slack.until(() => slack.messages().length >= people.length && slack.events.unconfirmed().length === 0);
  const answers = slack.messages().map(({ channel, text }) => `${channel} ${/I am \d+/.exec(text)?.[0]}`);
  expect(answers.sort()).toEqual(people.map((n) => `D${n} I am ${n}`).sort());
});
