/** What adapters may ask about the past: passed to the adapter itself. The runtime's own history is not shown to it. */
import type { Adapter, ChatInstance } from "chat";
import { TerminalError } from "../../core/errors.ts";

type HistoryApi = ChatInstance["history"];

const LISTED_MAX = 1_000;
const THREADS_DEFAULT = 5;

function unsupported(what: string): never {
  throw new TerminalError("CHANNEL_REFUSED", `${what} is not offered by the bridge; read the chat's history over satibot's API`);
}

/** The adapter's own listings; per-user transcripts throw, as in an SDK that has none configured. */
export function createHistory(adapter: Adapter): HistoryApi {
  const list: HistoryApi["thread"]["list"] = (threadId, options) => adapter.fetchMessages(threadId, options);
  const listThreads: HistoryApi["channel"]["listThreads"] = async (channelId, options) =>
    adapter.listThreads ? adapter.listThreads(channelId, options) : unsupported("listing threads");
  return {
    thread: {
      append: async () => undefined,
      list,
      collect: async function* collect(threadId, { limit = LISTED_MAX } = {}) {
        let left = Math.min(limit, LISTED_MAX);
        for (let cursor: string | undefined; left > 0;) {
          const page = await list(threadId, { direction: "forward", limit: left, ...(cursor === undefined ? {} : { cursor }) });
          yield* page.messages.slice(0, left);
          left -= page.messages.length;
          cursor = page.nextCursor;
          if (cursor === undefined || page.messages.length === 0) return;
        }
      },
    },
    channel: {
      listMessages: async (channelId, options) =>
        adapter.fetchChannelMessages ? adapter.fetchChannelMessages(channelId, options) : unsupported("listing a channel's messages"),
      listThreads,
      listThreadsWithMessages: async (channelId, { cursor, maxThreads = THREADS_DEFAULT, messagesPerThread } = {}) => {
        const page = await listThreads(channelId, { limit: maxThreads, ...(cursor === undefined ? {} : { cursor }) });
        const threads = await Promise.all(
          page.threads.slice(0, maxThreads).map(async ({ id: threadId }) => ({
            threadId,
            messages: (await list(threadId, messagesPerThread === undefined ? {} : { limit: messagesPerThread })).messages,
          })),
        );
        return { threads, ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }) };
      },
    },
    get user(): never {
      return unsupported("a per-user transcript store");
    },
  };
}
