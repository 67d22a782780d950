/** What people and programs see of the runtime: read-only answers made of live facts where there are any, and of rows otherwise. */
import { parseChatKey, type ChatKey } from "../core/chat-key.ts";
import { RequestError } from "../core/errors.ts";
import type { ChatRecord, Page, PageRequest, StoredTimer } from "../ports/store/records.ts";
import type { ChatFilter } from "../ports/store/store.ts";
import type { ChatDetail, ChatSummary, Why } from "./api.ts";
import type { ChatEntry } from "./chat-entry.ts";
import type { Chats } from "./chats.ts";
import type { Kernel } from "./kernel.ts";
import type { TurnRunner } from "./turn-runner.ts";
import { explain } from "./why.ts";

const DETAIL_ROWS = 100;

export interface Views {
  readonly chat: (key: string) => Promise<ChatDetail>;
  readonly chats: (filter: ChatFilter, page: PageRequest) => Promise<Page<ChatSummary>>;
  readonly why: (key: string) => Promise<Why>;
  /** @throws RequestError CHAT_UNKNOWN */
  readonly recordOf: (key: string) => Promise<ChatRecord>;
}

/** @param chatOf - the chat that a key stands for, which may be an alias */
export function createViews(kernel: Kernel, chats: Chats, runner: TurnRunner, chatOf: (key: ChatKey) => ChatKey): Views {
  const { store, clock, queue, turnQueue, limits } = kernel;

  const recordOf = async (text: string): Promise<ChatRecord> => {
    const key = chatOf(parseChatKey(text));
    const record = await store.chats.open(key);
    if (!record)
      throw new RequestError("CHAT_UNKNOWN", `chat ${key} has never been met; \`satibot chats list\` shows those that have`, {
        path: "key",
      });
    return record;
  };

  const liveState = (entry: ChatEntry | undefined): string | undefined => (entry?.actor ? entry.state : undefined);

  /** Stored states that an actor would leave at once are called by what the person cares for: the chat is at rest in the store. */
  const summaryOf = (record: ChatRecord): ChatSummary => {
    const entry = chats.get(record.key);
    const state = liveState(entry) ?? (record.state === "quarantined" || record.state === "asking" ? record.state : "passivated");
    return {
      key: record.key,
      channel: record.channel,
      state,
      since: entry?.actor ? entry.sinceMs : record.sinceMs,
      waiting: record.waiting,
      lastMessageAt: record.lastMessageAtMs,
      lastReplyAt: record.lastReplyAtMs,
      error: record.error ?? entry?.actor?.getSnapshot().context.error ?? undefined,
    };
  };

  const timersOf = (key: ChatKey, record: ChatRecord): readonly StoredTimer[] => {
    const actor = chats.get(key)?.actor;
    return actor ? queue.entriesOf(actor) : record.timers;
  };

  return {
    recordOf,
    chats: async (filter, page) => {
      const states = filter.states;
      if (!states) {
        const found = await store.chats.list(filter, page);
        return { items: found.items.map(summaryOf), next: found.next };
      }
      // Live states are in memory: list by key and keep those that match, a bounded number of rows a call.
      const items: ChatSummary[] = [];
      let cursor = page.cursor;
      for (let round = 0; round < 20; round += 1) {
        const found = await store.chats.list({ ...filter, states: undefined }, { limit: 1_000, cursor });
        for (const record of found.items) {
          const summary = summaryOf(record);
          if (states.includes(summary.state)) items.push(summary);
          cursor = record.key;
          if (items.length >= page.limit) return { items, next: cursor };
        }
        if (found.next === undefined) return { items, next: undefined };
      }
      return { items, next: cursor };
    },
    chat: async (text) => {
      const record = await recordOf(text);
      const { key } = record;
      const [waitingRows, history, outbox, steps] = await Promise.all([
        store.inbox.waiting(key, { limit: DETAIL_ROWS }),
        store.chats.history(key, DETAIL_ROWS),
        store.outbox.newest(key, DETAIL_ROWS),
        record.openTurn ? store.turns.steps(key, record.openTurn.turnId) : [],
      ]);
      const turn = record.openTurn && {
        turnId: record.openTurn.turnId,
        attempt: record.openTurn.attempt,
        startedAt: record.openTurn.startedAtMs,
        steps: steps.length,
      };
      return {
        ...summaryOf(record),
        address: record.address,
        overlap: record.settings.overlap ?? "queue",
        timers: timersOf(key, record),
        waitingRows: waitingRows.items,
        turn,
        history,
        outbox,
        revision: record.revision,
        unreachableSince: unreachableSince(record),
      };
    },
    why: async (text) => {
      const record = await recordOf(text);
      const { key } = record;
      const summary = summaryOf(record);
      const context = chats.get(key)?.actor?.getSnapshot().context;
      const facts = turnQueue.facts();
      const answer = explain("chat", summary.state, {
        nowMs: clock.now(),
        sinceMs: summary.since,
        subject: key,
        waiting: context?.waiting ?? record.waiting,
        failures: context?.failures,
        maxAttempts: limits.maxAttempts,
        error: summary.error,
        timers: timersOf(key, record),
        slots: { running: facts.running, slots: facts.slots, ahead: turnQueue.ahead(key) },
        suspect: context?.suspect,
        attempt: runner.runOf(key)?.claim?.attempt,
      });
      const since = unreachableSince(record);
      const refusal = since === undefined ? "" : ` Its platform refuses whatever is sent since ${new Date(since).toISOString()}.`;
      return { key, state: summary.state, since: summary.since, ...answer, sentence: `${answer.sentence}${refusal}` };
    },
  };
}

/** Epoch ms from which the platform refuses the chat; undefined when it does not, or its person has written since. */
export function unreachableSince({ settings }: ChatRecord): number | undefined {
  const sinceMs = Number(settings.unreachable);
  return settings.unreachable === undefined || !Number.isFinite(sinceMs) ? undefined : sinceMs;
}
