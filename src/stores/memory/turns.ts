/** Turns: claimed, journaled, committed, failed. Every write names the chat's fence and the open turn; any other caller is a zombie. */
import type { ChatKey } from "../../core/chat-key.ts";
import { invariant } from "../../core/errors.ts";
import type { JournalEntry, OutboxPart, TurnRecord } from "../../ports/store/records.ts";
import type { RunEnd, RunFailure } from "../../ports/store/job-store.ts";
import type { DraftRequest } from "../../ports/store/outbox-store.ts";
import type { AskCommit, Claim, ClaimRequest, FailCommit, TurnCommit, TurnStore } from "../../ports/store/store.ts";
import { placeOf, rowOf, seqOf, turnOf, type Chat, type Disk, type Row, type Turn } from "./disk.ts";
import { closeTurn, endRow } from "./endings.ts";
import { adoptDraft, draftOf } from "./drafts.ts";
import { findOrdered, insertOrdered, placeFrom } from "./ordered.ts";
import { partOf, putParts } from "./outbox.ts";
import { writeTargets } from "./run-targets.ts";
import { countFailure, countSuccess, endRun } from "./runs.ts";
import { freeze, writeEvents, writeSnapshot } from "./snapshots.ts";

export function claim(disk: Disk, request: ClaimRequest): Claim | undefined {
  const chat = disk.chats.get(request.chat);
  if (!chat) return undefined;
  if (chat.openTurn) return reclaim(disk, chat, chat.openTurn, request);
  const rows = chat.waiting.slice(0, Math.max(1, request.rowsMax));
  if (rows.length === 0) return undefined;
  // A row of a cron run is a turn of its own: its result goes elsewhere.
  const firstOfRun = rows.findIndex((row) => row.runId !== undefined);
  return begin(disk, chat, request, firstOfRun < 0 ? rows : rows.slice(0, Math.max(1, firstOfRun)));
}

/** A new turn over rows that wait. @throws InvariantError when the chat had a turn of that name */
export function begin(disk: Disk, chat: Chat, request: Omit<ClaimRequest, "chat" | "rowsMax">, rows: readonly Row[]): Claim {
  invariant(!chat.turns.has(request.turnId), `chat ${chat.key} already had a turn ${request.turnId}; name each turn once`);
  const turn: Turn = {
    turnId: request.turnId,
    status: "started",
    attempt: 1,
    failures: 0,
    suspect: request.suspect,
    startedAtMs: request.atMs,
    endedAtMs: undefined,
    error: undefined,
    rows,
    runId: rows[0]?.runId,
    journal: [],
  };
  for (const row of rows) row.turnId = request.turnId;
  chat.fence += 1;
  chat.turns.set(turn.turnId, turn);
  chat.openTurn = turn;
  return claimOf(disk, chat, turn);
}

function reclaim(disk: Disk, chat: Chat, turn: Turn, request: ClaimRequest): Claim {
  chat.fence += 1;
  turn.status = "started";
  turn.attempt += 1;
  turn.suspect = request.suspect;
  turn.startedAtMs = request.atMs;
  return claimOf(disk, chat, turn);
}

function claimOf(disk: Disk, chat: Chat, turn: Turn): Claim {
  return {
    chat: chat.key,
    turnId: turn.turnId,
    fence: chat.fence,
    attempt: turn.attempt,
    failures: turn.failures,
    rows: turn.rows.filter((row) => row.status === "waiting").map((row) => rowOf(chat, row)),
    journal: turn.journal.map((entry) => ({ ...entry })),
    run: turn.runId === undefined ? undefined : disk.runs.get(turn.runId)?.policy,
  };
}

/** The chat and its open turn, when the caller still owns them; undefined is "fenced". */
function owned(disk: Disk, key: ChatKey, fence: number, turnId: string): { readonly chat: Chat; readonly turn: Turn } | undefined {
  const chat = disk.chats.get(key);
  const turn = chat?.openTurn;
  return chat && turn && chat.fence === fence && turn.turnId === turnId ? { chat, turn } : undefined;
}

export function draft(disk: Disk, request: DraftRequest): OutboxPart | "busy" | "fenced" {
  const own = owned(disk, request.chat, request.fence, request.turnId);
  if (!own) return "fenced";
  const { chat } = own;
  const known = draftOf(chat, request.turnId);
  if (known) return partOf(chat, known);
  if (chat.unsettled.length > 0) return "busy";
  const options = { groupId: request.turnId, first: "draft", rest: "waiting", atMs: request.atMs, inReplyTo: [] } as const;
  return putParts(chat, [request.content], options)[0] ?? "busy";
}

export function journal(disk: Disk, key: ChatKey, fence: number, turnId: string, entry: JournalEntry): "written" | "fenced" {
  const own = owned(disk, key, fence, turnId);
  if (!own) return "fenced";
  writeEntry(own.turn, entry);
  return "written";
}

/** The same place replaces. */
function writeEntry(turn: Turn, entry: JournalEntry): void {
  const place = placeFrom(turn.journal, entry.place, placeOf);
  if (turn.journal[place]?.place === entry.place) turn.journal[place] = { ...entry };
  else insertOrdered(turn.journal, { ...entry }, placeOf);
}

export function commit(
  disk: Disk,
  request: TurnCommit,
): { readonly parts: readonly OutboxPart[]; readonly revision: number; readonly waiting: number } | "fenced" {
  const own = owned(disk, request.chat, request.fence, request.turnId);
  if (!own) return "fenced";
  const snapshot = freeze(request.write);
  const { chat } = own;
  const { atMs } = request.write;
  for (const { seq, status } of request.rows) {
    const row = findOrdered(chat.waiting, seq, seqOf);
    if (row) endRow(chat, row, status, request.turnId);
  }
  closeTurn(chat, "done", atMs, undefined);
  for (const entry of request.history) chat.history.push({ ...entry });
  const parts = writeReply(chat, request);
  if (request.run) parts.push(...endWell(disk, request, request.run, parts));
  writeSnapshot(disk, chat, request.write, snapshot);
  return { parts, revision: chat.revision, waiting: chat.waiting.length };
}

/** The reply goes to the chat itself; what a cron run says elsewhere comes with the end of the run. */
function writeReply(chat: Chat, request: TurnCommit): OutboxPart[] {
  const shown = adoptDraft(chat, request.turnId);
  const isDelivered = request.delivery === "delivered";
  const maySend = request.delivery === "sending" && chat.unsettled.length === 0;
  const parts = putParts(chat, request.parts, {
    groupId: request.turnId,
    first: isDelivered ? "sent" : maySend ? "sending" : "waiting",
    shown,
    rest: isDelivered ? "sent" : "waiting",
    atMs: request.write.atMs,
    inReplyTo: request.rows.map((row) => row.seq),
    runId: request.run?.runId,
  });
  return [...parts];
}

/** Answers the parts that went elsewhere. */
function endWell(disk: Disk, { turnId, write: { atMs } }: TurnCommit, run: RunEnd, own: readonly OutboxPart[]): readonly OutboxPart[] {
  const elsewhere = writeTargets(disk, run.targets, { runId: run.runId, groupId: turnId, turnId, atMs });
  endRun(disk, run.runId, { status: "succeeded", parts: [...own, ...elsewhere], atMs, error: undefined });
  countSuccess(disk, run.runId);
  return elsewhere;
}

/** Answers what is said of it, and whether the job is disabled with it. */
function endBadly(
  disk: Disk,
  { turnId, error, atMs }: FailCommit,
  run: RunFailure,
): { readonly said: readonly OutboxPart[]; readonly isJobDisabled: boolean } {
  const isJobDisabled = countFailure(disk, run.runId, atMs, run.disables);
  const said = writeTargets(disk, isJobDisabled ? run.alert : run.notice, { runId: run.runId, groupId: `${turnId}.failure`, turnId, atMs });
  endRun(disk, run.runId, { status: "failed", parts: said, atMs, error });
  return { said, isJobDisabled };
}

export function fail(disk: Disk, request: FailCommit): Awaited<ReturnType<TurnStore["fail"]>> {
  const own = owned(disk, request.chat, request.fence, request.turnId);
  if (!own) return "fenced";
  const snapshot = request.write && freeze(request.write);
  const { chat, turn } = own;
  let ended = 0;
  if (request.outcome !== "abort") turn.failures += 1;
  if (request.outcome === "giveUp") {
    for (const row of turn.rows) if (endRow(chat, row, "failed", turn.turnId)) ended += 1;
    closeTurn(chat, "failed", request.atMs, request.error, request.draft);
  } else {
    if (request.outcome === "abort") chat.fence += 1;
    turn.status = "waiting";
    turn.error = { ...request.error };
  }
  const parts = request.reply ? say(chat, request.reply, `${turn.turnId}.error`, request.delivered, request.atMs) : [];
  const ending = request.run && endsRun(request) ? endBadly(disk, request, request.run) : undefined;
  if (request.write) writeSnapshot(disk, chat, request.write, snapshot);
  const { revision } = chat;
  return {
    parts: ending ? [...parts, ...ending.said] : parts,
    revision,
    ended,
    waiting: chat.waiting.length,
    ...(ending?.isJobDisabled ? { isJobDisabled: true } : {}),
  };
}

const endsRun = ({ outcome }: FailCommit): boolean => outcome === "giveUp" || outcome === "quarantine";

export function ask(disk: Disk, request: AskCommit): { readonly parts: readonly OutboxPart[]; readonly revision: number } | "fenced" {
  const own = owned(disk, request.chat, request.fence, request.turnId);
  if (!own) return "fenced";
  const snapshot = freeze(request.write);
  const { chat, turn } = own;
  writeEntry(turn, request.entry);
  turn.status = "waiting";
  const parts = say(chat, request.question, `${turn.turnId}.ask${request.entry.place}`, request.delivered, request.write.atMs);
  writeSnapshot(disk, chat, request.write, snapshot);
  return { parts, revision: chat.revision };
}

function say(
  chat: Chat,
  content: FailCommit["reply"] & object,
  groupId: string,
  isDelivered: boolean,
  atMs: number,
): readonly OutboxPart[] {
  const status = isDelivered ? "sent" : "waiting";
  return putParts(chat, [content], { groupId, first: status, rest: status, atMs, inReplyTo: [] });
}

export function recover(disk: Disk, atMs: number): { readonly suspects: number; readonly ambiguous: number } {
  let suspects = 0;
  let ambiguous = 0;
  for (const chat of disk.chats.values()) {
    const turn = chat.openTurn;
    if (turn?.status === "started") {
      suspects += 1;
      turn.status = "suspect";
      if (turn.suspect) turn.failures += 1;
      turn.suspect = false;
      chat.revision += 1;
      writeEvents(chat, {
        revision: chat.revision,
        atMs,
        events: [{ type: "chat.restored" }],
        stateBefore: chat.state,
        stateAfter: chat.state,
      });
    }
    for (const part of chat.unsettled) {
      if (part.status !== "sending") continue;
      ambiguous += 1;
      part.status = part.isDraft ? "draft" : "waiting";
      part.isEnding = false;
      // What has a platform id already was being edited, which may be repeated.
      part.ambiguous ||= part.platformId === undefined;
    }
  }
  return { suspects, ambiguous };
}

export function steps(disk: Disk, key: ChatKey, turnId: string): readonly JournalEntry[] {
  const turn = disk.chats.get(key)?.turns.get(turnId);
  return turn ? turn.journal.map((entry) => ({ ...entry })) : [];
}

export function list(disk: Disk, key: ChatKey, limit: number): readonly TurnRecord[] {
  const chat = disk.chats.get(key);
  if (!chat) return [];
  return [...chat.turns.values()]
    .slice(-limit)
    .reverse()
    .map((turn) => turnOf(chat, turn));
}
