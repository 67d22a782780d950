import { bodyOfRow, type InboxSql } from "./rows.ts";
import { firstWaiting, recordOf, text, type ChatRow, type Engine } from "./engine.ts";
import { putParts } from "./outbox.ts";
import { openTurn } from "./turns.ts";
import type { ChatKey } from "../../core/chat-key.ts";
import type { InboxRow, Page, PageRequest } from "../../ports/store/records.ts";
import type { AppendRequest, AppendResult } from "../../ports/store/store.ts";

/** Commands and answers may exceed the limit of messages by this factor. */
const COMMANDS_FACTOR = 10;

interface DedupeSql {
  readonly body_hash: string;
  readonly seq: number;
}

export function append(engine: Engine, requests: readonly AppendRequest[]): readonly AppendResult[] {
  return requests.map((request) => appendOne(engine, request, undefined));
}

/** `runId` is set for the row of a cron instant. */
export function appendOne(engine: Engine, request: AppendRequest, runId: string | undefined): AppendResult {
  const known =
    request.dedupe &&
    engine.get<DedupeSql>(
      "SELECT body_hash, seq FROM dedupe WHERE scope = ? AND external_id = ?",
      request.dedupe.scope,
      request.dedupe.externalId,
    );
  if (known) {
    if (known.body_hash !== request.dedupe?.bodyHash) return { status: "conflict" };
    // Sequence number 0 marks an update that was refused.
    return known.seq === 0 ? { status: "full", reply: undefined } : { status: "duplicate", seq: known.seq };
  }
  const chat = engine.chat(request.chat);
  const isMessage = request.kind === "message";
  if (chat && (isMessage ? chat.waiting >= request.inboxMax : chat.commands >= request.inboxMax * COMMANDS_FACTOR))
    return refuse(engine, chat, request);
  return accept(engine, chat ?? engine.meet(request.chat, request.address, request.receivedAtMs), request, runId);
}

function refuse(engine: Engine, chat: ChatRow, request: AppendRequest): AppendResult {
  const { busyReply } = request;
  if (!busyReply) return { status: "full", reply: undefined };
  noteUpdate(engine, request, 0);
  if (chat.busy_at !== null && request.receivedAtMs - chat.busy_at < busyReply.everyMs) return { status: "full", reply: undefined };
  chat.busy_at = request.receivedAtMs;
  engine.changed(chat);
  const [reply] = putParts(engine, chat, [busyReply.content], {
    groupId: `busy.${chat.last_part + 1}`,
    first: "waiting",
    rest: "waiting",
    atMs: request.receivedAtMs,
    inReplyTo: [],
  });
  return { status: "full", reply };
}

function accept(engine: Engine, chat: ChatRow, request: AppendRequest, runId: string | undefined): AppendResult {
  const seq = ++chat.last_seq;
  const isMessage = request.kind === "message";
  const isSole = isMessage && chat.waiting === 0 && chat.open_turn === null;
  if (isMessage) {
    if (chat.waiting === 0) chat.first_waiting = seq;
    chat.waiting += 1;
  } else chat.commands += 1;
  chat.message_at = request.receivedAtMs;
  engine.changed(chat);
  const content = JSON.stringify(request.content);
  engine.run(
    "INSERT INTO inbox (chat, seq, kind, class, content, sender, received_at, status, turn_id, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', NULL, ?)",
    chat.id,
    seq,
    request.kind,
    request.turnClass,
    content,
    text(request.sender),
    request.receivedAtMs,
    runId ?? null,
  );
  if (request.dedupe) noteUpdate(engine, request, seq);
  const row: InboxRow = {
    chat: request.chat,
    seq,
    kind: request.kind,
    turnClass: request.turnClass,
    content: request.content,
    sender: request.sender,
    receivedAtMs: request.receivedAtMs,
    status: "waiting",
    turnId: undefined,
  };
  const claim =
    request.claim && isSole
      ? openTurn(
          engine,
          chat,
          { chat: request.chat, turnId: request.claim.turnId, rowsMax: 1, suspect: request.claim.suspect, atMs: request.receivedAtMs },
          [row],
          runId,
        )
      : undefined;
  return { status: "accepted", seq, chat: request.open ? recordOf(engine, chat) : undefined, claim };
}

function noteUpdate(engine: Engine, request: AppendRequest, seq: number): void {
  if (!request.dedupe) return;
  const { scope, externalId, bodyHash } = request.dedupe;
  engine.run(
    "INSERT INTO dedupe (scope, external_id, body_hash, seq, at) VALUES (?, ?, ?, ?, ?)",
    scope,
    externalId,
    bodyHash,
    seq,
    request.receivedAtMs,
  );
}

export function waiting(engine: Engine, key: ChatKey, page: PageRequest): Page<InboxRow> {
  const chat = engine.chat(key);
  if (!chat) return { items: [], next: undefined };
  const rows = engine.all<InboxSql>(
    "SELECT * FROM inbox WHERE chat = ? AND seq > ? AND status = 'waiting' ORDER BY seq LIMIT ?",
    chat.id,
    Math.max(
      Number(page.cursor ?? 0),
      Math.min(chat.commands > 0 ? 0 : Number.MAX_SAFE_INTEGER, (firstWaiting(engine, chat)?.seq ?? 1) - 1),
    ),
    page.limit + 1,
  );
  const held = heldRows(engine, chat);
  const items = rows.slice(0, page.limit).map((row) => bodyOfRow(key, row, held.has(row.seq) ? (chat.open_turn ?? undefined) : undefined));
  return { items, next: rows.length > page.limit ? String(items.at(-1)?.seq) : undefined };
}

function heldRows(engine: Engine, chat: ChatRow): ReadonlySet<number> {
  if (chat.open_turn === null) return new Set();
  const turn = engine.get<{ rows: string }>("SELECT rows FROM turns WHERE chat = ? AND turn_id = ?", chat.id, chat.open_turn);
  return new Set(turn ? (JSON.parse(turn.rows) as number[]) : []);
}

export function commands(engine: Engine, key: ChatKey): readonly InboxRow[] {
  const chat = engine.chat(key);
  if (!chat || chat.commands === 0) return [];
  return engine
    .all<InboxSql>("SELECT * FROM inbox WHERE chat = ? AND status = 'waiting' AND kind <> 'message' ORDER BY seq LIMIT 100", chat.id)
    .map((row) => bodyOfRow(key, row, undefined));
}
