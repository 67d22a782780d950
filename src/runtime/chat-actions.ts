/** What people who run the bot do to one chat: stop, reset, retry, passivate, export and erase it. */
import type { ChatKey } from "../core/chat-key.ts";
import { textContent } from "../core/content.ts";
import { RequestError } from "../core/errors.ts";
import type { EventLoop } from "./api.ts";
import type { SnapshotReader } from "./chat-snapshot.ts";
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
    readonly snapshots: SnapshotReader;
    readonly requireOpen: () => void;
  },
): ChatActions {
  const { store, clock, log } = kernel;
  const { chats, commands, intake, views, snapshots, requireOpen } = parts;

  /** Nothing waits and nothing runs afterwards; whoever still does finds itself fenced off. */
  const clear = async (key: ChatKey): Promise<void> => {
    await forgetTold(kernel, key);
    try {
      await store.chats.reset(key, clock.now());
    } finally {
      const entry = chats.get(key);
      if (entry) chats.discard(entry);
    }
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
      const { state } = chats.get(key) ?? {};
      if (state === "responding" || state === "committing")
        throw new RequestError("WRONG_STATE", `chat ${key} is answering now; there is nothing to retry`);
      // What cannot be read is archived; everything that waits is in rows.
      const afresh = snapshots.read(before).type === "unreadable";
      const wasAside = afresh || before.state === "quarantined";
      // Before the row changes: the row itself says that the person was told.
      if (wasAside) await forgetTold(kernel, key);
      const result = await store.chats.retry(key, { skip: options.skip ?? false, afresh, atMs: clock.now() }).finally(kernel.lookSoon);
      // Read again from the store, which counts what waits now.
      const entry = chats.get(key);
      if (entry) chats.discard(entry);
      else chats.wake(key);
      if (!result || (result.restored === 0 && result.skipped === 0 && !wasAside)) {
        throw new RequestError("WRONG_STATE", `chat ${key} has nothing to retry: no turn failed and it is not quarantined`);
      }
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
