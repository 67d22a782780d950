import type { ChatKey } from "../../core/chat-key.ts";
import { invariant } from "../../core/errors.ts";
import type { HistoryEntry, InboxRow, JournalEntry, OutboxPart, TurnRecord } from "../../ports/store/records.ts";
import type { AskCommit, Claim, ClaimRequest, FailCommit, SnapshotWrite, TurnCommit } from "../../ports/store/store.ts";
import { text, type ChatRow, type Engine } from "./engine.ts";
import { putParts } from "./outbox.ts";
import { bodyOfRow, journalOfRow, turnOfRow, type InboxSql, type JournalSql, type RunSql, type TurnSql } from "./rows.ts";

export function claim(engine: Engine, request: ClaimRequest): Claim | undefined {
  const chat = engine.chat(request.chat);
  if (!chat) return undefined;
  if (chat.open_turn !== null) return reclaim(engine, chat, request, chat.open_turn);
  if (chat.waiting === 0) return undefined;
  const rows = engine.all<InboxSql>(
    "SELECT * FROM inbox WHERE chat = ? AND seq >= ? AND status = 'waiting' AND kind = 'message' ORDER BY seq LIMIT ?",
    chat.id,
    chat.first_waiting,
    request.rowsMax,
  );
  const [first] = rows;
  if (!first) return undefined;
  chat.first_waiting = first.seq;
  // Rows of a cron run are a turn of their own: its result goes elsewhere.
  const firstOfRun = rows.findIndex((row) => row.run_id !== null);
  const taken = firstOfRun < 0 ? rows : rows.slice(0, Math.max(1, firstOfRun));
  return openTurn(
    engine,
    chat,
    request,
    taken.map((row) => bodyOfRow(chat.key, row, undefined)),
    first.run_id ?? undefined,
  );
}

/** A new turn over rows that are known to wait. */
export function openTurn(
  engine: Engine,
  chat: ChatRow,
  request: ClaimRequest,
  rows: readonly InboxRow[],
  runId: string | undefined,
): Claim {
  chat.fence += 1;
  chat.open_turn = request.turnId;
  engine.changed(chat);
  engine.run(
    "INSERT INTO turns (chat, turn_id, status, attempt, failures, suspect, rows, run_id, started_at) VALUES (?, ?, 'started', 1, 0, ?, ?, ?, ?)",
    chat.id,
    request.turnId,
    request.suspect ? 1 : 0,
    JSON.stringify(rows.map((row) => row.seq)),
    runId ?? null,
    request.atMs,
  );
  const held = rows.map((row) => ({ ...row, turnId: request.turnId }));
  return {
    chat: chat.key,
    turnId: request.turnId,
    fence: chat.fence,
    attempt: 1,
    failures: 0,
    rows: held,
    journal: [],
    run: runFacts(engine, runId),
  };
}

function reclaim(engine: Engine, chat: ChatRow, request: ClaimRequest, turnId: string): Claim {
  const turn = turnRow(engine, chat, turnId);
  chat.fence += 1;
  engine.changed(chat);
  engine.run(
    "UPDATE turns SET status = 'started', attempt = attempt + 1, suspect = ?, started_at = ? WHERE chat = ? AND turn_id = ?",
    request.suspect ? 1 : 0,
    request.atMs,
    chat.id,
    turnId,
  );
  return {
    chat: chat.key,
    turnId,
    fence: chat.fence,
    attempt: turn.attempt + 1,
    failures: turn.failures,
    rows: heldRows(engine, chat, turn),
    journal: steps(engine, chat.key, turnId),
    run: runFacts(engine, turn.run_id ?? undefined),
  };
}

function turnRow(engine: Engine, chat: ChatRow, turnId: string): TurnSql {
  const turn = engine.get<TurnSql>("SELECT * FROM turns WHERE chat = ? AND turn_id = ?", chat.id, turnId);
  invariant(turn, `chat ${chat.key} names the open turn ${turnId}, which has no row`);
  return turn;
}

export function seqsOf(turn: Pick<TurnSql, "rows">): readonly number[] {
  return JSON.parse(turn.rows) as number[];
}

function heldRows(engine: Engine, chat: ChatRow, turn: TurnSql): readonly InboxRow[] {
  return seqsOf(turn).flatMap((seq) => {
    const row = engine.get<InboxSql>("SELECT * FROM inbox WHERE chat = ? AND seq = ? AND status = 'waiting'", chat.id, seq);
    return row ? [bodyOfRow(chat.key, row, turn.turn_id)] : [];
  });
}

function runFacts(engine: Engine, runId: string | undefined): Claim["run"] {
  if (runId === undefined) return undefined;
  const run = engine.get<RunSql>("SELECT * FROM runs WHERE run_id = ?", runId);
  return run && { runId, jobId: run.job, deliverTo: run.deliver_to ?? undefined };
}

/** The chat, when the caller still owns the turn; undefined is "fenced". */
function owned(engine: Engine, key: ChatKey, fence: number, turnId: string): ChatRow | undefined {
  const chat = engine.chat(key);
  return chat && chat.fence === fence && chat.open_turn === turnId ? chat : undefined;
}

export function journal(engine: Engine, key: ChatKey, fence: number, turnId: string, entry: JournalEntry): "written" | "fenced" {
  const chat = owned(engine, key, fence, turnId);
  if (!chat) return "fenced";
  writeEntry(engine, chat, turnId, entry);
  return "written";
}

function writeEntry(engine: Engine, chat: ChatRow, turnId: string, entry: JournalEntry): void {
  engine.run(
    "INSERT OR REPLACE INTO journal (chat, turn_id, place, type, key, body, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    chat.id,
    turnId,
    entry.place,
    entry.type,
    entry.key,
    entry.body,
    entry.atMs,
  );
}

export function writeSnapshot(engine: Engine, chat: ChatRow, write: SnapshotWrite): void {
  chat.revision += 1;
  chat.snapshot = JSON.stringify(write.snapshot);
  chat.state = write.state;
  chat.since_at = write.sinceMs;
  chat.timers = write.timers.length > 0 ? JSON.stringify(write.timers) : null;
  chat.timer_at = write.timers.length > 0 ? Math.min(...write.timers.map((timer) => timer.dueAtMs)) : null;
  chat.error = text(write.error);
  engine.changed(chat);
  writeEvents(engine, chat, write.atMs, write.events, write.stateBefore, write.state);
}

function writeEvents(
  engine: Engine,
  chat: ChatRow,
  atMs: number,
  events: readonly { readonly type: string }[],
  before: string,
  after: string,
): void {
  engine.run(
    "INSERT INTO events (chat, revision, at, events, before, after) VALUES (?, ?, ?, ?, ?, ?)",
    chat.id,
    chat.revision,
    atMs,
    JSON.stringify(events),
    before,
    after,
  );
}

export function writeHistory(engine: Engine, chat: ChatRow, entries: readonly HistoryEntry[]): void {
  engine.changed(chat);
  for (const entry of entries) {
    engine.run(
      "INSERT INTO history (chat, entry, role, content, at, seq, turn_id) VALUES (?, ?, ?, ?, ?, ?, ?)",
      chat.id,
      ++chat.last_entry,
      entry.role,
      JSON.stringify(entry.content),
      entry.atMs,
      entry.seq ?? null,
      entry.turnId ?? null,
    );
  }
}

export function endRows(engine: Engine, chat: ChatRow, seqs: readonly number[], status: string, turnId: string | null): number {
  let ended = 0;
  for (const seq of seqs) {
    ended += engine.run(
      "UPDATE inbox SET status = ?, turn_id = ? WHERE chat = ? AND seq = ? AND status = 'waiting'",
      status,
      turnId,
      chat.id,
      seq,
    );
    // The rows of a turn are the oldest that wait, so none is left before them.
    if (seq >= chat.first_waiting) chat.first_waiting = seq + 1;
  }
  chat.waiting -= ended;
  engine.changed(chat);
  return ended;
}

export function commit(
  engine: Engine,
  request: TurnCommit,
): { readonly parts: readonly OutboxPart[]; readonly revision: number; readonly waiting: number } | "fenced" {
  const chat = owned(engine, request.chat, request.fence, request.turnId);
  if (!chat) return "fenced";
  for (const row of request.rows) endRows(engine, chat, [row.seq], row.status, request.turnId);
  endTurn(engine, chat, request.turnId, "done", request.write.atMs, null);
  writeHistory(engine, chat, request.history);
  const parts = commitReply(engine, chat, request);
  if (request.run) {
    const delivery = parts.length === 0 ? "none" : request.delivery === "delivered" ? "delivered" : "waiting";
    endRun(engine, request.run.runId, "succeeded", delivery, request.write.atMs, null);
  }
  writeSnapshot(engine, chat, request.write);
  return { parts, revision: chat.revision, waiting: chat.waiting };
}

function commitReply(engine: Engine, chat: ChatRow, request: TurnCommit): readonly OutboxPart[] {
  const to = request.run ? request.run.deliverTo : chat.key;
  if (to === undefined || request.parts.length === 0) return [];
  const target = to === chat.key ? chat : engine.meet(to, "", request.write.atMs);
  if (target !== chat) {
    writeHistory(
      engine,
      target,
      request.history.filter((entry) => entry.role === "assistant"),
    );
  }
  const maySend = request.delivery === "sending" && target.unsettled === 0;
  return putParts(engine, target, request.parts, {
    groupId: request.turnId,
    first: request.delivery === "delivered" ? "sent" : maySend ? "sending" : "waiting",
    rest: request.delivery === "delivered" ? "sent" : "waiting",
    atMs: request.write.atMs,
    inReplyTo: target === chat ? request.rows.map((row) => row.seq) : [],
    runId: request.run?.runId,
  });
}

function endTurn(engine: Engine, chat: ChatRow, turnId: string, status: string, atMs: number, error: string | null): void {
  engine.run("UPDATE turns SET status = ?, ended_at = ?, error = ? WHERE chat = ? AND turn_id = ?", status, atMs, error, chat.id, turnId);
  chat.open_turn = null;
  engine.changed(chat);
}

/** Ends the turn that a chat has open, if any; its rows are the caller's. */
export function closeTurn(engine: Engine, chat: ChatRow, status: "stopped" | "failed", atMs: number): readonly number[] {
  if (chat.open_turn === null) return [];
  const turn = turnRow(engine, chat, chat.open_turn);
  if (turn.run_id !== null)
    endRun(engine, turn.run_id, "failed", "none", atMs, JSON.stringify({ code: "TURN_ABORTED", message: `its turn was ${status}` }));
  endTurn(engine, chat, turn.turn_id, status, atMs, null);
  return seqsOf(turn);
}

function endRun(engine: Engine, runId: string, status: string, delivery: string, atMs: number, error: string | null): void {
  engine.run("UPDATE runs SET status = ?, delivery = ?, ended_at = ?, error = ? WHERE run_id = ?", status, delivery, atMs, error, runId);
}

export function fail(
  engine: Engine,
  request: FailCommit,
): { readonly parts: readonly OutboxPart[]; readonly revision: number; readonly ended: number; readonly waiting: number } | "fenced" {
  const chat = owned(engine, request.chat, request.fence, request.turnId);
  if (!chat) return "fenced";
  const error = text(request.error);
  let ended = 0;
  if (request.outcome === "giveUp") {
    const turn = turnRow(engine, chat, request.turnId);
    ended = endRows(engine, chat, seqsOf(turn), "failed", request.turnId);
    engine.run("UPDATE turns SET failures = failures + 1 WHERE chat = ? AND turn_id = ?", chat.id, request.turnId);
    endTurn(engine, chat, request.turnId, "failed", request.atMs, error);
    if (request.run) endRun(engine, request.run.runId, "failed", "none", request.atMs, error);
  } else {
    const counted = request.outcome === "abort" ? 0 : 1;
    if (request.outcome === "abort") chat.fence += 1;
    engine.run(
      "UPDATE turns SET status = 'waiting', failures = failures + ?, error = ? WHERE chat = ? AND turn_id = ?",
      counted,
      error,
      chat.id,
      request.turnId,
    );
    engine.changed(chat);
  }
  const status = request.delivered ? "sent" : "waiting";
  const parts = request.reply
    ? putParts(engine, chat, [request.reply], {
        groupId: `${request.turnId}.error`,
        first: status,
        rest: status,
        atMs: request.atMs,
        inReplyTo: [],
      })
    : [];
  if (request.write) writeSnapshot(engine, chat, request.write);
  return { parts, revision: chat.revision, ended, waiting: chat.waiting };
}

export function ask(engine: Engine, request: AskCommit): { readonly parts: readonly OutboxPart[]; readonly revision: number } | "fenced" {
  const chat = owned(engine, request.chat, request.fence, request.turnId);
  if (!chat) return "fenced";
  writeEntry(engine, chat, request.turnId, request.entry);
  engine.run("UPDATE turns SET status = 'waiting' WHERE chat = ? AND turn_id = ?", chat.id, request.turnId);
  const status = request.delivered ? "sent" : "waiting";
  const parts = putParts(engine, chat, [request.question], {
    groupId: `${request.turnId}.ask${request.entry.place}`,
    first: status,
    rest: status,
    atMs: request.write.atMs,
    inReplyTo: [],
  });
  writeSnapshot(engine, chat, request.write);
  return { parts, revision: chat.revision };
}

export function recover(engine: Engine, atMs: number): { readonly suspects: number; readonly ambiguous: number } {
  const started = engine.all<{ id: number; turn_id: string }>(
    "SELECT c.id, t.turn_id FROM chats c JOIN turns t ON t.chat = c.id AND t.turn_id = c.open_turn WHERE t.status = 'started'",
  );
  for (const found of started) {
    const chat = engine.chatById(found.id);
    engine.run(
      "UPDATE turns SET status = 'suspect', failures = failures + suspect, suspect = 0 WHERE chat = ? AND turn_id = ?",
      chat.id,
      found.turn_id,
    );
    chat.revision += 1;
    engine.changed(chat);
    writeEvents(engine, chat, atMs, [{ type: "chat.restored" }], chat.state, chat.state);
  }
  const ambiguous = engine.run("UPDATE outbox SET status = 'waiting', ambiguous = 1 WHERE status = 'sending'");
  return { suspects: started.length, ambiguous };
}

export function steps(engine: Engine, key: ChatKey, turnId: string): readonly JournalEntry[] {
  const chat = engine.chat(key);
  if (!chat) return [];
  return engine.all<JournalSql>("SELECT * FROM journal WHERE chat = ? AND turn_id = ? ORDER BY place", chat.id, turnId).map(journalOfRow);
}

export function list(engine: Engine, key: ChatKey, limit: number): readonly TurnRecord[] {
  const chat = engine.chat(key);
  if (!chat) return [];
  return engine
    .all<TurnSql>("SELECT * FROM turns WHERE chat = ? ORDER BY started_at DESC, turn_id DESC LIMIT ?", chat.id, limit)
    .map((row) => turnOfRow(key, row));
}
