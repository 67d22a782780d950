import { type ChatKey, parseChatKey } from "../../core/chat-key.ts";
import { RequestError } from "../../core/errors.ts";
import type { ChatRecord } from "../../ports/store/records.ts";
import type { ChatFilter, Store } from "../../ports/store/store.ts";
import { type WireChat, wireChat, wireChatDetail, wireEvent } from "../../http/wire.ts";
import type { ChatSummary } from "../../runtime/api.ts";
import type { StoppedStore } from "./connection.ts";
import { createStoredJobs, type JobRows } from "./stored-jobs.ts";
import { unreachableSince } from "../../runtime/views.ts";

/** The reading half of a store, without owning it. */
export interface StoreReader {
  readonly inbox: Pick<Store["inbox"], "waiting">;
  readonly chats: Pick<Store["chats"], "open" | "list" | "counts" | "history" | "export">;
  readonly turns: Pick<Store["turns"], "steps">;
  readonly outbox: Pick<Store["outbox"], "newest">;
  readonly jobs: JobRows;
  readonly events: Store["events"];
  readonly close: () => void;
}

const ROWS_SHOWN = 100;
/** Pages looked through for one page of a state that only `passivated` hides. */
const PAGES_MAX = 1_000;

/** Shows the store of a stopped daemon in the shapes of the API. Every chat is at rest, so only `passivated`, `asking` and `quarantined` occur. */
export function createStoppedStore(reader: StoreReader): StoppedStore {
  const recordOf = async (text: string): Promise<ChatRecord> => {
    const key = parseChatKey(text);
    const record = await reader.chats.open(key);
    if (record === undefined)
      throw new RequestError("CHAT_UNKNOWN", `chat ${key} has never been met; \`satibot chats list\` shows those that have`);
    return record;
  };
  return {
    ...createStoredJobs(reader.jobs),
    counts: () => reader.chats.counts(),
    close: () => reader.close(),
    chats: async ({ state, channel, q, limit = ROWS_SHOWN, cursor }) => {
      const filter: ChatFilter = { channel, query: q };
      const items: WireChat[] = [];
      let after = cursor;
      for (let pages = 0; pages < PAGES_MAX; pages += 1) {
        const page = await reader.chats.list(filter, { limit: 1_000, cursor: after });
        for (const record of page.items) {
          if (items.length === limit) return { items, next: after ?? null };
          after = record.key;
          if (state === undefined || stateOf(record) === state) items.push(wireChat(summaryOf(record)));
        }
        if (page.next === undefined) return { items, next: null };
      }
      return { items, next: after ?? null };
    },
    exportChat: async (text) => (await reader.chats.export((await recordOf(text)).key)) ?? {},
    chat: async (text) => {
      const record = await recordOf(text);
      const key: ChatKey = record.key;
      const [waiting, history, outbox, steps] = await Promise.all([
        reader.inbox.waiting(key, { limit: ROWS_SHOWN }),
        reader.chats.history(key, ROWS_SHOWN),
        reader.outbox.newest(key, ROWS_SHOWN),
        record.openTurn === undefined ? [] : reader.turns.steps(key, record.openTurn.turnId),
      ]);
      const turn = record.openTurn;
      return wireChatDetail({
        ...summaryOf(record),
        address: record.address,
        overlap: record.settings.overlap ?? "queue",
        timers: record.timers,
        waitingRows: waiting.items,
        turn: turn && { turnId: turn.turnId, attempt: turn.attempt, startedAt: turn.startedAtMs, steps: steps.length },
        history,
        outbox,
        revision: record.revision,
        unreachableSince: unreachableSince(record),
      });
    },
    why: async (text) => {
      const record = await recordOf(text);
      const state = stateOf(record);
      return {
        key: record.key,
        state,
        since: record.sinceMs,
        sentence: sentenceOf(record, state),
        waitsFor: "the daemon",
        endsBy: [{ event: "satibot start" }],
      };
    },
    events: async (text, { from = 0, limit = ROWS_SHOWN }) => {
      const { key } = await recordOf(text);
      const rows = await reader.events.list(key, from, limit);
      return { items: rows.map(wireEvent), next: null };
    },
  };
}

function stateOf(record: ChatRecord): string {
  return record.state === "quarantined" || record.state === "asking" ? record.state : "passivated";
}

function summaryOf(record: ChatRecord): ChatSummary {
  return {
    key: record.key,
    channel: record.channel,
    state: stateOf(record),
    since: record.sinceMs,
    waiting: record.waiting,
    lastMessageAt: record.lastMessageAtMs,
    lastReplyAt: record.lastReplyAtMs,
    error: record.error,
  };
}

function sentenceOf(record: ChatRecord, state: string): string {
  const some = (count: number, one: string, many: string): string => (count === 0 ? "" : count === 1 ? `1 ${one}` : `${count} ${many}`);
  const counts = [
    some(record.waiting, "message waits for an answer", "messages wait for an answer"),
    some(record.unsettledParts, "reply waits to be delivered", "replies wait to be delivered"),
    some(record.timers.length, "timer is pending", "timers are pending"),
  ].filter((text) => text !== "");
  const rest = counts.length === 0 ? "Nothing waits" : counts.join(", ");
  const quarantine =
    state === "quarantined"
      ? ` It is quarantined (${record.error?.message ?? "no reason is kept"}); \`satibot chats retry\` frees it once the daemon runs.`
      : "";
  return `The daemon is not running. ${rest}.${quarantine}`;
}
