/** Parts on their way out. Ids are those of the SQLite store: the chat's number and the part's within it, so they rise within a chat. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { OutboxPart, Page, PageRequest, PartStatus } from "../../ports/store/records.ts";
import type { OutboxStore, ReceiptRow, SendOutcome, TakeResult } from "../../ports/store/outbox-store.ts";
import { refuseDraft, type Shown } from "./drafts.ts";
import { findOrdered, insertOrdered, placeFrom, removeOrdered } from "./ordered.ts";
import { notePart } from "./runs.ts";
import { meet, numberOf, type Chat, type Disk, type Part } from "./disk.ts";

const PARTS_PER_CHAT = 100_000_000;

const idOf = (chat: Chat, number: number): number => chat.id * PARTS_PER_CHAT + number;

/** The chat of a part id, whether or not the part is still kept. */
export function chatOfPart(disk: Disk, id: string): Chat | undefined {
  return disk.chatsById.get(Math.floor(Number(id) / PARTS_PER_CHAT));
}

function partById(disk: Disk, id: string): { readonly chat: Chat; readonly part: Part } | undefined {
  const chat = chatOfPart(disk, id);
  const part = chat && findOrdered(chat.parts, Number(id) % PARTS_PER_CHAT, numberOf);
  return chat && part && { chat, part };
}

export function partOf(chat: Chat, one: Part): OutboxPart {
  const {
    number,
    turnId,
    part,
    of,
    content,
    status,
    attempts,
    ambiguous,
    createdAtMs,
    nextTryAtMs,
    platformId,
    error,
    inReplyTo,
    isDraft,
    receipt,
  } = one;
  return {
    id: String(idOf(chat, number)),
    chat: chat.key,
    turnId,
    part,
    of,
    content,
    status,
    attempts,
    ambiguous,
    createdAtMs,
    nextTryAtMs,
    platformId,
    error: error && { ...error },
    inReplyTo: [...inReplyTo],
    ...(isDraft ? { isDraft } : {}),
    ...(receipt ? { receipt: { ...receipt } } : {}),
  };
}

export interface PutOptions {
  readonly groupId: string;
  /** Status of the first part and of the others. */
  readonly first: "waiting" | "sending" | "sent" | "draft";
  /** What the first part takes the place of. */
  readonly shown?: Shown | undefined;
  readonly rest: "waiting" | "sent";
  readonly atMs: number;
  readonly inReplyTo: readonly number[];
  readonly runId?: string | undefined;
}

export function putParts(chat: Chat, contents: readonly Content[], options: PutOptions): readonly OutboxPart[] {
  return contents.map((content, place) => {
    const status = place === 0 ? options.first : options.rest;
    const part: Part = {
      number: ++chat.lastPart,
      turnId: options.groupId,
      part: place + 1,
      of: contents.length,
      content,
      status,
      attempts: status === "sending" ? 1 : 0,
      ambiguous: place === 0 && options.shown?.isAmbiguous === true,
      createdAtMs: options.atMs,
      ageFromMs: options.atMs,
      nextTryAtMs: undefined,
      platformId: place === 0 ? options.shown?.platformId : undefined,
      error: undefined,
      inReplyTo: options.inReplyTo,
      runId: options.runId,
      isEnding: false,
      ...(status === "draft" ? { isDraft: true as const } : {}),
    };
    chat.parts.push(part);
    if (status === "sent") chat.lastReplyAtMs = options.atMs;
    else {
      chat.unsettled.push(part);
      chat.busy.add(chat);
    }
    return partOf(chat, part);
  });
}

export function put(
  disk: Disk,
  key: ChatKey,
  contents: readonly Content[],
  options: Parameters<OutboxStore["put"]>[2],
): readonly OutboxPart[] {
  const status = options.delivered ? "sent" : "waiting";
  return putParts(meet(disk, key, options.address ?? "", options.atMs), contents, {
    groupId: options.groupId,
    first: status,
    rest: status,
    atMs: options.atMs,
    inReplyTo: [],
  });
}

/** Takes a part out of the queue, and tells the cron run that it came from. */
function settlePart(disk: Disk, chat: Chat, part: Part, status: "sent" | "expired" | "dead"): void {
  part.status = status;
  removeOrdered(chat.unsettled, part, numberOf);
  notePart(disk, part.runId, status === "sent" ? "sent" : "lost");
}

/** What is to be sent next. A draft that is shown lets later parts pass. */
function firstOf(chat: Chat): Part | undefined {
  return chat.unsettled.find((part) => part.status !== "draft" || part.platformId === undefined);
}

export function take(disk: Disk, key: ChatKey, options: Parameters<OutboxStore["take"]>[1]): TakeResult {
  const chat = disk.chats.get(key);
  const orphan = chat?.unsettled.find((part) => part.status === "sending");
  if (chat && options.orphan && orphan) {
    if (options.orphan === "unknown") {
      orphan.ambiguous ||= orphan.platformId === undefined;
      orphan.attempts += 1;
    }
    return { type: "taken", part: partOf(chat, orphan) };
  }
  if (orphan) return { type: "none" };
  for (let part = chat && firstOf(chat); chat && part; part = firstOf(chat)) {
    if (!part.isDraft && part.ageFromMs < options.atMs - options.maxAgeMs) {
      settlePart(disk, chat, part, "expired");
      continue;
    }
    if (part.nextTryAtMs !== undefined && part.nextTryAtMs > options.atMs) return { type: "later", atMs: part.nextTryAtMs };
    part.status = "sending";
    part.attempts += 1;
    part.nextTryAtMs = undefined;
    return { type: "taken", part: partOf(chat, part) };
  }
  return { type: "none" };
}

export function settle(disk: Disk, request: Parameters<OutboxStore["settle"]>[0], next: Parameters<OutboxStore["settle"]>[1]): TakeResult {
  const found = partById(disk, request.id);
  if (found && found.chat.key === request.chat && found.part.status === "sending" && found.part.attempts === request.attempt) {
    applyOutcome(disk, found.chat, found.part, request.outcome, request.atMs);
  }
  if (next) return take(disk, request.chat, { atMs: request.atMs, maxAgeMs: next.maxAgeMs });
  const chat = disk.chats.get(request.chat);
  const first = chat && firstOf(chat);
  return first && first.status !== "sending" ? { type: "later", atMs: first.nextTryAtMs ?? 0 } : { type: "none" };
}

function applyOutcome(disk: Disk, chat: Chat, part: Part, outcome: SendOutcome, atMs: number): void {
  switch (outcome.type) {
    case "sent":
      part.platformId = outcome.platformId;
      part.error = undefined;
      chat.lastReplyAtMs = atMs;
      if (part.isDraft) part.status = "draft";
      // Its turn ended meanwhile: what it was stored with since is shown by an edit.
      else if (part.isEnding) Object.assign(part, { status: "waiting", isEnding: false });
      else settlePart(disk, chat, part, "sent");
      return;
    case "retry":
      part.status = part.isDraft ? "draft" : "waiting";
      part.isEnding = false;
      part.ambiguous ||= outcome.ambiguous;
      part.nextTryAtMs = outcome.nextTryAtMs;
      part.error = { ...outcome.error };
      return;
    case "refused": {
      if (outcome.error.code === "CHAT_UNREACHABLE") chat.settings = { ...chat.settings, unreachable: String(atMs) };
      if (part.isDraft || part.isEnding) return refuseDraft(chat, part, outcome.error);
      const rest = chat.unsettled.filter((other) => other.number >= part.number && other.turnId === part.turnId);
      for (const one of rest) {
        one.error = { ...outcome.error };
        settlePart(disk, chat, one, "dead");
      }
    }
  }
}

export function expire(disk: Disk, key: ChatKey, beforeMs: number): number {
  const chat = disk.chats.get(key);
  if (!chat) return 0;
  const old = chat.unsettled.filter((part) => part.status === "waiting" && part.ageFromMs < beforeMs);
  for (const part of old) settlePart(disk, chat, part, "expired");
  return old.length;
}

export function list(
  disk: Disk,
  filter: { readonly status?: PartStatus; readonly ambiguous?: boolean; readonly chat?: ChatKey },
  page: PageRequest,
): Page<OutboxPart> {
  const after = Number(page.cursor ?? 0);
  const only = filter.chat === undefined ? undefined : disk.chats.get(filter.chat);
  if (filter.chat !== undefined && !only) return { items: [], next: undefined };
  const found: OutboxPart[] = [];
  for (const chat of only ? [only] : disk.chatsById.values()) {
    if (idOf(chat, chat.lastPart) <= after) continue;
    for (let place = placeFrom(chat.parts, after - idOf(chat, 0) + 1, numberOf); place < chat.parts.length; place += 1) {
      const part = chat.parts[place];
      if (!part || (filter.status !== undefined && part.status !== filter.status)) continue;
      if (filter.ambiguous !== undefined && part.ambiguous !== filter.ambiguous) continue;
      if (found.length === page.limit) return { items: found, next: found.at(-1)?.id };
      found.push(partOf(chat, part));
    }
  }
  return { items: found, next: undefined };
}

export function newest(disk: Disk, key: ChatKey, limit: number): readonly OutboxPart[] {
  const chat = disk.chats.get(key);
  return chat && limit > 0 ? chat.parts.slice(-limit).map((part) => partOf(chat, part)) : [];
}

export function after(disk: Disk, key: ChatKey, id: string, limit: number): readonly OutboxPart[] | "gone" {
  const chat = disk.chats.get(key);
  if (!chat) return [];
  const from = Number(id);
  const oldest = chat.parts[0]?.number ?? chat.lastPart + 1;
  // Something that came after the id asked for has been deleted.
  if (!Number.isSafeInteger(from) || (oldest > 1 && from + 1 < idOf(chat, oldest))) return "gone";
  const first = placeFrom(chat.parts, from - idOf(chat, 0) + 1, numberOf);
  return chat.parts
    .slice(first, first + limit)
    .filter((part) => !part.isDraft)
    .map((part) => partOf(chat, part));
}

/** A later word of lower rank, which platforms may send out of order, changes nothing. */
const RANKS = { delivered: 1, read: 2, failed: 3 } as const;

export function receive(disk: Disk, receipts: readonly ReceiptRow[]): readonly number[] {
  const unknown: number[] = [];
  for (const [place, { chat: key, platformId, receipt, error }] of receipts.entries()) {
    const part = disk.chats.get(key)?.parts.findLast((one) => one.platformId === platformId);
    if (!part) unknown.push(place);
    if (!part || (part.receipt && RANKS[part.receipt.status] >= RANKS[receipt.status])) continue;
    part.receipt = { ...receipt };
    if (receipt.status !== "failed" || part.status !== "sent") continue;
    part.status = "dead";
    part.error = error && { ...error };
    notePart(disk, part.runId, "recalled");
  }
  return unknown;
}

export function revive(disk: Disk, id: string, atMs: number): OutboxPart | undefined {
  const found = partById(disk, id);
  if (!found || (found.part.status !== "dead" && found.part.status !== "expired")) return undefined;
  const { chat, part } = found;
  part.status = "waiting";
  part.nextTryAtMs = undefined;
  part.ageFromMs = atMs;
  insertOrdered(chat.unsettled, part, numberOf);
  chat.busy.add(chat);
  notePart(disk, part.runId, "revived");
  return partOf(chat, part);
}

export function purge(disk: Disk, id: string): boolean {
  const found = partById(disk, id);
  if (!found || found.part.status === "sending") return false;
  const { chat, part } = found;
  if (part.status === "waiting" || part.status === "draft") settlePart(disk, chat, part, "dead");
  removeOrdered(chat.parts, part, numberOf);
  return true;
}
