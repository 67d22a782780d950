import { channelContract, RIG_RETRY_AFTER_MS } from "../../src/testing/channel-contract.ts";
import type { WhatsAppFault } from "../../src/testing/whatsapp-server.ts";
import { openWhatsAppRig } from "./whatsapp-rig.ts";

const FAULTS: Readonly<Record<string, WhatsAppFault>> = {
  refused: { kind: "error", status: 400, code: 131_047, message: "Re-engagement message" },
  unavailable: { kind: "error", status: 500, code: 131_016, message: "Service unavailable" },
  throttled: { kind: "error", status: 429, code: 130_429, message: "Rate limit hit", retryAfterS: RIG_RETRY_AFTER_MS / 1_000 },
  unanswered: { kind: "takenThenCut" },
};

channelContract("whatsapp", async () => {
  const { server, channel, close } = await openWhatsAppRig();
  return {
    channel,
    say: (text) => void server.say(text),
    unconfirmed: server.unconfirmed,
    address: "16505551234",
    taken: () => server.sends().map((send) => send.text),
    failNext: (fault) => server.fail(FAULTS[fault] ?? { kind: "cut" }),
    until: server.until,
    secrets: [server.accessToken, server.appSecret, server.verifyToken],
    close,
  };
});
