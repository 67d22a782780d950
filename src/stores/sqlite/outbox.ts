import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { OutboxPart, Page, PageRequest, PartStatus, RunDelivery } from "../../ports/store/records.ts";
import type { OutboxStore, SendOutcome, TakeResult } from "../../ports/store/store.ts";
import { text, type ChatRow, type Engine, type Value } from "./engine.ts";
import { partOfRow, type PartSql } from "./rows.ts";

/** Parts of one chat lie together: the id is the chat's row id and the number of the part within it. */
const PARTS_PER_CHAT = 100_000_000;
const UNSETTLED = "status IN ('draft', 'waiting', 'sending')";

const idOf = (chat: ChatRow, number: number): number => chat.id * PARTS_PER_CHAT + number;
const numberOf = (id: number): number => id % PARTS_PER_CHAT;
const chatIdOf = (id: number): number => Math.floor(id / PARTS_PER_CHAT);
const settled = (status: PartStatus): boolean => status === "sent" || status === "dead" || status === "expired";

export interface PutOptions {
  readonly groupId: string;
  /** Status of the first part and of the others. */
  readonly first: PartStatus;
  readonly rest: PartStatus;
  readonly atMs: number;
  readonly inReplyTo: readonly number[];
  readonly runId?: string;
}

export function putParts(engine: Engine, chat: ChatRow, contents: readonly Content[], options: PutOptions): readonly OutboxPart[] {
  engine.changed(chat);
  return contents.map((content, place) => {
    const status = place === 0 ? options.first : options.rest;
    const number = ++chat.last_part;
    if (settled(status)) chat.reply_at = options.atMs;
    else {
      if (chat.unsettled === 0) chat.first_unsettled = number;
      chat.unsettled += 1;
    }
    const id = idOf(chat, number);
    const attempts = status === "sending" ? 1 : 0;
    engine.run(
      `INSERT INTO outbox (id, chat, group_id, part, of, content, status, attempts, ambiguous, created_at, in_reply_to, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
      id,
      chat.id,
      options.groupId,
      place + 1,
      contents.length,
      JSON.stringify(content),
      status,
      attempts,
      options.atMs,
      JSON.stringify(options.inReplyTo),
      options.runId ?? null,
    );
    return {
      id: String(id),
      chat: chat.key,
      turnId: options.groupId,
      part: place + 1,
      of: contents.length,
      content,
      status,
      attempts,
      ambiguous: false,
      createdAtMs: options.atMs,
      nextTryAtMs: undefined,
      platformId: undefined,
      error: undefined,
      inReplyTo: options.inReplyTo,
    };
  });
}

export function put(
  engine: Engine,
  key: ChatKey,
  contents: readonly Content[],
  options: Parameters<OutboxStore["put"]>[2],
): readonly OutboxPart[] {
  const chat = engine.meet(key, "", options.atMs);
  const status = options.delivered ? "sent" : "waiting";
  return putParts(engine, chat, contents, { groupId: options.groupId, first: status, rest: status, atMs: options.atMs, inReplyTo: [] });
}

function firstUnsettled(engine: Engine, chat: ChatRow): PartSql | undefined {
  if (chat.unsettled === 0) return undefined;
  return engine.get<PartSql>(
    `SELECT * FROM outbox WHERE id >= ? AND id < ? AND ${UNSETTLED} ORDER BY id LIMIT 1`,
    idOf(chat, chat.first_unsettled),
    idOf(chat, PARTS_PER_CHAT),
  );
}

/** A part is settled: counters, hint, and what it means for the run it came from. */
function settlePart(engine: Engine, chat: ChatRow, part: PartSql, status: PartStatus): void {
  chat.unsettled -= 1;
  if (numberOf(part.id) === chat.first_unsettled) chat.first_unsettled += 1;
  engine.changed(chat);
  if (part.run_id === null) return;
  const rest = engine.get(
    `SELECT 1 FROM outbox WHERE id > ? AND id < ? AND group_id = ? AND ${UNSETTLED} LIMIT 1`,
    part.id,
    idOf(chat, PARTS_PER_CHAT),
    part.group_id,
  );
  const delivery: RunDelivery | undefined = status !== "sent" ? "failed" : rest ? undefined : "delivered";
  if (delivery) engine.run("UPDATE runs SET delivery = ? WHERE run_id = ? AND delivery = 'waiting'", delivery, part.run_id);
}

function expirePart(engine: Engine, chat: ChatRow, part: PartSql): void {
  engine.run("UPDATE outbox SET status = 'expired' WHERE id = ?", part.id);
  settlePart(engine, chat, part, "expired");
}

export function take(engine: Engine, key: ChatKey, options: { readonly atMs: number; readonly maxAgeMs: number }): TakeResult {
  const chat = engine.chat(key);
  if (!chat) return { type: "none" };
  for (let part = firstUnsettled(engine, chat); part; part = firstUnsettled(engine, chat)) {
    if (part.status !== "waiting") return { type: "none" };
    if (part.created_at < options.atMs - options.maxAgeMs) {
      expirePart(engine, chat, part);
      continue;
    }
    if (part.next_try_at !== null && part.next_try_at > options.atMs) return { type: "later", atMs: part.next_try_at };
    engine.run("UPDATE outbox SET status = 'sending', attempts = attempts + 1, next_try_at = NULL WHERE id = ?", part.id);
    return { type: "taken", part: partOfRow(key, { ...part, status: "sending", attempts: part.attempts + 1, next_try_at: null }) };
  }
  return { type: "none" };
}

export function settle(
  engine: Engine,
  request: Parameters<OutboxStore["settle"]>[0],
  next: Parameters<OutboxStore["settle"]>[1],
): TakeResult {
  const id = Number(request.id);
  const part = engine.get<PartSql>("SELECT * FROM outbox WHERE id = ?", id);
  const chat = engine.chat(request.chat);
  if (part && chat && part.chat === chat.id && part.status === "sending" && part.attempts === request.attempt)
    apply(engine, chat, part, request.outcome, request.atMs);
  return next ? take(engine, request.chat, { atMs: request.atMs, maxAgeMs: next.maxAgeMs }) : { type: "none" };
}

function apply(engine: Engine, chat: ChatRow, part: PartSql, outcome: SendOutcome, atMs: number): void {
  switch (outcome.type) {
    case "sent":
      engine.run("UPDATE outbox SET status = 'sent', platform_id = ?, error = NULL WHERE id = ?", outcome.platformId, part.id);
      chat.reply_at = atMs;
      settlePart(engine, chat, part, "sent");
      return;
    case "retry":
      engine.run(
        "UPDATE outbox SET status = 'waiting', ambiguous = max(ambiguous, ?), next_try_at = ?, error = ? WHERE id = ?",
        outcome.ambiguous ? 1 : 0,
        outcome.nextTryAtMs,
        text(outcome.error),
        part.id,
      );
      return;
    case "refused": {
      const group = engine.all<PartSql>(
        `SELECT * FROM outbox WHERE id >= ? AND id < ? AND group_id = ? AND ${UNSETTLED} ORDER BY id`,
        part.id,
        idOf(chat, PARTS_PER_CHAT),
        part.group_id,
      );
      for (const one of group) {
        engine.run("UPDATE outbox SET status = 'dead', error = ? WHERE id = ?", text(outcome.error), one.id);
        settlePart(engine, chat, one, "dead");
      }
    }
  }
}

export function expire(engine: Engine, key: ChatKey, beforeMs: number): number {
  const chat = engine.chat(key);
  if (!chat) return 0;
  const old = engine.all<PartSql>(
    "SELECT * FROM outbox WHERE id >= ? AND id < ? AND status = 'waiting' AND created_at < ?",
    idOf(chat, chat.first_unsettled),
    idOf(chat, PARTS_PER_CHAT),
    beforeMs,
  );
  for (const part of old) expirePart(engine, chat, part);
  return old.length;
}

export function list(
  engine: Engine,
  filter: { readonly status?: PartStatus; readonly ambiguous?: boolean; readonly chat?: ChatKey },
  page: PageRequest,
): Page<OutboxPart> {
  const chat = filter.chat === undefined ? undefined : engine.chat(filter.chat);
  if (filter.chat !== undefined && !chat) return { items: [], next: undefined };
  const conditions = ["id > ?", "id < ?"];
  const values: Value[] = [
    Math.max(Number(page.cursor ?? 0), chat ? idOf(chat, 0) : 0),
    chat ? idOf(chat, PARTS_PER_CHAT) : Number.MAX_SAFE_INTEGER,
  ];
  if (filter.status !== undefined) {
    conditions.push("status = ?");
    values.push(filter.status);
  }
  if (filter.ambiguous !== undefined) {
    conditions.push("ambiguous = ?");
    values.push(filter.ambiguous ? 1 : 0);
  }
  const rows = engine.all<PartSql>(`SELECT * FROM outbox WHERE ${conditions.join(" AND ")} ORDER BY id LIMIT ?`, ...values, page.limit + 1);
  const items = rows.slice(0, page.limit).map((row) => partOfRow(engine.chatById(row.chat).key, row));
  return { items, next: rows.length > page.limit ? items.at(-1)?.id : undefined };
}

export function after(engine: Engine, key: ChatKey, id: string, limit: number): readonly OutboxPart[] | "gone" {
  const chat = engine.chat(key);
  if (!chat) return [];
  const from = Number(id);
  const first =
    engine.get<{ id: number | null }>("SELECT min(id) AS id FROM outbox WHERE id > ? AND id < ?", idOf(chat, 0), idOf(chat, PARTS_PER_CHAT))
      ?.id ?? idOf(chat, chat.last_part + 1);
  // Something that came after the id asked for has been deleted.
  if (!Number.isSafeInteger(from) || (from + 1 < first && numberOf(first) > 1)) return "gone";
  return engine
    .all<PartSql>(
      "SELECT * FROM outbox WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
      Math.max(from, idOf(chat, 0)),
      idOf(chat, PARTS_PER_CHAT),
      limit,
    )
    .map((row) => partOfRow(key, row));
}

export function revive(engine: Engine, id: string): OutboxPart | undefined {
  const part = engine.get<PartSql>("SELECT * FROM outbox WHERE id = ? AND status IN ('dead', 'expired')", Number(id));
  if (!part) return undefined;
  const chat = engine.chatById(chatIdOf(part.id));
  engine.run("UPDATE outbox SET status = 'waiting', next_try_at = NULL WHERE id = ?", part.id);
  chat.first_unsettled = chat.unsettled === 0 ? numberOf(part.id) : Math.min(chat.first_unsettled, numberOf(part.id));
  chat.unsettled += 1;
  engine.changed(chat);
  return partOfRow(chat.key, { ...part, status: "waiting", next_try_at: null });
}

export function purge(engine: Engine, id: string): boolean {
  const part = engine.get<PartSql>("SELECT * FROM outbox WHERE id = ?", Number(id));
  if (!part || part.status === "sending") return false;
  if (!settled(part.status)) settlePart(engine, engine.chatById(part.chat), part, "dead");
  return engine.run("DELETE FROM outbox WHERE id = ?", part.id) > 0;
}
