import { channelContract, RIG_RETRY_AFTER_MS } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import type { DiscordFault } from "../../src/testing/discord-server/faults.ts";
import { cursorOf, makeKnown, openChannel, openServer } from "./discord-rig.ts";

const FAULTS: Readonly<Record<string, DiscordFault>> = {
  refused: { kind: "error", status: 400, code: 50_035, message: "Invalid Form Body" },
  unavailable: { kind: "error", status: 503, message: "Service Unavailable" },
  throttled: { kind: "throttled", retryAfterS: RIG_RETRY_AFTER_MS / 1_000 },
  unanswered: { kind: "takenThenCut" },
};

channelContract("discord", async () => {
  const server = await openServer();
  const address = server.directId("7");
  const channel = openChannel(server);
  let host: RecordingHost | undefined;
  return {
    channel: {
      ...channel,
      // A direct chat that has never been used is unknown to a bot: this one has been.
      start: async (given) => {
        const isFirst = host === undefined;
        host = given as RecordingHost;
        if (isFirst) await makeKnown(host, address);
        await channel.start(given);
      },
    },
    say: (text) => server.say(text),
    unconfirmed: () => {
      const after = BigInt(cursorOf(host, address) ?? 0);
      return server.messages(address).filter(({ id }) => BigInt(id) > after).length;
    },
    address,
    taken: () => server.sends().map((send) => send.text),
    failNext: (fault) => server.fail(FAULTS[fault] ?? { kind: "cut" }),
    until: (condition) => Promise.race([server.until(condition), host?.until(condition) ?? new Promise<void>(() => undefined)]),
    secrets: [server.token],
    close: server.close,
  };
});
