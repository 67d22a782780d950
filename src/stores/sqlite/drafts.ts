/**
 * The draft of an open turn: a part that is shown while it grows. At most one a chat, and it is found without a look at the log: the part
 * being sent is named by the chat's row, any other is in the index of parts that wait.
 */
import { interrupted } from "../../core/content.ts";
import type { OutboxPart } from "../../ports/store/records.ts";
import type { DraftRequest } from "../../ports/store/outbox-store.ts";
import type { ChatRow } from "./chat-row.ts";
import type { Engine } from "./engine.ts";
import { WAITING, insertParts, settled, unlink, type Shown } from "./parts.ts";
import { partOfRow, type PartSql } from "./rows.ts";

function draftOf(engine: Engine, chat: ChatRow, turnId: string): PartSql | undefined {
  if (chat.unsettled === 0) return undefined;
  const sending = chat.sending === null ? undefined : engine.get<PartSql>("SELECT * FROM outbox WHERE id = ?", chat.sending);
  if (sending?.draft === 1) return sending.group_id === turnId ? sending : undefined;
  return engine.get<PartSql>(`SELECT * FROM outbox WHERE chat = ? AND ${WAITING} AND status = 'draft' AND group_id = ?`, chat.id, turnId);
}

/** The caller owns the turn. */
export function draft(engine: Engine, chat: ChatRow, { turnId, content, atMs }: DraftRequest): OutboxPart | "busy" {
  const known = draftOf(engine, chat, turnId);
  if (known) return partOfRow(chat.key, known);
  if (chat.unsettled > 0) return "busy";
  const [part] = insertParts(engine, chat, [JSON.stringify(content)], { groupId: turnId, first: "draft", atMs });
  return part ? partOfRow(chat.key, part) : "busy";
}

function forget(engine: Engine, chat: ChatRow, part: PartSql): void {
  settled(engine, chat, part, "dead");
  unlink(engine, chat, part);
}

/** The final reply takes the place of the draft, which is no part any longer. */
export function adoptDraft(engine: Engine, chat: ChatRow, turnId: string): Shown | undefined {
  const part = draftOf(engine, chat, turnId);
  if (!part) return undefined;
  forget(engine, chat, part);
  return { platformId: part.platform_id, isAmbiguous: part.ambiguous === 1 || part.status === "sending" };
}

/** The turn ended without a reply: what the platform shows of it is marked, what it never got is forgotten. */
export function interruptDraft(engine: Engine, chat: ChatRow, turnId: string, content: string | undefined): void {
  const part = draftOf(engine, chat, turnId);
  if (!part) return;
  if (part.status === "draft" && part.platform_id === null && part.ambiguous === 0) return forget(engine, chat, part);
  const text = content ?? JSON.stringify(interrupted(partOfRow(chat.key, part).content));
  const [status, draftNow] = part.status === "sending" ? ["sending", 2] : ["waiting", 0];
  engine.run("UPDATE outbox SET status = ?, draft = ?, content = ? WHERE id = ?", status, draftNow, text, part.id);
}

/** A draft was sent, or refused (`platformId` null). A refused one stays, as a dead part, where an earlier send of it may have arrived. */
export function settleDraft(
  engine: Engine,
  chat: ChatRow,
  {
    id,
    attempt,
    platformId,
    error,
  }: { readonly id: number; readonly attempt: number; readonly platformId: string | null; readonly error: string },
): void {
  const part = engine.get<PartSql>("SELECT * FROM outbox WHERE id = ? AND attempts = ? AND draft > 0", id, attempt);
  if (!part) return;
  if (platformId === null && part.ambiguous === 0) return forget(engine, chat, part);
  if (platformId === null) {
    const groupId = `${part.group_id}.draft`;
    engine.run("UPDATE outbox SET status = 'dead', draft = 0, group_id = ?, error = ? WHERE id = ?", groupId, error, part.id);
    return settled(engine, chat, part, "dead");
  }
  // Its turn ended meanwhile: what it was stored with since is shown by an edit.
  const status = part.draft === 1 ? "draft" : "waiting";
  engine.run("UPDATE outbox SET status = ?, draft = draft % 2, platform_id = ?, error = NULL WHERE id = ?", status, platformId, id);
  chat.sending = null;
  engine.changed(chat, "delivery");
}
