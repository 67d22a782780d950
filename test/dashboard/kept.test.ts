import { describe, expect, it } from "vitest";
import { initialChat, reduceChat, type ChatAction } from "../../dashboard/chat/chat-state.ts";
import { keptOf, readKept, writeKept } from "../../dashboard/chat/kept.ts";
import type { KeyValue } from "../../dashboard/edge.ts";

function createCells(): KeyValue & { readonly cells: Map<string, string> } {
  const cells = new Map<string, string>();
  return {
    cells,
    read: (name) => cells.get(name),
    write: (name, value) => {
      cells.set(name, value);
      return true;
    },
    remove: (name) => cells.delete(name),
    onForeignWrite: () => undefined,
  };
}

const write = (messageId: string, text: string): ChatAction => ({ type: "written", messageId, text, atMs: 1 });

describe("what a browser keeps", () => {
  it("are unsent messages, the cursor and the composer, with nothing under way", () => {
    const cells = createCells();
    const state = [write("a", "one"), { type: "sending" as const, messageId: "a" }].reduce(reduceChat, initialChat({ cursor: "41" }));
    writeKept(cells, "web:x", state, "half a sen");
    const kept = readKept(cells, "web:x");
    expect(kept).toMatchObject({ cursor: "41", composed: "half a sen", items: [{ text: "one", status: "waiting", messageId: "a" }] });
  });

  it("is bounded, the oldest going first, unsent messages never", () => {
    let state = initialChat();
    state = reduceChat(state, write("unsent", "unsent"));
    for (let seq = 1; seq <= 200; seq += 1) {
      state = [write(`m${seq}`, "y".repeat(3_000)), { type: "accepted" as const, messageId: `m${seq}`, seq }].reduce(reduceChat, state);
    }
    const kept = keptOf(state);
    expect(JSON.stringify(kept).length).toBeLessThan(120_000);
    expect(kept[0]).toMatchObject({ messageId: "unsent" });
    expect(kept.at(-1)).toMatchObject({ messageId: "m200" });
  });

  it.each(["", "nonsense", "[]", "null", '{"items":[{"kind":"own"},7,null],"cursor":"x"}'])("is nothing when %j is stored", (text) => {
    const cells = createCells();
    cells.cells.set("satibot.chat.web:x", text);
    expect(readKept(cells, "web:x")).toEqual({ items: [], cursor: "0", composed: "" });
  });
});
