/** A worker thread as the batcher sees it: open, exchange messages, die. */
import { Worker } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkerData } from "./protocol.ts";

export interface Thread {
  readonly post: (message: ToWorker) => void;
  /** Ends it at once; `onExit` is called. */
  readonly kill: () => void;
}

export interface ThreadEvents {
  readonly onMessage: (message: FromWorker) => void;
  /** Once, whatever the reason; nothing comes after it. */
  readonly onExit: (cause: Error) => void;
}

export type StartThread = (data: WorkerData, events: ThreadEvents) => Thread;

/** Runs the worker of the package, or of its sources. */
export const startThread: StartThread = (data, events) => {
  // Sources need a loader, which has to be registered inside the thread; only development has them.
  const entry = import.meta.url.endsWith(".ts") ? "./worker-from-source.mjs" : "./worker.js";
  return startThreadOf(new URL(entry, import.meta.url))(data, events);
};

/** Runs a given build of the worker. */
export const startThreadOf =
  (entry: URL): StartThread =>
  (workerData, events) => {
    const worker = new Worker(entry, { workerData, execArgv: [] });
    let cause = new Error("the worker exited");
    worker.on("message", events.onMessage);
    worker.on("error", (error) => {
      cause = error instanceof Error ? error : new Error(String(error));
    });
    worker.on("exit", () => events.onExit(cause));
    return { post: (message) => worker.postMessage(message), kill: () => void worker.terminate() };
  };
