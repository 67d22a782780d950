/**
 * The `memory` store: the operations of the sqlite store on a database in memory, in this thread. Nothing outlives the process; within
 * it, it is exact, and deterministic enough for the simulator.
 */
import { TransientError } from "../core/errors.ts";
import type { Store } from "../ports/store/store.ts";
import { openDatabase, type Database } from "./sqlite/driver.ts";
import { createEngine, type Engine } from "./sqlite/engine.ts";
import { createOperations, type Operations } from "./sqlite/operations.ts";
import { fromWire, toWire } from "./sqlite/protocol.ts";
import { migrate } from "./sqlite/schema.ts";

export interface MemoryStoreOptions {
  /** Awaited before a call is applied; throwing refuses it. */
  readonly before?: (call: string) => void | Promise<void>;
  /** Awaited after a call has been applied, before its caller hears of it. */
  readonly after?: (call: string) => void | Promise<void>;
}

export interface MemoryStore extends Store {
  /** The process that used the store is gone: its calls under way are never applied nor answered. The store can be started again. */
  readonly crash: () => void;
}

type Tables = Operations["write"] & Operations["read"];

export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  let db: Database | undefined;
  let engine: Engine | undefined;
  let tables: Tables | undefined;
  let life = 0;
  let isOpen = false;

  const apply = (name: keyof Tables, args: readonly unknown[]): unknown => {
    if (!isOpen || !db || !engine || !tables) throw new TransientError("STORE_UNAVAILABLE", "the store is not open; start it first");
    db.exec("BEGIN");
    try {
      // Rows handed out must be nobody's to change.
      const value = (tables[name] as (...given: readonly unknown[]) => unknown)(...args);
      engine.flush();
      db.exec("COMMIT");
      return structuredClone(value);
    } catch (error) {
      engine.forget();
      db.exec("ROLLBACK");
      throw fromWire(toWire(error));
    }
  };

  const call = <Name extends keyof Tables>(name: Name) =>
    (async (...args: readonly unknown[]) => {
      const born = life;
      const isGone = (): boolean => life !== born;
      if (options.before) await options.before(name);
      if (isGone()) return NEVER;
      const value = apply(name, args);
      if (options.after) await options.after(name);
      return isGone() ? NEVER : value;
    }) as unknown as Tables[Name] extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never;

  return {
    kind: "memory",
    location: "memory:",
    start: async () => {
      if (!db) {
        db = await openDatabase(":memory:");
        migrate(db);
        engine = createEngine(db);
        const operations = createOperations(engine);
        tables = { ...operations.write, ...operations.read };
      }
      isOpen = true;
    },
    stop: async () => {
      isOpen = false;
    },
    crash: () => {
      life += 1;
      isOpen = false;
    },
    ping: call("ping"),
    sweep: call("sweep"),
    inbox: { append: call("inbox.append"), waiting: call("inbox.waiting"), commands: call("inbox.commands") },
    chats: {
      open: call("chats.open"),
      list: call("chats.list"),
      needingWork: call("chats.needingWork"),
      counts: call("chats.counts"),
      park: call("chats.park"),
      command: call("chats.command"),
      reset: call("chats.reset"),
      retry: call("chats.retry"),
      readdress: call("chats.readdress"),
      history: call("chats.history"),
      export: call("chats.export"),
      erase: call("chats.erase"),
    },
    turns: {
      claim: call("turns.claim"),
      journal: call("turns.journal"),
      commit: call("turns.commit"),
      fail: call("turns.fail"),
      ask: call("turns.ask"),
      recover: call("turns.recover"),
      steps: call("turns.steps"),
      list: call("turns.list"),
    },
    outbox: {
      put: call("outbox.put"),
      take: call("outbox.take"),
      settle: call("outbox.settle"),
      expire: call("outbox.expire"),
      list: call("outbox.list"),
      after: call("outbox.after"),
      revive: call("outbox.revive"),
      purge: call("outbox.purge"),
    },
    jobs: {
      put: call("jobs.put"),
      get: call("jobs.get"),
      remove: call("jobs.remove"),
      list: call("jobs.list"),
      due: call("jobs.due"),
      claimInstant: call("jobs.claimInstant"),
      runs: call("jobs.runs"),
      setDelivery: call("jobs.setDelivery"),
    },
    timers: { dueBefore: call("timers.dueBefore") },
    events: { list: call("events.list") },
    kv: { get: call("kv.get"), set: call("kv.set"), remove: call("kv.remove") },
    nodes: { beat: call("nodes.beat"), list: call("nodes.list") },
  };
}

/** What a caller that died waits for. */
const NEVER = new Promise<never>(() => undefined);
