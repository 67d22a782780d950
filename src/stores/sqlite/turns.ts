/** Turns: the claim that opens one, what it journals, and the commits that end or suspend it, each guarded by the chat's fence. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { JournalEntry, OutboxPart, TurnRecord, TurnStatus } from "../../ports/store/records.ts";
import type { AskCommit, Claim, ClaimRequest, DraftRequest, FailCommit } from "../../ports/store/store.ts";
import { text, type ChatRow, type StoredTurn } from "./chat-row.ts";
import type { Engine, Value } from "./engine.ts";
import { endHeld, heldRows, holdRows } from "./held.ts";
import { endedTurn, endedTurns, writeLedger, writeSnapshot } from "./ledger.ts";
import { adoptDraft, draft as draftPart, interruptDraft } from "./drafts.ts";
import { insertParts, partsOf, type Shown } from "./parts.ts";
import { inboxOfRow, journalOfRow, turnOfOpen, type InboxSql, type JournalSql, type RunSql } from "./rows.ts";
import { packWrite, type CommitAnswer, type CommitWire } from "./wire.ts";

export function claim(engine: Engine, request: ClaimRequest): Claim | undefined {
  const chat = engine.chat(request.chat);
  if (!chat || chat.damagedTurn !== undefined) return undefined;
  if (!chat.open) return claimWaiting(engine, chat, request);
  const { open } = chat;
  Object.assign(open, { status: "started", attempt: open.attempt + 1, suspect: request.suspect, startedAtMs: request.atMs });
  chat.fence += 1;
  engine.changed(chat, "intake");
  return claimOf(engine, chat, open, heldRows(engine, chat));
}

function claimWaiting(engine: Engine, chat: ChatRow, request: ClaimRequest): Claim | undefined {
  if (chat.waiting === 0) return undefined;
  const found = engine.all<InboxSql>(
    "SELECT * FROM inbox WHERE chat = ? AND status = 'waiting' AND kind = 'message' ORDER BY seq LIMIT ?",
    chat.id,
    request.rowsMax,
  );
  const [first] = found;
  if (!first) return undefined;
  // The row of a cron run is a turn of its own: its result goes elsewhere.
  const runAt = first.run_id === null ? found.findIndex((row) => row.run_id !== null) : 1;
  const rows = runAt < 0 ? found : found.slice(0, runAt);
  for (const row of rows) engine.run("UPDATE inbox SET status = 'held', turn_id = ? WHERE id = ?", request.turnId, row.id);
  const open = holdRows(engine, chat, {
    turnId: request.turnId,
    isSuspect: request.suspect,
    atMs: request.atMs,
    class: first.class,
    rows: rows.map((row) => [row.seq, row.id]),
    runId: first.run_id,
  });
  return claimOf(
    engine,
    chat,
    open,
    rows.map((row) => ({ ...row, status: "held", turn_id: request.turnId })),
  );
}

function claimOf(engine: Engine, chat: ChatRow, open: StoredTurn, rows: readonly InboxSql[]): Claim {
  return {
    chat: chat.key,
    turnId: open.id,
    fence: chat.fence,
    attempt: open.attempt,
    failures: open.failures,
    rows: rows.map((row) => inboxOfRow(chat.key, row)),
    journal: open.steps > 0 ? steps(engine, chat.key, open.id) : [],
    run: open.runId === null ? undefined : runOf(engine, open.runId),
  };
}

export function runOf(engine: Pick<Engine, "get">, runId: string): Claim["run"] {
  const run = engine.get<RunSql>("SELECT * FROM runs WHERE run_id = ?", runId);
  return run && { runId, jobId: run.job, deliverTo: run.deliver_to ?? undefined };
}

/** The chat and its open turn, when the caller still owns them; undefined is "fenced". */
function owned(
  engine: Engine,
  key: ChatKey,
  fence: number,
  turnId: string,
): { readonly chat: ChatRow; readonly open: StoredTurn } | undefined {
  const chat = engine.chat(key);
  return chat?.fence === fence && chat.open?.id === turnId ? { chat, open: chat.open } : undefined;
}

export function draft(engine: Engine, request: DraftRequest): OutboxPart | "busy" | "fenced" {
  const own = owned(engine, request.chat, request.fence, request.turnId);
  return own ? draftPart(engine, own.chat, request) : "fenced";
}

export function journal(engine: Engine, key: ChatKey, fence: number, turnId: string, entry: JournalEntry): "written" | "fenced" {
  const own = owned(engine, key, fence, turnId);
  if (!own) return "fenced";
  writeEntry(engine, own.chat, own.open, entry);
  return "written";
}

function writeEntry(engine: Engine, chat: ChatRow, open: StoredTurn, entry: JournalEntry): void {
  engine.run(
    "INSERT OR REPLACE INTO journal (chat, turn_id, place, type, key, body, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    chat.id,
    open.id,
    entry.place,
    entry.type,
    entry.key,
    entry.body,
    entry.atMs,
  );
  open.steps = Math.max(open.steps, entry.place + 1);
  engine.changed(chat, "intake");
}

export function commit(engine: Engine, wire: CommitWire): CommitAnswer {
  const [key, fence, turnId, consumed, skipped, history, , , , run, , write] = wire;
  const own = owned(engine, key, fence, turnId);
  if (!own) return 0;
  const { chat, open } = own;
  const atMs = write[8];
  endHeld(engine, chat, open, (seq) => (consumed.includes(seq) ? "consumed" : skipped?.includes(seq) ? "skipped" : "waiting"));
  const turn = closeTurn(engine, chat, open, "done", atMs, null);
  const first = commitReply(engine, chat, wire);
  if (run) endRun(engine, run.runId, "succeeded", first ? (first.status === "sent" ? "delivered" : "waiting") : "none", atMs, null);
  writeSnapshot(engine, chat, write, { turn, history });
  const { revision, waiting } = chat;
  if (!first) return [revision, waiting, 0, ""];
  const { id, status, shown } = first;
  return shown ? [revision, waiting, id, status, shown.platformId, shown.isAmbiguous] : [revision, waiting, id, status];
}

function commitReply(
  engine: Engine,
  chat: ChatRow,
  wire: CommitWire,
): { readonly id: number; readonly status: OutboxPart["status"]; readonly shown: Shown | undefined } | undefined {
  const [, , turnId, , , , targetHistory, parts, delivery, run, inReplyTo, write] = wire;
  const shown = adoptDraft(engine, chat, turnId);
  const to = run ? run.deliverTo : chat.key;
  if (to === undefined || parts.length === 0) return undefined;
  const atMs = write[8];
  const target = to === chat.key ? chat : engine.meet(to, "", atMs);
  if (targetHistory !== null) writeLedger(engine, target, { atMs, history: targetHistory });
  const first = delivery === "delivered" ? "sent" : delivery === "sending" && target.unsettled === 0 ? "sending" : "waiting";
  const [part] = insertParts(engine, target, parts, { groupId: turnId, first, shown, atMs, inReplyTo, runId: run?.runId });
  return part && { id: part.id, status: part.status, shown };
}

/** Ends the open turn; the answer goes into the ledger. */
export function closeTurn(
  engine: Engine,
  chat: ChatRow,
  open: StoredTurn,
  ...[status, atMs, error, draft]: readonly [status: TurnStatus, atMs: number, error: string | null, draft?: Content | undefined]
): string {
  if (status !== "done") interruptDraft(engine, chat, open.id, draft && JSON.stringify(draft));
  if (open.steps > 0) engine.run("DELETE FROM journal WHERE chat = ? AND turn_id = ?", chat.id, open.id);
  chat.open = undefined;
  engine.changed(chat, "intake");
  return endedTurn(open, status, atMs, error);
}

/** Ends a cron run whose row was dropped or whose turn was stopped. */
export function abandonRun(engine: Engine, runId: string | null, atMs: number): void {
  if (runId === null) return;
  endRun(engine, runId, "failed", "none", atMs, JSON.stringify({ code: "TURN_ABORTED", message: "its turn was stopped" }));
}

function endRun(engine: Engine, ...[runId, status, delivery, atMs, error]: readonly [string, string, string, number, Value]): void {
  engine.run("UPDATE runs SET status = ?, delivery = ?, ended_at = ?, error = ? WHERE run_id = ?", status, delivery, atMs, error, runId);
}

type Failed = { readonly parts: readonly OutboxPart[]; readonly revision: number; readonly ended: number; readonly waiting: number };

export function fail(engine: Engine, request: FailCommit): Failed | "fenced" {
  const own = owned(engine, request.chat, request.fence, request.turnId);
  if (!own) return "fenced";
  const { chat, open } = own;
  const error = text(request.error);
  let ended = 0;
  let turn: string | null = null;
  if (request.outcome !== "abort") open.failures += 1;
  if (request.outcome === "giveUp") {
    ended = endHeld(engine, chat, open, () => "failed");
    turn = closeTurn(engine, chat, open, "failed", request.atMs, error, request.draft);
    if (open.runId !== null) endRun(engine, open.runId, "failed", "none", request.atMs, error);
  } else {
    // An aborted attempt gives up its fence with it.
    if (request.outcome === "abort") chat.fence += 1;
    Object.assign(open, { status: "waiting", error });
    engine.changed(chat, "intake");
  }
  const parts = request.reply
    ? insertParts(engine, chat, [JSON.stringify(request.reply)], {
        groupId: `${request.turnId}.error`,
        first: request.delivered ? "sent" : "waiting",
        atMs: request.atMs,
      })
    : [];
  if (request.write) writeSnapshot(engine, chat, packWrite(request.write), { turn });
  else if (turn !== null) writeLedger(engine, chat, { atMs: request.atMs, turn });
  return { parts: partsOf(chat, parts), revision: chat.revision, ended, waiting: chat.waiting };
}

export function ask(engine: Engine, request: AskCommit): { readonly parts: readonly OutboxPart[]; readonly revision: number } | "fenced" {
  const own = owned(engine, request.chat, request.fence, request.turnId);
  if (!own) return "fenced";
  const { chat, open } = own;
  writeEntry(engine, chat, open, request.entry);
  open.status = "waiting";
  const parts = insertParts(engine, chat, [JSON.stringify(request.question)], {
    groupId: `${request.turnId}.ask${request.entry.place}`,
    first: request.delivered ? "sent" : "waiting",
    atMs: request.write.atMs,
  });
  writeSnapshot(engine, chat, packWrite(request.write));
  return { parts: partsOf(chat, parts), revision: chat.revision };
}

export function recover(engine: Engine, atMs: number): { readonly suspects: number; readonly ambiguous: number } {
  let suspects = 0;
  let ambiguous = 0;
  const touched = engine.all<{ key: ChatKey }>(
    "SELECT key FROM chats WHERE sending IS NOT NULL OR CASE WHEN json_valid(turn) THEN json_extract(turn, '$[1]') END = 'started' ORDER BY id",
  );
  for (const { key } of touched) {
    const chat = engine.chat(key);
    if (!chat) continue;
    if (chat.open?.status === "started") {
      suspects += 1;
      Object.assign(chat.open, { status: "suspect", failures: chat.open.failures + (chat.open.suspect ? 1 : 0), suspect: false });
    }
    if (chat.sending !== null) {
      ambiguous += engine.run(
        // What has a platform id already was being edited, which may be repeated.
        `UPDATE outbox SET status = CASE draft WHEN 1 THEN 'draft' ELSE 'waiting' END, draft = draft % 2,
         ambiguous = CASE WHEN platform_id IS NULL THEN 1 ELSE ambiguous END WHERE id = ?`,
        chat.sending,
      );
      chat.sending = null;
    }
    chat.revision += 1;
    engine.changed(chat, "intake");
    engine.changed(chat, "delivery");
    writeLedger(engine, chat, { atMs, events: [JSON.stringify([{ type: "chat.restored" }]), chat.state, chat.state] });
  }
  return { suspects, ambiguous };
}

export function steps(engine: Engine, key: ChatKey, turnId: string): readonly JournalEntry[] {
  const chat = engine.chat(key);
  if (!chat) return [];
  return engine.all<JournalSql>("SELECT * FROM journal WHERE chat = ? AND turn_id = ? ORDER BY place", chat.id, turnId).map(journalOfRow);
}

export function list(engine: Engine, key: ChatKey, limit: number): readonly TurnRecord[] {
  const chat = engine.chat(key);
  if (!chat) return [];
  const open = chat.open ? [turnOfOpen(chat, chat.open)] : [];
  return [...open, ...endedTurns(engine, chat, limit)].slice(0, limit);
}
