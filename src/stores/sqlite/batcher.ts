/**
 * The main thread's end of a worker. Calls are collected while a batch is with the worker and sent as the next one: the slower the disk,
 * the larger the groups. Calls go out in the order in which they were made, except for lazy ones, which wait for company, at most a moment;
 * a later call of the same chat takes its lazy ones along, unless it touches other rows.
 */
import { AmbiguousError, RuntimeError, TransientError } from "../../core/errors.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { unavailable } from "./faults.ts";
import { errorOfWire, type Answers, type FromWorker, type Operation, type WorkerData } from "./protocol.ts";
import type { StartThread, Thread } from "./thread.ts";

export interface CallOptions {
  /** What the call is about: calls with a key in common keep their order. */
  readonly keys?: readonly string[];
  /** Estimate of what travels. */
  readonly bytes?: number;
  /** May join the next group, at most 50 ms late. */
  readonly isLazy?: boolean;
  /** Touches nothing that a lazy call touches, and so may overtake it. */
  readonly mayOvertake?: boolean;
}

export interface Batcher {
  /** Lets the worker load its code ahead of `start`. */
  readonly load: () => void;
  /** Starts the worker. @throws ConfigError what it could not open */
  readonly start: () => Promise<void>;
  readonly call: (operation: Operation, options?: CallOptions) => Promise<unknown>;
  /** Resolves once no call with this key that was made before is under way. */
  readonly quiet: (key: string) => Promise<void>;
  /** Finishes what was called and ends the worker. */
  readonly stop: () => Promise<void>;
}

export interface BatcherOptions {
  readonly data: WorkerData;
  readonly clock: Clock;
  readonly startThread: StartThread;
}

interface Call {
  readonly operation: Operation;
  readonly keys: readonly string[];
  readonly bytes: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Calls of one batch, and bytes beyond which no further call joins it. */
const BATCH_MAX = 2_000;
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** Two batches may be with the worker when each is at least this large: so neither thread waits for the other. */
const SECOND_BATCH_MIN = 128;
/** Answers told in one go: what their callers do with them keeps the main loop busy for a few milliseconds, then others get their turn. */
const TOLD_AT_ONCE = 32;
/** Calls and bytes that may wait; beyond them a call is refused at once. */
const WAITING_MAX = 200_000;
const WAITING_BYTES_MAX = 256 * 1024 * 1024;
const BYTES_OF_CALL = 512;
/** Longest that a lazy call waits for company, and the company that is worth a transaction of its own. */
const LAZY_MS = 50;
const LAZY_ENOUGH = 128;
/** Times a worker that died is started again within the period. */
const RESTARTS_MAX = 5;
const RESTART_PERIOD_MS = 60_000;
/** Time that a worker has to end by itself. */
const CLOSE_MS = 30_000;

export const createBatcher = (options: BatcherOptions): Batcher => new WorkerBatcher(options);

class WorkerBatcher implements Batcher {
  readonly #options: BatcherOptions;
  #thread: Thread | undefined;
  #state: "closed" | "starting" | "open" | "down" | "stopping" = "closed";
  /** In order of the calls; the first `#sent` have gone. */
  #queue: Call[] = [];
  #sent = 0;
  readonly #lazy = new Set<Call>();
  readonly #lazyOf = new Map<string, Call[]>();
  #bytes = 0;
  /** Batches with the worker, in order. */
  readonly #underWay: (readonly Call[])[] = [];
  /** Answered by the worker, not yet told; in order. The first `#told` have been. */
  #answered: { readonly call: Call; readonly error: Error | undefined; readonly value: unknown }[] = [];
  #told = 0;
  /** The last call made with a key, until it is answered. */
  readonly #lastOf = new Map<string, Call>();
  readonly #listeners = new Map<Call, (() => void)[]>();
  #isScheduled = false;
  #cancelLazy: CancelTimer | undefined;
  #deaths: number[] = [];
  #whenReady: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  #whenIdle: (() => void) | undefined;
  #whenClosed: (() => void) | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  readonly load = (): void => {
    if (this.#state === "closed") this.#thread ??= this.#startThread();
  };

  readonly start = (): Promise<void> => (this.#state === "closed" ? this.#launch() : Promise.resolve());

  readonly call = (
    operation: Operation,
    { keys = [], bytes = BYTES_OF_CALL, isLazy = false, mayOvertake = false }: CallOptions = {},
  ): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const refusal = this.#refusal(bytes);
      if (refusal) return reject(refusal);
      const call: Call = { operation, keys, bytes, resolve, reject };
      this.#bytes += bytes;
      for (const key of keys) this.#lastOf.set(key, call);
      if (isLazy) this.#addLazy(call);
      else {
        if (!mayOvertake && this.#lazy.size > 0) for (const key of keys) this.#hurry(key);
        this.#queue.push(call);
        this.#schedule();
      }
    });

  readonly quiet = (key: string): Promise<void> => {
    const last = this.#lastOf.get(key);
    if (!last) return Promise.resolve();
    return new Promise((resolve) => {
      const listeners = this.#listeners.get(last);
      if (listeners) listeners.push(resolve);
      else this.#listeners.set(last, [resolve]);
    });
  };

  readonly stop = async (): Promise<void> => {
    if (this.#state === "stopping") return;
    if (this.#state === "closed") {
      this.#thread?.kill();
      this.#thread = undefined;
      return;
    }
    const isOpen = this.#state === "open";
    this.#state = "stopping";
    if (isOpen && this.#pending() > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
        this.#hurryAll();
      });
    }
    const thread = this.#thread;
    if (thread) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.clock.setTimer(CLOSE_MS, thread.kill);
        this.#whenClosed = () => {
          cancel();
          resolve();
        };
        thread.post("close");
      });
    }
    this.#cancelLazy?.();
    this.#cancelLazy = undefined;
    this.#thread = undefined;
    this.#deaths = [];
    this.#state = "closed";
  };

  #refusal(bytes: number): Error | undefined {
    if (this.#state === "closed" || this.#state === "stopping") return unavailable("the store is not open; start it first");
    if (this.#state === "down") {
      if (this.#mayRestart()) void this.#launch().catch(() => undefined);
      else
        return unavailable(
          `the store's worker died ${RESTARTS_MAX} times within a minute; see the log, it is tried again`,
          RESTART_PERIOD_MS / 4,
        );
    }
    if (this.#waiting() >= WAITING_MAX || this.#bytes + bytes > WAITING_BYTES_MAX) {
      return unavailable(`more than ${WAITING_MAX} writes or ${WAITING_BYTES_MAX} bytes wait for the disk; send less, or try again later`);
    }
    return undefined;
  }

  #waiting(): number {
    return this.#queue.length - this.#sent + this.#lazy.size;
  }

  #pending(): number {
    return this.#waiting() + this.#underWay.length + this.#answered.length;
  }

  #addLazy(call: Call): void {
    this.#lazy.add(call);
    for (const key of call.keys) {
      const others = this.#lazyOf.get(key);
      if (others) others.push(call);
      else this.#lazyOf.set(key, [call]);
    }
    if (this.#lazy.size >= LAZY_ENOUGH) this.#hurryAll();
    else this.#cancelLazy ??= this.#options.clock.setTimer(LAZY_MS, () => this.#hurryAll());
  }

  /** The lazy calls with a key go before what comes now. */
  #hurry(key: string): void {
    for (const call of this.#lazyOf.get(key) ?? []) if (this.#lazy.has(call)) this.#release(call);
  }

  #hurryAll(): void {
    this.#cancelLazy?.();
    this.#cancelLazy = undefined;
    for (const call of this.#lazy) this.#release(call);
    this.#schedule();
  }

  #release(call: Call): void {
    this.#lazy.delete(call);
    for (const key of call.keys) this.#lazyOf.delete(key);
    this.#queue.push(call);
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#maySend()) return;
    this.#isScheduled = true;
    // After the input that is at hand: what it calls joins the same batch.
    this.#options.clock.soon(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #maySend(): boolean {
    const ready = this.#queue.length - this.#sent;
    if (!this.#thread || this.#state === "starting" || ready === 0) return false;
    return this.#underWay.length === 0 || (this.#underWay.length === 1 && ready >= SECOND_BATCH_MIN);
  }

  #send(): void {
    while (this.#maySend()) this.#sendBatch();
  }

  #sendBatch(): void {
    const ready = this.#queue.length - this.#sent;
    const isHalved = this.#underWay.length === 0 && ready >= 2 * SECOND_BATCH_MIN;
    const most = Math.min(BATCH_MAX, isHalved ? Math.ceil(ready / 2) : ready);
    const batch: Call[] = [];
    let bytes = 0;
    while (batch.length < most && bytes < BATCH_BYTES_MAX) {
      const call = this.#queue[this.#sent++];
      if (!call) break;
      batch.push(call);
      bytes += call.bytes;
    }
    if (this.#sent === this.#queue.length || this.#sent >= BATCH_MAX) {
      this.#queue = this.#queue.slice(this.#sent);
      this.#sent = 0;
    }
    for (const call of this.#lazy) {
      if (batch.length >= BATCH_MAX || bytes >= BATCH_BYTES_MAX) break;
      this.#lazy.delete(call);
      for (const key of call.keys) this.#lazyOf.delete(key);
      batch.push(call);
      bytes += call.bytes;
    }
    if (this.#lazy.size === 0) {
      this.#cancelLazy?.();
      this.#cancelLazy = undefined;
    }
    this.#underWay.push(batch);
    this.#thread?.post(batch.map((call) => call.operation));
  }

  #receive({ results, failures }: Answers): void {
    const batch = this.#underWay.shift() ?? [];
    // The worker goes on before anybody here hears of the last batch.
    this.#send();
    const failed = new Map(failures);
    const isTelling = this.#answered.length > 0;
    for (const [place, call] of batch.entries()) {
      const failure = failed.get(place);
      this.#answered.push({ call, error: failure && errorOfWire(failure), value: results[place] });
    }
    if (!isTelling) this.#tell(TOLD_AT_ONCE);
  }

  #tell(most: number): void {
    const end = Math.min(this.#answered.length, this.#told + most);
    for (; this.#told < end; this.#told += 1) {
      const { call, error, value } = this.#answered[this.#told]!;
      this.#settled(call);
      if (error) call.reject(error);
      else call.resolve(value);
    }
    this.#schedule();
    // Under load there are always more: what was told must not be kept until there are none.
    const isDone = end === this.#answered.length;
    if (isDone || end >= BATCH_MAX) {
      this.#answered = this.#answered.slice(this.#told);
      this.#told = 0;
    }
    if (!isDone) return this.#options.clock.soon(() => this.#tell(TOLD_AT_ONCE));
    if (this.#pending() === 0) this.#whenIdle?.();
    else if (this.#state === "stopping") this.#hurryAll();
  }

  #settled(call: Call): void {
    this.#bytes -= call.bytes;
    for (const key of call.keys) if (this.#lastOf.get(key) === call) this.#lastOf.delete(key);
    for (const listener of this.#listeners.get(call) ?? []) listener();
    this.#listeners.delete(call);
  }

  #mayRestart(): boolean {
    const since = this.#options.clock.now() - RESTART_PERIOD_MS;
    this.#deaths = this.#deaths.filter((atMs) => atMs > since);
    return this.#deaths.length < RESTARTS_MAX;
  }

  #launch(): Promise<void> {
    this.#state = "starting";
    return new Promise((resolve, reject) => {
      this.#whenReady = { resolve, reject };
      this.#thread ??= this.#startThread();
      this.#thread.post("open");
    });
  }

  #startThread(): Thread {
    const thread = this.#options.startThread(this.#options.data, {
      onMessage: (message) => {
        if (this.#thread === thread) this.#heard(message);
      },
      onExit: (cause) => {
        if (this.#thread === thread) this.#died(cause);
      },
    });
    return thread;
  }

  #heard(message: FromWorker): void {
    if (message === "ready") {
      if (this.#state === "starting") this.#state = "open";
      this.#whenReady?.resolve();
      this.#whenReady = undefined;
      this.#schedule();
    } else if ("failed" in message) {
      this.#whenReady?.reject(errorOfWire(message.failed));
      this.#thread?.kill();
    } else this.#receive(message);
  }

  #died(cause: Error): void {
    const wasStarting = this.#state === "starting";
    this.#thread = undefined;
    if (this.#state === "closed") return;
    this.#whenReady?.reject(
      cause instanceof RuntimeError ? cause : unavailable(`the store's worker did not start (${cause.message}); see its cause`),
    );
    this.#whenReady = undefined;
    this.#tell(Number.MAX_SAFE_INTEGER);
    this.#loseAll(cause);
    if (this.#state === "stopping") {
      this.#whenIdle?.();
      this.#whenClosed?.();
      return;
    }
    // A first start that fails is its caller's to repeat.
    const isFirst = wasStarting && this.#deaths.length === 0;
    this.#state = isFirst ? "closed" : "down";
    if (isFirst) return;
    this.#deaths.push(this.#options.clock.now());
    if (this.#mayRestart()) void this.#launch().catch(() => undefined);
  }

  /** What was with the worker may be committed or not; what waited surely is not. */
  #loseAll(cause: Error): void {
    const sent = this.#underWay.splice(0).flat();
    const waiting = [...this.#queue.slice(this.#sent), ...this.#lazy];
    this.#queue = [];
    this.#sent = 0;
    this.#lazy.clear();
    this.#lazyOf.clear();
    const retryAfterMs = 250;
    for (const call of sent) {
      this.#settled(call);
      call.reject(
        new AmbiguousError(
          "STORE_UNAVAILABLE",
          "the store's worker died before it answered; look whether the write is there, or repeat it",
          { cause, retryAfterMs },
        ),
      );
    }
    for (const call of waiting) {
      this.#settled(call);
      call.reject(
        new TransientError("STORE_UNAVAILABLE", "the store's worker died; it is started again, repeat the write", { cause, retryAfterMs }),
      );
    }
  }
}
