/** What a browser keeps of a conversation between two visits: what is not sent, what the server does not show, and how far it has read. */
import type { KeyValue } from "../edge.ts";
import type { ChatState } from "./chat-state.ts";
import type { Item, OwnItem, ReplyItem } from "./items.ts";

/** Items beside the unsent messages, which are all kept. */
const KEPT_MAX = 60;
/** UTF-16 units of them together. */
const KEPT_UNITS_MAX = 100_000;
/** Composer text beyond this is not kept. */
const COMPOSED_MAX = 70_000;

export interface Kept {
  readonly items: readonly Item[];
  readonly cursor: string;
  /** What stands in the composer. */
  readonly composed: string;
}

const NOTHING: Kept = { items: [], cursor: "0", composed: "" };

const nameOf = (key: string): string => `satibot.chat.${key}`;

export function readKept(storage: KeyValue, key: string): Kept {
  const text = storage.read(nameOf(key));
  if (text === undefined) return NOTHING;
  try {
    const { items, cursor, composed } = JSON.parse(text) as Partial<Kept>;
    return {
      items: Array.isArray(items) ? items.filter(isItem).map(asBefore) : [],
      cursor: typeof cursor === "string" && /^\d{1,19}$/.test(cursor) ? cursor : "0",
      composed: typeof composed === "string" ? composed : "",
    };
  } catch {
    return NOTHING;
  }
}

/** False when the browser has no room: unsent messages then live only as long as the page. */
export function writeKept(storage: KeyValue, key: string, state: ChatState, composed: string): boolean {
  const items = keptOf(state);
  if (items.length === 0 && composed === "" && state.cursor === "0") {
    storage.remove(nameOf(key));
    return true;
  }
  const kept: Kept = { items, cursor: state.cursor, composed: composed.slice(0, COMPOSED_MAX) };
  return storage.write(nameOf(key), JSON.stringify(kept));
}

export function forgetKept(storage: KeyValue, key: string): void {
  storage.remove(nameOf(key));
}

export function keptOf({ items }: ChatState): readonly Item[] {
  let count = 0;
  let units = 0;
  return items
    .toReversed()
    .filter((item) => {
      if (item.kind === "own" && item.status !== "accepted") return true;
      if (item.kind === "partial" || item.isStored) return false;
      count += 1;
      units += JSON.stringify(item).length;
      return count <= KEPT_MAX && units <= KEPT_UNITS_MAX;
    })
    .toReversed();
}

/** Of an earlier visit: older than every reading of this one, and not under way. */
function asBefore(item: OwnItem | ReplyItem): Item {
  if (item.kind === "own" && item.status === "sending") return { ...item, status: "waiting", round: -1 };
  return { ...item, round: -1 };
}

function isItem(value: unknown): value is OwnItem | ReplyItem {
  if (typeof value !== "object" || value === null) return false;
  const item = value as Partial<Record<keyof OwnItem | keyof ReplyItem, unknown>>;
  if (typeof item.key !== "string" || typeof item.atMs !== "number") return false;
  if (item.kind === "own") return typeof item.text === "string" && typeof item.status === "string";
  return item.kind === "reply" && Array.isArray(item.content) && Array.isArray(item.inReplyTo);
}
