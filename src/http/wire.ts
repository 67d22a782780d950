/** The shapes that travel: what the runtime says, renamed to the words of the API. Instants end in `At`; a field without a value is left out. */
import type { Content } from "../core/content.ts";
import { textOf } from "../core/content.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { EventRecord, HistoryEntry, InboxRow, OutboxPart } from "../ports/store/records.ts";
import type { ChatDetail, ChatSummary, PairedPerson, PairingCode, PairingStatus, Why } from "../runtime/api.ts";

/** A page of a list; `next` is the cursor of the following one. */
export interface WirePage<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface WireChat {
  readonly key: string;
  readonly channel: string;
  readonly state: string;
  readonly since: number;
  readonly waiting: number;
  readonly lastMessageAt?: number;
  readonly lastReplyAt?: number;
  readonly error?: ErrorNote;
}

export interface WireRow {
  readonly seq: number;
  readonly kind: string;
  readonly text: string;
  readonly receivedAt: number;
}

export interface WireHistoryEntry {
  readonly role: string;
  readonly text: string;
  readonly at: number;
  readonly seq?: number;
  readonly turnId?: string;
}

/** `status` is `ambiguous` while a part that may have arrived is tried again; `ambiguous` stays set once it is settled. */
export interface WirePart {
  readonly id: string;
  readonly chat: string;
  /** Rises in commit order within a chat; the number of the id. */
  readonly seq: number;
  readonly part: number;
  readonly of: number;
  readonly content: Content;
  readonly text: string;
  readonly status: string;
  readonly attempts: number;
  readonly ambiguous?: true;
  readonly nextTryAt?: number;
  readonly platformId?: string;
  /** What the platform said of it later. */
  readonly receipt?: { readonly status: string; readonly at: number };
  readonly error?: ErrorNote;
  readonly inReplyTo: readonly number[];
}

export interface WireChatDetail extends WireChat {
  readonly address: string;
  readonly overlap: string;
  readonly timers: readonly { readonly id: string; readonly event: string; readonly dueAt: number }[];
  readonly waitingRows: readonly WireRow[];
  readonly turn?: { readonly turnId: string; readonly attempt: number; readonly startedAt: number; readonly steps: number };
  readonly history: readonly WireHistoryEntry[];
  readonly outbox: readonly WirePart[];
  readonly revision: number;
  readonly unreachableSince?: number;
}

export interface WireWhy {
  readonly key: string;
  readonly state: string;
  readonly since: number;
  readonly sentence: string;
  readonly waitsFor?: string;
  readonly endsBy?: readonly { readonly event: string; readonly atMs?: number }[];
}

export interface WireEvent {
  readonly revision: number;
  readonly at: number;
  readonly events: readonly { readonly type: string }[];
  readonly stateBefore: string;
  readonly stateAfter: string;
}

export interface WirePerson {
  readonly id: string;
  readonly name?: string;
  readonly role: string;
  readonly since: number;
}

export interface WirePairing {
  readonly channel: string;
  /** Null: not configured, the first comes by code. */
  readonly allow: readonly string[] | null;
  readonly people: readonly WirePerson[];
  /** Who wrote and was not let in, the newest first. */
  readonly requests: readonly { readonly id: string; readonly name?: string; readonly lastAt: number; readonly count: number }[];
  readonly codeExpiresAt: number | null;
}

export interface WirePairingCode {
  readonly channel: string;
  readonly code: string;
  readonly account?: string;
  /** Opens the platform with the code ready to send. */
  readonly url?: string;
  readonly expiresAt: number;
}

export function wireChat(chat: ChatSummary): WireChat {
  const { key, channel, state, since, waiting, lastMessageAt, lastReplyAt, error } = chat;
  return { key, channel, state, since, waiting, lastMessageAt, lastReplyAt, error };
}

export function wireChatDetail(chat: ChatDetail): WireChatDetail {
  return {
    ...wireChat(chat),
    address: chat.address,
    overlap: chat.overlap,
    timers: chat.timers.map(({ id, event, dueAtMs }) => ({ id, event: event.type, dueAt: dueAtMs })),
    waitingRows: chat.waitingRows.map(wireRow),
    turn: chat.turn,
    history: chat.history.map(wireHistoryEntry),
    outbox: chat.outbox.map(wirePart),
    revision: chat.revision,
    unreachableSince: chat.unreachableSince,
  };
}

export function wirePerson({ id, name, role, sinceMs }: PairedPerson): WirePerson {
  return { id, name, role, since: sinceMs };
}

export function wirePairing({ channel, allow, people, requests, codeExpiresAtMs }: PairingStatus): WirePairing {
  return {
    channel,
    allow: allow ?? null,
    people: people.map(wirePerson),
    requests: requests.map(({ id, name, lastAtMs, count }) => ({ id, name, lastAt: lastAtMs, count })),
    codeExpiresAt: codeExpiresAtMs ?? null,
  };
}

export function wirePairingCode({ channel, code, account, url, expiresAtMs }: PairingCode): WirePairingCode {
  return { channel, code, account, url, expiresAt: expiresAtMs };
}

export function wireWhy({ key, state, since, sentence, waitsFor, endsBy }: Why): WireWhy {
  return { key, state, since, sentence, waitsFor, endsBy: endsBy.map(({ event, atMs }) => ({ event, atMs })) };
}

export function wireEvent({ revision, atMs, events, stateBefore, stateAfter }: EventRecord): WireEvent {
  return { revision, at: atMs, events, stateBefore, stateAfter };
}

function wireRow({ seq, kind, content, receivedAtMs }: InboxRow): WireRow {
  return { seq, kind, text: textOf(content), receivedAt: receivedAtMs };
}

function wireHistoryEntry({ role, content, atMs, seq, turnId }: HistoryEntry): WireHistoryEntry {
  return { role, text: textOf(content), at: atMs, seq, turnId };
}

export function wirePart(part: OutboxPart): WirePart {
  const isTriedAgain = part.ambiguous && (part.status === "waiting" || part.status === "sending");
  return {
    id: part.id,
    chat: part.chat,
    seq: Number(part.id),
    part: part.part,
    of: part.of,
    content: part.content,
    text: textOf(part.content),
    status: isTriedAgain ? "ambiguous" : part.status,
    attempts: part.attempts,
    ambiguous: part.ambiguous || undefined,
    nextTryAt: part.nextTryAtMs,
    platformId: part.platformId,
    error: part.error,
    receipt: part.receipt && { status: part.receipt.status, at: part.receipt.atMs },
    inReplyTo: part.inReplyTo,
  };
}
