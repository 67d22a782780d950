/** Rows as SQLite gives them, and as the port has them. */
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent, type Content } from "../../core/content.ts";
import type { TurnClass } from "../../core/turn-class.ts";
import type { InboxKind, InboxRow, InboxStatus, JournalEntry, OutboxPart, PartStatus, TurnRecord } from "../../ports/store/records.ts";
import { optional, readable, type ChatRow, type StoredTurn } from "./chat-row.ts";

export interface InboxSql {
  readonly id: number;
  readonly seq: number;
  readonly kind: InboxKind;
  readonly class: TurnClass;
  readonly content: string;
  readonly sender: string | null;
  readonly received_at: number;
  /** A row that a turn holds is `held` here, so that it is in no index; to all others it is still waiting. */
  readonly status: InboxStatus | "held";
  readonly turn_id: string | null;
  readonly run_id: string | null;
}

/** Stands for what a damaged row said. The row stays as it is, and neither its chat nor a list with others stops at it. */
const DAMAGED = textContent("[this was damaged in the store and cannot be read]");

function contentOf(column: string): Content {
  const content = readable<unknown>(column);
  return isContent(content) ? content : DAMAGED;
}

function isContent(value: unknown): value is Content {
  return Array.isArray(value) && value.every((item: unknown) => typeof item === "object" && item !== null && "type" in item);
}

export function inboxOfRow(chat: ChatKey, row: InboxSql): InboxRow {
  return {
    chat,
    seq: row.seq,
    kind: row.kind,
    turnClass: row.class,
    content: contentOf(row.content),
    sender: readable(row.sender),
    receivedAtMs: row.received_at,
    status: row.status === "held" ? "waiting" : row.status,
    turnId: optional(row.turn_id),
  };
}

export function turnOfOpen(chat: ChatRow, open: StoredTurn): TurnRecord {
  return {
    chat: chat.key,
    turnId: open.id,
    status: open.status,
    attempt: open.attempt,
    failures: open.failures,
    startedAtMs: open.startedAtMs,
    endedAtMs: undefined,
    error: readable(open.error),
  };
}

export interface JournalSql {
  readonly place: number;
  readonly type: JournalEntry["type"];
  readonly key: string;
  readonly body: string;
  readonly at: number;
}

export function journalOfRow(row: JournalSql): JournalEntry {
  return { place: row.place, type: row.type, key: row.key, body: row.body, atMs: row.at };
}

export interface PartSql {
  readonly id: number;
  readonly chat: number;
  readonly prev: number;
  readonly group_id: string;
  readonly part: number;
  readonly of: number;
  readonly content: string;
  readonly status: PartStatus;
  readonly attempts: number;
  readonly ambiguous: number;
  readonly created_at: number;
  /** Its age counts from here, when it is set. */
  readonly revived_at: number | null;
  readonly next_try_at: number | null;
  readonly platform_id: string | null;
  readonly error: string | null;
  readonly in_reply_to: string;
  readonly run_id: string | null;
  /** 1: a draft of an open turn. 2: its turn ended while it was on its way. */
  readonly draft: number;
  readonly receipt: string | null;
}

export function partOfRow(chat: ChatKey, row: PartSql): OutboxPart {
  return {
    id: String(row.id),
    chat,
    turnId: row.group_id,
    part: row.part,
    of: row.of,
    content: contentOf(row.content),
    status: row.status,
    attempts: row.attempts,
    ambiguous: row.ambiguous === 1,
    createdAtMs: row.created_at,
    nextTryAtMs: optional(row.next_try_at),
    platformId: optional(row.platform_id),
    error: readable(row.error),
    inReplyTo: readable<number[]>(row.in_reply_to) ?? [],
    ...(row.draft === 1 ? { isDraft: true as const } : {}),
    ...(row.receipt === null ? {} : { receipt: readable(row.receipt) }),
  };
}
