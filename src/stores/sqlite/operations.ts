/** Every operation of the port by its name, as the workers run it: inside a transaction, on their engine. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { EventRecord, StoredTimer } from "../../ports/store/records.ts";
import * as chats from "./chats.ts";
import { json, type Engine } from "./engine.ts";
import * as inbox from "./inbox.ts";
import * as jobs from "./jobs.ts";
import * as outbox from "./outbox.ts";
import { createSweeper } from "./sweep.ts";
import * as turns from "./turns.ts";

interface EventSql {
  readonly revision: number;
  readonly at: number;
  readonly events: string;
  readonly before: string;
  readonly after: string;
}

function timersDueBefore(engine: Engine, beforeMs: number, limit: number): readonly { chat: ChatKey; timer: StoredTimer }[] {
  return engine
    .all<{ key: ChatKey; timers: string }>(
      "SELECT key, timers FROM chats WHERE timer_at < ? ORDER BY timer_at, key LIMIT ?",
      beforeMs,
      limit,
    )
    .flatMap(({ key, timers }) => (json<StoredTimer[]>(timers) ?? []).map((timer) => ({ chat: key, timer })))
    .filter(({ timer }) => timer.dueAtMs < beforeMs)
    .sort((a, b) => a.timer.dueAtMs - b.timer.dueAtMs)
    .slice(0, limit);
}

function eventsOf(engine: Engine, key: ChatKey, from: number, limit: number): readonly EventRecord[] {
  const chat = engine.chat(key);
  if (!chat) return [];
  return engine
    .all<EventSql>("SELECT * FROM events WHERE chat = ? AND revision >= ? ORDER BY revision LIMIT ?", chat.id, from, limit)
    .map((row) => ({
      revision: row.revision,
      atMs: row.at,
      events: JSON.parse(row.events) as EventRecord["events"],
      stateBefore: row.before,
      stateAfter: row.after,
    }));
}

/** `read` runs on the read-only worker; all others are writes. */
export function createOperations(engine: Engine) {
  const sweeper = createSweeper(engine);
  type Bound<F> = F extends (engine: Engine, ...args: infer A) => infer R ? (...args: A) => R : never;
  const bind = <F extends (engine: Engine, ...args: never[]) => unknown>(operation: F): Bound<F> =>
    ((...args: never[]) => operation(engine, ...args)) as Bound<F>;
  return {
    write: {
      "inbox.append": bind(inbox.append),
      "chats.park": bind(chats.park),
      "chats.command": bind(chats.command),
      "chats.reset": bind(chats.reset),
      "chats.retry": bind(chats.retry),
      "chats.readdress": bind(chats.readdress),
      "chats.erase": bind(chats.erase),
      "turns.claim": bind(turns.claim),
      "turns.journal": bind(turns.journal),
      "turns.commit": bind(turns.commit),
      "turns.fail": bind(turns.fail),
      "turns.ask": bind(turns.ask),
      "turns.recover": bind(turns.recover),
      "outbox.put": bind(outbox.put),
      "outbox.take": bind(outbox.take),
      "outbox.settle": bind(outbox.settle),
      "outbox.expire": bind(outbox.expire),
      "outbox.revive": bind(outbox.revive),
      "outbox.purge": bind(outbox.purge),
      "jobs.put": bind(jobs.put),
      "jobs.remove": bind(jobs.remove),
      "jobs.claimInstant": bind(jobs.claimInstant),
      "jobs.setDelivery": bind(jobs.setDelivery),
      "kv.set": (namespace: string, cell: string, value: unknown): void => {
        engine.run("INSERT OR REPLACE INTO kv (namespace, cell, value) VALUES (?, ?, ?)", namespace, cell, JSON.stringify(value ?? null));
      },
      "kv.remove": (namespace: string, cell: string): void => {
        engine.run("DELETE FROM kv WHERE namespace = ? AND cell = ?", namespace, cell);
      },
      "nodes.beat": (node: string, atMs: number): void => {
        engine.run("INSERT OR REPLACE INTO nodes (node, seen_at) VALUES (?, ?)", node, atMs);
      },
      ping: (): void => {
        engine.run("INSERT OR REPLACE INTO kv (namespace, cell, value) VALUES ('store', 'ping', '1')");
      },
      sweep: sweeper.sweep,
    },
    read: {
      "inbox.waiting": bind(inbox.waiting),
      "inbox.commands": bind(inbox.commands),
      "chats.open": bind(chats.open),
      "chats.list": bind(chats.list),
      "chats.needingWork": bind(chats.needingWork),
      "chats.counts": bind(chats.counts),
      "chats.history": bind(chats.history),
      "chats.export": bind(chats.exportChat),
      "turns.steps": bind(turns.steps),
      "turns.list": bind(turns.list),
      "outbox.list": bind(outbox.list),
      "outbox.after": bind(outbox.after),
      "jobs.get": bind(jobs.get),
      "jobs.list": bind(jobs.list),
      "jobs.due": bind(jobs.due),
      "jobs.runs": bind(jobs.runs),
      "timers.dueBefore": bind(timersDueBefore),
      "events.list": bind(eventsOf),
      "kv.get": (namespace: string, cell: string): unknown =>
        json(engine.get<{ value: string }>("SELECT value FROM kv WHERE namespace = ? AND cell = ?", namespace, cell)?.value),
      "nodes.list": () =>
        engine
          .all<{ node: string; seen_at: number }>("SELECT * FROM nodes ORDER BY node")
          .map((row) => ({ node: row.node, seenAtMs: row.seen_at })),
    },
  };
}

export type Operations = ReturnType<typeof createOperations>;
export type WriteName = keyof Operations["write"];
export type ReadName = keyof Operations["read"];
