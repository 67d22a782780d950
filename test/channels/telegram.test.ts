import { channelContract, RIG_RETRY_AFTER_MS } from "../../src/testing/channel-contract.ts";
import { createTelegramChannel } from "../../src/channels/telegram/channel.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import type { TelegramFault } from "../../src/testing/telegram-server/faults.ts";
import { systemClock } from "./clocks.ts";

const FAULTS: Readonly<Record<string, TelegramFault>> = {
  refused: { kind: "error", status: 403, description: "Forbidden: bot was blocked by the user" },
  unavailable: { kind: "error", status: 500, description: "Internal Server Error" },
  throttled: { kind: "error", status: 429, description: "Too Many Requests", retryAfterS: RIG_RETRY_AFTER_MS / 1_000 },
  unanswered: { kind: "takenThenCut" },
};

channelContract("telegram", async () => {
  const server = await openTelegramServer({ clock: systemClock });
  return {
    channel: createTelegramChannel({ token: server.token, apiRoot: server.apiRoot, allow: ["7"], clock: systemClock }),
    say: (text) => server.say(text),
    unconfirmed: () => server.unconfirmed().length,
    address: "7",
    taken: () => server.sends().map((send) => send.text),
    failNext: (fault) => server.fail(FAULTS[fault] ?? { kind: "cut" }),
    until: server.until,
    secrets: [server.token, server.token.split(":")[1] ?? "?"],
    close: server.close,
  };
});
