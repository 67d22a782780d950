/**
 * What is shown here and what the server says of the same chat, made one.
 *
 * The history holds answered messages and their replies; `waitingRows` the messages to come. Neither holds what a command said, what is
 * said when a turn is given up, the message of such a turn, and what is not sent yet: those stand only here, and keep their place.
 */
import type { Content } from "../../src/core/content.ts";
import type { WireChatDetail, WireHistoryEntry } from "../../src/http/wire.ts";
import type { Item, OwnItem, ReplyItem } from "./items.ts";

/** Entries of the history that the server shows at most. */
const HISTORY_WINDOW = 100;
/** Waiting rows that it shows at most. */
const WAITING_WINDOW = 100;

/** @param round - of this reading: what was learnt since it was asked for is newer than what it says */
export function mergeTimeline(known: readonly Item[], detail: WireChatDetail, round: number): readonly Item[] {
  const owns = known.filter((item) => item.kind === "own");
  const replies = known.filter((item) => item.kind === "reply");
  const waiting = new Set(detail.waitingRows.map(({ seq }) => seq));
  const used = new Set<Item>();

  const ownOf = (seq: number | undefined, text: string, atMs: number, isStored: boolean): OwnItem => {
    // Sent, and the answer that would name its number is not here yet.
    const isUnsure = (item: OwnItem): boolean => item.seq === undefined && item.status === "sending" && item.text === text;
    const found = owns.find((item) => !used.has(item) && (item.seq === undefined ? isUnsure(item) : item.seq === seq));
    if (found) used.add(found);
    const key = found?.key ?? `own-${seq ?? atMs}`;
    return { kind: "own", key, messageId: found?.messageId, seq, text, atMs, status: "accepted", isStored, round };
  };

  const shown: Item[] = [];
  for (const group of groupsOf(detail.history)) {
    const [first] = group;
    if (first?.role !== "assistant") {
      for (const { seq, text, at } of group) shown.push(ownOf(seq, text, at, true));
      continue;
    }
    const here = first.turnId === undefined ? [] : replies.filter(({ turnId }) => turnId === first.turnId);
    for (const item of here) used.add(item);
    // What came over the stream holds files and buttons too, which the history leaves out.
    const isComplete = here.length > 0 && here.length >= (here[0]?.of ?? 0);
    shown.push(...(isComplete ? here.map((item) => ({ ...item, isStored: true, round })) : group.map(replyOf(round))));
  }
  for (const { seq, text, receivedAt, kind } of detail.waitingRows) {
    if (kind !== "command") shown.push(ownOf(seq, text, receivedAt, false));
  }

  const isWindowFull = detail.history.length >= HISTORY_WINDOW;
  const oldestSeq = isWindowFull ? (detail.history.find(({ seq }) => seq !== undefined)?.seq ?? 0) : 0;
  const answered = new Set(replies.flatMap(({ inReplyTo }) => inReplyTo));
  /** Nobody will answer it: a `/stop` dropped it, or its turn was given up. */
  const isDropped = (item: Item): boolean =>
    item.kind === "own" &&
    item.status === "accepted" &&
    item.seq !== undefined &&
    item.round < round &&
    detail.waitingRows.length < WAITING_WINDOW &&
    !waiting.has(item.seq) &&
    !answered.has(item.seq) &&
    !item.text.startsWith("/stop") &&
    !item.text.startsWith("/new");

  let before: Item | undefined;
  for (const item of known) {
    if (used.has(item)) {
      before = shown.findLast((entry) => isSame(entry, item)) ?? before;
      continue;
    }
    const isArchived = item.kind !== "partial" && item.isStored && item.round < round && !isWindowFull;
    const isTooOld = item.kind === "own" && item.seq !== undefined && item.seq < oldestSeq && item.round < 0;
    if (isArchived || isTooOld) continue;
    const entry = isDropped(item) ? { ...item, isDropped: true } : item;
    shown.splice(placeOf(shown, entry, before, oldestSeq), 0, entry);
    before = entry;
  }
  return shown;
}

/** Replies of one turn stand together; all else alone. */
function groupsOf(history: readonly WireHistoryEntry[]): readonly (readonly WireHistoryEntry[])[] {
  const groups: WireHistoryEntry[][] = [];
  for (const entry of history) {
    const last = groups.at(-1);
    const isSameTurn = last?.[0]?.role === entry.role && last[0].turnId === entry.turnId && entry.turnId !== undefined;
    if (last && isSameTurn) last.push(entry);
    else groups.push([entry]);
  }
  return groups;
}

function replyOf(round: number): (entry: WireHistoryEntry, place: number, group: readonly WireHistoryEntry[]) => ReplyItem {
  return ({ text, at, turnId }, place, group) => ({
    kind: "reply",
    key: `reply-${turnId ?? at}-${place + 1}`,
    id: undefined,
    turnId,
    part: place + 1,
    of: group.length,
    content: contentOf(text),
    atMs: at,
    inReplyTo: [],
    isStored: true,
    round,
  });
}

function contentOf(text: string): Content {
  return text === "" ? [] : [{ type: "text", text }];
}

function isSame(a: Item, b: Item): boolean {
  if (a.kind === "own" && b.kind === "own") return a.key === b.key;
  return a.kind === "reply" && b.kind === "reply" && a.turnId !== undefined && a.turnId === b.turnId;
}

/** Where something that the server does not show stands among what it shows. */
function placeOf(shown: readonly Item[], item: Item, before: Item | undefined, oldestSeq: number): number {
  if (item.kind === "own" && item.seq !== undefined) {
    const { seq } = item;
    const next = shown.findIndex(
      (entry) => entry.kind === "own" && (entry.seq === undefined ? entry.status !== "refused" : entry.seq > seq),
    );
    return next < 0 ? shown.length : next;
  }
  // What is still to be sent is the latest there is; what was refused stays where it was.
  if (item.kind === "own" && item.status !== "refused") return shown.length;
  const asked = item.kind === "reply" ? item.inReplyTo : [];
  const question = shown.findLastIndex((entry) => entry.kind === "own" && entry.seq !== undefined && asked.includes(entry.seq));
  const previous = before === undefined ? -1 : shown.findLastIndex((entry) => entry === before || isSame(entry, before));
  const at = Math.max(question, previous);
  if (at >= 0) return at + 1;
  // Nothing it follows is shown: it is older than the window, or newer than all.
  return oldestSeq > 0 && asked.some((seq) => seq < oldestSeq) ? 0 : shown.length;
}
