/** Rows as SQLite gives them, and as the port has them. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { TurnClass } from "../../core/turn-class.ts";
import type {
  HistoryEntry,
  InboxKind,
  InboxRow,
  InboxStatus,
  JournalEntry,
  OutboxPart,
  PartStatus,
  RunDelivery,
  RunRecord,
  RunStatus,
  TurnRecord,
  TurnStatus,
} from "../../ports/store/records.ts";
import { json, optional } from "./engine.ts";

export interface InboxSql {
  readonly seq: number;
  readonly kind: InboxKind;
  readonly class: TurnClass;
  readonly content: string;
  readonly sender: string | null;
  readonly received_at: number;
  readonly status: InboxStatus;
  readonly turn_id: string | null;
  readonly run_id: string | null;
}

export function bodyOfRow(chat: ChatKey, row: InboxSql, heldBy: string | undefined): InboxRow {
  return {
    chat,
    seq: row.seq,
    kind: row.kind,
    turnClass: row.class,
    content: JSON.parse(row.content) as Content,
    sender: json(row.sender),
    receivedAtMs: row.received_at,
    status: row.status,
    turnId: row.turn_id ?? heldBy,
  };
}

export interface TurnSql {
  readonly turn_id: string;
  readonly status: TurnStatus;
  readonly attempt: number;
  readonly failures: number;
  readonly suspect: number;
  readonly rows: string;
  readonly run_id: string | null;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly error: string | null;
}

export function turnOfRow(chat: ChatKey, row: TurnSql): TurnRecord {
  return {
    chat,
    turnId: row.turn_id,
    status: row.status,
    attempt: row.attempt,
    failures: row.failures,
    startedAtMs: row.started_at,
    endedAtMs: optional(row.ended_at),
    error: json(row.error),
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

export interface HistorySql {
  readonly entry: number;
  readonly role: HistoryEntry["role"];
  readonly content: string;
  readonly at: number;
  readonly seq: number | null;
  readonly turn_id: string | null;
}

export function historyOfRow(row: HistorySql): HistoryEntry {
  return {
    role: row.role,
    content: JSON.parse(row.content) as Content,
    atMs: row.at,
    ...(row.seq === null ? {} : { seq: row.seq }),
    ...(row.turn_id === null ? {} : { turnId: row.turn_id }),
  };
}

export interface PartSql {
  readonly id: number;
  readonly chat: number;
  readonly group_id: string;
  readonly part: number;
  readonly of: number;
  readonly content: string;
  readonly status: PartStatus;
  readonly attempts: number;
  readonly ambiguous: number;
  readonly created_at: number;
  readonly next_try_at: number | null;
  readonly platform_id: string | null;
  readonly error: string | null;
  readonly in_reply_to: string;
  readonly run_id: string | null;
}

export function partOfRow(chat: ChatKey, row: PartSql): OutboxPart {
  return {
    id: String(row.id),
    chat,
    turnId: row.group_id,
    part: row.part,
    of: row.of,
    content: JSON.parse(row.content) as Content,
    status: row.status,
    attempts: row.attempts,
    ambiguous: row.ambiguous === 1,
    createdAtMs: row.created_at,
    nextTryAtMs: optional(row.next_try_at),
    platformId: optional(row.platform_id),
    error: json(row.error),
    inReplyTo: JSON.parse(row.in_reply_to) as number[],
  };
}

export interface RunSql {
  readonly run_id: string;
  readonly job: string;
  readonly instant: number;
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly status: RunStatus;
  readonly delivery: RunDelivery;
  readonly error: string | null;
  readonly deliver_to: ChatKey | null;
}

export function runOfRow(row: RunSql): RunRecord {
  return {
    runId: row.run_id,
    jobId: row.job,
    instantMs: row.instant,
    startedAtMs: row.started_at,
    endedAtMs: optional(row.ended_at),
    status: row.status,
    delivery: row.delivery,
    error: json(row.error),
  };
}
