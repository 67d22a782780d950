/**
 * The main thread's end of a worker: collects operations while a batch is under way and sends them as the next one. Intake and claims
 * go first; lazy operations wait for company, at most a moment.
 */
import { Worker } from "node:worker_threads";
import { InvariantError, TransientError } from "../../core/errors.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { fromWire, type Answer, type FromWorker, type Operation, type ToWorker, type WorkerData } from "./protocol.ts";

export type Urgency = "first" | "normal" | "lazy";

export interface Batcher {
  /** Starts the worker. @throws ConfigError what it could not open */
  readonly start: () => Promise<void>;
  readonly call: (name: string, args: readonly unknown[], urgency?: Urgency) => Promise<unknown>;
  /** Finishes what was called and ends the worker. */
  readonly stop: () => Promise<void>;
}

interface Call {
  readonly operation: Operation;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Operations of one transaction. */
const BATCH_MAX = 1_000;
/** While one batch is with the worker, a second goes to it when it is at least this large: neither thread waits for the other. */
const SECOND_BATCH_MIN = 32;
/** Answers handed out in one go: what they lead to is with the worker while the next ones are handed out. */
const ANSWERS_AT_ONCE = 64;
/** Operations that may wait; beyond it a call is refused at once. */
const WAITING_MAX = 200_000;
/** Longest that a lazy operation waits for company. */
const LAZY_MS = 50;
/** Times a worker that died is started again within the period. */
const RESTARTS_MAX = 5;
const RESTART_PERIOD_MS = 60_000;

export function createBatcher(data: WorkerData, clock: Clock): Batcher {
  const waiting: Record<Urgency, Call[]> = { first: [], normal: [], lazy: [] };
  let worker: Worker | undefined;
  /** Batches with the worker, in order. */
  const underWay: { readonly id: number; readonly calls: readonly Call[] }[] = [];
  const arrived: { readonly call: Call; readonly answer: Answer | undefined }[] = [];
  let isHandingOut = false;
  let nextId = 1;
  let isScheduled = false;
  let cancelLazy: CancelTimer | undefined;
  let restarts: number[] = [];
  let onIdle: (() => void) | undefined;
  let isStopping = false;

  const count = (): number => waiting.first.length + waiting.normal.length + waiting.lazy.length;

  const takeBatch = (): readonly Call[] => {
    const calls: Call[] = [];
    for (const urgency of ["first", "normal", "lazy"] as const) calls.push(...waiting[urgency].splice(0, BATCH_MAX - calls.length));
    return calls;
  };

  const send = (): void => {
    isScheduled = false;
    if (!worker || count() === 0 || !mayHaveBatch()) return;
    cancelLazy?.();
    cancelLazy = undefined;
    const calls = takeBatch();
    const id = nextId++;
    underWay.push({ id, calls });
    const message: ToWorker = { type: "batch", id, operations: JSON.stringify(calls.map((call) => call.operation)) };
    worker.postMessage(message);
  };

  const mayHaveBatch = (): boolean => underWay.length === 0 || (underWay.length === 1 && count() >= SECOND_BATCH_MIN);

  const schedule = (urgency: Urgency): void => {
    if (isScheduled || !mayHaveBatch()) return;
    if (urgency !== "lazy" || isStopping) {
      isScheduled = true;
      // After the input that is at hand: what it calls joins the same transaction.
      clock.soon(send);
    } else cancelLazy ??= clock.setTimer(LAZY_MS, send);
  };

  const receive = (message: FromWorker): void => {
    if (message.type !== "answers" || message.id !== underWay[0]?.id) return;
    const calls = underWay.shift()?.calls ?? [];
    const answers = JSON.parse(message.answers) as Answer[];
    for (const [place, call] of calls.entries()) arrived.push({ call, answer: answers[place] });
    if (!isHandingOut) handOut();
  };

  const handOut = (): void => {
    for (const { call, answer } of arrived.splice(0, ANSWERS_AT_ONCE)) {
      if (!answer) call.reject(new InvariantError("the store's worker left out an answer"));
      else if ("error" in answer) call.reject(fromWire(answer.error));
      else call.resolve(answer.value);
    }
    isHandingOut = arrived.length > 0;
    if (isHandingOut) clock.soon(handOut);
    if (waiting.first.length + waiting.normal.length > 0) schedule("normal");
    else if (waiting.lazy.length > 0) schedule("lazy");
    else if (underWay.length === 0 && !isHandingOut) onIdle?.();
  };

  /** What was under way may or may not be committed; what waited surely is not. */
  const lose = (cause: unknown): void => {
    worker = undefined;
    const lost = [...underWay.splice(0).flatMap((batch) => batch.calls), ...takeAll()];
    for (const call of lost)
      call.reject(new TransientError("STORE_UNAVAILABLE", "the store's worker died; it is started again", { cause, retryAfterMs: 250 }));
    const now = clock.now();
    restarts = [...restarts.filter((atMs) => atMs > now - RESTART_PERIOD_MS), now];
    if (!isStopping && restarts.length <= RESTARTS_MAX) void launch().catch(() => undefined);
  };

  const takeAll = (): Call[] => [...waiting.first.splice(0), ...waiting.normal.splice(0), ...waiting.lazy.splice(0)];

  const launch = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const started = openWorker(data);
      started.on("message", (message: FromWorker) => {
        if (message.type === "ready") {
          worker = started;
          resolve();
          if (count() > 0) schedule("normal");
        } else if (message.type === "failed") {
          void started.terminate();
          reject(fromWire(message.error));
        } else receive(message);
      });
      started.on("error", (error) => {
        reject(error);
        if (worker === started) lose(error);
      });
      started.on("exit", () => {
        if (worker === started && !isStopping) lose(new Error("the worker exited"));
      });
    });

  return {
    start: launch,
    call: (name, args, urgency = "normal") =>
      new Promise((resolve, reject) => {
        if (isStopping || (!worker && restarts.length === 0)) {
          return reject(new TransientError("STORE_UNAVAILABLE", "the store is not open; start it first"));
        }
        if (count() >= WAITING_MAX) {
          return reject(
            new TransientError("STORE_UNAVAILABLE", `more than ${WAITING_MAX} writes wait for the disk; try again later`, {
              retryAfterMs: 1_000,
            }),
          );
        }
        waiting[urgency].push({ operation: [name, args], resolve, reject });
        schedule(urgency);
      }),
    stop: async () => {
      if (!worker || isStopping) return;
      isStopping = true;
      if (underWay.length > 0 || count() > 0) {
        await new Promise<void>((resolve) => {
          onIdle = resolve;
          schedule("normal");
        });
      }
      const ending = worker;
      await new Promise<void>((resolve) => {
        ending.once("exit", () => resolve());
        ending.postMessage({ type: "close" } satisfies ToWorker);
      });
      worker = undefined;
      isStopping = false;
      restarts = [];
    },
  };
}

/** The package runs its compiled worker; sources, in development, need a TypeScript loader in the thread. */
function openWorker(workerData: WorkerData): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./worker.js", import.meta.url), { workerData });
  const url = new URL("./worker.ts", import.meta.url).href;
  return new Worker(`import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(url)})));`, {
    eval: true,
    workerData,
  });
}
