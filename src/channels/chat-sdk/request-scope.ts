/**
 * What belongs to one webhook request: the work that must end before it is answered, whether some of it failed, and what the adapter
 * wants to remember. Adapters mark an event as seen when they dispatch it; kept at once, such a mark would make them drop the very
 * redelivery that a refusal asks for. So changes of state are kept only when the whole request is, and nobody else sees them before.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Cells, Change, Entry } from "./cells.ts";

export interface RequestScope {
  /** Awaited before the answer. */
  readonly add: (task: Promise<unknown>) => void;
  /** The request will be refused, for the first reason given. */
  readonly fail: (error: unknown) => void;
  readonly failure: () => { readonly error: unknown } | undefined;
  readonly isOpen: () => boolean;
  /** Resolves when no task is left, also of those added meanwhile. */
  readonly settled: () => Promise<void>;
  /** Keeps a change for the end; after a request that was kept it is made at once, after one that was refused never. */
  readonly note: (cells: Cells, key: string, change: Change) => Promise<void>;
  /** An entry as this request sees it. */
  readonly fold: (cells: Cells, key: string, entry: Entry | undefined) => Entry | undefined;
  /** Makes the changes durable. */
  readonly keep: () => Promise<void>;
  /** The answer is decided: whatever begins from now on is on its own. */
  readonly close: () => void;
}

export interface RequestScopes {
  /** The open request that the caller runs in. */
  readonly current: () => RequestScope | undefined;
  readonly run: <T>(scope: RequestScope, work: () => T) => T;
}

export function createRequestScopes(): RequestScopes {
  const storage = new AsyncLocalStorage<RequestScope>();
  return {
    current: () => {
      const scope = storage.getStore();
      return scope?.isOpen() ? scope : undefined;
    },
    run: (scope, work) => storage.run(scope, work),
  };
}

/** @param onTaskFailed - decides about a task that rejected */
export function createRequestScope(onTaskFailed: (scope: RequestScope, error: unknown) => void): RequestScope {
  const tasks = new Set<Promise<unknown>>();
  const changes: { readonly cells: Cells; readonly key: string; readonly change: Change }[] = [];
  let failure: { readonly error: unknown } | undefined;
  let isOpen = true;
  const scope: RequestScope = {
    add: (task) => {
      if (tasks.has(task)) return;
      tasks.add(task);
      // An empty handler beside the one of `settled`: a task may fail long before that looks.
      task.catch(() => undefined);
    },
    fail: (error) => {
      failure ??= { error };
    },
    failure: () => failure,
    isOpen: () => isOpen,
    settled: async () => {
      const seen = new Set<Promise<unknown>>();
      for (let waiting = [...tasks]; waiting.length > 0; waiting = [...tasks].filter((task) => !seen.has(task))) {
        for (const task of waiting) seen.add(task);
        for (const result of await Promise.allSettled(waiting)) if (result.status === "rejected") onTaskFailed(scope, result.reason);
      }
    },
    note: async (cells, key, change) => {
      if (isOpen) changes.push({ cells, key, change });
      else if (!failure) await cells.change(key, change);
    },
    fold: (cells, key, entry) =>
      changes.filter((one) => one.cells === cells && one.key === key).reduce<Entry | undefined>((left, { change }) => change(left), entry),
    keep: async () => {
      await Promise.all(changes.splice(0).map(({ cells, key, change }) => cells.change(key, change)));
    },
    close: () => {
      isOpen = false;
    },
  };
  return scope;
}
