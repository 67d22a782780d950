/** How rows, turns and runs end: each once. */
import type { Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { InboxStatus, RunDelivery, RunStatus } from "../../ports/store/records.ts";
import { seqOf, type Chat, type Disk, type Row, type Turn } from "./disk.ts";
import { interruptDraft } from "./drafts.ts";
import { removeOrdered } from "./ordered.ts";

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

export function endRun(
  disk: Disk,
  runId: string,
  end: { readonly status: RunStatus; readonly delivery: RunDelivery; readonly atMs: number; readonly error: ErrorNote | undefined },
): void {
  const run = disk.runs.get(runId);
  if (!run) return;
  run.status = end.status;
  run.delivery = end.delivery;
  run.endedAtMs = end.atMs;
  run.error = end.error && { ...end.error };
}

/** Drops rows; a cron run whose row goes can no longer succeed. */
export function dropRows(disk: Disk, chat: Chat, rows: readonly Row[], atMs: number): number {
  for (const row of rows) {
    endRow(chat, row, "dropped", undefined);
    abandonRun(disk, row.runId, atMs);
  }
  return rows.length;
}

/** Ends a run whose row ended without a turn's result. */
export function abandonRun(disk: Disk, runId: string | undefined, atMs: number): void {
  if (runId === undefined) return;
  endRun(disk, runId, {
    status: "failed",
    delivery: "none",
    atMs,
    error: { code: "TURN_ABORTED", message: "its message was taken out of the inbox before it was answered" },
  });
}
