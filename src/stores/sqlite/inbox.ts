/** What comes in: rows with their dedupe keys, and the lists of what waits. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { InboxRow, Page, PageRequest } from "../../ports/store/records.ts";
import { recordOf, settingsOf, type ChatRow } from "./chat-row.ts";
import { cursorNumber } from "./cursor.ts";
import type { Engine } from "./engine.ts";
import { heldRows, holdRows } from "./held.ts";
import { insertParts } from "./parts.ts";
import { inboxOfRow, partOfRow, type InboxSql } from "./rows.ts";
import type { AppendAnswer, AppendWire } from "./wire.ts";

/** Commands and answers may exceed the limit of messages by this factor. */
const COMMANDS_FACTOR = 10;
const COMMANDS_LISTED = 100;
/** Stands in a dedupe row for the number of an update that was refused. */
const REFUSED = 0;

const INSERT = `INSERT INTO inbox (id, chat, prev, seq, kind, class, status, turn_id, run_id, received_at, sender, content)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const NOTE = "INSERT OR IGNORE INTO dedupe (scope, external_id, body_hash, seq, at) VALUES (?, ?, ?, ?, ?)";

export function append(engine: Engine, rows: readonly AppendWire[]): readonly AppendAnswer[] {
  return rows.map((row) => appendOne(engine, row, undefined));
}

/** `runId` is set for the row of a cron instant. */
export function appendOne(engine: Engine, wire: AppendWire, runId: string | undefined): AppendAnswer {
  const [key, address, kind, , , , receivedAtMs, scope, externalId, bodyHash, inboxMax] = wire;
  const known = engine.chat(key);
  const edited = known && edit(engine, known, wire);
  if (edited) return edited;
  const isFull = kind === "message" ? (known?.waiting ?? 0) >= inboxMax : (known?.commands ?? 0) >= inboxMax * COMMANDS_FACTOR;
  if (isFull) return refuse(engine, known, wire);
  const seq = (known?.last_seq ?? 0) + 1;
  if (scope !== null && engine.run(NOTE, scope, externalId, bodyHash, seq, receivedAtMs) === 0) return repeated(engine, wire);
  return accept(engine, known ?? engine.meet(key, address, receivedAtMs), wire, seq, runId);
}

/** The content takes the place of the one it changes, while that waits in no turn. */
function edit(engine: Engine, chat: ChatRow, wire: AppendWire): AppendAnswer | undefined {
  const [, , kind, , content, , receivedAtMs, scope, externalId, bodyHash, , , , , , , editOf] = wire;
  if (editOf === null || scope === null || kind !== "message") return undefined;
  const seqOf = (id: string): number | undefined =>
    engine.get<{ seq: number }>("SELECT seq FROM dedupe WHERE scope = ? AND external_id = ?", scope, id)?.seq;
  const seq = seqOf(editOf);
  if (seq === undefined || seqOf(externalId) !== undefined) return undefined;
  const changed = engine.run(
    "UPDATE inbox SET content = ? WHERE chat = ? AND seq = ? AND status = 'waiting' AND kind = 'message' AND turn_id IS NULL",
    content,
    chat.id,
    seq,
  );
  if (changed === 0) return undefined;
  engine.run(NOTE, scope, externalId, bodyHash, seq, receivedAtMs);
  return ["edited", seq];
}

/** The update is known: what was answered to it the first time. */
function repeated(engine: Engine, [, , , , , , , scope, externalId, bodyHash]: AppendWire): AppendAnswer {
  const before = engine.get<{ body_hash: string; seq: number }>(
    "SELECT body_hash, seq FROM dedupe WHERE scope = ? AND external_id = ?",
    scope,
    externalId,
  );
  if (before?.body_hash !== bodyHash) return ["conflict"];
  return before.seq === REFUSED ? ["full", undefined] : ["duplicate", before.seq];
}

function refuse(engine: Engine, known: ChatRow | undefined, wire: AppendWire): AppendAnswer {
  const [key, address, , , , , receivedAtMs, scope, externalId, bodyHash, , busyReply, busyEveryMs] = wire;
  if (scope !== null && engine.get("SELECT 1 FROM dedupe WHERE scope = ? AND external_id = ?", scope, externalId))
    return repeated(engine, wire);
  if (busyReply === null) return ["full", undefined];
  if (scope !== null) engine.run(NOTE, scope, externalId, bodyHash, REFUSED, receivedAtMs);
  const chat = known ?? engine.meet(key, address, receivedAtMs);
  learnAddress(engine, chat, address);
  if (chat.busy_at !== null && receivedAtMs - chat.busy_at < busyEveryMs) return ["full", undefined];
  chat.busy_at = receivedAtMs;
  engine.changed(chat, "rest");
  const [reply] = insertParts(engine, chat, [busyReply], {
    groupId: `busy.${chat.last_seq}.${receivedAtMs}`,
    first: "waiting",
    atMs: receivedAtMs,
  });
  return ["full", reply && partOfRow(chat.key, reply)];
}

function accept(engine: Engine, chat: ChatRow, wire: AppendWire, seq: number, runId: string | undefined): AppendAnswer {
  const [, address, kind, turnClass, content, sender, receivedAtMs, , , , , , , isOpened, claimTurnId, isSuspect] = wire;
  const isMessage = kind === "message";
  const isFree = chat.waiting === 0 && chat.open === undefined && chat.damagedTurn === undefined && chat.state !== "quarantined";
  const isClaimed = claimTurnId !== null && isMessage && isFree;
  const id = engine.nextId("inbox");
  engine.run(
    INSERT,
    id,
    chat.id,
    chat.inbox,
    seq,
    kind,
    turnClass,
    isClaimed ? "held" : "waiting",
    isClaimed ? claimTurnId : null,
    runId ?? null,
    receivedAtMs,
    sender,
    content,
  );
  chat.inbox = id;
  chat.last_seq = seq;
  if (isMessage) chat.waiting += 1;
  else chat.commands += 1;
  chat.message_at = receivedAtMs;
  engine.changed(chat, "intake");
  // Its person is there again.
  if (chat.settings !== "{}" && chat.settings.includes('"unreachable"')) {
    chat.settings = JSON.stringify({ ...settingsOf(chat.settings), unreachable: undefined });
    engine.changed(chat, "rest");
  }
  learnAddress(engine, chat, address);
  if (isClaimed)
    holdRows(engine, chat, {
      turnId: claimTurnId,
      isSuspect,
      atMs: receivedAtMs,
      class: turnClass,
      rows: [[seq, id]],
      runId: runId ?? null,
    });
  if (!isClaimed && !isOpened) return seq;
  return ["accepted", seq, isClaimed ? chat.fence : 0, isOpened ? recordOf(engine, chat) : undefined];
}

/** A chat that a delivery made before its person wrote learns its address from what they write. */
function learnAddress(engine: Engine, chat: ChatRow, address: string): void {
  if (address === "" || chat.address !== "") return;
  chat.address = address;
  engine.changed(chat, "rest");
}

/** Held by the open turn or free, oldest first. */
export function waiting(engine: Engine, key: ChatKey, page: PageRequest): Page<InboxRow> {
  const chat = engine.chat(key);
  const after = cursorNumber(page.cursor);
  if (!chat) return { items: [], next: undefined };
  const free = engine.all<InboxSql>(
    "SELECT * FROM inbox WHERE chat = ? AND seq > ? AND status = 'waiting' ORDER BY seq LIMIT ?",
    chat.id,
    after,
    page.limit + 1,
  );
  const held = heldRows(engine, chat).filter((row) => row.seq > after);
  const rows = [...held, ...free].sort((a, b) => a.seq - b.seq);
  const items = rows.slice(0, page.limit).map((row) => inboxOfRow(key, row));
  return { items, next: rows.length > page.limit ? String(items.at(-1)?.seq) : undefined };
}

export function commands(engine: Engine, key: ChatKey): readonly InboxRow[] {
  const chat = engine.chat(key);
  if (!chat || chat.commands === 0) return [];
  return engine
    .all<InboxSql>(
      "SELECT * FROM inbox WHERE chat = ? AND status = 'waiting' AND kind <> 'message' ORDER BY seq LIMIT ?",
      chat.id,
      COMMANDS_LISTED,
    )
    .map((row) => inboxOfRow(key, row));
}
