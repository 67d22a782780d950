import { describe, expect, it } from "vitest";
import { textContent } from "../../core/content.ts";
import { CHAT, OTHER_CHAT, START_MS, commandCommit, journalEntry, turnCommit } from "../store-rows.ts";
import { append, claim, parts, recordOf, say, textsOf, waitingTexts, type On } from "./law.ts";

/** What a command commits, beside a turn that may be running. */
export function commandLaws(on: On): void {
  describe("commands", () => {
    it(
      "ends the row, stores the reply and touches neither turn nor snapshot",
      on(async ({ store }) => {
        await append(store);
        const held = await claim(store);
        const seq = await append(store, { kind: "command", text: "/help" });
        const result = await store.chats.command(commandCommit(seq));
        expect(result).toMatchObject({
          dropped: 0,
          fence: held.fence,
          waiting: 1,
          parts: [{ status: "waiting", chat: CHAT, inReplyTo: [seq] }],
        });
        expect(await store.inbox.commands(CHAT)).toEqual([]);
        expect(await recordOf(store)).toMatchObject({ revision: 0, waiting: 1, waitingCommands: 0, unsettledParts: 1 });
        expect(await store.turns.journal(CHAT, held.fence, held.turnId, journalEntry(0))).toBe("written");
      }),
    );

    it(
      "runs a command once",
      on(async ({ store }) => {
        const seq = await append(store, { kind: "command", text: "/stop" });
        await store.chats.command(commandCommit(seq, { stop: true }));
        const after = await recordOf(store);
        expect(await store.chats.command(commandCommit(seq, { stop: true }))).toBe("ended");
        expect(await recordOf(store)).toEqual(after);
        expect(await parts(store)).toHaveLength(1);
      }),
    );

    it(
      "stops: raises the fence, closes the turn, drops older messages with the held ones, and says how many",
      on(async ({ store }) => {
        await say(store, ["a", "b", "c"]);
        await say(store, ["elsewhere"], OTHER_CHAT);
        const held = await claim(store, { rowsMax: 2 });
        const seq = await append(store, { kind: "command", text: "/stop" });
        await say(store, ["later"]);
        const reply = [textContent("Stopped. {dropped} messages dropped.")];
        const result = await store.chats.command(commandCommit(seq, { stop: true, reply }));
        expect(result).toMatchObject({ dropped: 3, fence: held.fence + 1, waiting: 1 });
        expect(result !== "ended" && textsOf(result.parts)).toEqual(["Stopped. 3 messages dropped."]);
        expect(textsOf(await parts(store))).toEqual(["Stopped. 3 messages dropped."]);
        const record = await recordOf(store);
        expect(record.openTurn).toBeUndefined();
        expect(record).toMatchObject({ fence: held.fence + 1, waiting: 1 });
        expect(await waitingTexts(store)).toEqual(["later"]);
        expect(await waitingTexts(store, OTHER_CHAT)).toEqual(["elsewhere"]);
        expect(await store.turns.list(CHAT, 1)).toMatchObject([{ turnId: "turn-1", status: "stopped" }]);
        expect(await store.turns.commit(turnCommit(held))).toBe("fenced");
        expect(await claim(store, { turnId: "turn-2" })).toMatchObject({ turnId: "turn-2", attempt: 1, rows: [{ seq: 5 }] });
      }),
    );

    it(
      "still delivers what was committed before a stop",
      on(async ({ store }) => {
        await append(store);
        await store.turns.commit(turnCommit(await claim(store)));
        const seq = await append(store, { kind: "command", text: "/stop" });
        await store.chats.command(commandCommit(seq, { stop: true }));
        expect(textsOf(await parts(store))).toEqual(["answer of turn-1", "done"]);
        expect((await parts(store)).map((part) => part.status)).toEqual(["waiting", "waiting"]);
      }),
    );

    it(
      "stores settings beside the ones that were set before",
      on(async ({ store }) => {
        const first = await append(store, { kind: "command", text: "/queue collect" });
        const second = await append(store, { kind: "command", text: "/verbose" });
        await store.chats.command(commandCommit(first, { settings: { overlap: "collect", verbose: "no" } }));
        await store.chats.command(commandCommit(second, { settings: { verbose: "yes" }, reply: [] }));
        expect((await recordOf(store)).settings).toEqual({ overlap: "collect", verbose: "yes" });
        expect(await parts(store)).toHaveLength(1);
      }),
    );

    it(
      "stores a reply of several parts in order, as one group",
      on(async ({ store }) => {
        const seq = await append(store, { kind: "command", text: "/help" });
        const result = await store.chats.command(commandCommit(seq, { reply: ["a", "b", "c"].map(textContent) }));
        expect(result).toMatchObject({ parts: [1, 2, 3].map((part) => ({ part, of: 3, status: "waiting", inReplyTo: [seq] })) });
        expect(textsOf(await parts(store))).toEqual(["a", "b", "c"]);
        expect(new Set((await parts(store)).map(({ turnId }) => turnId)).size).toBe(1);
      }),
    );

    it(
      "leaves a reply as it is where nothing was stopped",
      on(async ({ store }) => {
        const seq = await append(store, { kind: "command", text: "/whoami" });
        await store.chats.command(commandCommit(seq, { reply: [textContent("You are {dropped}.")] }));
        expect(textsOf(await parts(store))).toEqual(["You are {dropped}."]);
      }),
    );

    it(
      "archives the history",
      on(async ({ store }) => {
        await append(store);
        await store.turns.commit(turnCommit(await claim(store)));
        expect(await store.chats.history(CHAT, 10)).toHaveLength(2);
        const seq = await append(store, { kind: "command", text: "/new" });
        await store.chats.command(commandCommit(seq, { stop: true, archive: true }));
        expect(await store.chats.history(CHAT, 10)).toEqual([]);
      }),
    );

    it(
      "delivers the reply itself where there is no platform",
      on(async ({ store }) => {
        const seq = await append(store, { chat: "api:ann", kind: "command", text: "/help" });
        const result = await store.chats.command(commandCommit(seq, { chat: "api:ann", delivered: true, atMs: START_MS + 3 }));
        expect(result).toMatchObject({ parts: [{ status: "sent" }] });
        expect(await recordOf(store, "api:ann")).toMatchObject({ unsettledParts: 0, lastReplyAtMs: START_MS + 3 });
      }),
    );
  });
}
