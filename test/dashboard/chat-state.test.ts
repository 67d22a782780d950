import { describe, expect, it } from "vitest";
import { type ChatAction, type ChatState, initialChat, nextUnsent, reduceChat } from "../../dashboard/chat/chat-state.ts";
import type { WireChatDetail, WireHistoryEntry } from "../../src/http/wire.ts";
import type { StreamEvent } from "../../src/runtime/api.ts";

const NOW = 1_000_000;

function after(...actions: readonly ChatAction[]): ChatState {
  return from(initialChat(), ...actions);
}

function from(state: ChatState, ...actions: readonly ChatAction[]): ChatState {
  return actions.reduce(reduceChat, state);
}

const told = (event: StreamEvent): ChatAction => ({ type: "told", event, atMs: NOW });
const written = (messageId: string, text = messageId): ChatAction => ({ type: "written", messageId, text, atMs: NOW });
const sent = (messageId: string, seq: number): readonly ChatAction[] => [
  written(messageId),
  { type: "sending", messageId },
  { type: "accepted", messageId, seq },
];
const inState = (state: string): ChatAction => told({ type: "state", state, since: NOW });
const turn = (turnId: string, status: "started" | "done" | "failed" | "aborted", attempt = 1): ChatAction =>
  told({ type: "turn", turnId, attempt, status });
const delta = (turnId: string, offset: number, text: string, attempt = 1): ChatAction =>
  told({ type: "delta", turnId, attempt, offset, text });
const reply = (id: string, turnId: string, text: string, inReplyTo: readonly number[] = [], part = 1, of = 1): ChatAction =>
  told({ type: "reply", id, turnId, part, of, content: [{ type: "text", text }], text, inReplyTo });
const read = (detail: Partial<WireChatDetail> = {}): readonly ChatAction[] => [{ type: "reading" }, loaded(detail)];
const loaded = (detail: Partial<WireChatDetail> = {}): ChatAction => ({ type: "loaded", detail: { ...DETAIL, ...detail }, atMs: NOW });
const asked = (seq: number, text: string, turnId = `t${seq}`): WireHistoryEntry => ({ role: "user", text, at: seq, seq, turnId });
const answered = (seq: number, text: string): WireHistoryEntry => ({ role: "assistant", text, at: seq, turnId: `t${seq}` });

const DETAIL: WireChatDetail = {
  key: "web:a",
  channel: "web",
  state: "idle",
  since: NOW,
  waiting: 0,
  address: "",
  overlap: "queue",
  timers: [],
  waitingRows: [],
  history: [],
  outbox: [],
  revision: 1,
};

/** What stands on the page, one line each: `> text` of the person, `text` of the bot, `~ text` of an answer that was cut. */
function shown({ items, draft }: ChatState): readonly string[] {
  const lines = items.map((item) => {
    if (item.kind === "own")
      return `> ${item.text}${item.status === "accepted" ? (item.isDropped ? " (dropped)" : "") : ` (${item.status})`}`;
    if (item.kind === "partial") return `~ ${item.text}`;
    return item.content.map((part) => (part.type === "text" ? part.text : part.type)).join("+");
  });
  return draft === undefined ? lines : [...lines, `… ${draft.text}${draft.status === "streaming" ? "" : ` (${draft.status})`}`];
}

describe("an answer", () => {
  it("is appended by offset and replaced by its reply", () => {
    let state = after(...sent("hi", 1), inState("responding"), turn("t1", "started"), delta("t1", 0, "You "), delta("t1", 4, "said"));
    expect(shown(state)).toEqual(["> hi", "… You said"]);
    state = from(state, turn("t1", "done"));
    expect(shown(state)).toEqual(["> hi", "… You said (done)"]);
    state = from(state, reply("7", "t1", "You said hi", [1]), inState("idle"));
    expect(shown(state)).toEqual(["> hi", "You said hi"]);
    expect(state.cursor).toBe("7");
  });

  it("begins again at 0 with a new attempt, the text before it dimmed until then", () => {
    let state = after(turn("t1", "started"), delta("t1", 0, "first"), turn("t1", "failed"), inState("backingOff"));
    expect(shown(state)).toEqual(["… first (failed)"]);
    state = from(state, inState("responding"), turn("t1", "started", 2));
    expect(shown(state)).toEqual(["… first (failed)"]);
    expect(state.attempt).toBe(2);
    expect(shown(from(state, delta("t1", 0, "second", 2)))).toEqual(["… second"]);
  });

  it("that repeats what is there already is not doubled", () => {
    expect(shown(after(delta("t1", 0, "You "), delta("t1", 4, "said"), delta("t1", 0, "You said")))).toEqual(["… You said"]);
    expect(shown(after(delta("t1", 0, "You said"), delta("t1", 4, "said more")))).toEqual(["… You said more"]);
  });

  it("with a missing piece waits for its reply instead of showing nonsense", () => {
    const state = after(delta("t1", 0, "You "), delta("t1", 9, "more"), delta("t1", 13, "and more"));
    expect(state.draft).toMatchObject({ text: "You ", hasGap: true });
    expect(shown(from(state, reply("1", "t1", "whole")))).toEqual(["whole"]);
  });

  it("of several parts shows each once, in order", () => {
    const parts = [reply("1", "t1", "one", [1], 1, 2), reply("2", "t1", "two", [1], 2, 2)];
    expect(shown(after(...sent("hi", 1), ...parts, ...parts))).toEqual(["> hi", "one", "two"]);
  });

  it("that was stopped stays as what it was", () => {
    const state = after(turn("t1", "started"), delta("t1", 0, "half"), inState("idle"), turn("t1", "aborted"));
    expect(shown(state)).toEqual(["~ half"]);
    expect(shown(from(state, reply("1", "command.2", "Stopped.", [2])))).toEqual(["~ half", "Stopped."]);
  });

  it("that begins anew takes the place of what an interruption left", () => {
    const state = after(turn("t1", "started"), delta("t1", 0, "half"), inState("idle"), turn("t1", "started", 2), delta("t1", 0, "ha", 2));
    expect(shown(state)).toEqual(["… ha"]);
  });

  it("that is given up leaves only the words about it", () => {
    const state = after(
      ...sent("hi", 1),
      turn("t1", "started"),
      delta("t1", 0, "ha"),
      turn("t1", "failed"),
      reply("1", "t1.error", "Sorry"),
    );
    expect(shown(from(state, inState("idle")))).toEqual(["> hi", "Sorry"]);
  });

  it("does not come back when its events follow its reply", () => {
    const state = after(reply("1", "t1", "whole"), turn("t1", "started"), delta("t1", 0, "who"), turn("t1", "done"));
    expect(shown(state)).toEqual(["whole"]);
  });
});

describe("sending", () => {
  it("goes one after the other, and again under the same id when no answer came", () => {
    let state = after(written("a"), written("b"));
    expect(nextUnsent(state)?.messageId).toBe("a");
    state = from(state, { type: "sending", messageId: "a" });
    expect(nextUnsent(state)).toBeUndefined();
    state = from(state, { type: "unsent", messageId: "a" });
    expect(nextUnsent(state)?.messageId).toBe("a");
    state = from(state, { type: "sending", messageId: "a" }, { type: "accepted", messageId: "a", seq: 1 });
    expect(nextUnsent(state)?.messageId).toBe("b");
  });

  it("goes past what was refused, which may be taken back or sent again", () => {
    const refusal = { message: "full", retryAtMs: NOW + 1 };
    const state = after(written("a"), written("b"), { type: "sending", messageId: "a" }, { type: "refused", messageId: "a", refusal });
    expect(shown(state)).toEqual(["> a (refused)", "> b (waiting)"]);
    expect(nextUnsent(state)?.messageId).toBe("b");
    expect(nextUnsent(from(state, { type: "repeated", messageId: "a" }))?.messageId).toBe("a");
    expect(shown(from(state, { type: "withdrawn", messageId: "a" }))).toEqual(["> b (waiting)"]);
  });

  it("never takes back what is stored", () => {
    expect(shown(after(...sent("a", 1), { type: "withdrawn", messageId: "a" }, { type: "unsent", messageId: "a" }))).toEqual(["> a"]);
  });

  it("shows a message once that the server names before it has answered the request", () => {
    const rows = [{ seq: 1, kind: "message", text: "a", receivedAt: 1 }];
    let state = after({ type: "linked" }, written("a"), { type: "sending", messageId: "a" }, ...read({ waitingRows: rows }));
    expect(shown(state)).toEqual(["> a"]);
    state = from(state, { type: "accepted", messageId: "a", seq: 1 });
    expect(shown(state)).toEqual(["> a"]);
    state = from(
      after(written("a"), { type: "sending", messageId: "a" }),
      { type: "unsent", messageId: "a" },
      ...read({ waitingRows: rows }),
    );
    state = from(state, { type: "sending", messageId: "a" }, { type: "accepted", messageId: "a", seq: 1 });
    expect(shown(state)).toEqual(["> a"]);
  });
});

describe("reading the chat", () => {
  const history = [asked(1, "one"), answered(1, "1!"), asked(2, "two"), answered(2, "2!")];

  it("shows history, what waits, and what is not sent", () => {
    const waitingRows = [{ seq: 3, kind: "message", text: "three", receivedAt: 3 }];
    const state = after(written("four"), ...read({ history, waitingRows }));
    expect(shown(state)).toEqual(["> one", "1!", "> two", "2!", "> three", "> four (waiting)"]);
  });

  it("doubles nothing that the stream told before or tells again", () => {
    const told1 = reply("1", "t1", "1!", [1]);
    const told2 = reply("2", "t2", "2!", [2]);
    const state = after({ type: "linked" }, ...sent("one", 1), told1, { type: "reading" }, told2, loaded({ history }), told1, told2);
    expect(shown(state)).toEqual(["> one", "1!", "> two", "2!"]);
    expect(state.cursor).toBe("2");
  });

  it("does not undo what the stream told since it was asked for", () => {
    const state = after(
      { type: "linked" },
      { type: "reading" },
      ...sent("two", 2),
      inState("responding"),
      turn("t2", "started"),
      delta("t2", 0, "2"),
      turn("t2", "done"),
      reply("2", "t2", "2!", [2]),
      turn("t3", "started"),
      delta("t3", 0, "3"),
      loaded({ history: history.slice(0, 2), state: "idle" }),
    );
    expect(shown(state)).toEqual(["> one", "1!", "> two", "2!", "… 3"]);
    expect(state.activity.state).toBe("responding");
    expect(shown(from(state, delta("t3", 1, "!")))).toContain("… 3!");
  });

  it("drops the draft of a turn that ended while nobody listened", () => {
    const cut = after(...sent("one", 1), inState("responding"), turn("t1", "started"), delta("t1", 0, "1"));
    const state = from(cut, { type: "linked" }, ...read({ history: history.slice(0, 2) }));
    expect(shown(state)).toEqual(["> one", "1!"]);
    expect(shown(from(state, reply("1", "t1", "1!", [1])))).toEqual(["> one", "1!"]);
  });

  it("keeps parts with files and buttons, which the history leaves out", () => {
    const options = [{ id: "y", label: "Yes" }];
    const event: StreamEvent = {
      type: "reply",
      id: "1",
      turnId: "t1",
      part: 1,
      of: 1,
      content: [{ type: "buttons", questionId: "q", options }],
      text: "",
      inReplyTo: [1],
    };
    expect(shown(after(...sent("one", 1), told(event), ...read({ history: [asked(1, "one"), answered(1, "")] })))).toEqual([
      "> one",
      "buttons",
    ]);
  });

  it("keeps commands, and what was given up, where they were", () => {
    const state = after(
      ...sent("one", 1),
      reply("1", "t1", "1!", [1]),
      ...sent("/fail", 2),
      reply("2", "t2.error", "Sorry", []),
      ...sent("/stop", 3),
      reply("3", "command.3", "Stopped", [3]),
      ...sent("four", 4),
      reply("4", "t4", "4!", [4]),
      { type: "linked" },
      ...read({ history: [asked(1, "one"), answered(1, "1!"), asked(4, "four"), answered(4, "4!")] }),
    );
    expect(shown(state)).toEqual(["> one", "1!", "> /fail (dropped)", "Sorry", "> /stop", "Stopped", "> four", "4!"]);
  });

  it("marks a message that was dropped, and shows what was archived elsewhere no more", () => {
    const state = after(
      ...sent("one", 1),
      turn("t1", "done"),
      reply("1", "t1", "1!", [1]),
      ...read({ history: history.slice(0, 2) }),
      ...sent("two", 2),
    );
    expect(shown(from(state, ...read({ history: history.slice(0, 2) })))).toEqual(["> one", "1!", "> two (dropped)"]);
    expect(shown(from(state, ...read({ history: [] })))).toEqual(["> two (dropped)"]);
  });

  it("leaves a refused message where it was written", () => {
    const refusal = { message: "too large", retryAtMs: undefined };
    const state = after(
      ...sent("one", 1),
      reply("1", "t1", "1!", [1]),
      written("big"),
      { type: "refused", messageId: "big", refusal },
      ...sent("two", 2),
      ...read({ history }),
    );
    expect(shown(state)).toEqual(["> one", "1!", "> big (refused)", "> two", "2!"]);
  });

  it("is asked for when a reply answers something unknown here, and after a reset of the stream", () => {
    const state = after({ type: "linked" }, ...read());
    expect(from(state, reply("1", "t1", "1!", [1])).readings).toBe(state.readings + 1);
    expect(from(state, reply("1", "command.1", "Stopped", [1])).readings).toBe(state.readings);
    expect(from(state, told({ type: "reset" })).readings).toBe(state.readings + 1);
  });
});

describe("/new", () => {
  it("clears what came before it, also when its number is learnt after its answer", () => {
    const before = after(...sent("one", 1), reply("1", "t1", "1!", [1]));
    const command = reply("2", "command.2", "A new conversation begins", [2]);
    expect(shown(from(before, ...sent("/new", 2), command))).toEqual(["> /new", "A new conversation begins"]);
    const late = from(before, written("/new"), { type: "sending", messageId: "/new" }, command);
    expect(shown(from(late, { type: "accepted", messageId: "/new", seq: 2 }))).toEqual(["> /new", "A new conversation begins"]);
  });
});
