import { createTerminalChannel } from "../../src/channels/terminal/channel.ts";
import { TerminalError, TransientError } from "../../src/core/errors.ts";
import type { Channel } from "../../src/ports/channel.ts";
import { channelContract, RIG_RETRY_AFTER_MS, type ChannelRig } from "../../src/testing/channel-contract.ts";
import { systemClock } from "./clocks.ts";
import { createFakeTerminal } from "./terminal/fake-terminal.ts";
import { idleLoop } from "./terminal/rig.ts";

const broken = (code: string): Error => Object.assign(new Error(code), { code });

/** A terminal refuses no text and asks for no pause: those two answers are put in its place. Everything else is its own. */
function withForeignFaults(channel: Channel, errors: Error[]): Channel {
  return {
    ...channel,
    deliver: async (request) => {
      const error = errors.shift();
      if (error) throw error;
      return channel.deliver(request);
    },
  };
}

async function openRig(isTTY: boolean): Promise<ChannelRig> {
  const terminal = createFakeTerminal({ isTTY });
  const foreign: Error[] = [];
  const channel = createTerminalChannel({
    input: terminal.input,
    output: terminal.output,
    clock: systemClock,
    loop: idleLoop,
    onQuit: () => undefined,
    env: {},
  });
  let said = 0;
  return {
    channel: withForeignFaults(channel, foreign),
    say: (text) => {
      said += 1;
      terminal.type(`${text}${isTTY ? "\r" : "\n"}`);
    },
    unconfirmed: () => said - channel.counters().ended,
    address: "main",
    taken: () =>
      terminal
        .written()
        .split(/\r?\n/)
        .flatMap((line) => /^\[x\] (.*)$/.exec(line)?.[1] ?? []),
    failNext: (fault) => {
      if (fault === "refused") foreign.push(new TerminalError("CHANNEL_REFUSED", "no"));
      else if (fault === "throttled") foreign.push(new TransientError("CHANNEL_UNAVAILABLE", "wait", { retryAfterMs: RIG_RETRY_AFTER_MS }));
      else terminal.failWith(broken(fault === "unavailable" ? "EPIPE" : "ENOSPC"));
    },
    until: async (condition) => {
      while (!condition()) await new Promise((resolve) => setImmediate(resolve));
    },
    secrets: [],
    close: () => Promise.resolve(),
  };
}

channelContract("terminal with a prompt", () => openRig(true));
channelContract("terminal with plain lines", () => openRig(false));
