import { ConfigError } from "../../core/errors.ts";

/** Who wrote, where. */
export interface Visitor {
  readonly userId: number;
  readonly username: string | undefined;
  readonly chatId: number;
  readonly chatUsername: string | undefined;
}

const ENTRY = /^(\*|-?\d{1,20}|@[A-Za-z0-9_]{1,64})$/;

/**
 * Who may talk to the bot: a user id, a chat id, an `@username` of either (any case) or `*` opens the door; an empty list opens it to nobody.
 * @throws ConfigError CONFIG_INVALID naming the entry that is none of these
 */
export function createAccess(allow: readonly string[]): (visitor: Visitor) => boolean {
  const entries = new Set(
    allow.map((entry, index) => {
      const text = String(entry).trim().toLowerCase();
      if (ENTRY.test(text)) return text;
      throw new ConfigError(
        "CONFIG_INVALID",
        `telegram allow[${index}] is ${JSON.stringify(text)}; write a numeric user or chat id, "@username" or "*"`,
        {
          path: `allow[${index}]`,
        },
      );
    }),
  );
  const hasName = (name: string | undefined): boolean => name !== undefined && entries.has(`@${name.toLowerCase()}`);
  if (entries.has("*")) return () => true;
  return ({ userId, chatId, username, chatUsername }) =>
    entries.has(String(userId)) || entries.has(String(chatId)) || hasName(username) || hasName(chatUsername);
}
