import { channelContract, RIG_RETRY_AFTER_MS } from "../../src/testing/channel-contract.ts";
import type { SlackFault } from "../../src/testing/slack-server.ts";
import { openSlackRig } from "./slack-rig.ts";

const FAULTS: Readonly<Record<string, SlackFault>> = {
  refused: { kind: "error", name: "msg_blocks_too_long" },
  unavailable: { kind: "status", status: 503 },
  throttled: { kind: "throttled", retryAfterS: RIG_RETRY_AFTER_MS / 1_000 },
  unanswered: { kind: "takenThenCut" },
};

channelContract("slack over the Chat SDK", async () => {
  const { slack, channel, close } = await openSlackRig();
  return {
    channel,
    say: (text) => void slack.say(text),
    unconfirmed: () => slack.events.unconfirmed().length,
    address: "slack:D7:",
    taken: () => slack.messages().map((message) => message.text),
    failNext: (fault) => slack.fail(FAULTS[fault] ?? { kind: "cut" }),
    until: slack.until,
    secrets: [slack.token, slack.signingSecret],
    close,
  };
});
