/**
 * The `sqlite` store: one writer worker and one read-only worker, so the main loop never waits on a disk and lists never wait on
 * commits. Calls of many chats become one transaction with one sync.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Store } from "../../ports/store/store.ts";
import { createBatcher, type Urgency } from "./batcher.ts";
import { openDatabase } from "./driver.ts";
import { createEngine } from "./engine.ts";
import { lock } from "./lock.ts";
import { createOperations, type Operations, type ReadName } from "./operations.ts";
import { toWire } from "./protocol.ts";

export interface SqliteOptions {
  /** Path of the database; its folder is made when it is missing. */
  readonly file: string;
  readonly clock: Clock;
}

type Caller<Table> = <Name extends keyof Table & string>(
  name: Name,
  urgency?: Urgency,
) => Table[Name] extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never;

/** A durable store in one file, owned by one process. `start` throws ConfigError STORE_LOCKED, STORE_NEWER or STORE_UNREADABLE. */
export function createSqliteStore({ file, clock }: SqliteOptions): Store {
  const writer = createBatcher({ role: "writer", file }, clock);
  const reader = createBatcher({ role: "reader", file }, clock);
  let owned: { readonly release: () => void } | undefined;
  const write: Caller<Operations["write"]> = (name, urgency) => ((...args: unknown[]) => writer.call(name, args, urgency)) as never;
  const read: Caller<Operations["read"]> = (name) => ((...args: unknown[]) => reader.call(name, args)) as never;
  const settle = write("outbox.settle");
  const settleLazily = write("outbox.settle", "lazy");

  return {
    kind: "sqlite",
    location: `sqlite:${file}`,
    start: async () => {
      if (owned) return;
      makeFile(file);
      const held = await lock(file);
      try {
        await writer.start();
        await reader.start();
      } catch (error) {
        await writer.stop();
        held.release();
        throw error;
      }
      owned = held;
    },
    stop: async () => {
      await reader.stop();
      await writer.stop();
      owned?.release();
      owned = undefined;
    },
    ping: write("ping"),
    sweep: write("sweep"),
    inbox: { append: write("inbox.append", "first"), waiting: read("inbox.waiting"), commands: read("inbox.commands") },
    chats: {
      open: read("chats.open"),
      list: read("chats.list"),
      needingWork: read("chats.needingWork"),
      counts: read("chats.counts"),
      park: write("chats.park"),
      command: write("chats.command", "first"),
      reset: write("chats.reset"),
      retry: write("chats.retry"),
      readdress: write("chats.readdress"),
      history: read("chats.history"),
      export: read("chats.export"),
      erase: write("chats.erase"),
    },
    turns: {
      claim: write("turns.claim", "first"),
      journal: write("turns.journal"),
      commit: write("turns.commit"),
      fail: write("turns.fail"),
      ask: write("turns.ask"),
      recover: write("turns.recover"),
      steps: read("turns.steps"),
      list: read("turns.list"),
    },
    outbox: {
      put: write("outbox.put"),
      take: write("outbox.take"),
      settle: (settled, next) => (settled.lazy ? settleLazily(settled, next) : settle(settled, next)),
      expire: write("outbox.expire"),
      list: read("outbox.list"),
      after: read("outbox.after"),
      revive: write("outbox.revive") as Store["outbox"]["revive"],
      purge: write("outbox.purge"),
    },
    jobs: {
      put: write("jobs.put"),
      get: read("jobs.get"),
      remove: write("jobs.remove"),
      list: read("jobs.list"),
      due: read("jobs.due"),
      claimInstant: write("jobs.claimInstant", "first"),
      runs: read("jobs.runs"),
      setDelivery: write("jobs.setDelivery"),
    },
    timers: { dueBefore: read("timers.dueBefore") },
    events: { list: read("events.list") },
    kv: { get: read("kv.get"), set: write("kv.set"), remove: write("kv.remove") },
    nodes: { beat: write("nodes.beat"), list: read("nodes.list") },
  };
}

/** For its owner's eyes only. */
function makeFile(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    closeSync(openSync(file, "a", 0o600));
    chmodSync(file, 0o600);
  } catch (cause) {
    throw new ConfigError(
      "STORE_UNREADABLE",
      `${file} cannot be written (${cause instanceof Error ? cause.message : String(cause)}); name a store in a folder that may be written`,
      {
        path: "store",
        cause,
      },
    );
  }
}

/** The reading side of the store of a daemon that does not run. */
export interface SqliteReader {
  readonly chats: Pick<Store["chats"], "open" | "list" | "counts" | "history">;
  readonly inbox: Pick<Store["inbox"], "waiting">;
  readonly outbox: Pick<Store["outbox"], "list">;
  readonly turns: Pick<Store["turns"], "list" | "steps">;
  readonly events: Store["events"];
  readonly close: () => void;
}

/** Opens a store for reading, in this thread and without its lock. @throws ConfigError STORE_UNREADABLE when there is none */
export async function openSqliteReader({ file }: { readonly file: string }): Promise<SqliteReader> {
  try {
    const db = await openDatabase(file, { readOnly: true });
    const engine = createEngine(db);
    const operations = createOperations(engine).read;
    const read = <Name extends ReadName>(name: Name) =>
      (async (...args: never[]) => {
        engine.forget();
        return (operations[name] as (...given: never[]) => unknown)(...args);
      }) as (...args: Parameters<Operations["read"][Name]>) => Promise<ReturnType<Operations["read"][Name]>>;
    return {
      chats: { open: read("chats.open"), list: read("chats.list"), counts: read("chats.counts"), history: read("chats.history") },
      inbox: { waiting: read("inbox.waiting") },
      outbox: { list: read("outbox.list") },
      turns: { list: read("turns.list"), steps: read("turns.steps") },
      events: { list: read("events.list") },
      close: () => db.close(),
    };
  } catch (cause) {
    throw new ConfigError("STORE_UNREADABLE", `${file} cannot be read: ${toWire(cause).message}`, { path: "store", cause });
  }
}
