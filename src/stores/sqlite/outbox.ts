/**
 * What goes out: parts in order per chat. A part that is being sent is named by its chat's row and is in no index; the ones that wait are
 * in a partial one.
 */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { OutboxPart, Page, PageRequest, PartStatus } from "../../ports/store/records.ts";
import type { Orphan, OutboxStore, TakeResult } from "../../ports/store/outbox-store.ts";
import { chain } from "./chain.ts";
import { settingsOf, type ChatRow } from "./chat-row.ts";
import { cursorNumber } from "./cursor.ts";
import { settleDraft } from "./drafts.ts";
import type { Engine } from "./engine.ts";
import { WAITING, insertParts, isSettled, noteOfRun, partsOf, settled, unlink } from "./parts.ts";
import { partOfRow, type PartSql } from "./rows.ts";
import { numberOfId, type SettleAnswer, type SettleWire } from "./wire.ts";

/** Nothing else gets into the text of a statement. */
const STATUSES: Readonly<Record<PartStatus, string>> = {
  draft: "draft",
  waiting: "waiting",
  sending: "sending",
  sent: "sent",
  expired: "expired",
  dead: "dead",
};

type PutOptions = Parameters<OutboxStore["put"]>[2];

export function put(engine: Engine, key: ChatKey, parts: readonly Content[], options: PutOptions): readonly OutboxPart[] {
  const chat = engine.meet(key, options.address ?? "", options.atMs);
  const contents = parts.map((part) => JSON.stringify(part));
  return partsOf(
    chat,
    insertParts(engine, chat, contents, { groupId: options.groupId, first: options.delivered ? "sent" : "waiting", atMs: options.atMs }),
  );
}

function expirePart(engine: Engine, chat: ChatRow, part: PartSql): void {
  engine.run("UPDATE outbox SET status = 'expired' WHERE id = ?", part.id);
  settled(engine, chat, part, "expired");
}

/** What is to be sent next. A draft that is shown lets later parts pass. */
function firstOf(engine: Engine, chat: ChatRow): PartSql | undefined {
  if (chat.unsettled === 0) return undefined;
  return engine.get<PartSql>(
    `SELECT * FROM outbox WHERE chat = ? AND ${WAITING} AND (status = 'waiting' OR platform_id IS NULL) ORDER BY id LIMIT 1`,
    chat.id,
  );
}

export function take(engine: Engine, key: ChatKey, options: Parameters<OutboxStore["take"]>[1]): TakeResult {
  const chat = engine.chat(key);
  if (!chat) return { type: "none" };
  if (chat.sending !== null) return options.orphan ? takeOrphan(engine, key, chat.sending, options.orphan) : { type: "none" };
  for (let part = firstOf(engine, chat); part; part = firstOf(engine, chat)) {
    if (part.draft === 0 && (part.revived_at ?? part.created_at) < options.atMs - options.maxAgeMs) {
      expirePart(engine, chat, part);
      continue;
    }
    if (part.next_try_at !== null && part.next_try_at > options.atMs) return { type: "later", atMs: part.next_try_at };
    engine.run("UPDATE outbox SET status = 'sending', attempts = attempts + 1, next_try_at = NULL WHERE id = ?", part.id);
    chat.sending = part.id;
    engine.changed(chat, "delivery");
    return { type: "taken", part: partOfRow(key, { ...part, status: "sending", attempts: part.attempts + 1, next_try_at: null }) };
  }
  return { type: "none" };
}

function takeOrphan(engine: Engine, key: ChatKey, id: number, orphan: Orphan): TakeResult {
  if (orphan === "unknown")
    engine.run("UPDATE outbox SET ambiguous = max(ambiguous, platform_id IS NULL), attempts = attempts + 1 WHERE id = ?", id);
  const part = engine.get<PartSql>("SELECT * FROM outbox WHERE id = ?", id);
  return part ? { type: "taken", part: partOfRow(key, part) } : { type: "none" };
}

export function settle(engine: Engine, wire: SettleWire): SettleAnswer {
  const [key, id, , , , , , atMs, maxAgeMs] = wire;
  const chat = engine.chat(key);
  if (!chat) return 0;
  if (chat.sending === id) settleSending(engine, chat, wire);
  if (chat.unsettled === 0) return 0;
  if (maxAgeMs < 0) {
    const first = chat.sending === null ? firstOf(engine, chat) : undefined;
    return first ? { type: "later", atMs: first.next_try_at ?? 0 } : 0;
  }
  const next = take(engine, key, { atMs, maxAgeMs });
  return next.type === "none" ? 0 : next;
}

/** Nothing changes when another attempt has begun. */
function settleSending(engine: Engine, chat: ChatRow, [, id, attempt, outcome, detail, isAmbiguous, nextTryAtMs, atMs]: SettleWire): void {
  if (outcome === "retry") {
    const changed = engine.run(
      `UPDATE outbox SET status = CASE draft WHEN 1 THEN 'draft' ELSE 'waiting' END, draft = draft % 2, ambiguous = max(ambiguous, ?), next_try_at = ?, error = ?
       WHERE id = ? AND attempts = ?`,
      isAmbiguous ? 1 : 0,
      nextTryAtMs,
      detail,
      id,
      attempt,
    );
    if (changed > 0) chat.sending = null;
    engine.changed(chat, "delivery");
    return;
  }
  const status = outcome === "sent" ? "sent" : "dead";
  const effect = outcome === "sent" ? "platform_id = ?, error = NULL" : "error = ?";
  const part = engine.get<Pick<PartSql, "id" | "group_id" | "run_id">>(
    `UPDATE outbox SET status = '${status}', ${effect} WHERE id = ? AND attempts = ? AND draft = 0 RETURNING id, group_id, run_id`,
    detail,
    id,
    attempt,
  );
  if (outcome === "sent") chat.reply_at = atMs;
  else if (isUnreachable(detail)) noteUnreachable(engine, chat, atMs);
  if (!part) return settleDraft(engine, chat, { id, attempt, platformId: outcome === "sent" ? detail : null, error: detail });
  settled(engine, chat, part, status);
  if (outcome !== "sent") refuseRest(engine, chat, part, detail);
}

const isUnreachable = (error: string): boolean => error.includes('"CHAT_UNREACHABLE"');

function noteUnreachable(engine: Engine, chat: ChatRow, atMs: number): void {
  chat.settings = JSON.stringify({ ...settingsOf(chat.settings), unreachable: String(atMs) });
  engine.changed(chat, "rest");
}

/** The rest of a reply makes no sense without its refused part. */
function refuseRest(engine: Engine, chat: ChatRow, refused: Pick<PartSql, "id" | "group_id">, error: string): void {
  const rest = engine.all<PartSql>(
    `SELECT * FROM outbox WHERE chat = ? AND id > ? AND group_id = ? AND ${WAITING}`,
    chat.id,
    refused.id,
    refused.group_id,
  );
  for (const part of rest) {
    engine.run("UPDATE outbox SET status = 'dead', error = ? WHERE id = ?", error, part.id);
    settled(engine, chat, part, "dead");
  }
}

export function expire(engine: Engine, key: ChatKey, beforeMs: number): number {
  const chat = engine.chat(key);
  if (!chat || chat.unsettled === 0) return 0;
  const old = engine.all<PartSql>(
    `SELECT * FROM outbox WHERE chat = ? AND ${WAITING} AND status = 'waiting' AND coalesce(revived_at, created_at) < ? ORDER BY id`,
    chat.id,
    beforeMs,
  );
  for (const part of old) expirePart(engine, chat, part);
  return old.length;
}

export function list(engine: Engine, filter: Parameters<OutboxStore["list"]>[0], page: PageRequest): Page<OutboxPart> {
  const after = cursorNumber(page.cursor);
  const chat = filter.chat === undefined ? undefined : engine.chat(filter.chat);
  if (filter.chat !== undefined && !chat) return { items: [], next: undefined };
  // A condition on the status stands in the text: only so is the index of ended parts used.
  const status = filter.status === undefined ? "1" : `t.status = '${STATUSES[filter.status]}'`;
  const ambiguous = filter.ambiguous === undefined ? "1" : `t.ambiguous = ${filter.ambiguous ? 1 : 0}`;
  const where = `${status} AND ${ambiguous}`;
  const limit = page.limit + 1;
  const rows = chat
    ? chain<PartSql>(engine, "outbox", { chatId: chat.id, head: chat.outbox, above: after, limit, keep: "oldest", filter: where })
    : engine.all<PartSql>(`SELECT * FROM outbox t WHERE t.id > ? AND ${where} ORDER BY t.id LIMIT ?`, after, limit);
  const items = rows.slice(0, page.limit).map((row) => partOfRow(chat?.key ?? engine.chatById(row.chat).key, row));
  return { items, next: rows.length > page.limit ? items.at(-1)?.id : undefined };
}

export function newest(engine: Engine, key: ChatKey, limit: number): readonly OutboxPart[] {
  const chat = engine.chat(key);
  if (!chat || limit <= 0) return [];
  return chain<PartSql>(engine, "outbox", { chatId: chat.id, head: chat.outbox, limit }).map((row) => partOfRow(key, row));
}

export function after(engine: Engine, key: ChatKey, id: string, limit: number): readonly OutboxPart[] | "gone" {
  const chat = engine.chat(key);
  if (!chat) return [];
  const above = numberOfId(id);
  if (above < 0) return "gone";
  const rows = chain<PartSql>(engine, "outbox", { chatId: chat.id, head: chat.outbox, above, limit, keep: "oldest" });
  // The chain ends at a part that was deleted, and that part is later than the one asked for.
  const missing = rows[0]?.prev ?? chat.outbox;
  if (missing > above) return "gone";
  // A draft is no reply yet.
  return rows.filter((row) => row.draft !== 1).map((row) => partOfRow(key, row));
}

export function revive(engine: Engine, id: string, atMs: number): OutboxPart | undefined {
  const part = engine.get<PartSql>("SELECT * FROM outbox WHERE id = ? AND status IN ('dead', 'expired')", numberOfId(id));
  if (!part) return undefined;
  const chat = engine.chatById(part.chat);
  engine.run("UPDATE outbox SET status = 'waiting', next_try_at = NULL, revived_at = ? WHERE id = ?", atMs, part.id);
  chat.unsettled += 1;
  engine.changed(chat, "delivery");
  if (part.run_id !== null) noteOfRun(engine, part.run_id, { unsettled: 1, undelivered: -1 });
  return partOfRow(chat.key, { ...part, status: "waiting", next_try_at: null });
}

export function purge(engine: Engine, id: string): boolean {
  const part = engine.get<PartSql>("SELECT * FROM outbox WHERE id = ?", numberOfId(id));
  if (!part || part.status === "sending") return false;
  const chat = engine.chatById(part.chat);
  if (!isSettled(part.status)) settled(engine, chat, part, "dead");
  unlink(engine, chat, part);
  return true;
}
