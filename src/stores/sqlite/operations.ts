/** Every operation of the port by its name, as the workers run it: inside a transaction, on their engine. */
import type { OutboxStore } from "../../ports/store/outbox-store.ts";
import type { AppendRequest, AppendResult, TurnCommit, TurnStore } from "../../ports/store/store.ts";
import * as cells from "./cells.ts";
import * as chats from "./chats.ts";
import type { Engine } from "./engine.ts";
import * as inbox from "./inbox.ts";
import * as jobs from "./jobs.ts";
import * as runs from "./runs.ts";
import * as ledger from "./ledger.ts";
import * as outbox from "./outbox.ts";
import * as receipts from "./receipts.ts";
import { createSweeper } from "./sweep.ts";
import * as turns from "./turns.ts";
import { packAppend, packCommit, packSettle, unpackAppend, unpackCommit, unpackSettle } from "./wire.ts";

type Bound<F> = F extends (engine: Engine, ...args: infer A) => infer R ? (...args: A) => R : never;

/** `read` is for the read-only worker, `write` for the writer; `packed` are the hot ones in the form in which they travel. */
export function createOperations(engine: Engine) {
  const bind = <F extends (engine: Engine, ...args: never[]) => unknown>(operation: F): Bound<F> =>
    ((...args: never[]) => operation(engine, ...args)) as Bound<F>;
  const packed = { append: bind(inbox.append), commit: bind(turns.commit), settle: bind(outbox.settle) };
  type Settle = Parameters<OutboxStore["settle"]>;
  return {
    packed,
    write: {
      "inbox.append": (requests: readonly AppendRequest[]): readonly AppendResult[] => {
        const answers = packed.append(requests.map(packAppend));
        return requests.map((request, place) => unpackAppend(request, answers[place]));
      },
      "chats.park": bind(chats.park),
      "chats.command": bind(chats.command),
      "chats.reset": bind(chats.reset),
      "chats.retry": bind(chats.retry),
      "chats.move": bind(chats.move),
      "chats.trim": bind(ledger.trim),
      "chats.erase": bind(chats.erase),
      "turns.claim": bind(turns.claim),
      "turns.journal": bind(turns.journal),
      "turns.commit": (commit: TurnCommit): Awaited<ReturnType<TurnStore["commit"]>> =>
        unpackCommit(commit, packed.commit(packCommit(commit))),
      "turns.fail": bind(turns.fail),
      "turns.ask": bind(turns.ask),
      "turns.recover": bind(turns.recover),
      "outbox.put": bind(outbox.put),
      "outbox.draft": bind(turns.draft),
      "outbox.receive": bind(receipts.receive),
      "outbox.take": bind(outbox.take),
      "outbox.settle": (settle: Settle[0], next: Settle[1]) => unpackSettle(packed.settle(packSettle(settle, next))),
      "outbox.expire": bind(outbox.expire),
      "outbox.revive": bind(outbox.revive),
      "outbox.purge": bind(outbox.purge),
      "jobs.put": bind(jobs.put),
      "jobs.remove": bind(jobs.remove),
      "jobs.advance": bind(jobs.advance),
      "jobs.claimInstant": bind(jobs.claimInstant),
      "kv.set": bind(cells.setCell),
      "kv.remove": bind(cells.removeCell),
      "nodes.beat": bind(cells.beat),
      ping: bind(cells.ping),
      sweep: createSweeper(engine),
    },
    read: {
      "inbox.waiting": bind(inbox.waiting),
      "inbox.commands": bind(inbox.commands),
      "chats.open": bind(chats.open),
      "chats.list": bind(chats.list),
      "chats.needingWork": bind(chats.needingWork),
      "chats.counts": bind(chats.counts),
      "chats.aliases": bind(chats.aliases),
      "chats.history": bind(ledger.history),
      "chats.export": bind(chats.exportChat),
      "turns.steps": bind(turns.steps),
      "turns.list": bind(turns.list),
      "outbox.list": bind(outbox.list),
      "outbox.newest": bind(outbox.newest),
      "outbox.after": bind(outbox.after),
      "jobs.get": bind(jobs.get),
      "jobs.list": bind(jobs.list),
      "jobs.due": bind(jobs.due),
      "jobs.runs": bind(jobs.runs),
      "jobs.policy": bind(runs.policyOf),
      "jobs.newestRuns": bind(jobs.newestRuns),
      "jobs.underWay": bind(jobs.underWay),
      "timers.dueBefore": bind(cells.timersDueBefore),
      "events.list": bind(ledger.events),
      "kv.get": bind(cells.getCell),
      "nodes.list": bind(cells.nodes),
    },
  };
}

export type Operations = ReturnType<typeof createOperations>;
export type WriteName = keyof Operations["write"];
export type ReadName = keyof Operations["read"];
export type PackedName = keyof Operations["packed"];
