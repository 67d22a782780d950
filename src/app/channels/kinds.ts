/** Kinds of channel that can be configured. Of `terminal` and `web` there is one each; of the others as many as have names. */
export const CHANNEL_KINDS = ["terminal", "web", "telegram", "discord", "whatsapp", "slack", "chat-sdk"] as const;

export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** Adapters of the Chat SDK that have a kind of their own. */
export const ADAPTERS: Readonly<Partial<Record<string, string>>> = { slack: "@chat-adapter/slack" };

/** True for a kind that can be built. */
export function isChannelKind(kind: string | undefined): kind is ChannelKind {
  return CHANNEL_KINDS.some((known) => known === kind);
}

/**
 * The kind of the instance `name`: the one that it says itself, else `chat-sdk` where it names an adapter, else the one that its name is or
 * begins with (`telegram-2`). Undefined when nothing tells; what it says itself need not be a kind.
 */
export function kindOf(name: string, given: unknown): string | undefined {
  if (typeof given === "object" && given !== null) {
    if ("kind" in given && typeof given.kind === "string") return given.kind;
    if ("adapter" in given && given.adapter !== undefined) return "chat-sdk";
  }
  return CHANNEL_KINDS.find((kind) => name === kind || name.startsWith(`${kind}-`));
}
