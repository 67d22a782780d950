/** The channels that a gateway opens; the code of each loads only when it is configured. */
import { ConfigError } from "../core/errors.ts";
import type { Channel } from "../ports/channel.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLoop } from "../runtime/api.ts";
import { createWebChannel } from "../channels/web/channel.ts";

export interface TelegramGatewayOptions {
  readonly token: string;
  readonly apiRoot?: string;
  /** User ids, chat ids, @usernames or "*"; absent: whoever sends the pairing code first owns the bot. */
  readonly allow?: readonly string[];
}

/** By instance name; `web` and `terminal` are switched on and off. */
export type NamedChannels = Readonly<Record<string, TelegramGatewayOptions | boolean>>;

/** What the channels are opened in. */
export interface ChannelSurroundings {
  readonly clock: Clock;
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
  const { clock } = surroundings;
  const opened: Channel[] = [];
  for (const [name, options] of Object.entries(channels)) {
    if (name === "web" || options === false) continue;
    if (name === "terminal" && options === true) opened.push(await openTerminal(surroundings));
    else if (options === true) {
      throw new ConfigError("CONFIG_INVALID", `channels.${name}: true is not enough; give its token`, { path: `channels.${name}` });
    } else opened.push(await openTelegram(name, options, clock));
  }
  return opened;
}

async function openTerminal({ clock, loop, quit, attach }: ChannelSurroundings): Promise<Channel> {
  const { createTerminalChannel } = await import("../channels/terminal/channel.ts");
  const terminal = createTerminalChannel({ input: process.stdin, output: process.stdout, clock, loop, onQuit: quit });
  if (terminal.isInteractive) attach(terminal.print);
  return terminal;
}

async function openTelegram(name: string, options: TelegramGatewayOptions, clock: Clock): Promise<Channel> {
  const { createTelegramChannel } = await import("../channels/telegram/channel.ts");
  try {
    return createTelegramChannel({ name, ...options, clock });
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    const path = `channels.${name}${cause.path === undefined ? "" : `.${cause.path}`}`;
    throw new ConfigError(cause.code, `${path}: ${cause.message}`, { path, cause });
  }
}

function isList(channels: NamedChannels | readonly Channel[]): channels is readonly Channel[] {
  return Array.isArray(channels);
}
