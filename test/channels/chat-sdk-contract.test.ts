/** Any adapter will do: one of fifty lines keeps the channel contract. */
import { createChatSdkChannel } from "../../src/channels/chat-sdk/channel.ts";
import { channelContract, RIG_RETRY_AFTER_MS } from "../../src/testing/channel-contract.ts";
import { createLoft, createPigeon } from "./chat-sdk-pigeon.ts";
import { systemClock } from "./clocks.ts";

const SECRET = "feather-0123456789";
const coded = (code: string, more: object = {}): Error => Object.assign(new Error(`no: ${code} ${SECRET}`), { code, ...more });
const FAULTS: Readonly<Record<string, unknown>> = {
  refused: coded("VALIDATION_ERROR"),
  unavailable: coded("ECONNREFUSED"),
  throttled: coded("RATE_LIMITED", { retryAfter: RIG_RETRY_AFTER_MS / 1_000 }),
  unanswered: coded("ECONNRESET"),
};

channelContract("a hand-written Chat SDK adapter", async () => {
  const pigeon = createPigeon();
  const channel = createChatSdkChannel({ name: "pigeon", adapter: pigeon, options: { ring: SECRET }, allow: ["*"], clock: systemClock });
  const loft = createLoft(channel);
  return {
    channel,
    say: loft.say,
    unconfirmed: loft.unconfirmed,
    address: "pigeon:home",
    taken: () => pigeon.taken,
    failNext: (fault) => void pigeon.faults.push(FAULTS[fault]),
    until: loft.until,
    secrets: [SECRET],
    close: async () => loft.close(),
  };
});
