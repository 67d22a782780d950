import type { Adapter, Logger } from "chat";

/** The bot's user name and id, and how the platform shows it to people, asked once it is needed. */
export function createOwnNames(adapter: Adapter, logger: Logger): () => Promise<readonly string[]> {
  let shown: Promise<readonly string[]> | undefined;
  const ask = async (id: string): Promise<readonly string[]> => {
    try {
      const user = await adapter.getUser?.(id);
      return user ? [user.userName, user.fullName] : [];
    } catch (error) {
      logger.debug("the bot's own name is not known", { error });
      return [];
    }
  };
  return async () => {
    const { botUserId, userName } = adapter;
    if (botUserId !== undefined) shown ??= ask(botUserId);
    return [userName, botUserId, ...((await shown) ?? [])].filter((own): own is string => own !== undefined && own !== "");
  };
}
