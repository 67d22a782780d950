/** The store's worker threads under observation: how many batches they are sent, and where their time goes. */
import { Worker } from "node:worker_threads";
import { startThread, type StartThread } from "../src/stores/sqlite/thread.ts";

export interface Watched {
  readonly startThread: StartThread;
  /** Batches handed to the writer so far; each is one transaction. */
  readonly batches: () => number;
}

/** The folder for profiles, when this process is profiled. */
const PROFILE_DIR = process.env.BENCH_PROFILE;

export function watchThreads(): Watched {
  let batches = 0;
  const start = PROFILE_DIR === undefined ? startThread : startProfiled(PROFILE_DIR);
  return {
    batches: () => batches,
    startThread: (data, events) => {
      const thread = start(data, events);
      return {
        ...thread,
        post: (message) => {
          if (data.role === "writer" && typeof message !== "string") batches += 1;
          thread.post(message);
        },
      };
    },
  };
}

/** As `startThread` of compiled code, which gives its workers no arguments of Node. */
function startProfiled(folder: string): StartThread {
  const entry = new URL("../src/stores/sqlite/worker.js", import.meta.url);
  return (workerData, events) => {
    const worker = new Worker(entry, { workerData, execArgv: ["--cpu-prof", `--cpu-prof-dir=${folder}/${workerData.role}`] });
    worker.on("message", events.onMessage);
    worker.on("exit", () => events.onExit(new Error("the worker exited")));
    return { post: (message) => worker.postMessage(message), kill: () => void worker.terminate() };
  };
}
