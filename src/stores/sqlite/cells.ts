/** The small modules: timers, key-value cells and nodes. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { StoredTimer } from "../../ports/store/records.ts";
import { json, timersOf } from "./chat-row.ts";
import type { Engine } from "./engine.ts";

export function timersDueBefore(
  engine: Engine,
  beforeMs: number,
  limit: number,
): readonly { readonly chat: ChatKey; readonly timer: StoredTimer }[] {
  return engine
    .all<{ key: ChatKey; timers: string }>(
      "SELECT key, timers FROM chats WHERE timer_at IS NOT NULL AND timer_at < ? ORDER BY timer_at, id LIMIT ?",
      beforeMs,
      limit,
    )
    .flatMap(({ key, timers }) => (timersOf(timers) ?? []).map((timer) => ({ chat: key, timer })))
    .filter(({ timer }) => timer.dueAtMs < beforeMs)
    .sort((a, b) => a.timer.dueAtMs - b.timer.dueAtMs)
    .slice(0, limit);
}

export function getCell(engine: Engine, namespace: string, cell: string): unknown {
  return json(engine.get<{ value: string }>("SELECT value FROM kv WHERE namespace = ? AND cell = ?", namespace, cell)?.value);
}

export function setCell(engine: Engine, namespace: string, cell: string, value: unknown): void {
  engine.run("INSERT OR REPLACE INTO kv (namespace, cell, value) VALUES (?, ?, ?)", namespace, cell, JSON.stringify(value ?? null));
}

export function removeCell(engine: Engine, namespace: string, cell: string): void {
  engine.run("DELETE FROM kv WHERE namespace = ? AND cell = ?", namespace, cell);
}

export function beat(engine: Engine, node: string, atMs: number): void {
  engine.run("INSERT OR REPLACE INTO nodes (node, seen_at) VALUES (?, ?)", node, atMs);
}

export function nodes(engine: Engine): readonly { readonly node: string; readonly seenAtMs: number }[] {
  return engine
    .all<{ node: string; seen_at: number }>("SELECT * FROM nodes ORDER BY node")
    .map((row) => ({ node: row.node, seenAtMs: row.seen_at }));
}

/** A write that changes nothing that anybody reads. */
export function ping(engine: Engine): void {
  engine.run("INSERT INTO counters (name, value) VALUES ('ping', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1");
}
