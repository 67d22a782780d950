/**
 * A platform that lives in memory, and the channel that connects to it. The platform is the outside world: it survives a crash of the
 * runtime, offers what was not confirmed again, and keeps the account of what it took. The channel is made anew for each life of the
 * runtime. Both are deterministic (time only by Clock) and cheap: one object and one promise per delivery.
 */
import type { ChatKey } from "../core/chat-key.ts";
import type { Content } from "../core/content.ts";
import { textOf } from "../core/content.ts";
import { AmbiguousError, invariant, TerminalError, TransientError } from "../core/errors.ts";
import type {
  AcceptOutcome,
  Channel,
  ChannelHost,
  ChannelLimits,
  ChannelReport,
  DeliverRequest,
  EditRequest,
  InboundMessage,
} from "../ports/channel.ts";
import type { Clock } from "../ports/clock.ts";

/** How one delivery ends. `ambiguous` leaves open whether it was taken: `taken` says which it was. */
export type FakeOutcome =
  | "sent"
  | { readonly kind: "refused" }
  | { readonly kind: "unavailable"; readonly retryAfterMs?: number }
  | { readonly kind: "ambiguous"; readonly taken: boolean };

/** One part that the platform took, in order, as it shows it now: an edit replaces content and key. */
export interface TakenPart {
  readonly chat: ChatKey;
  readonly address: string;
  readonly content: Content;
  readonly idempotencyKey: string;
  readonly platformId: string;
  /** Epoch milliseconds by the platform's clock; 0 without one. */
  readonly atMs: number;
  readonly isEdited?: true;
}

export interface FakePlatformOptions {
  readonly clock?: Pick<Clock, "now">;
  /** Parts kept in `taken`, the newest; 0 keeps none and only counts. Default 1,000,000. */
  readonly keptMax?: number;
  /** Milliseconds before a delivery ends. Default 0: without a timer. */
  readonly latencyMs?: number | ((request: DeliverRequest) => number);
  /** The outcome of a delivery when the script is empty; `count` rises from 1. Default always sent. */
  readonly decide?: (request: DeliverRequest, count: number) => FakeOutcome;
}

export interface FakePlatform {
  /** A person does something; it is offered until confirmed. */
  readonly post: (message: InboundMessage) => void;
  /** Messages that were not confirmed, oldest first. */
  readonly unconfirmed: () => readonly InboundMessage[];
  /** The outcomes of the next deliveries, before `decide` is asked. */
  readonly script: (...outcomes: readonly FakeOutcome[]) => void;
  readonly taken: () => readonly TakenPart[];
  readonly takenCount: () => number;
  readonly deliveries: () => number;
  /** Every edit that the platform took, in order. */
  readonly edits: () => readonly TakenPart[];
  /** Addresses at which "typing…" was shown, in order. */
  readonly typed: () => readonly string[];
  /** Cuts the connection, or lets new ones succeed: while off, `start` reports a loss and deliveries are unavailable. */
  readonly setOnline: (isOnline: boolean) => void;
  /** Resolves as soon as the condition holds; it is looked at whenever something happens here. */
  readonly until: (condition: () => boolean) => Promise<void>;
  /** For the channel alone. */
  readonly line: PlatformLine;
}

/** The channel's end of the wire. */
interface PlatformLine {
  /** A later connection ends this one, as a platform does with a second poller: what a dead process still says is not heard. */
  readonly connect: (onEvent: () => void) => PlatformSession;
  readonly latencyOf: (request: DeliverRequest) => number;
  readonly take: (request: DeliverRequest) => { readonly platformId: string };
  readonly edit: (request: EditRequest) => void;
  readonly type: (address: string) => void;
}

interface PlatformSession {
  readonly isLive: () => boolean;
  readonly offer: (max: number) => readonly InboundMessage[];
  readonly confirm: (count: number) => void;
}

const POSTS_MAX = 1_000_000;

/** Makes the outside world; hand the same one to every life of the runtime. */
export function createFakePlatform(options: FakePlatformOptions = {}): FakePlatform {
  const { keptMax = 1_000_000, latencyMs = 0, decide } = options;
  let posts: InboundMessage[] = [];
  let head = 0;
  let isOnline = true;
  let session = 0;
  let listener: (() => void) | undefined;
  let scripted: FakeOutcome[] = [];
  let taken: TakenPart[] = [];
  let takenCount = 0;
  let deliveries = 0;
  const edits: TakenPart[] = [];
  const typed: string[] = [];
  const waiters = new Set<{ condition: () => boolean; resolve: () => void }>();

  const changed = (): void => {
    if (waiters.size === 0) return;
    for (const waiter of waiters) {
      if (!waiter.condition()) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };

  const keep = (request: DeliverRequest): { readonly platformId: string } => {
    takenCount += 1;
    const platformId = String(takenCount);
    if (keptMax > 0) {
      const { chat, address, content, idempotencyKey } = request;
      taken.push({ chat, address, content, idempotencyKey, platformId, atMs: options.clock?.now() ?? 0 });
      if (taken.length >= 2 * keptMax) taken = taken.slice(-keptMax);
    }
    changed();
    return { platformId };
  };

  const confirm = (count: number): void => {
    head += count;
    if (head > 1_024 && head * 2 > posts.length) {
      posts = posts.slice(head);
      head = 0;
    }
    changed();
  };

  const change = (request: EditRequest): { readonly platformId: string } => {
    const { platformId, content, idempotencyKey } = request;
    const place = taken.findLastIndex((part) => part.platformId === platformId);
    const known = taken[place];
    if (!known) throw new TerminalError("CHANNEL_REFUSED", `${request.address}: message ${platformId} is not here; send it anew`);
    taken[place] = { ...known, content, idempotencyKey, isEdited: true };
    edits.push(taken[place]);
    changed();
    return { platformId };
  };

  const take = (
    request: DeliverRequest,
    keep: (request: DeliverRequest) => { readonly platformId: string },
  ): { readonly platformId: string } => {
    if (!isOnline) throw new TransientError("CHANNEL_UNAVAILABLE", `${request.address}: the platform is offline; try again later`);
    deliveries += 1;
    const outcome = scripted.shift() ?? decide?.(request, deliveries) ?? "sent";
    if (outcome === "sent") return keep(request);
    if (outcome.kind === "refused")
      throw new TerminalError("CHANNEL_REFUSED", `${request.address}: refused by script; it will never be taken`);
    if (outcome.kind === "unavailable") {
      const { retryAfterMs } = outcome;
      throw new TransientError(
        "CHANNEL_UNAVAILABLE",
        `${request.address}: unavailable by script; try again later`,
        retryAfterMs === undefined ? {} : { retryAfterMs },
      );
    }
    if (outcome.taken) keep(request);
    throw new AmbiguousError("SEND_UNKNOWN", `${request.address}: no answer, by script; it may have arrived`);
  };

  return {
    post: (message) => {
      invariant(posts.length - head < POSTS_MAX, `more than ${POSTS_MAX} messages wait at the fake platform; start its channel`);
      posts.push(message);
      listener?.();
    },
    unconfirmed: () => posts.slice(head),
    script: (...outcomes) => {
      scripted = [...scripted, ...outcomes];
    },
    taken: () => (taken.length > keptMax ? taken.slice(-keptMax) : taken),
    takenCount: () => takenCount,
    deliveries: () => deliveries,
    edits: () => edits,
    typed: () => typed,
    setOnline: (online) => {
      isOnline = online;
      listener?.();
    },
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
    line: {
      connect: (onEvent) => {
        listener?.();
        listener = onEvent;
        session += 1;
        const mine = session;
        return {
          isLive: () => isOnline && session === mine,
          offer: (max) => posts.slice(head, head + max),
          confirm: (count) => {
            if (session === mine) confirm(count);
          },
        };
      },
      latencyOf: typeof latencyMs === "function" ? latencyMs : () => latencyMs,
      take: (request) => take(request, keep),
      edit: (request) => void take(request, () => change(request)),
      type: (address) => void typed.push(address),
    },
  };
}

export interface FakeChannelOptions {
  readonly clock: Clock;
  readonly platform: FakePlatform;
  /** Default `fake`. */
  readonly name?: string;
  readonly limits?: ChannelLimits;
  /** Most messages handed to intake at once. Default 100. */
  readonly batchMax?: number;
}

const RETRY_MS_DEFAULT = 1_000;
const RETRY_MS_MAX = 30_000;

/** One connection: what belongs to the time from `start` to `stop`. */
function openLine(
  host: ChannelHost,
  { clock, platform: { line } }: FakeChannelOptions,
  batchMax: number,
): { readonly close: () => Promise<void> } {
  let isOpen = true;
  let wake: (() => void) | undefined;
  const session = line.connect(() => wake?.());
  let cancelTimer: (() => void) | undefined;

  const report = (event: ChannelReport): void => {
    if (isOpen) host.report(event);
  };
  /** Until something happens at the platform, `stop`, or the time has passed. */
  const sleep = (delayMs?: number): Promise<void> =>
    new Promise((resolve) => {
      wake = () => {
        wake = undefined;
        cancelTimer?.();
        cancelTimer = undefined;
        resolve();
      };
      if (delayMs !== undefined) cancelTimer = clock.setTimer(delayMs, wake);
    });
  const offered = async (batch: readonly InboundMessage[]): Promise<readonly AcceptOutcome[] | number> => {
    try {
      return await host.accept(batch);
    } catch (error) {
      return Math.min(RETRY_MS_MAX, (error instanceof TransientError ? error.retryAfterMs : undefined) ?? RETRY_MS_DEFAULT);
    }
  };

  const run = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      clock.soon(resolve);
    });
    if (isOpen && session.isLive()) report({ type: "connection.opened" });
    while (isOpen && session.isLive()) {
      const batch = session.offer(batchMax);
      if (batch.length === 0) {
        await sleep();
        continue;
      }
      report({ type: "traffic.seen" });
      const outcome = await offered(batch);
      if (typeof outcome !== "number") session.confirm(batch.length);
      else if (isOpen) await retryPause(outcome);
    }
    report({
      type: "connection.lost",
      error: { code: "CHANNEL_UNAVAILABLE", message: "the platform is offline; the connection is tried again" },
    });
  };
  /** A message that arrives must not shorten it. */
  const retryPause = async (delayMs: number): Promise<void> => {
    const endMs = clock.monotonic() + delayMs;
    for (let leftMs = delayMs; leftMs > 0 && isOpen && session.isLive(); leftMs = endMs - clock.monotonic()) await sleep(leftMs);
  };

  const ended = run();
  return {
    close: () => {
      isOpen = false;
      wake?.();
      return ended;
    },
  };
}

/** The channel of a FakePlatform: passes the channel contract, and costs next to nothing per delivery. */
export function createFakeChannel(options: FakeChannelOptions): Channel {
  const { clock, platform, name = "fake", limits = { textUnits: 4_096, canEdit: false }, batchMax = 100 } = options;
  const { line } = platform;
  let open: { readonly close: () => Promise<void> } | undefined;

  const takeLater = <T>(request: DeliverRequest, delayMs: number, take: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        cancel();
        request.signal.removeEventListener("abort", aborted);
        end();
      };
      const aborted = (): void =>
        settle(() => reject(new AmbiguousError("SEND_UNKNOWN", `${request.address}: aborted while on its way; it may have arrived`)));
      const cancel = clock.setTimer(delayMs, () =>
        settle(() => {
          try {
            resolve(take());
          } catch (error) {
            reject(error);
          }
        }),
      );
      request.signal.addEventListener("abort", aborted);
    });

  const call = async <T>(request: DeliverRequest, take: () => T): Promise<T> => {
    if (textOf(request.content).length > limits.textUnits) {
      throw new TerminalError("CHANNEL_REFUSED", `${request.address}: over ${limits.textUnits} UTF-16 units; split the text`);
    }
    if (request.signal.aborted) throw new TransientError("CHANNEL_UNAVAILABLE", `${request.address}: aborted before it began; try again`);
    const delayMs = line.latencyOf(request);
    return delayMs > 0 ? takeLater(request, delayMs, take) : take();
  };

  return {
    name,
    kind: "fake",
    limits,
    start: (host) => {
      invariant(open === undefined, `channel ${name} was started twice; stop it first`);
      open = openLine(host, options, batchMax);
      return Promise.resolve();
    },
    stop: async () => {
      await open?.close();
      open = undefined;
    },
    deliver: (request) => call(request, () => line.take(request)),
    ...(limits.canEdit ? { edit: (request: EditRequest) => call(request, () => line.edit(request)) } : {}),
    typing: async (address) => line.type(address),
  };
}
