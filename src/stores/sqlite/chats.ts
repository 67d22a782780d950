import type { ChatKey } from "../../core/chat-key.ts";
import type { ChatRecord, HistoryEntry, Page, PageRequest } from "../../ports/store/records.ts";
import type { ChatFilter, ChatStore, CommandCommit, SnapshotWrite } from "../../ports/store/store.ts";
import { json, recordOf, type ChatRow, type Engine, type Value } from "./engine.ts";
import { putParts } from "./outbox.ts";
import { historyOfRow, type HistorySql, type InboxSql } from "./rows.ts";
import { closeTurn, endRows, seqsOf, writeSnapshot } from "./turns.ts";

export function open(engine: Engine, key: ChatKey): ChatRecord | undefined {
  const chat = engine.chat(key);
  return chat && recordOf(engine, chat);
}

export function list(engine: Engine, filter: ChatFilter, page: PageRequest): Page<ChatRecord> {
  const conditions = ["key > ?"];
  const values: Value[] = [page.cursor ?? ""];
  if (filter.channel !== undefined) {
    conditions.push("channel = ?");
    values.push(filter.channel);
  }
  if (filter.query !== undefined) {
    conditions.push("instr(key, ?) > 0");
    values.push(filter.query);
  }
  if (filter.states !== undefined) {
    conditions.push(`state IN (${filter.states.map(() => "?").join(", ")})`);
    values.push(...filter.states);
  }
  return pageOf(engine, conditions, values, page);
}

export function needingWork(engine: Engine, page: PageRequest): Page<ChatRecord> {
  return pageOf(engine, ["key > ?", "(waiting > 0 OR commands > 0 OR unsettled > 0 OR open_turn IS NOT NULL)"], [page.cursor ?? ""], page);
}

function pageOf(engine: Engine, conditions: readonly string[], values: readonly Value[], page: PageRequest): Page<ChatRecord> {
  const rows = engine.all<ChatRow>(`SELECT * FROM chats WHERE ${conditions.join(" AND ")} ORDER BY key LIMIT ?`, ...values, page.limit + 1);
  const items = rows.slice(0, page.limit).map((row) => recordOf(engine, row));
  return { items, next: rows.length > page.limit ? items.at(-1)?.key : undefined };
}

export function counts(engine: Engine): Awaited<ReturnType<ChatStore["counts"]>> {
  const known = engine.get<{ known: number; quarantined: number; waiting: number }>(
    "SELECT count(*) AS known, count(*) FILTER (WHERE state = 'quarantined') AS quarantined, coalesce(sum(waiting), 0) AS waiting FROM chats",
  );
  const dead = engine.get<{ dead: number }>("SELECT count(*) AS dead FROM outbox WHERE status = 'dead'");
  return { known: known?.known ?? 0, quarantined: known?.quarantined ?? 0, waitingRows: known?.waiting ?? 0, deadParts: dead?.dead ?? 0 };
}

export function park(engine: Engine, key: ChatKey, fence: number, write: SnapshotWrite): "parked" | "fenced" {
  const chat = engine.chat(key);
  if (!chat || chat.fence !== fence) return "fenced";
  writeSnapshot(engine, chat, write);
  return "parked";
}

export function command(engine: Engine, request: CommandCommit): Awaited<ReturnType<ChatStore["command"]>> {
  const chat = engine.chat(request.chat);
  const row =
    chat &&
    engine.get<InboxSql>(
      "SELECT * FROM inbox WHERE chat = ? AND seq = ? AND status = 'waiting' AND kind <> 'message'",
      chat.id,
      request.seq,
    );
  if (!chat || !row) return "ended";
  engine.run("UPDATE inbox SET status = 'consumed' WHERE chat = ? AND seq = ?", chat.id, request.seq);
  chat.commands -= 1;
  const dropped = request.stop ? dropBefore(engine, chat, request.seq, request.atMs) : 0;
  if (request.archive) archive(engine, chat);
  chat.settings = JSON.stringify({ ...json<Record<string, string>>(chat.settings), ...request.settings });
  engine.changed(chat);
  const reply = request.reply?.map((item) =>
    item.type === "text" ? { ...item, text: item.text.replaceAll("{dropped}", String(dropped)) } : item,
  );
  const status = request.delivered ? "sent" : "waiting";
  const [part] = reply
    ? putParts(engine, chat, [reply], {
        groupId: `command.${request.seq}`,
        first: status,
        rest: status,
        atMs: request.atMs,
        inReplyTo: [request.seq],
      })
    : [];
  return { dropped, fence: chat.fence, waiting: chat.waiting, part };
}

/** Closes the open turn and drops the messages older than `seq`; whoever runs the turn is fenced off. */
function dropBefore(engine: Engine, chat: ChatRow, seq: number, atMs: number): number {
  chat.fence += 1;
  closeTurn(engine, chat, "stopped", atMs);
  const older = engine.all<{ seq: number }>(
    "SELECT seq FROM inbox WHERE chat = ? AND seq >= ? AND seq < ? AND status = 'waiting' AND kind = 'message'",
    chat.id,
    chat.first_waiting,
    seq,
  );
  return endRows(
    engine,
    chat,
    older.map((row) => row.seq),
    "dropped",
    null,
  );
}

function archive(engine: Engine, chat: ChatRow): void {
  engine.run("UPDATE history SET archived = 1 WHERE chat = ? AND archived = 0", chat.id);
}

export function reset(engine: Engine, key: ChatKey, atMs: number): { readonly dropped: number; readonly fence: number } | undefined {
  const chat = engine.chat(key);
  if (!chat) return undefined;
  const dropped = dropBefore(engine, chat, Number.MAX_SAFE_INTEGER, atMs);
  engine.run("UPDATE inbox SET status = 'dropped' WHERE chat = ? AND status = 'waiting'", chat.id);
  Object.assign(chat, {
    commands: 0,
    waiting: 0,
    snapshot: null,
    timers: null,
    timer_at: null,
    state: "idle",
    since_at: atMs,
    error: null,
  });
  archive(engine, chat);
  engine.changed(chat);
  return { dropped, fence: chat.fence };
}

export function retry(
  engine: Engine,
  key: ChatKey,
  options: { readonly skip: boolean; readonly atMs: number },
): Awaited<ReturnType<ChatStore["retry"]>> {
  const chat = engine.chat(key);
  if (!chat) return undefined;
  chat.fence += 1;
  chat.error = null;
  engine.changed(chat);
  if (options.skip) {
    const skipped = endRows(engine, chat, closeTurn(engine, chat, "failed", options.atMs), "failed", null);
    return { restored: 0, skipped, fence: chat.fence };
  }
  if (chat.open_turn !== null) {
    engine.run("UPDATE turns SET failures = 0, status = 'waiting' WHERE chat = ? AND turn_id = ?", chat.id, chat.open_turn);
    const turn = engine.get<{ rows: string }>("SELECT rows FROM turns WHERE chat = ? AND turn_id = ?", chat.id, chat.open_turn);
    return { restored: turn ? seqsOf(turn).length : 0, skipped: 0, fence: chat.fence };
  }
  return { restored: restoreFailed(engine, chat), skipped: 0, fence: chat.fence };
}

function restoreFailed(engine: Engine, chat: ChatRow): number {
  const turn = engine.get<{ turn_id: string; rows: string }>(
    "SELECT turn_id, rows FROM turns WHERE chat = ? AND status = 'failed' ORDER BY ended_at DESC, turn_id DESC LIMIT 1",
    chat.id,
  );
  if (!turn) return 0;
  const seqs = seqsOf(turn);
  let restored = 0;
  for (const seq of seqs)
    restored += engine.run(
      "UPDATE inbox SET status = 'waiting', turn_id = NULL WHERE chat = ? AND seq = ? AND status = 'failed'",
      chat.id,
      seq,
    );
  if (restored > 0) chat.first_waiting = chat.waiting === 0 ? Math.min(...seqs) : Math.min(chat.first_waiting, ...seqs);
  chat.waiting += restored;
  return restored;
}

export function readdress(engine: Engine, key: ChatKey, address: string): void {
  const chat = engine.chat(key);
  if (!chat) return;
  chat.address = address;
  engine.changed(chat);
}

export function history(engine: Engine, key: ChatKey, limit: number): readonly HistoryEntry[] {
  const chat = engine.chat(key);
  if (!chat) return [];
  return engine
    .all<HistorySql>("SELECT * FROM history WHERE chat = ? AND archived = 0 ORDER BY entry DESC LIMIT ?", chat.id, limit)
    .map(historyOfRow)
    .reverse();
}

/** Tables whose rows belong to a chat by its row id. */
const OF_CHAT = ["inbox", "turns", "journal", "history", "outbox", "events"] as const;

export function exportChat(engine: Engine, key: ChatKey): Readonly<Record<string, unknown>> | undefined {
  const chat = engine.chat(key);
  if (!chat) return undefined;
  const tables = OF_CHAT.map(
    (table) =>
      [table, engine.all<Record<string, unknown>>(`SELECT * FROM ${table} WHERE chat = ?`, chat.id).map((row) => ({ ...row }))] as const,
  );
  return { chat: recordOf(engine, chat), ...Object.fromEntries(tables) };
}

export function erase(engine: Engine, key: ChatKey): boolean {
  const chat = engine.chat(key);
  if (!chat) return false;
  for (const table of OF_CHAT) engine.run(`DELETE FROM ${table} WHERE chat = ?`, chat.id);
  engine.run("DELETE FROM chats WHERE id = ?", chat.id);
  engine.forgetChat(chat);
  return true;
}
