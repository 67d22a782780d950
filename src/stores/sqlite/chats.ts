/** Chats as wholes: lists, parking, commands, reset, retry, export and erasure. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { ChatRecord, Page, PageRequest } from "../../ports/store/records.ts";
import type { ChatFilter, ChatStore, CommandCommit, SnapshotWrite } from "../../ports/store/store.ts";
import { chain, type ChainedLog } from "./chain.ts";
import { chatOfRow, json, recordOf, settingsOf, type ChatRow, type ChatSql } from "./chat-row.ts";
import type { Engine, Value } from "./engine.ts";
import { endHeld, heldRows } from "./held.ts";
import { eventsOf, historyOf, rowsOfLastFailed, turnsOf, writeLedger, writeSnapshot, type LedgerSql } from "./ledger.ts";
import { insertParts, partsOf } from "./parts.ts";
import { inboxOfRow, partOfRow, turnOfOpen, type InboxSql, type PartSql } from "./rows.ts";
import { abandonRun } from "./runs.ts";
import { closeTurn } from "./turns.ts";
import { packWrite } from "./wire.ts";

/** Ended turns looked through for the last failed one. */
const TURNS_BACK = 1_000;
const ALIASES_MAX = 100_000;

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
    conditions.push("state IN (SELECT value FROM json_each(?))");
    values.push(JSON.stringify(filter.states));
  }
  return pageOf(engine, conditions, values, page);
}

export function needingWork(engine: Engine, page: PageRequest): Page<ChatRecord> {
  return pageOf(engine, ["key > ?", "(waiting > 0 OR commands > 0 OR unsettled > 0 OR turn IS NOT NULL)"], [page.cursor ?? ""], page);
}

function pageOf(engine: Engine, conditions: readonly string[], values: readonly Value[], page: PageRequest): Page<ChatRecord> {
  const rows = engine.all<ChatSql>(`SELECT * FROM chats WHERE ${conditions.join(" AND ")} ORDER BY key LIMIT ?`, ...values, page.limit + 1);
  const items = rows.slice(0, page.limit).map((row) => recordOf(engine, chatOfRow(row)));
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
  if (chat?.fence !== fence) return "fenced";
  writeSnapshot(engine, chat, packWrite(write));
  return "parked";
}

export function command(engine: Engine, request: CommandCommit): Awaited<ReturnType<ChatStore["command"]>> {
  const chat = engine.chat(request.chat);
  const ended =
    chat &&
    engine.run(
      "UPDATE inbox SET status = 'consumed' WHERE chat = ? AND seq = ? AND status = 'waiting' AND kind <> 'message'",
      chat.id,
      request.seq,
    );
  if (!chat || !ended) return "ended";
  chat.commands -= 1;
  const dropped = request.stop ? stop(engine, chat, request.seq, request.atMs, request.draft) : 0;
  if (request.archive) chat.archived = chat.ledger;
  if (Object.keys(request.settings).length > 0) chat.settings = JSON.stringify({ ...settingsOf(chat.settings), ...request.settings });
  engine.changed(chat, "intake");
  engine.changed(chat, "rest");
  const reply = request.stop ? request.reply.map((content) => filledIn(content, dropped)) : request.reply;
  const parts = insertParts(
    engine,
    chat,
    reply.map((content) => JSON.stringify(content)),
    {
      groupId: `command.${request.seq}`,
      first: request.delivered ? "sent" : "waiting",
      atMs: request.atMs,
      inReplyTo: JSON.stringify([request.seq]),
    },
  );
  return { dropped, fence: chat.fence, waiting: chat.waiting, parts: partsOf(chat, parts) };
}

function filledIn(content: Content, dropped: number): Content {
  return content.map((item) => (item.type === "text" ? { ...item, text: item.text.replaceAll("{dropped}", String(dropped)) } : item));
}

/** Closes the open turn and drops the messages older than `seq`; whoever runs the turn is fenced off. */
function stop(engine: Engine, chat: ChatRow, seq: number, atMs: number, draft?: Content): number {
  chat.fence += 1;
  heal(engine, chat);
  let dropped = 0;
  if (chat.open) {
    const { open } = chat;
    dropped += endHeld(engine, chat, open, (held) => (held < seq ? "dropped" : "waiting"));
    abandonRun(engine, open.runId, atMs);
    writeLedger(engine, chat, { atMs, turn: closeTurn(engine, chat, open, "stopped", atMs, null, draft) });
  }
  failRuns(engine, chat, seq, atMs);
  const free = engine.run(
    "UPDATE inbox SET status = 'dropped' WHERE chat = ? AND seq < ? AND status = 'waiting' AND kind = 'message'",
    chat.id,
    seq,
  );
  chat.waiting -= free;
  engine.changed(chat, "intake");
  return dropped + free;
}

/** Cron rows that are dropped before their turn end their runs. */
function failRuns(engine: Engine, chat: ChatRow, seq: number, atMs: number): void {
  const rows = engine.all<{ run_id: string }>(
    "SELECT run_id FROM inbox WHERE chat = ? AND seq < ? AND status = 'waiting' AND run_id IS NOT NULL",
    chat.id,
    seq,
  );
  for (const row of rows) abandonRun(engine, row.run_id, atMs);
}

export function reset(engine: Engine, key: ChatKey, atMs: number): { readonly dropped: number; readonly fence: number } | undefined {
  const chat = engine.chat(key);
  if (!chat) return undefined;
  const dropped = stop(engine, chat, Number.MAX_SAFE_INTEGER, atMs);
  engine.run("UPDATE inbox SET status = 'dropped' WHERE chat = ? AND status = 'waiting'", chat.id);
  archiveSnapshot(engine, chat, atMs);
  Object.assign(chat, {
    commands: 0,
    state: "idle",
    since_at: atMs,
    error: null,
    archived: chat.ledger,
  });
  for (const side of ["intake", "machine", "rest"] as const) engine.changed(chat, side);
  return { dropped, fence: chat.fence };
}

/** The machine starts afresh; what it was is kept beside. */
function archiveSnapshot(engine: Engine, chat: ChatRow, atMs: number): void {
  if (chat.snapshot !== null) {
    engine.run(
      "INSERT OR REPLACE INTO archived_snapshots (chat, revision, at, snapshot) VALUES (?, ?, ?, ?)",
      chat.id,
      chat.revision,
      atMs,
      chat.snapshot,
    );
  }
  Object.assign(chat, { snapshot: null, timers: null, timer_at: null });
  engine.changed(chat, "machine");
  engine.changed(chat, "rest");
}

/** Columns that cannot be read become empty ones, and the rows that a lost turn held wait again. */
function heal(engine: Engine, chat: ChatRow): void {
  if (settingsOf(chat.settings) === undefined) {
    chat.settings = "{}";
    engine.changed(chat, "rest");
  }
  if (chat.damagedTurn === undefined) return;
  chat.damagedTurn = undefined;
  engine.run("UPDATE inbox SET status = 'waiting', turn_id = NULL WHERE chat = ? AND status = 'held'", chat.id);
  engine.changed(chat, "intake");
}

export function retry(
  engine: Engine,
  key: ChatKey,
  options: { readonly skip: boolean; readonly afresh?: boolean; readonly atMs: number },
): Awaited<ReturnType<ChatStore["retry"]>> {
  const chat = engine.chat(key);
  if (!chat) return undefined;
  chat.fence += 1;
  chat.error = null;
  const wasAside = chat.state === "quarantined" || options.afresh === true;
  if (chat.state === "quarantined") Object.assign(chat, { state: "idle", since_at: options.atMs });
  heal(engine, chat);
  if (options.afresh === true) archiveSnapshot(engine, chat, options.atMs);
  for (const side of ["intake", "machine", "rest"] as const) engine.changed(chat, side);
  const { open } = chat;
  if (options.skip) {
    const skipped = open ? endHeld(engine, chat, open, () => "failed") : 0;
    if (open) {
      abandonRun(engine, open.runId, options.atMs);
      writeLedger(engine, chat, { atMs: options.atMs, turn: closeTurn(engine, chat, open, "failed", options.atMs, open.error) });
    }
    return { restored: 0, skipped, fence: chat.fence };
  }
  if (!open) return { restored: wasAside ? 0 : restoreFailed(engine, chat), skipped: 0, fence: chat.fence };
  Object.assign(open, { failures: 0, status: "waiting" });
  return { restored: open.rows.length, skipped: 0, fence: chat.fence };
}

function restoreFailed(engine: Engine, chat: ChatRow): number {
  let restored = 0;
  for (const [, id] of rowsOfLastFailed(engine, chat, TURNS_BACK)) {
    restored += engine.run(
      "UPDATE inbox SET status = 'waiting', turn_id = NULL WHERE id = ? AND chat = ? AND status = 'failed'",
      id,
      chat.id,
    );
  }
  chat.waiting += restored;
  return restored;
}

export function move(engine: Engine, { from, to, address, atMs }: Parameters<ChatStore["move"]>[0]): void {
  const chat = engine.meet(from, address, atMs);
  chat.address = address;
  engine.changed(chat, "rest");
  if (to !== from) engine.run("INSERT OR REPLACE INTO aliases (alias, key) VALUES (?, ?)", to, from);
}

export function aliases(engine: Engine): Awaited<ReturnType<ChatStore["aliases"]>> {
  return engine
    .all<{ alias: ChatKey; chat: ChatKey }>("SELECT alias, key AS chat FROM aliases LIMIT ?", ALIASES_MAX)
    .map((row) => ({ ...row }));
}

/** The rows of a chat in a log: along its chain, and those that wait, which a chain cut by retention may not reach. */
function rowsOf<T extends { readonly id: number }>(engine: Engine, log: ChainedLog, chat: ChatRow): T[] {
  const found = new Map(chain<T>(engine, log, { chatId: chat.id, head: chat[log] }).map((row) => [row.id, row]));
  const waiting = log === "inbox" ? "'waiting'" : "'waiting', 'draft'";
  if (log === "inbox" || log === "outbox") {
    for (const row of engine.all<T>(`SELECT * FROM ${log} WHERE chat = ? AND status IN (${waiting})`, chat.id)) found.set(row.id, row);
  }
  return [...found.values()].sort((a, b) => a.id - b.id);
}

export function exportChat(engine: Engine, key: ChatKey): Readonly<Record<string, unknown>> | undefined {
  const chat = engine.chat(key);
  if (!chat) return undefined;
  const archived = engine.all<{ revision: number; at: number; snapshot: string }>(
    "SELECT revision, at, snapshot FROM archived_snapshots WHERE chat = ? ORDER BY revision",
    chat.id,
  );
  const ledger = rowsOf<LedgerSql>(engine, "ledger", chat);
  return {
    chat: recordOf(engine, chat),
    inbox: rowsOf<InboxSql>(engine, "inbox", chat).map((row) => inboxOfRow(key, row)),
    turns: [...turnsOf(key, ledger), ...(chat.open ? [turnOfOpen(chat, chat.open)] : [])],
    journal: engine
      .all<object>("SELECT turn_id AS turnId, place, type, key, body, at AS atMs FROM journal WHERE chat = ?", chat.id)
      .map((row) => ({ ...row })),
    history: ledger.flatMap((row) => historyOf([row]).map((entry) => ({ ...entry, isArchived: row.id <= chat.archived }))),
    outbox: rowsOf<PartSql>(engine, "outbox", chat).map((row) => partOfRow(key, row)),
    events: eventsOf(ledger),
    archivedSnapshots: archived.map((row) => ({ revision: row.revision, atMs: row.at, snapshot: textOrJson(row.snapshot) })),
  };
}

/** What cannot be read is kept as it is. */
function textOrJson(text: string): unknown {
  try {
    return json(text);
  } catch {
    return text;
  }
}

export function erase(engine: Engine, key: ChatKey): boolean {
  const chat = engine.chat(key);
  if (!chat) return false;
  const held = heldRows(engine, chat).map((row) => row.id);
  engine.keepIds();
  for (const log of ["inbox", "ledger", "outbox"] as const) {
    const ids = rowsOf<{ id: number }>(engine, log, chat).map((row) => row.id);
    for (const id of log === "inbox" ? [...ids, ...held] : ids) engine.run(`DELETE FROM ${log} WHERE id = ?`, id);
  }
  engine.run("DELETE FROM journal WHERE chat = ?", chat.id);
  engine.run("DELETE FROM archived_snapshots WHERE chat = ?", chat.id);
  engine.run("DELETE FROM aliases WHERE key = ?", key);
  engine.run("DELETE FROM chats WHERE id = ?", chat.id);
  engine.forgetChat(chat);
  return true;
}
