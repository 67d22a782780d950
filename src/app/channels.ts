/** The channels that a gateway opens; the code of each loads only when it is configured. */
import type { Channel } from "../ports/channel.ts";
import type { EventLoop } from "../runtime/api.ts";
import { createWebChannel } from "../channels/web/channel.ts";
import type { NamedChannels } from "./channels/options.ts";
import { openPlatform, type Surroundings } from "./channels/platforms.ts";

/** What the channels are opened in. */
export interface ChannelSurroundings extends Surroundings {
  readonly hasPage: boolean;
  /** Calls are valid once it has started. */
  readonly loop: Pick<EventLoop, "stream" | "status" | "chats" | "why" | "chat">;
  /** The person at the terminal wants to leave. */
  readonly quit: () => void;
  /** From now on `print` writes above the terminal's prompt. */
  readonly attach: (print: (text: string) => void) => void;
}

/** @throws ConfigError CONFIG_INVALID for a name that is no channel, and what the channels themselves throw */
export async function openChannels(
  channels: NamedChannels | readonly Channel[],
  surroundings: ChannelSurroundings,
): Promise<readonly Channel[]> {
  const { hasPage } = surroundings;
  const given = isList(channels) ? channels : await openNamed(channels, surroundings);
  const isWebMissing = hasPage && !given.some(({ name }) => name === "web");
  return isWebMissing ? [...given, createWebChannel()] : given;
}

async function openNamed(channels: NamedChannels, surroundings: ChannelSurroundings): Promise<readonly Channel[]> {
  const { clock, random, log } = surroundings;
  const opened: Channel[] = [];
  for (const [name, options] of Object.entries(channels)) {
    if (name === "web" || options === false) continue;
    if (name === "terminal" && options === true) opened.push(await openTerminal(surroundings));
    else opened.push(await openPlatform(name, options, { clock, random, log }));
  }
  return opened;
}

async function openTerminal({ clock, loop, quit, attach }: ChannelSurroundings): Promise<Channel> {
  const { createTerminalChannel } = await import("../channels/terminal/channel.ts");
  const terminal = createTerminalChannel({ input: process.stdin, output: process.stdout, clock, loop, onQuit: quit });
  if (terminal.isInteractive) attach(terminal.print);
  return terminal;
}

function isList(channels: NamedChannels | readonly Channel[]): channels is readonly Channel[] {
  return Array.isArray(channels);
}
