import { InvariantError } from "../../core/errors.ts";
import type { Channel, ChannelHost } from "../../ports/channel.ts";

/** The chats of the web page: written and read over the HTTP API, so that there is no connection to open and nothing to deliver. */
export function createWebChannel({ name = "web" }: { readonly name?: string } = {}): Channel {
  return {
    name,
    kind: "web",
    limits: { textUnits: Number.MAX_SAFE_INTEGER, canEdit: false },
    isDirect: true,
    start: async (host: ChannelHost) => host.report({ type: "connection.opened" }),
    stop: async () => undefined,
    deliver: async ({ chat }) => {
      throw new InvariantError(`a part of ${chat} was handed to the web channel; its commit should have delivered it`);
    },
  };
}
