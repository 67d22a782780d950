import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { ChatRecord, HistoryEntry, Page, PageRequest, StoredTimer } from "../../ports/store/records.ts";
import type { ChatFilter, ChatStore, CommandCommit, SnapshotWrite } from "../../ports/store/store.ts";
import { byText, keysOf, meet, recordOf, rowOf, seqOf, turnOf, type Chat, type Disk } from "./disk.ts";
import { closeTurn, dropRows, endRow } from "./endings.ts";
import { findOrdered, insertOrdered } from "./ordered.ts";
import { partOf, putParts } from "./outbox.ts";
import { abandonRun } from "./runs.ts";
import { freeze, writeSnapshot } from "./snapshots.ts";

export function open(disk: Disk, key: ChatKey): ChatRecord | undefined {
  const chat = disk.chats.get(key);
  return chat && recordOf(chat);
}

export function list(disk: Disk, filter: ChatFilter, page: PageRequest): Page<ChatRecord> {
  const { states, channel, query } = filter;
  return pageOf(
    disk,
    (chat) =>
      (channel === undefined || chat.channel === channel) &&
      (query === undefined || chat.key.includes(query)) &&
      (states === undefined || states.includes(chat.state)),
    page,
  );
}

export function needingWork(disk: Disk, page: PageRequest): Page<ChatRecord> {
  const found: Chat[] = [];
  for (const chat of disk.busy) {
    if (!hasWork(chat)) disk.busy.delete(chat);
    else if (byText(chat.key, page.cursor ?? "") > 0) found.push(chat);
  }
  const items = found
    .sort((a, b) => byText(a.key, b.key))
    .slice(0, page.limit)
    .map(recordOf);
  return { items, next: found.length > page.limit ? items.at(-1)?.key : undefined };
}

const hasWork = (chat: Chat): boolean =>
  chat.waiting.length > 0 || chat.commands.length > 0 || chat.unsettled.length > 0 || chat.openTurn !== undefined;

function pageOf(disk: Disk, isWanted: (chat: Chat) => boolean, page: PageRequest): Page<ChatRecord> {
  const keys = keysOf(disk);
  const items: ChatRecord[] = [];
  for (let place = firstAfter(keys, page.cursor ?? ""); place < keys.length; place += 1) {
    const key = keys[place];
    const chat = key && disk.chats.get(key);
    if (!chat || !isWanted(chat)) continue;
    if (items.length === page.limit) return { items, next: items.at(-1)?.key };
    items.push(recordOf(chat));
  }
  return { items, next: undefined };
}

/** Place of the first key after the cursor. */
function firstAfter(keys: readonly string[], cursor: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (byText(keys[middle] ?? "", cursor) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function counts(disk: Disk): Awaited<ReturnType<ChatStore["counts"]>> {
  let quarantined = 0;
  let waitingRows = 0;
  let deadParts = 0;
  for (const chat of disk.chats.values()) {
    if (chat.state === "quarantined") quarantined += 1;
    waitingRows += chat.waiting.length;
    for (const part of chat.parts) if (part.status === "dead") deadParts += 1;
  }
  return { known: disk.chats.size, quarantined, waitingRows, deadParts };
}

export function park(disk: Disk, key: ChatKey, fence: number, write: SnapshotWrite): "parked" | "fenced" {
  const chat = disk.chats.get(key);
  if (chat?.fence !== fence) return "fenced";
  writeSnapshot(disk, chat, write, freeze(write));
  return "parked";
}

export function command(disk: Disk, request: CommandCommit): Awaited<ReturnType<ChatStore["command"]>> {
  const chat = disk.chats.get(request.chat);
  const row = chat && findOrdered(chat.commands, request.seq, seqOf);
  if (!chat || !row) return "ended";
  endRow(chat, row, "consumed", undefined);
  const dropped = request.stop ? dropBefore(disk, chat, request.seq, request.atMs, request.draft) : 0;
  if (request.archive) archive(chat);
  chat.settings = { ...chat.settings, ...request.settings };
  const status = request.delivered ? "sent" : "waiting";
  const reply = request.stop ? request.reply.map((content) => filledIn(content, dropped)) : request.reply;
  const parts = putParts(chat, reply, {
    groupId: `command.${request.seq}`,
    first: status,
    rest: status,
    atMs: request.atMs,
    inReplyTo: [request.seq],
  });
  return { dropped, fence: chat.fence, waiting: chat.waiting.length, parts };
}

function filledIn(reply: Content, dropped: number): Content {
  return reply.map((item) => (item.type === "text" ? { ...item, text: item.text.replaceAll("{dropped}", String(dropped)) } : item));
}

/** Closes the open turn and drops the messages older than `seq`; whoever runs the turn is fenced off. */
function dropBefore(disk: Disk, chat: Chat, seq: number, atMs: number, draft?: Content): number {
  chat.fence += 1;
  const stopped = closeTurn(chat, "stopped", atMs, undefined, draft);
  abandonRun(disk, stopped?.runId, atMs);
  const older = chat.waiting.filter((row) => row.seq < seq);
  return dropRows(disk, chat, older, atMs);
}

function archive(chat: Chat): void {
  chat.archive = chat.archive.concat(chat.history);
  chat.history = [];
}

export function reset(disk: Disk, key: ChatKey, atMs: number): { readonly dropped: number; readonly fence: number } | undefined {
  const chat = disk.chats.get(key);
  if (!chat) return undefined;
  const dropped = dropBefore(disk, chat, Number.MAX_SAFE_INTEGER, atMs);
  dropRows(disk, chat, chat.commands.slice(), atMs);
  archive(chat);
  disk.timed.delete(chat);
  Object.assign(chat, { snapshot: undefined, timers: [], state: "idle", sinceMs: atMs, error: undefined } satisfies Partial<Chat>);
  return { dropped, fence: chat.fence };
}

export function retry(
  disk: Disk,
  key: ChatKey,
  options: { readonly skip: boolean; readonly afresh?: boolean; readonly atMs: number },
): Awaited<ReturnType<ChatStore["retry"]>> {
  const chat = disk.chats.get(key);
  if (!chat) return undefined;
  chat.fence += 1;
  chat.error = undefined;
  const wasAside = chat.state === "quarantined" || options.afresh === true;
  if (chat.state === "quarantined") Object.assign(chat, { state: "idle", sinceMs: options.atMs });
  if (options.afresh === true) {
    disk.timed.delete(chat);
    Object.assign(chat, { snapshot: undefined, timers: [] } satisfies Partial<Chat>);
  }
  const { openTurn } = chat;
  if (options.skip) return { restored: 0, skipped: skipOpen(disk, chat, options.atMs), fence: chat.fence };
  if (!openTurn) return { restored: wasAside ? 0 : restoreFailed(chat), skipped: 0, fence: chat.fence };
  openTurn.failures = 0;
  openTurn.status = "waiting";
  return { restored: openTurn.rows.filter((row) => row.status === "waiting").length, skipped: 0, fence: chat.fence };
}

function skipOpen(disk: Disk, chat: Chat, atMs: number): number {
  const turn = chat.openTurn;
  if (!turn) return 0;
  let skipped = 0;
  for (const row of turn.rows) if (endRow(chat, row, "failed", turn.turnId)) skipped += 1;
  closeTurn(chat, "failed", atMs, turn.error);
  abandonRun(disk, turn.runId, atMs);
  return skipped;
}

/** The rows that the last turn given up took with it wait again, in their old places. */
function restoreFailed(chat: Chat): number {
  const turn = [...chat.turns.values()].findLast((one) => one.status === "failed");
  const rows = turn?.rows.filter((row) => row.status === "failed") ?? [];
  for (const row of rows) {
    row.status = "waiting";
    row.turnId = undefined;
    insertOrdered(chat.waiting, row, seqOf);
    chat.busy.add(chat);
  }
  return rows.length;
}

export function move(disk: Disk, { from, to, address, atMs }: Parameters<ChatStore["move"]>[0]): void {
  meet(disk, from, address, atMs).address = address;
  if (to !== from) disk.aliases.set(to, from);
}

export function aliases(disk: Disk): Awaited<ReturnType<ChatStore["aliases"]>> {
  return [...disk.aliases].map(([alias, chat]) => ({ alias, chat }));
}

export function history(disk: Disk, key: ChatKey, limit: number): readonly HistoryEntry[] {
  const entries = disk.chats.get(key)?.history ?? [];
  return entries.slice(Math.max(0, entries.length - limit)).map((entry) => ({ ...entry }));
}

export function trim(disk: Disk, key: ChatKey, keep: number): number {
  const chat = disk.chats.get(key);
  if (!chat) return 0;
  const before = chat.archive.length + chat.history.length;
  chat.history = chat.history.slice(Math.max(0, chat.history.length - keep));
  chat.archive = chat.archive.slice(Math.max(0, chat.archive.length - (keep - chat.history.length)));
  return before - chat.archive.length - chat.history.length;
}

export function exportChat(disk: Disk, key: ChatKey): Readonly<Record<string, unknown>> | undefined {
  const chat = disk.chats.get(key);
  if (!chat) return undefined;
  const turns = [...chat.turns.values()];
  const all = {
    chat: recordOf(chat),
    inbox: chat.rows.map((row) => rowOf(chat, row)),
    turns: turns.map((turn) => turnOf(chat, turn)),
    journal: turns.flatMap(({ turnId, journal }) => journal.map((entry) => ({ turnId, ...entry }))),
    history: [...chat.archive.map((entry) => ({ ...entry, archived: true })), ...chat.history],
    outbox: chat.parts.map((part) => partOf(chat, part)),
    events: chat.events,
  };
  return JSON.parse(JSON.stringify(all)) as Record<string, unknown>;
}

export function erase(disk: Disk, key: ChatKey): boolean {
  const chat = disk.chats.get(key);
  if (!chat) return false;
  for (const [alias, chatKey] of disk.aliases) if (chatKey === key) disk.aliases.delete(alias);
  disk.chats.delete(key);
  disk.chatsById.delete(chat.id);
  disk.timed.delete(chat);
  disk.busy.delete(chat);
  disk.sortedKeys = keysOf(disk).filter((other) => other !== key);
  return true;
}

export function timersDueBefore(
  disk: Disk,
  beforeMs: number,
  limit: number,
): readonly { readonly chat: ChatKey; readonly timer: StoredTimer }[] {
  const due: { readonly chat: ChatKey; readonly timer: StoredTimer }[] = [];
  for (const chat of disk.timed)
    for (const timer of chat.timers) if (timer.dueAtMs < beforeMs) due.push({ chat: chat.key, timer: { ...timer } });
  return due.sort((a, b) => a.timer.dueAtMs - b.timer.dueAtMs || byText(a.chat, b.chat)).slice(0, limit);
}
