/**
 * The `memory` store: every promise of the port but durability. Default of `createEventLoop`, and the disk of the simulator, which
 * crashes the runtime over it and starts the next one on the same object.
 */
import type { FailCommit, Store, TurnCommit } from "../../ports/store/store.ts";
import type { EventRecord } from "../../ports/store/records.ts";
import type { ChatKey } from "../../core/chat-key.ts";
import { createCalls, type Hooks } from "./calls.ts";
import * as chats from "./chats.ts";
import { byText, createDisk, revisionOf, type Disk } from "./disk.ts";
import * as inbox from "./inbox.ts";
import * as jobs from "./jobs.ts";
import { placeFrom } from "./ordered.ts";
import * as outbox from "./outbox.ts";
import { createSweeper } from "./sweep.ts";
import * as turns from "./turns.ts";

export interface MemoryStore extends Store {
  /**
   * The process dies: calls under way never resolve, nor apply if they have not; what has applied stays.
   * Until the next `start` all calls are swallowed the same way.
   */
  readonly crash: () => void;
}

/** Hooks run around every call but `start` and `stop`; a call is named like `"turns.commit"`. */
export type MemoryOptions = Hooks;

const ofChat = (chat: ChatKey): readonly string[] => [chat];
const ofCommit = ({ chat }: { readonly chat: ChatKey }): readonly string[] => [chat];
/** Also the chats that hear of a cron run. */
const ofTurnEnd = ({ chat, run }: TurnCommit | FailCommit): readonly string[] => {
  const targets = run === undefined ? [] : "targets" in run ? run.targets : [...run.notice, ...run.alert];
  return targets.length === 0 ? [chat] : [...new Set([chat, ...targets.map((target) => target.chat)])];
};
const ofJob = (id: string): string => `job ${id}`;
const ofCell = (namespace: string): readonly string[] => [`cells ${namespace}`];
const nowhere = (): readonly string[] => [];

/** A store that lives as long as its object. It must be started; `stop` keeps the rows for the next `start`. */
export function createMemoryStore(options: MemoryOptions = {}): MemoryStore {
  const disk = createDisk();
  const calls = createCalls(options);
  const sweep = createSweeper(disk);
  /** A write: calls whose first argument leads to a common lane keep their order. */
  const write =
    <First, Rest extends readonly unknown[], R>(
      name: string,
      lanesOf: (first: NoInfer<First>) => readonly string[],
      operation: (disk: Disk, first: First, ...rest: Rest) => R,
    ) =>
    (first: First, ...rest: Rest): Promise<R> =>
      calls.run(
        name,
        () => lanesOf(first),
        () => operation(disk, first, ...rest),
      );
  const read =
    <A extends readonly unknown[], R>(name: string, operation: (disk: Disk, ...args: A) => R) =>
    (...args: A): Promise<R> =>
      calls.run(name, nowhere, () => operation(disk, ...args));
  const ofPart = (id: string): readonly string[] => [outbox.chatOfPart(disk, id)?.key ?? ""];

  return {
    kind: "memory",
    location: "memory:",
    start: async () => calls.open(),
    stop: calls.close,
    crash: calls.crash,
    ping: read("ping", () => undefined),
    sweep: read("sweep", (_disk, retention: Parameters<Store["sweep"]>[0]) => sweep(retention)),
    inbox: {
      append: write("inbox.append", (requests) => requests.map((request) => request.chat), inbox.append),
      waiting: read("inbox.waiting", inbox.waiting),
      commands: read("inbox.commands", inbox.commands),
    },
    chats: {
      open: read("chats.open", chats.open),
      list: read("chats.list", chats.list),
      needingWork: read("chats.needingWork", chats.needingWork),
      counts: read("chats.counts", chats.counts),
      park: write("chats.park", ofChat, chats.park),
      command: write("chats.command", ofCommit, chats.command),
      reset: write("chats.reset", ofChat, chats.reset),
      retry: write("chats.retry", ofChat, chats.retry),
      move: write("chats.move", ({ from, to }) => [from, to], chats.move),
      aliases: read("chats.aliases", chats.aliases),
      history: read("chats.history", chats.history),
      trim: write("chats.trim", ofChat, chats.trim),
      export: read("chats.export", chats.exportChat),
      erase: write("chats.erase", ofChat, chats.erase),
    },
    turns: {
      claim: write("turns.claim", ofCommit, turns.claim),
      journal: write("turns.journal", ofChat, turns.journal),
      commit: write("turns.commit", ofTurnEnd, turns.commit),
      fail: write("turns.fail", ofTurnEnd, turns.fail),
      ask: write("turns.ask", ofCommit, turns.ask),
      recover: read("turns.recover", turns.recover),
      steps: read("turns.steps", turns.steps),
      list: read("turns.list", turns.list),
    },
    outbox: {
      put: write("outbox.put", ofChat, outbox.put),
      draft: write("outbox.draft", ofCommit, turns.draft),
      receive: write("outbox.receive", (receipts) => receipts.map(({ chat }) => chat), outbox.receive),
      take: write("outbox.take", ofChat, outbox.take),
      settle: write("outbox.settle", ofCommit, outbox.settle),
      expire: write("outbox.expire", ofChat, outbox.expire),
      list: read("outbox.list", outbox.list),
      newest: read("outbox.newest", outbox.newest),
      after: read("outbox.after", outbox.after),
      revive: write("outbox.revive", ofPart, outbox.revive),
      purge: write("outbox.purge", ofPart, outbox.purge),
    },
    jobs: {
      put: write("jobs.put", (job) => [ofJob(job.id)], jobs.put),
      get: read("jobs.get", jobs.get),
      remove: write("jobs.remove", (id) => [ofJob(id)], jobs.remove),
      list: read("jobs.list", jobs.list),
      due: read("jobs.due", jobs.due),
      advance: write("jobs.advance", ({ jobId }) => [ofJob(jobId)], jobs.advance),
      claimInstant: write("jobs.claimInstant", ({ jobId, append }) => [ofJob(jobId), append.chat], jobs.claimInstant),
      runs: read("jobs.runs", jobs.runs),
      policy: read("jobs.policy", jobs.policy),
      newestRuns: read("jobs.newestRuns", jobs.newestRuns),
      underWay: read("jobs.underWay", jobs.underWay),
    },
    timers: { dueBefore: read("timers.dueBefore", chats.timersDueBefore) },
    events: { list: read("events.list", listEvents) },
    kv: {
      get: read("kv.get", getCell),
      set: write("kv.set", ofCell, setCell),
      remove: write("kv.remove", ofCell, (held, namespace: string, cell: string) => void held.kv.get(namespace)?.delete(cell)),
    },
    nodes: {
      beat: read("nodes.beat", (held, node: string, atMs: number) => void held.nodes.set(node, atMs)),
      list: read("nodes.list", ({ nodes }) =>
        [...nodes].map(([node, seenAtMs]) => ({ node, seenAtMs })).sort((a, b) => byText(a.node, b.node)),
      ),
    },
  };
}

function listEvents(disk: Disk, key: ChatKey, from: number, limit: number): readonly EventRecord[] {
  const events = disk.chats.get(key)?.events ?? [];
  const first = placeFrom(events, from, revisionOf);
  return events.slice(first, first + limit).map((event) => ({ ...event, events: [...event.events] }));
}

/** Cells are kept as JSON text, so that what is read is never what was written. */
function getCell(disk: Disk, namespace: string, cell: string): unknown {
  const text = disk.kv.get(namespace)?.get(cell);
  return text === undefined ? undefined : JSON.parse(text);
}

function setCell(disk: Disk, namespace: string, cell: string, value: unknown): void {
  const text = JSON.stringify(value ?? null);
  const cells = disk.kv.get(namespace) ?? new Map<string, string>();
  cells.set(cell, text);
  disk.kv.set(namespace, cells);
}
