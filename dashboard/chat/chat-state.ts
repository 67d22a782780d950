/**
 * One conversation as the page knows it: a pure reducer over what the person does and what the server says.
 *
 *   own message:  written ─▶ waiting ─▶ sending ─▶ accepted | refused          (sending ─▶ waiting when no answer came)
 *   answer:       turn started ─▶ deltas (draft) ─▶ turn done ─▶ replies, which replace the draft
 *                                              └─▶ failed | aborted: the draft stays dimmed until the next attempt or the end
 *   connection:   linking ─▶ linked (the server listens) ─▶ loaded (what it has) ─▶ lost ─▶ linking …
 *
 * A stream is opened first and the chat is read after it, so nothing falls between; what comes twice is known by its outbox id, and by
 * its turn when the history had it already. A reading of the chat that is older than what the stream told never undoes it (`round`).
 */
import type { WireChatDetail } from "../../src/http/wire.ts";
import type { StreamEvent } from "../../src/runtime/api.ts";
import { type Item, type OwnItem, type Refusal, isLaterId, sinceNew, turnOf } from "./items.ts";
import { mergeTimeline } from "./timeline.ts";

/** Messages that may wait to be sent. */
export const UNSENT_MAX = 50;
/** Items kept on the page; older ones come back with a reload, as far as the server shows them. */
const ITEMS_MAX = 1_000;
const TURNS_REMEMBERED = 100;

/** The answer under way. */
export interface Draft {
  readonly turnId: string;
  readonly attempt: number;
  readonly text: string;
  readonly status: "streaming" | "done" | "failed" | "aborted";
  /** Deltas were missed; the text goes on with the next attempt, or is replaced by the reply. */
  readonly hasGap: boolean;
}

export type Link =
  | { readonly status: "linking" }
  | { readonly status: "open" }
  /** `refusal`: the server answered, and not with a stream. */
  | { readonly status: "lost"; readonly sinceMs: number; readonly retryAtMs: number; readonly refusal: string | undefined }
  | { readonly status: "signedOut" };

export interface ChatState {
  readonly items: readonly Item[];
  readonly draft: Draft | undefined;
  /** Newest outbox id seen: the stream goes on after it. */
  readonly cursor: string;
  readonly isLoaded: boolean;
  readonly isWindowFull: boolean;
  readonly link: Link;
  /** State of the chat's machine, since an instant of this browser's clock. */
  readonly activity: { readonly state: string; readonly sinceMs: number };
  readonly attempt: number;
  /** The stream told something since it was opened: older readings do not say better. */
  readonly isLive: boolean;
  readonly round: number;
  /** Rises when the chat has to be read again. */
  readonly readings: number;
  /** Turns whose replies are shown from the history. */
  readonly storedTurns: ReadonlySet<string>;
  /** The latest turns with a reply shown. */
  readonly settledTurns: readonly string[];
  /** The last turn that ended well: its messages and replies are in the history. */
  readonly doneTurn: string | undefined;
}

export type ChatAction =
  | { readonly type: "written"; readonly messageId: string; readonly text: string; readonly atMs: number }
  | { readonly type: "sending"; readonly messageId: string }
  | { readonly type: "unsent"; readonly messageId: string }
  | { readonly type: "accepted"; readonly messageId: string; readonly seq: number }
  | { readonly type: "refused"; readonly messageId: string; readonly refusal: Refusal }
  | { readonly type: "repeated"; readonly messageId: string }
  | { readonly type: "withdrawn"; readonly messageId: string }
  | { readonly type: "linking" }
  | { readonly type: "linked" }
  | { readonly type: "lost"; readonly atMs: number; readonly retryAtMs: number; readonly refusal: string | undefined }
  | { readonly type: "signedOut" }
  | { readonly type: "reading" }
  | { readonly type: "loaded"; readonly detail: WireChatDetail; readonly atMs: number }
  | { readonly type: "absent" }
  | { readonly type: "told"; readonly event: StreamEvent; readonly atMs: number };

export function initialChat(kept: { readonly items?: readonly Item[]; readonly cursor?: string } = {}): ChatState {
  return {
    items: kept.items ?? [],
    draft: undefined,
    // Of a chat that begins here nothing is missed.
    cursor: kept.cursor ?? "0",
    isLoaded: false,
    isWindowFull: false,
    link: { status: "linking" },
    activity: { state: "unknown", sinceMs: 0 },
    attempt: 1,
    isLive: false,
    round: 0,
    readings: 0,
    storedTurns: new Set(),
    settledTurns: [],
    doneTurn: undefined,
  };
}

/** The first message that is to be sent now; undefined while another is under way. */
export function nextUnsent({ items }: ChatState): OwnItem | undefined {
  const open = items.filter((item) => item.kind === "own").filter(({ status }) => status === "waiting" || status === "sending");
  return open.some(({ status }) => status === "sending") ? undefined : open[0];
}

export function unsentCount({ items }: ChatState): number {
  return items.filter((item) => item.kind === "own" && item.status !== "accepted").length;
}

export function reduceChat(state: ChatState, action: ChatAction): ChatState {
  switch (action.type) {
    case "written":
      return withItems(state, [...state.items, writtenItem(state, action)]);
    case "sending":
      return changeOwn(state, action.messageId, (item) => ({ ...item, status: "sending", refusal: undefined }));
    case "unsent":
      return changeOwn(state, action.messageId, (item) => (item.status === "sending" ? { ...item, status: "waiting" } : item));
    case "accepted":
      return accepted(state, action.messageId, action.seq);
    case "refused":
      return changeOwn(state, action.messageId, (item) => ({ ...item, status: "refused", refusal: action.refusal }));
    case "repeated":
      return changeOwn(state, action.messageId, (item) => ({ ...item, status: "waiting", refusal: undefined }));
    case "withdrawn":
      return {
        ...state,
        items: state.items.filter((item) => item.kind !== "own" || item.messageId !== action.messageId || item.status === "accepted"),
      };
    case "linking":
      return { ...state, link: state.link.status === "lost" ? state.link : { status: "linking" } };
    case "linked":
      return { ...state, link: { status: "open" }, isLive: false, readings: state.readings + 1 };
    case "lost":
      return { ...state, link: lostLink(state, action) };
    case "signedOut":
      return { ...state, link: { status: "signedOut" } };
    case "reading":
      return { ...state, round: state.round + 1 };
    case "loaded":
      return loaded(state, action.detail, action.atMs);
    case "absent":
      return { ...state, isLoaded: true };
    case "told":
      return told(state, action.event, action.atMs);
  }
}

function lostLink(state: ChatState, { atMs, retryAtMs, refusal }: Extract<ChatAction, { type: "lost" }>): Link {
  const sinceMs = state.link.status === "lost" ? state.link.sinceMs : atMs;
  return { status: "lost", sinceMs, retryAtMs, refusal };
}

function writtenItem(state: ChatState, { messageId, text, atMs }: Extract<ChatAction, { type: "written" }>): OwnItem {
  const { round } = state;
  return { kind: "own", key: messageId, messageId, seq: undefined, text, atMs, status: "waiting", isStored: false, round };
}

function withItems(state: ChatState, items: readonly Item[]): ChatState {
  return { ...state, items: items.length > ITEMS_MAX ? items.slice(-ITEMS_MAX) : items };
}

function changeOwn(state: ChatState, messageId: string, change: (item: OwnItem) => OwnItem): ChatState {
  const items = state.items.map((item) =>
    item.kind === "own" && item.messageId === messageId && item.status !== "accepted" ? change(item) : item,
  );
  return { ...state, items };
}

function accepted(state: ChatState, messageId: string, seq: number): ChatState {
  const { round } = state;
  const items = state.items
    // A reading of the chat may have shown it as a row of which nothing was known here.
    .filter((item) => item.kind !== "own" || item.seq !== seq || item.messageId === messageId)
    .map((item) =>
      item.kind === "own" && item.messageId === messageId
        ? { ...item, seq, status: "accepted" as const, refusal: undefined, isStored: item.isStored, round }
        : item,
    );
  return { ...state, items: sinceNew(items) };
}

/** What the server has of the chat, read after the stream was opened. */
function loaded(state: ChatState, detail: WireChatDetail, atMs: number): ChatState {
  const items = mergeTimeline(state.items, detail, state.round);
  const turns = new Set(detail.history.flatMap(({ role, turnId }) => (role === "assistant" && turnId !== undefined ? [turnId] : [])));
  const next: ChatState = {
    ...state,
    items,
    isLoaded: true,
    isWindowFull: detail.history.length >= 100,
    storedTurns: turns,
    draft: state.draft && turns.has(state.draft.turnId) ? undefined : state.draft,
  };
  if (state.isLive) return next;
  return entered({ ...next, attempt: detail.turn?.attempt ?? 1 }, detail.state, sinceOf(detail.since, atMs));
}

/** Clocks differ: an instant of the server counts only when it lies in the recent past. */
function sinceOf(serverMs: number, nowMs: number): number {
  return serverMs <= nowMs && nowMs - serverMs < 3_600_000 ? serverMs : nowMs;
}

function told(state: ChatState, event: StreamEvent, atMs: number): ChatState {
  switch (event.type) {
    case "delta":
      return { ...state, isLive: true, draft: draftAfter(state, event) };
    case "reply":
      return replied(state, event, atMs);
    case "state":
      return entered({ ...state, isLive: true }, event.state, sinceOf(event.since, atMs));
    case "turn":
      return turned({ ...state, isLive: true }, event);
    case "reset":
      return { ...state, readings: state.readings + 1 };
  }
}

const ANSWERING: ReadonlySet<string> = new Set(["responding", "committing"]);
const BETWEEN: ReadonlySet<string> = new Set(["backingOff", "queued", "collecting"]);

/** A draft of a turn that does not run any more and left no reply was interrupted. */
function entered(state: ChatState, name: string, sinceMs: number): ChatState {
  const activity = name === state.activity.state ? state.activity : { state: name, sinceMs };
  const attempt = ANSWERING.has(name) || BETWEEN.has(name) ? state.attempt : 1;
  const next = { ...state, activity, attempt };
  if (ANSWERING.has(name) || state.draft === undefined) return next;
  if (BETWEEN.has(name)) {
    return state.draft.status === "streaming" ? { ...next, draft: { ...state.draft, status: "aborted" } } : next;
  }
  return interrupted(next);
}

function interrupted(state: ChatState): ChatState {
  const { draft } = state;
  if (draft === undefined) return state;
  if (draft.text.trim() === "") return { ...state, draft: undefined };
  const key = `partial-${draft.turnId}-${draft.attempt}`;
  const rest = state.items.filter((item) => item.key !== key);
  return withItems({ ...state, draft: undefined }, [...rest, { kind: "partial", key, turnId: draft.turnId, text: draft.text }]);
}

function draftAfter(state: ChatState, { turnId, attempt, offset, text }: Extract<StreamEvent, { type: "delta" }>): Draft | undefined {
  const { draft } = state;
  if (state.settledTurns.includes(turnId) || state.storedTurns.has(turnId)) return draft;
  if (offset === 0) return { turnId, attempt, text, status: "streaming", hasGap: false };
  if (draft?.turnId !== turnId || draft.attempt !== attempt) return { turnId, attempt, text: "", status: "streaming", hasGap: true };
  if (draft.hasGap || offset > draft.text.length) return { ...draft, hasGap: true };
  return { ...draft, text: draft.text.slice(0, offset) + text, status: "streaming" };
}

function turned(state: ChatState, { turnId, attempt, status }: Extract<StreamEvent, { type: "turn" }>): ChatState {
  const { draft } = state;
  const isOwnDraft = draft?.turnId === turnId;
  switch (status) {
    case "started": {
      if (state.storedTurns.has(turnId)) return state;
      const base = isOwnDraft ? state : interrupted(state);
      const items = base.items.filter((item) => item.kind !== "partial" || item.turnId !== turnId);
      const kept = isOwnDraft && draft.attempt === attempt ? draft : undefined;
      // What an earlier attempt said stays until this one says something.
      const earlier: Draft | undefined =
        isOwnDraft && draft.text !== "" ? { ...draft, status: draft.status === "streaming" ? "aborted" : draft.status } : undefined;
      const settledTurns = base.settledTurns.filter((settled) => settled !== turnId);
      return {
        ...base,
        items,
        attempt,
        settledTurns,
        draft: kept ?? earlier ?? { turnId, attempt, text: "", status: "streaming", hasGap: false },
      };
    }
    case "done": {
      // Its replies came first when they were sent again from the store.
      const isAnswered = state.items.some((item) => item.kind === "reply" && item.turnId === turnId);
      const rest: Draft | undefined = isOwnDraft && !isAnswered ? { ...draft, status: "done" } : undefined;
      return { ...state, doneTurn: turnId, draft: isOwnDraft ? rest : draft };
    }
    case "failed":
    case "aborted":
    case "superseded":
      return isOwnDraft ? { ...state, draft: { ...draft, status: status === "failed" ? "failed" : "aborted" } } : state;
  }
}

function replied(state: ChatState, event: Extract<StreamEvent, { type: "reply" }>, atMs: number): ChatState {
  const { id, turnId, part, of, content, inReplyTo } = event;
  const turn = turnOf(turnId);
  const cursor = isLaterId(id, state.cursor) ? id : state.cursor;
  const settledTurns = [...state.settledTurns.filter((settled) => settled !== turn), turn].slice(-TURNS_REMEMBERED);
  const base: ChatState = { ...state, cursor, settledTurns, draft: state.draft?.turnId === turn ? undefined : state.draft };
  const isKnown = state.storedTurns.has(turnId) || state.items.some((item) => item.kind === "reply" && item.id === id);
  if (isKnown) return base;
  const isStored = state.doneTurn === turnId;
  const { round } = state;
  const answered = state.items
    .filter((item) => item.kind !== "partial" || item.turnId !== turn)
    .map((item) =>
      item.kind === "own" && isStored && item.seq !== undefined && inReplyTo.includes(item.seq) ? { ...item, isStored, round } : item,
    )
    .map((item) => (item.kind === "own" && item.isDropped && inReplyTo.includes(item.seq ?? 0) ? { ...item, isDropped: false } : item));
  const key = `reply-${turnId}-${id}`;
  const items = [...answered, { kind: "reply" as const, key, id, turnId, part, of, content, atMs, inReplyTo, isStored, round }];
  const isUnknownQuestion =
    !turnId.startsWith("command.") &&
    inReplyTo.some((seq) => !items.some((item) => item.kind === "own" && (item.seq === seq || item.status === "sending")));
  return withItems({ ...base, readings: base.readings + (isUnknownQuestion && state.isLoaded ? 1 : 0) }, sinceNew(items));
}
