import { channelContract, RIG_RETRY_AFTER_MS } from "../../src/testing/channel-contract.ts";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramFault } from "../../src/testing/telegram-server/faults.ts";
import type { ChannelRig } from "../../src/testing/channel-contract.ts";
import { systemClock } from "./clocks.ts";
import { openWebhookDoor } from "./webhook-door.ts";

const FAULTS: Readonly<Record<string, TelegramFault>> = {
  refused: { kind: "error", status: 400, description: "Bad Request: message is too long" },
  unavailable: { kind: "error", status: 500, description: "Internal Server Error" },
  throttled: { kind: "error", status: 429, description: "Too Many Requests", retryAfterS: RIG_RETRY_AFTER_MS / 1_000 },
  unanswered: { kind: "takenThenCut" },
};

const platformOf = (server: TelegramServer): Omit<ChannelRig, "channel" | "close"> => ({
  say: (text) => server.say(text),
  unconfirmed: () => server.unconfirmed().length,
  address: "7",
  taken: () => server.sends().map((send) => send.text),
  failNext: (fault) => server.fail(FAULTS[fault] ?? { kind: "cut" }),
  until: server.until,
  secrets: [server.token, server.token.split(":")[1] ?? "?", "the-secret-of-the-webhook"],
});

channelContract("telegram by polling", async () => {
  const server = await openTelegramServer({ clock: systemClock });
  return {
    ...platformOf(server),
    channel: createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, allow: ["7"], clock: systemClock }),
    close: server.close,
  };
});

channelContract("telegram by webhook", async () => {
  const server = await openTelegramServer({ clock: systemClock });
  const door = await openWebhookDoor();
  const channel = createTelegramChannel({
    token: server.token,
    apiRoot: server.apiRoot,
    allow: ["7"],
    clock: systemClock,
    mode: "webhook",
    webhookUrl: door.url,
    secretToken: "the-secret-of-the-webhook",
  });
  door.lead(channel);
  return {
    ...platformOf(server),
    channel,
    close: async () => {
      await server.close();
      await door.close();
    },
  };
});
