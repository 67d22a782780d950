import { describe, expect, it } from "vitest";
import { type StoreReader, createStoppedStore } from "../../../src/app/cli/stored-chats.ts";
import { type ChatKey, parseChatKey } from "../../../src/core/chat-key.ts";
import { textContent } from "../../../src/core/content.ts";
import type { ChatRecord } from "../../../src/ports/store/records.ts";

const record = (key: ChatKey, fields: Partial<ChatRecord> = {}): ChatRecord => ({
  key,
  channel: "api",
  address: "",
  fence: 1,
  revision: 3,
  snapshot: undefined,
  timers: [],
  state: "idle",
  sinceMs: 1_000,
  waiting: 0,
  waitingCommands: 0,
  waitingClass: undefined,
  unsettledParts: 0,
  openTurn: undefined,
  settings: {},
  lastMessageAtMs: undefined,
  lastReplyAtMs: undefined,
  error: undefined,
  ...fields,
});

/** A reader over records in key order, which serves at most two of them a page, as a store may. */
function readerOf(records: readonly ChatRecord[]): StoreReader {
  return {
    jobs: {
      get: () => Promise.resolve(undefined),
      list: () => Promise.resolve({ items: [], next: undefined }),
      runs: () => Promise.resolve({ items: [], next: undefined }),
      newestRuns: () => Promise.resolve([]),
    },
    chats: {
      open: (key) => Promise.resolve(records.find((one) => one.key === key)),
      list: (_filter, { cursor }) => {
        const rest = records.filter((one) => cursor === undefined || one.key > cursor);
        return Promise.resolve({ items: rest.slice(0, 2), next: rest.length > 2 ? rest[1]?.key : undefined });
      },
      counts: () => Promise.resolve({ known: records.length, quarantined: 1, waitingRows: 0, deadParts: 0 }),
      export: (key) => Promise.resolve({ chat: key }),
      history: () => Promise.resolve([{ role: "user", content: textContent("hi"), atMs: 5 }]),
    },
    inbox: {
      waiting: (chat) =>
        Promise.resolve({
          items: [
            {
              chat,
              seq: 1,
              kind: "message",
              turnClass: "interactive",
              content: textContent("wait"),
              sender: undefined,
              receivedAtMs: 6,
              status: "waiting",
              turnId: undefined,
            },
          ],
          next: undefined,
        }),
    },
    turns: { steps: () => Promise.resolve([{ place: 0, type: "step", key: "a", body: "1", atMs: 1 }]) },
    outbox: { newest: () => Promise.resolve([]) },
    events: {
      list: () =>
        Promise.resolve([{ revision: 2, atMs: 7, events: [{ type: "message.received" }], stateBefore: "idle", stateAfter: "queued" }]),
    },
    close: () => undefined,
  };
}

const records = ["api:a", "api:b", "api:c", "api:d", "api:e"].map((key, place) =>
  record(parseChatKey(key), { state: place % 2 === 0 ? "idle" : "quarantined" }),
);

describe("the store of a stopped daemon", () => {
  const store = createStoppedStore(readerOf(records));

  it("is listed page by page without a gap or a repetition", async () => {
    for (const [state, expected] of [
      [undefined, "abcde"],
      ["passivated", "ace"],
      ["quarantined", "bd"],
      ["idle", ""],
    ] as const) {
      for (const limit of [1, 2, 3, 10]) {
        const seen: string[] = [];
        let cursor: string | undefined;
        for (let page = 0; page < 10; page += 1) {
          const { items, next } = await store.chats({ state, limit, cursor });
          expect(items.length).toBeLessThanOrEqual(limit);
          seen.push(...items.map((item) => item.key.slice(4)));
          if (next === null) break;
          cursor = next;
        }
        expect(seen.join("")).toBe(expected);
      }
    }
  });

  it("shows a chat in the shape of the API", async () => {
    const openTurn = { turnId: "t", status: "waiting", attempt: 2, failures: 1, startedAtMs: 9 } as const;
    const timers = [{ id: "retry", event: { type: "retry.due" }, dueAtMs: 8 }];
    const chat = await createStoppedStore(readerOf([record("api:a", { openTurn, timers, waiting: 1 })])).chat("api:a");
    expect(chat).toMatchObject({
      key: "api:a",
      state: "passivated",
      overlap: "queue",
      timers: [{ id: "retry", event: "retry.due", dueAt: 8 }],
      waitingRows: [{ seq: 1, kind: "message", text: "wait", receivedAt: 6 }],
      turn: { turnId: "t", attempt: 2, startedAt: 9, steps: 1 },
      history: [{ role: "user", text: "hi", at: 5 }],
      revision: 3,
    });
    expect((await store.events("api:a", {})).items).toEqual([
      { revision: 2, at: 7, events: [{ type: "message.received" }], stateBefore: "idle", stateAfter: "queued" },
    ]);
  });

  it("says why a chat waits: for the daemon", async () => {
    const quarantined = record("api:q", {
      state: "quarantined",
      waiting: 2,
      unsettledParts: 1,
      error: { code: "CHAT_CRASHED", message: "boom" },
    });
    const why = await createStoppedStore(readerOf([quarantined])).why("api:q");
    expect(why.sentence).toBe(
      "The daemon is not running. 2 messages wait for an answer, 1 reply waits to be delivered. It is quarantined (boom); `satibot chats retry` frees it once the daemon runs.",
    );
    expect((await store.why("api:a")).sentence).toBe("The daemon is not running. Nothing waits.");
  });

  it("refuses a chat that was never met and a key that is none", async () => {
    await expect(store.chat("api:zzz")).rejects.toMatchObject({ code: "CHAT_UNKNOWN" });
    await expect(store.why("nonsense")).rejects.toMatchObject({ code: "BAD_CHAT_KEY" });
  });
});
