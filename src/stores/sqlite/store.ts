/**
 * The `sqlite` store: one writer worker and one read-only worker, so the main loop never waits on a disk and lists never wait on
 * commits. Calls of many chats become one transaction with one sync.
 */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { invariant } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { RunTarget } from "../../ports/store/job-store.ts";
import type { AppendRequest, FailCommit, Store, TurnCommit } from "../../ports/store/store.ts";
import { createBatcher, type Batcher, type CallOptions } from "./batcher.ts";
import { connectReader } from "./connection.ts";
import { createEngine } from "./engine.ts";
import { faultOf, openFaultOf } from "./faults.ts";
import { acquire, type Ownership } from "./lock.ts";
import { createOperations, type Operations, type PackedName, type ReadName, type WriteName } from "./operations.ts";
import { startThread, type StartThread } from "./thread.ts";
import { packAppend, packCommit, packSettle, unpackAppend, unpackCommit, unpackSettle } from "./wire.ts";

export interface SqliteStoreOptions {
  /** Path of the database; its folder is made when it is missing, for this user alone. */
  readonly file: string;
  readonly clock: Clock;
  /** How worker threads come to be; for tests. */
  readonly startThread?: StartThread;
}

type Writes = Operations["write"] & Operations["packed"];
type Call<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;

const ofJob = (id: string): string => `job ${id}`;
/** Keys of what is not a chat's. */
const CELLS = ["cells"] as const;
const OVERHEAD_BYTES = 256;

/** A durable store in one file, owned by one process. Writes reject with TransientError STORE_UNAVAILABLE while the disk or a worker is gone, and go on by themselves. */
export function createSqliteStore({ file, clock, startThread: start = startThread }: SqliteStoreOptions): Store {
  const writer = createBatcher({ data: { role: "writer", file }, clock, startThread: start });
  const reader = createBatcher({ data: { role: "reader", file }, clock, startThread: start });
  let owned: Ownership | undefined;

  return {
    kind: "sqlite",
    location: `sqlite:${file}`,
    start: async () => {
      if (owned) return;
      makeFile(file);
      const lock = await acquire(file);
      try {
        reader.load();
        await writer.start();
        await reader.start();
      } catch (error) {
        await reader.stop();
        await writer.stop();
        lock.release();
        throw error;
      }
      owned = lock;
    },
    stop: async () => {
      // The writer is the last to close the file, so that it can tidy it.
      await reader.stop();
      await writer.stop();
      owned?.release();
      owned = undefined;
    },
    ...modulesOf(writer, reader),
  };
}

function modulesOf(writer: Batcher, reader: Batcher): Omit<Store, "kind" | "location" | "start" | "stop"> {
  const send = <Name extends WriteName | PackedName>(
    name: Name,
    args: Parameters<Writes[Name]>,
    options?: CallOptions,
  ): Promise<ReturnType<Writes[Name]>> => writer.call([name, args], options) as Promise<ReturnType<Writes[Name]>>;
  /** A write about the chat that its first argument is or names. */
  const ofChat = <Name extends WriteName>(name: Name, options: CallOptions = {}): Call<Operations["write"][Name]> =>
    ((...args: unknown[]) => writer.call([name, args], { ...options, keys: [keyOf(args[0])] })) as Call<Operations["write"][Name]>;
  const write = <Name extends WriteName>(name: Name, keys: readonly string[] = []): Call<Operations["write"][Name]> =>
    ((...args: unknown[]) => writer.call([name, args], { keys })) as Call<Operations["write"][Name]>;
  /** A list: what is committed now. */
  const read = <Name extends ReadName>(name: Name): Call<Operations["read"][Name]> =>
    ((...args: unknown[]) => reader.call([name, args])) as Call<Operations["read"][Name]>;
  /** Sees the writes on the same key that were called before it. */
  const readAfter = <Name extends ReadName>(name: Name, key?: string): Call<Operations["read"][Name]> =>
    (async (...args: unknown[]) => {
      await writer.quiet(key ?? keyOf(args[0]));
      return reader.call([name, args]);
    }) as Call<Operations["read"][Name]>;

  const readJob = async <Name extends "jobs.get" | "jobs.runs">(
    name: Name,
    args: Parameters<Operations["read"][Name]>,
    id: string,
  ): Promise<ReturnType<Operations["read"][Name]>> => {
    await writer.quiet(ofJob(id));
    return reader.call([name, args]) as Promise<ReturnType<Operations["read"][Name]>>;
  };

  return {
    ping: write("ping"),
    sweep: write("sweep"),
    inbox: {
      append: async (requests) => {
        const answers = await send("append", [requests.map(packAppend)], {
          keys: keysOf(requests),
          bytes: bytesOfAppends(requests),
          mayOvertake: true,
        });
        return requests.map((request, place) => unpackAppend(request, answers[place]));
      },
      waiting: readAfter("inbox.waiting"),
      commands: readAfter("inbox.commands"),
    },
    chats: {
      open: readAfter("chats.open"),
      list: read("chats.list"),
      needingWork: read("chats.needingWork"),
      counts: read("chats.counts"),
      park: ofChat("chats.park"),
      command: ofChat("chats.command"),
      reset: ofChat("chats.reset"),
      retry: ofChat("chats.retry"),
      move: (move) => send("chats.move", [move], { keys: [move.from, move.to] }),
      aliases: read("chats.aliases"),
      history: readAfter("chats.history"),
      trim: ofChat("chats.trim"),
      export: readAfter("chats.export"),
      erase: ofChat("chats.erase"),
    },
    turns: {
      claim: ofChat("turns.claim", { mayOvertake: true }),
      journal: ofChat("turns.journal", { mayOvertake: true }),
      commit: async (commit) =>
        unpackCommit(commit, await send("commit", [packCommit(commit)], { keys: commitKeys(commit), bytes: bytesOfCommit(commit) })),
      fail: (commit) => send("turns.fail", [commit], { keys: failKeys(commit) }),
      ask: ofChat("turns.ask"),
      recover: write("turns.recover"),
      steps: readAfter("turns.steps"),
      list: readAfter("turns.list"),
    },
    outbox: {
      put: ofChat("outbox.put"),
      draft: ofChat("outbox.draft"),
      receive: (receipts) => send("outbox.receive", [receipts], { keys: [...new Set(receipts.map(({ chat }) => chat))] }),
      take: ofChat("outbox.take"),
      settle: async (settle, next) =>
        unpackSettle(await send("settle", [packSettle(settle, next)], { keys: [settle.chat], isLazy: settle.lazy })),
      expire: ofChat("outbox.expire"),
      list: (filter, page) =>
        (filter.chat === undefined ? reader.call(["outbox.list", [filter, page]]) : readParts(writer, reader, filter, page)) as ReturnType<
          Store["outbox"]["list"]
        >,
      newest: readAfter("outbox.newest"),
      after: readAfter("outbox.after"),
      revive: write("outbox.revive"),
      purge: write("outbox.purge"),
    },
    jobs: {
      put: (job, options) => send("jobs.put", [job, options], { keys: [ofJob(job.id)] }),
      get: (id) => readJob("jobs.get", [id], id),
      remove: (id) => send("jobs.remove", [id], { keys: [ofJob(id)] }),
      list: read("jobs.list"),
      due: read("jobs.due"),
      advance: (move) => send("jobs.advance", [move], { keys: [ofJob(move.jobId)] }),
      claimInstant: (claim) => send("jobs.claimInstant", [claim], { keys: [ofJob(claim.jobId), claim.append.chat], mayOvertake: true }),
      runs: (id, page) => readJob("jobs.runs", [id, page], id),
      policy: read("jobs.policy"),
      newestRuns: read("jobs.newestRuns"),
      underWay: read("jobs.underWay"),
    },
    timers: { dueBefore: read("timers.dueBefore") },
    events: { list: readAfter("events.list") },
    kv: { get: readAfter("kv.get", "cells"), set: write("kv.set", CELLS), remove: write("kv.remove", CELLS) },
    nodes: { beat: write("nodes.beat"), list: read("nodes.list") },
  };
}

async function readParts(writer: Batcher, reader: Batcher, ...args: Parameters<Store["outbox"]["list"]>): Promise<unknown> {
  await writer.quiet(args[0].chat ?? "");
  return reader.call(["outbox.list", args]);
}

/** The chat that an argument is or names. */
function keyOf(argument: unknown): string {
  const key = typeof argument === "string" ? argument : (argument as { readonly chat?: unknown }).chat;
  invariant(typeof key === "string", "a call about a chat names it first");
  return key;
}

function keysOf(requests: readonly AppendRequest[]): readonly string[] {
  const [only] = requests;
  return only && requests.length === 1 ? [only.chat] : [...new Set(requests.map((request) => request.chat))];
}

/** Also the chats that hear of a cron run. */
const commitKeys = ({ chat, run }: TurnCommit): readonly string[] => (run ? keysWith(chat, run.targets) : [chat]);
const failKeys = ({ chat, run }: FailCommit): readonly string[] => (run ? keysWith(chat, [...run.notice, ...run.alert]) : [chat]);
const keysWith = (chat: string, targets: readonly RunTarget[]): readonly string[] => [
  ...new Set([chat, ...targets.map((target) => target.chat)]),
];

/** Roughly what an item takes; files carry no bytes. */
const bytesOfContent = (content: AppendRequest["content"]): number =>
  content.reduce((bytes, item) => bytes + (item.type === "text" ? item.text.length : OVERHEAD_BYTES), 0);

function bytesOfAppends(requests: readonly AppendRequest[]): number {
  return requests.reduce((bytes, request) => bytes + OVERHEAD_BYTES + bytesOfContent(request.content), 0);
}

function bytesOfCommit(commit: TurnCommit): number {
  const replies = commit.parts.reduce((bytes, part) => bytes + bytesOfContent(part), 0);
  return 4 * OVERHEAD_BYTES + replies + commit.history.reduce((bytes, entry) => bytes + bytesOfContent(entry.content), 0);
}

/** Not by `recursive`: where a folder cannot exist (under /proc, on a missing drive) Node 20 would try for ever. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  mkdirSync(folder, { mode: 0o700 });
}

/** For its owner's eyes only. */
function makeFile(file: string): void {
  try {
    makeFolder(dirname(file));
    closeSync(openSync(file, "a", 0o600));
    chmodSync(file, 0o600);
  } catch (cause) {
    throw openFaultOf(file, cause);
  }
}

/** The reading side of a store. */
export interface SqliteReader {
  readonly inbox: Pick<Store["inbox"], "waiting" | "commands">;
  readonly chats: Pick<Store["chats"], "open" | "list" | "needingWork" | "counts" | "history" | "export">;
  readonly turns: Pick<Store["turns"], "steps" | "list">;
  readonly outbox: Pick<Store["outbox"], "list" | "newest" | "after">;
  readonly jobs: Pick<Store["jobs"], "get" | "list" | "due" | "runs" | "newestRuns" | "underWay">;
  readonly timers: Store["timers"];
  readonly events: Store["events"];
  readonly kv: Pick<Store["kv"], "get">;
  readonly close: () => Promise<void>;
}

/**
 * Opens a store for reading, in this thread and without its lock; what a running daemon commits meanwhile is seen.
 * @throws ConfigError STORE_UNREADABLE when there is none or it is damaged, STORE_NEWER
 */
export async function openSqliteReader({ file }: { readonly file: string }): Promise<SqliteReader> {
  const db = await connectReader(file);
  const engine = createEngine(db);
  const operations = createOperations(engine).read;
  const read = <Name extends ReadName>(name: Name): Call<Operations["read"][Name]> =>
    (async (...args: never[]) => {
      engine.forget();
      try {
        return (operations[name] as (...given: never[]) => unknown)(...args);
      } catch (error) {
        throw faultOf(error);
      }
    }) as Call<Operations["read"][Name]>;
  return {
    inbox: { waiting: read("inbox.waiting"), commands: read("inbox.commands") },
    chats: {
      open: read("chats.open"),
      list: read("chats.list"),
      needingWork: read("chats.needingWork"),
      counts: read("chats.counts"),
      history: read("chats.history"),
      export: read("chats.export"),
    },
    turns: { steps: read("turns.steps"), list: read("turns.list") },
    outbox: { list: read("outbox.list"), newest: read("outbox.newest"), after: read("outbox.after") },
    jobs: {
      get: read("jobs.get"),
      list: read("jobs.list"),
      due: read("jobs.due"),
      runs: read("jobs.runs"),
      newestRuns: read("jobs.newestRuns"),
      underWay: read("jobs.underWay"),
    },
    timers: { dueBefore: read("timers.dueBefore") },
    events: { list: read("events.list") },
    kv: { get: read("kv.get") },
    close: async () => db.close(),
  };
}
