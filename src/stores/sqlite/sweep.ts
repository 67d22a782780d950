import type { Retention } from "../../ports/store/store.ts";
import type { Engine } from "./engine.ts";

/** Chats looked at by one call, and update keys. */
const CHATS_A_CALL = 200;
const UPDATES_A_CALL = 2_000;

/** Goes round over chats and update keys, a bounded number a call, and starts again when it has seen them all. */
export interface Sweeper {
  readonly sweep: (retention: Retention) => boolean;
}

export function createSweeper(engine: Engine): Sweeper {
  let chatId = 0;
  let update = { scope: "", external_id: "" };

  const sweepChats = (retention: Retention): boolean => {
    const chats = engine.all<{ id: number }>("SELECT id FROM chats WHERE id > ? ORDER BY id LIMIT ?", chatId, CHATS_A_CALL);
    for (const { id } of chats) {
      engine.run("DELETE FROM events WHERE chat = ? AND at < ?", id, retention.eventsBeforeMs);
      engine.run("DELETE FROM inbox WHERE chat = ? AND received_at < ? AND status <> 'waiting'", id, retention.inboxBeforeMs);
      engine.run("DELETE FROM history WHERE chat = ? AND at < ?", id, retention.historyBeforeMs);
      engine.run(
        "DELETE FROM outbox WHERE id >= ? AND id < ? AND created_at < ? AND status IN ('sent', 'expired', 'dead')",
        id * 100_000_000,
        (id + 1) * 100_000_000,
        retention.outboxBeforeMs,
      );
      engine.run(
        "DELETE FROM journal WHERE chat = ? AND turn_id IN (SELECT turn_id FROM turns WHERE chat = ? AND ended_at < ?)",
        id,
        id,
        retention.inboxBeforeMs,
      );
      engine.run("DELETE FROM turns WHERE chat = ? AND ended_at < ?", id, retention.inboxBeforeMs);
    }
    chatId = chats.at(-1)?.id ?? 0;
    return chats.length === CHATS_A_CALL;
  };

  const sweepUpdates = (beforeMs: number): boolean => {
    const updates = engine.all<{ scope: string; external_id: string; at: number }>(
      "SELECT scope, external_id, at FROM dedupe WHERE (scope, external_id) > (?, ?) ORDER BY scope, external_id LIMIT ?",
      update.scope,
      update.external_id,
      UPDATES_A_CALL,
    );
    for (const one of updates)
      if (one.at < beforeMs) engine.run("DELETE FROM dedupe WHERE scope = ? AND external_id = ?", one.scope, one.external_id);
    update = updates.length === UPDATES_A_CALL ? updates.at(-1)! : { scope: "", external_id: "" };
    return updates.length === UPDATES_A_CALL;
  };

  return {
    sweep: (retention) => {
      engine.run("DELETE FROM runs WHERE ended_at < ?", retention.inboxBeforeMs);
      const hasMoreChats = sweepChats(retention);
      const hasMoreUpdates = sweepUpdates(retention.dedupeBeforeMs);
      return hasMoreChats || hasMoreUpdates;
    },
  };
}
