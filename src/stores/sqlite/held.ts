/** The rows that the open turn of a chat holds: `held` in their table, named by the turn, and in no index. */
import type { TurnClass } from "../../core/turn-class.ts";
import type { ChatRow, StoredTurn } from "./chat-row.ts";
import type { Engine } from "./engine.ts";
import type { InboxSql } from "./rows.ts";

interface Hold {
  readonly turnId: string;
  readonly isSuspect: boolean;
  readonly atMs: number;
  readonly class: TurnClass;
  readonly rows: StoredTurn["rows"];
  readonly runId: string | null;
}

/** Opens a turn over rows that are `held` already. */
export function holdRows(engine: Engine, chat: ChatRow, hold: Hold): StoredTurn {
  chat.fence += 1;
  chat.open = {
    id: hold.turnId,
    status: "started",
    attempt: 1,
    failures: 0,
    suspect: hold.isSuspect,
    startedAtMs: hold.atMs,
    class: hold.class,
    rows: hold.rows,
    runId: hold.runId,
    steps: 0,
    error: null,
  };
  engine.changed(chat, "intake");
  return chat.open;
}

/** The rows of the open turn, in its order. */
export function heldRows(engine: Pick<Engine, "get">, chat: ChatRow): readonly InboxSql[] {
  return (chat.open?.rows ?? []).flatMap(([, id]) => {
    const row = engine.get<InboxSql>("SELECT * FROM inbox WHERE id = ? AND chat = ? AND status = 'held'", id, chat.id);
    return row ? [row] : [];
  });
}

/** Ends the rows of a turn; `waiting` frees a row for another. */
export function endHeld(
  engine: Engine,
  chat: ChatRow,
  open: StoredTurn,
  statusOf: (seq: number) => "consumed" | "skipped" | "failed" | "dropped" | "waiting",
): number {
  let ended = 0;
  for (const [seq, id] of open.rows) {
    const status = statusOf(seq);
    if (status === "waiting" || status === "dropped") engine.run("UPDATE inbox SET status = ?, turn_id = NULL WHERE id = ?", status, id);
    else engine.run("UPDATE inbox SET status = ? WHERE id = ?", status, id);
    if (status !== "waiting") ended += 1;
  }
  chat.waiting -= ended;
  engine.changed(chat, "intake");
  return ended;
}
