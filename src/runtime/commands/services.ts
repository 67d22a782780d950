/** What commands ask of the runtime, put together from its parts. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Store } from "../../ports/store/store.ts";
import type { Access } from "../access.ts";
import type { EventLoop } from "../api.ts";
import type { CommandServices } from "./command.ts";

/** Rows looked through for the jobs that are delivered to a chat without being its own. */
const LOOKED_AT_MAX = 5_000;
const PAGE = 1_000;

export function createCommandServices(store: Store, access: Pick<Access, "roleOf" | "decisions">, loop: EventLoop): CommandServices {
  /** Its own first, then the others. */
  const jobsOf: CommandServices["jobsOf"] = async (chat, limit) => {
    const own = await store.jobs.list({ limit: PAGE }, { owner: chat });
    const ids = new Set(own.items.map(({ id }) => id));
    let cursor: string | undefined;
    let looked = 0;
    do {
      const page = await store.jobs.list({ limit: PAGE, cursor });
      for (const { id, deliverTo } of page.items) if (deliverTo.includes(chat)) ids.add(id);
      looked += page.items.length;
      cursor = page.next;
    } while (cursor !== undefined && looked < LOOKED_AT_MAX && ids.size <= limit);
    return { ids: [...ids].slice(0, limit), isAll: ids.size <= limit && cursor === undefined && own.next === undefined };
  };

  return {
    roleOf: access.roleOf,
    decisions: access.decisions,
    why: loop.why,
    status: loop.status,
    jobs: loop,
    jobsOf,
    waiting: async (key: ChatKey, limit) => {
      const [record, page] = await Promise.all([store.chats.open(key), store.inbox.waiting(key, { limit: limit + PAGE_COMMANDS })]);
      const rows = page.items.filter(({ kind }) => kind === "message").slice(0, limit);
      return { rows, count: record?.waiting ?? rows.length, overlap: record?.settings.overlap ?? "queue" };
    },
  };
}

/** Commands and answers that may stand between the messages that are shown. */
const PAGE_COMMANDS = 50;
