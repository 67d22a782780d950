import { createDiscordChannel } from "../../src/channels/discord/channel.ts";
import type { DiscordChannel, DiscordOptions } from "../../src/channels/discord/channel.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { openDiscordServer } from "../../src/testing/discord-server/server.ts";
import type { DiscordServer, DiscordServerOptions } from "../../src/testing/discord-server/server.ts";
import { systemClock } from "./clocks.ts";

export function openServer(options: Partial<DiscordServerOptions> = {}): Promise<DiscordServer> {
  return openDiscordServer({ clock: systemClock, ...options });
}

export function openChannel(server: DiscordServer, options: Partial<DiscordOptions> = {}): DiscordChannel {
  return createDiscordChannel({
    token: server.token,
    apiRoot: server.apiRoot,
    allow: ["*"],
    clock: systemClock,
    identifyMs: 0,
    ...options,
  });
}

interface Cell {
  readonly id: string;
  readonly after: string;
}

const isCell = (value: unknown): value is Cell => typeof value === "object" && value !== null && "after" in value;

/** The cursor that is stored for a channel. */
export function cursorOf(host: RecordingHost | undefined, channelId: string): string | undefined {
  return [...(host?.cells.values() ?? [])].filter(isCell).find(({ id }) => id === channelId)?.after;
}

/** Makes a channel one in which the bot has been spoken to before. */
export async function makeKnown(host: RecordingHost, channelId: string, after = channelId, guild?: string): Promise<void> {
  const count = Number(host.cells.get("channels") ?? 0);
  await host.save("channels", count + 1);
  await host.save(`channel:${count}`, { id: channelId, after, ...(guild === undefined ? {} : { guild }) });
}
