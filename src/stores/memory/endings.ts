/** How rows and turns end: each once. */
import type { Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { InboxStatus } from "../../ports/store/records.ts";
import { seqOf, type Chat, type Disk, type Row, type Turn } from "./disk.ts";
import { interruptDraft } from "./drafts.ts";
import { removeOrdered } from "./ordered.ts";
import { abandonRun } from "./runs.ts";

/** False when the row had ended before. */
export function endRow(chat: Chat, row: Row, status: Exclude<InboxStatus, "waiting">, turnId: string | undefined): boolean {
  if (row.status !== "waiting") return false;
  row.status = status;
  row.turnId = turnId;
  removeOrdered(row.kind === "message" ? chat.waiting : chat.commands, row, seqOf);
  return true;
}

/** Ends the open turn, if any, and lets go of the rows that it still held. */
export function closeTurn(
  chat: Chat,
  ...[status, atMs, error, draft]: readonly [
    status: "done" | "stopped" | "failed",
    atMs: number,
    error: ErrorNote | undefined,
    draft?: Content | undefined,
  ]
): Turn | undefined {
  const turn = chat.openTurn;
  if (!turn) return undefined;
  if (status !== "done") interruptDraft(chat, turn.turnId, draft);
  turn.status = status;
  turn.endedAtMs = atMs;
  turn.error = error && { ...error };
  chat.openTurn = undefined;
  for (const row of turn.rows) if (row.status === "waiting") row.turnId = undefined;
  return turn;
}

/** Drops rows; a cron run whose row goes can no longer succeed. */
export function dropRows(disk: Disk, chat: Chat, rows: readonly Row[], atMs: number): number {
  for (const row of rows) {
    endRow(chat, row, "dropped", undefined);
    abandonRun(disk, row.runId, atMs);
  }
  return rows.length;
}
