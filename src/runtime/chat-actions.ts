/** What people who run the bot do to one chat: stop, reset, retry, passivate, export and erase it. */
import type { ChatKey } from "../core/chat-key.ts";
import { textContent } from "../core/content.ts";
import { RequestError } from "../core/errors.ts";
import type { EventLoop } from "./api.ts";
import { isUnreadable } from "./chat-snapshot.ts";
import type { Chats } from "./chats.ts";
import type { Commands } from "./commands.ts";
import type { Intake } from "./intake.ts";
import type { Kernel } from "./kernel.ts";
import { forgetTold } from "./quarantine.ts";
import type { Views } from "./views.ts";

export type ChatActions = Pick<EventLoop, "stop" | "reset" | "retry" | "passivate" | "export" | "erase">;

export function createChatActions(
  kernel: Kernel,
  parts: {
    readonly chats: Chats;
    readonly commands: Commands;
    readonly intake: Intake;
    readonly views: Views;
    readonly requireOpen: () => void;
  },
): ChatActions {
  const { store, clock, log } = kernel;
  const { chats, commands, intake, views, requireOpen } = parts;

  /** Nothing waits and nothing runs afterwards; whoever still does finds itself fenced off. */
  const clear = async (key: ChatKey): Promise<void> => {
    await store.chats.reset(key, clock.now());
    const entry = chats.get(key);
    if (entry) chats.discard(entry);
    await forgetTold(kernel, key);
  };

  return {
    stop: async (text) => {
      const { key } = await views.recordOf(text);
      requireOpen();
      await intake.append([
        {
          chat: key,
          address: "",
          content: textContent("/stop"),
          sender: undefined,
          turnClass: "interactive",
          dedupe: undefined,
          repliesWhenFull: false,
        },
      ]);
      await commands.idle(key);
      return views.chat(key);
    },
    reset: async (text) => {
      const { key } = await views.recordOf(text);
      requireOpen();
      await clear(key);
      return views.chat(key);
    },
    retry: async (text, options = {}) => {
      const before = await views.recordOf(text);
      requireOpen();
      const { key } = before;
      if (isUnreadable(before))
        throw new RequestError(
          "WRONG_STATE",
          `the snapshot of chat ${key} cannot be read, so a retry cannot help; \`satibot chats reset ${key}\` starts it afresh`,
        );
      const { state } = chats.get(key) ?? {};
      if (state === "responding" || state === "committing")
        throw new RequestError("WRONG_STATE", `chat ${key} is answering now; there is nothing to retry`);
      const result = await store.chats.retry(key, { skip: options.skip ?? false, atMs: clock.now() });
      // Read again from the store, which counts what waits now.
      const entry = chats.get(key);
      if (entry) chats.discard(entry);
      else chats.wake(key);
      if (!result || (result.restored === 0 && result.skipped === 0 && before.state !== "quarantined")) {
        throw new RequestError("WRONG_STATE", `chat ${key} has nothing to retry: no turn failed and it is not quarantined`);
      }
      await forgetTold(kernel, key);
      return views.chat(key);
    },
    passivate: async (text) => {
      const { key } = await views.recordOf(text);
      requireOpen();
      const entry = chats.get(key);
      if (entry && !(await chats.passivate(entry))) {
        throw new RequestError("WRONG_STATE", `chat ${key} is ${entry.state}; only a chat at rest can be passivated`);
      }
      return views.chat(key);
    },
    export: async (text) => {
      const { key } = await views.recordOf(text);
      const known = await store.chats.export(key);
      if (known) return known;
      throw new RequestError("CHAT_UNKNOWN", `chat ${key} was erased meanwhile; there is nothing to export`, { path: "key" });
    },
    erase: async (text) => {
      const { key } = await views.recordOf(text);
      requireOpen();
      await clear(key);
      await store.chats.erase(key);
      log.info({ chat: key }, "chat erased; its dedupe hashes stay until their retention is over");
    },
  };
}
