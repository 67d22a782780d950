/** Any Vercel Chat SDK adapter as a channel. */
import { ConfigError } from "../../core/errors.ts";
import type { Channel } from "../../ports/channel.ts";
import { checkOptions } from "./options.ts";
import type { ChatSdkOptions } from "./options.ts";

/**
 * Makes the channel; the SDK and the adapter are loaded by `start`.
 * @throws ConfigError CONFIG_INVALID with the path of the bad option
 */
export function createChatSdkChannel(options: ChatSdkOptions): Channel {
  const { name, allow } = checkOptions(options);
  const unsupported = (): never => {
    throw new ConfigError("CONFIG_UNSUPPORTED", `channel ${name}: the Chat SDK bridge is not built yet; remove the channel`);
  };
  return {
    name,
    kind: "chat-sdk",
    access: { allow },
    limits: { textUnits: 4_000, canEdit: false },
    start: async () => unsupported(),
    stop: () => Promise.resolve(),
    deliver: async () => unsupported(),
  };
}
