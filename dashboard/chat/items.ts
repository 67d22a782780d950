/** What stands in a conversation, in the order in which it is shown. */
import type { Content } from "../../src/core/content.ts";

export interface Refusal {
  readonly message: string;
  /** Instant from which another try makes sense. */
  readonly retryAtMs: number | undefined;
}

/** `waiting`: not sent yet. `sending`: under way, or sent without an answer. `accepted`: stored by the server as `seq`. */
export type OwnStatus = "waiting" | "sending" | "accepted" | "refused";

/** What the person wrote. */
export interface OwnItem {
  readonly kind: "own";
  readonly key: string;
  /** Absent for what was not written in this browser. */
  readonly messageId: string | undefined;
  readonly seq: number | undefined;
  readonly text: string;
  readonly atMs: number;
  readonly status: OwnStatus;
  readonly refusal?: Refusal;
  /** Its turn was stopped before it was answered. */
  readonly isDropped?: boolean;
  /** In the history of the server, which need not be kept here. */
  readonly isStored: boolean;
  /** The reading of the chat after which the server surely shows it. */
  readonly round: number;
}

/** A part of a reply. */
export interface ReplyItem {
  readonly kind: "reply";
  readonly key: string;
  /** Outbox id; absent for what was read from the history. */
  readonly id: string | undefined;
  readonly turnId: string | undefined;
  readonly part: number;
  readonly of: number;
  readonly content: Content;
  readonly atMs: number;
  readonly inReplyTo: readonly number[];
  readonly isStored: boolean;
  readonly round: number;
}

/** What was streamed of an answer that never came to its end; the server keeps nothing of it. */
export interface PartialItem {
  readonly kind: "partial";
  readonly key: string;
  readonly turnId: string;
  readonly text: string;
}

export type Item = OwnItem | ReplyItem | PartialItem;

/** True for a reply that the runtime gave itself: to `/stop`, `/new` and the like. */
export function isNotice(item: ReplyItem): boolean {
  return item.turnId?.startsWith("command.") === true;
}

/** The turn that a reply belongs to; what is said when a turn is given up is stored under a name of its own. */
export function turnOf(turnId: string): string {
  return turnId.replace(/\.error$/, "");
}

/** Outbox ids are decimal strings of any length. */
export function isLaterId(id: string, than: string): boolean {
  return id.length === than.length ? id > than : id.length > than.length;
}

const NEW_COMMAND = /^\/new(?:@\w+)?(?:\s|$)/i;

/** What stands from the last answered `/new` on: what came before is archived. */
export function sinceNew(items: readonly Item[]): readonly Item[] {
  const answered = new Set(items.flatMap((item) => (item.kind === "reply" && isNotice(item) ? item.inReplyTo : [])));
  const start = items.findLastIndex(
    (item) => item.kind === "own" && item.seq !== undefined && answered.has(item.seq) && NEW_COMMAND.test(item.text),
  );
  if (start <= 0) return items;
  const isOpen = (item: Item): boolean => item.kind === "own" && item.status !== "accepted";
  return [...items.slice(0, start).filter(isOpen), ...items.slice(start)];
}
