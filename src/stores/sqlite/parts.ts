/** The rows of the outbox as the log of a chat: put at its end, settled, and taken out. */
import type { OutboxPart, PartStatus } from "../../ports/store/records.ts";
import type { RunDelivery } from "../../ports/store/job-records.ts";
import { chain } from "./chain.ts";
import type { ChatRow } from "./chat-row.ts";
import type { Engine } from "./engine.ts";
import { partOfRow, type PartSql } from "./rows.ts";

export const WAITING = "status IN ('waiting', 'draft')";
const INSERT = `INSERT INTO outbox (id, chat, prev, group_id, part, of, status, attempts, ambiguous, created_at, run_id, in_reply_to, content, platform_id, draft)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export const isSettled = (status: PartStatus): boolean => status === "sent" || status === "dead" || status === "expired";

/** A draft as its platform has it. */
export interface Shown {
  readonly platformId: string | null;
  /** It may have arrived without our knowing. */
  readonly isAmbiguous: boolean;
}

interface InsertOptions {
  readonly groupId: string;
  /** Status of the first part; the others wait, or are sent when it is. */
  readonly first: "waiting" | "sending" | "sent" | "draft";
  /** What the first part takes the place of. */
  readonly shown?: Shown | undefined;
  readonly atMs: number;
  /** JSON array of sequence numbers. */
  readonly inReplyTo?: string;
  readonly runId?: string;
}

/** Stores the parts of one group; `contents` are JSON texts. */
export function insertParts(engine: Engine, chat: ChatRow, contents: readonly string[], options: InsertOptions): readonly PartSql[] {
  const { groupId, first, shown, atMs, inReplyTo = "[]", runId } = options;
  engine.changed(chat, "delivery");
  return contents.map((content, place) => {
    const status = place === 0 || first === "sent" ? first : "waiting";
    const id = engine.nextId("outbox");
    const attempts = status === "sending" ? 1 : 0;
    const prev = chat.outbox;
    const platformId = place === 0 ? (shown?.platformId ?? null) : null;
    const ambiguous = place === 0 && shown?.isAmbiguous === true ? 1 : 0;
    const draft = status === "draft" ? 1 : 0;
    engine.run(
      INSERT,
      id,
      chat.id,
      prev,
      groupId,
      place + 1,
      contents.length,
      status,
      attempts,
      ambiguous,
      atMs,
      runId ?? null,
      inReplyTo,
      content,
      platformId,
      draft,
    );
    chat.outbox = id;
    if (status === "sent") chat.reply_at = atMs;
    else chat.unsettled += 1;
    if (status === "sending") chat.sending = id;
    return {
      id,
      chat: chat.id,
      prev,
      group_id: groupId,
      part: place + 1,
      of: contents.length,
      content,
      status,
      attempts,
      ambiguous,
      created_at: atMs,
      revived_at: null,
      next_try_at: null,
      platform_id: platformId,
      error: null,
      in_reply_to: inReplyTo,
      run_id: runId ?? null,
      draft,
      receipt: null,
    };
  });
}

export const partsOf = (chat: ChatRow, rows: readonly PartSql[]): readonly OutboxPart[] => rows.map((row) => partOfRow(chat.key, row));

/** A part has its end: what that means for its chat and for the cron run it came from. */
export function settled(engine: Engine, chat: ChatRow, part: Pick<PartSql, "id" | "run_id">, status: PartStatus): void {
  chat.unsettled -= 1;
  if (chat.sending === part.id) chat.sending = null;
  engine.changed(chat, "delivery");
  if (part.run_id !== null) noteOfRun(engine, part.run_id, { unsettled: -1, undelivered: status === "sent" ? 0 : 1 });
}

/** What became of a part changes how its cron run was delivered. */
export function noteOfRun(engine: Engine, runId: string, by: { readonly unsettled: number; readonly undelivered: number }): void {
  const run = engine.get<{ unsettled: number; undelivered: number }>(
    "UPDATE runs SET unsettled = max(0, unsettled + ?), undelivered = max(0, undelivered + ?) WHERE run_id = ? RETURNING unsettled, undelivered",
    by.unsettled,
    by.undelivered,
    runId,
  );
  if (!run) return;
  const delivery: RunDelivery = run.unsettled > 0 ? "waiting" : run.undelivered > 0 ? "failed" : "delivered";
  engine.run("UPDATE runs SET delivery = ? WHERE run_id = ?", delivery, runId);
}

/** Takes a part out of the log of its chat. */
export function unlink(engine: Engine, chat: ChatRow, part: Pick<PartSql, "id" | "prev">): void {
  if (chat.outbox === part.id) {
    chat.outbox = part.prev;
    engine.changed(chat, "delivery");
  } else {
    // The next part of the chat now follows the one before.
    const [next] = chain<PartSql>(engine, "outbox", { chatId: chat.id, head: chat.outbox, above: part.id, limit: 1, keep: "oldest" });
    if (next?.prev === part.id) engine.run("UPDATE outbox SET prev = ? WHERE id = ?", part.prev, next.id);
  }
  engine.run("DELETE FROM outbox WHERE id = ?", part.id);
  engine.keepIds();
}
