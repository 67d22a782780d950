/** Turns: the claim that opens one, what it journals, and the commits that end or suspend it, each guarded by the chat's fence. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { JournalEntry, OutboxPart, TurnRecord, TurnStatus } from "../../ports/store/records.ts";
import type { RunEnd, RunFailure } from "../../ports/store/job-store.ts";
import type { DraftRequest } from "../../ports/store/outbox-store.ts";
import type { AskCommit, Claim, ClaimRequest, FailCommit, TurnStore } from "../../ports/store/store.ts";
import { text, type ChatRow, type StoredTurn } from "./chat-row.ts";
import type { Engine } from "./engine.ts";
import { endHeld, heldRows, holdRows } from "./held.ts";
import { endedTurn, endedTurns, writeLedger, writeSnapshot } from "./ledger.ts";
import { adoptDraft, draft as draftPart, interruptDraft } from "./drafts.ts";
import { insertParts, partsOf, type Shown } from "./parts.ts";
import { inboxOfRow, journalOfRow, turnOfOpen, type InboxSql, type JournalSql, type PartSql } from "./rows.ts";
import { countFailure, countSuccess, endRun, policyOf, writeTargets } from "./runs.ts";
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
    run: open.runId === null ? undefined : policyOf(engine, open.runId),
  };
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
  const [key, fence, turnId, consumed, skipped, history, , , run, , write] = wire;
  const own = owned(engine, key, fence, turnId);
  if (!own) return 0;
  const { chat, open } = own;
  const atMs = write[8];
  endHeld(engine, chat, open, (seq) => (consumed.includes(seq) ? "consumed" : skipped?.includes(seq) ? "skipped" : "waiting"));
  const turn = closeTurn(engine, chat, open, "done", atMs, null);
  const { shown, parts } = commitReply(engine, chat, wire);
  const elsewhere = run ? endWell(engine, run, parts, { turnId, atMs }) : undefined;
  writeSnapshot(engine, chat, write, { turn, history });
  const { revision, waiting } = chat;
  const { id, status } = parts[0] ?? { id: 0, status: "" as const };
  if (elsewhere) return [revision, waiting, id, status, shown?.platformId ?? null, shown?.isAmbiguous ?? false, elsewhere];
  return shown && parts.length > 0 ? [revision, waiting, id, status, shown.platformId, shown.isAmbiguous] : [revision, waiting, id, status];
}

/** Answers the parts that went to other chats. */
function endWell(
  engine: Engine,
  run: RunEnd,
  own: readonly PartSql[],
  { turnId, atMs }: { readonly turnId: string; readonly atMs: number },
): readonly OutboxPart[] {
  const elsewhere = writeTargets(engine, run.targets, { runId: run.runId, groupId: turnId, turnId, atMs });
  endRun(engine, run.runId, { status: "succeeded", parts: [...own, ...elsewhere], atMs, error: undefined });
  countSuccess(engine, run.runId);
  return elsewhere;
}

/** The reply goes to the chat itself; what a cron run says elsewhere comes with the end of the run. */
function commitReply(
  engine: Engine,
  chat: ChatRow,
  wire: CommitWire,
): { readonly parts: readonly PartSql[]; readonly shown: Shown | undefined } {
  const [, , turnId, , , , contents, delivery, run, inReplyTo, write] = wire;
  const shown = adoptDraft(engine, chat, turnId);
  if (contents.length === 0) return { parts: [], shown };
  const first = delivery === "delivered" ? "sent" : delivery === "sending" && chat.unsettled === 0 ? "sending" : "waiting";
  const options = { groupId: turnId, first, shown, atMs: write[8], inReplyTo, runId: run?.runId } as const;
  return { parts: insertParts(engine, chat, contents, options), shown };
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

export function fail(engine: Engine, request: FailCommit): Awaited<ReturnType<TurnStore["fail"]>> {
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
  const ending = request.run && endsRun(request) ? endBadly(engine, request, request.run) : undefined;
  if (request.write) writeSnapshot(engine, chat, packWrite(request.write), { turn });
  else if (turn !== null) writeLedger(engine, chat, { atMs: request.atMs, turn });
  const { revision, waiting } = chat;
  const all = [...partsOf(chat, parts), ...(ending?.said ?? [])];
  return { parts: all, revision, ended, waiting, ...(ending?.isJobDisabled ? { isJobDisabled: true } : {}) };
}

const endsRun = ({ outcome }: FailCommit): boolean => outcome === "giveUp" || outcome === "quarantine";

/** Answers what is said of it, and whether the job is disabled with it. */
function endBadly(
  engine: Engine,
  { turnId, error, atMs }: FailCommit,
  run: RunFailure,
): { readonly said: readonly OutboxPart[]; readonly isJobDisabled: boolean } {
  const isJobDisabled = countFailure(engine, run.runId, atMs, run.disables);
  const facts = { runId: run.runId, groupId: `${turnId}.failure`, turnId, atMs };
  const said = writeTargets(engine, isJobDisabled ? run.alert : run.notice, facts);
  endRun(engine, run.runId, { status: "failed", parts: said, atMs, error });
  return { said, isJobDisabled };
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
