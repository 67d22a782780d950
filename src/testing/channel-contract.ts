/**
 * The laws of the Channel port, for any implementation: nothing is confirmed before it is stored, `stop` ends everything, and the class
 * of an error tells whether a delivery may have arrived. A rig joins a channel with a platform that the suite can look into.
 */
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { textContent, textOf } from "../core/content.ts";
import { AmbiguousError, TerminalError, TransientError } from "../core/errors.ts";
import type {
  AcceptOutcome,
  Channel,
  ChannelHost,
  ChannelReport,
  DeliverRequest,
  DeliveryReceipt,
  InboundMessage,
} from "../ports/channel.ts";

/** How the platform treats the next delivery. `throttled` asks for a wait of 6,775 s; `unanswered` ends without an answer. */
export type RigFault = "refused" | "unavailable" | "throttled" | "unanswered";

/** What a channel's tests supply. Its clock is the system's, or one that passes by itself. */
export interface ChannelRig {
  readonly channel: Channel;
  /** A person who may talk to the bot writes in a private chat. */
  readonly say: (text: string) => void;
  /** How many of those the platform still offers. */
  readonly unconfirmed: () => number;
  /** Where `deliver` reaches that person. */
  readonly address: string;
  /** Texts that the platform took, in order. */
  readonly taken: () => readonly string[];
  readonly failNext: (fault: RigFault) => void;
  /** Resolves as soon as the condition on the platform holds. */
  readonly until: (condition: () => boolean) => Promise<void>;
  /** Tokens and the like, which no error or report may show. */
  readonly secrets: readonly string[];
  readonly close: () => Promise<void>;
}

export const RIG_RETRY_AFTER_MS = 6_775_000;

/** A host that records, and answers `accept` as told. */
export interface RecordingHost extends ChannelHost {
  /** Every message that was handed over and stored, in order. */
  readonly stored: () => readonly InboundMessage[];
  /** Every call of `accept`, also those that failed. */
  readonly offers: () => number;
  readonly reports: () => readonly ChannelReport[];
  /** Runs in place of storing; throw to refuse. Undefined restores plain storing. */
  readonly setAccept: (accept: ((messages: readonly InboundMessage[]) => Promise<readonly AcceptOutcome[]>) | undefined) => void;
  readonly cells: ReadonlyMap<string, unknown>;
  readonly moves: () => readonly Parameters<ChannelHost["moved"]>[0][];
  readonly receipts: () => readonly DeliveryReceipt[];
  /** Resolves as soon as the condition on this host holds. */
  readonly until: (condition: () => boolean) => Promise<void>;
}

/** A host over maps in memory; hand the same one to a channel that is started again. */
export function createRecordingHost(name: string): RecordingHost {
  const stored: InboundMessage[] = [];
  const seen = new Set<string>();
  const reports: ChannelReport[] = [];
  const cells = new Map<string, unknown>();
  const moves: Parameters<ChannelHost["moved"]>[0][] = [];
  const receipts: DeliveryReceipt[] = [];
  const waiters = new Set<{ condition: () => boolean; resolve: () => void }>();
  let offers = 0;
  let accept: ((messages: readonly InboundMessage[]) => Promise<readonly AcceptOutcome[]>) | undefined;
  const changed = (): void => {
    for (const waiter of waiters) {
      if (!waiter.condition()) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };
  const store = (messages: readonly InboundMessage[]): readonly AcceptOutcome[] =>
    messages.map((message) => {
      stored.push(message);
      const isNew = !seen.has(message.externalId);
      seen.add(message.externalId);
      return isNew ? "accepted" : "duplicate";
    });
  return {
    name,
    accept: async (messages) => {
      offers += 1;
      changed();
      const outcomes = accept ? await accept(messages) : store(messages);
      changed();
      return outcomes;
    },
    report: (report) => {
      reports.push(report);
      changed();
    },
    load: (cell) => Promise.resolve(cells.get(cell)),
    save: async (cell, value) => {
      cells.set(cell, structuredClone(value));
      changed();
    },
    stored: () => stored,
    offers: () => offers,
    reports: () => reports,
    setAccept: (next) => {
      accept = next;
    },
    remove: async (cell) => {
      cells.delete(cell);
      changed();
    },
    commands: [
      { name: "help", description: "What I can do" },
      { name: "stop", description: "Abort what I am doing" },
    ],
    moved: async (move) => {
      moves.push(move);
      changed();
    },
    receive: async (more) => {
      receipts.push(...more);
      changed();
    },
    cells,
    moves: () => moves,
    receipts: () => receipts,
    until: (condition) =>
      condition()
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.add({ condition, resolve });
          }),
  };
}

const textsOf = (messages: readonly InboundMessage[]): string[] => messages.map((message) => textOf(message.content));

function rejection(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    (value) => {
      throw new Error(`resolved to ${inspect(value)} where an error was due`);
    },
    (error: unknown) => error,
  );
}

/** Declares the suite; call it at the top of a test file. */
export function channelContract(name: string, openRig: () => Promise<ChannelRig>): void {
  describe(`channel contract: ${name}`, () => {
    let rig: ChannelRig;
    let host: RecordingHost;
    beforeEach(async () => {
      rig = await openRig();
      host = createRecordingHost(rig.channel.name);
    });
    afterEach(async () => {
      await rig.channel.stop();
      await rig.close();
    });
    const request = (text: string, signal = new AbortController().signal): DeliverRequest => ({
      chat: `${rig.channel.name}:x`,
      address: rig.address,
      content: textContent(text),
      idempotencyKey: text,
      signal,
    });

    intakeLaws(
      () => rig,
      () => host,
    );
    deliveryLaws(() => rig, request);

    it("shows no secret in errors and reports", async () => {
      await rig.channel.start(host);
      await host.until(() => host.reports().length > 0);
      const seen: unknown[] = [host.reports()];
      for (const fault of ["refused", "unavailable", "throttled", "unanswered"] as const) {
        rig.failNext(fault);
        seen.push(await rejection(rig.channel.deliver(request(fault))));
      }
      const text = inspect(seen, { depth: 10, showHidden: true });
      for (const secret of rig.secrets) expect(text).not.toContain(secret);
    });
  });
}

function intakeLaws(rigOf: () => ChannelRig, hostOf: () => RecordingHost): void {
  it("hands over what a person writes, with key, address, sender and identity", async () => {
    const [rig, host] = [rigOf(), hostOf()];
    await rig.channel.start(host);
    rig.say("hello");
    await host.until(() => host.stored().length === 1);
    const message = host.stored()[0];
    expect(message?.chat.startsWith(`${rig.channel.name}:`)).toBe(true);
    expect(message?.address).toBe(rig.address);
    expect(message?.externalId).not.toBe("");
    expect(message?.sender.id).not.toBe("");
    expect(textsOf(host.stored())).toEqual(["hello"]);
    // A platform that calls us may bring a message before it has answered our own first call.
    await host.until(() => host.reports().length > 0);
    expect(host.reports()[0]).toMatchObject({ type: "connection.opened" });
    await host.until(() => host.reports().some((report) => report.type === "traffic.seen"));
  });

  it("confirms a message only after it is stored", async () => {
    const [rig, host] = [rigOf(), hostOf()];
    let store: (() => void) | undefined;
    host.setAccept(
      (messages) =>
        new Promise((resolve) => {
          store = () => resolve(messages.map(() => "accepted"));
        }),
    );
    await rig.channel.start(host);
    rig.say("keep me");
    await host.until(() => host.offers() === 1);
    expect(rig.unconfirmed()).toBe(1);
    store?.();
    await rig.until(() => rig.unconfirmed() === 0);
    expect(host.offers()).toBe(1);
  });

  it("offers a message again when it could not be stored", async () => {
    const [rig, host] = [rigOf(), hostOf()];
    const ids: string[] = [];
    host.setAccept(async (messages) => {
      ids.push(messages[0]?.externalId ?? "");
      expect(rig.unconfirmed()).toBe(1);
      if (ids.length < 3) throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 1 });
      return ["accepted"];
    });
    await rig.channel.start(host);
    rig.say("again");
    await rig.until(() => rig.unconfirmed() === 0);
    expect(ids).toEqual([ids[0], ids[0], ids[0]]);
  });

  it.each(["full", "duplicate", "conflict", "forbidden"] as const)("confirms what intake answers with %s", async (outcome) => {
    const [rig, host] = [rigOf(), hostOf()];
    host.setAccept(async (messages) => messages.map(() => outcome));
    await rig.channel.start(host);
    rig.say("one");
    await rig.until(() => rig.unconfirmed() === 0);
    expect(host.offers()).toBe(1);
  });

  it("confirms nothing by stopping while intake refuses, and offers it after a restart", async () => {
    const [rig, host] = [rigOf(), hostOf()];
    host.setAccept(async () => {
      throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 20_000 });
    });
    await rig.channel.start(host);
    rig.say("late");
    await host.until(() => host.offers() === 1);
    await rig.channel.stop();
    expect(rig.unconfirmed()).toBe(1);
    host.setAccept(undefined);
    await rig.channel.start(host);
    await rig.until(() => rig.unconfirmed() === 0);
    expect(textsOf(host.stored())).toEqual(["late"]);
  });

  it("waits in stop for a commit under way, and does not offer it again", async () => {
    const [rig, host] = [rigOf(), hostOf()];
    let store: (() => void) | undefined;
    host.setAccept(
      (messages) =>
        new Promise((resolve) => {
          store = () => resolve(messages.map(() => "accepted"));
        }),
    );
    await rig.channel.start(host);
    rig.say("in flight");
    await host.until(() => host.offers() === 1);
    let isStopped = false;
    const stopping = rig.channel.stop().then(() => {
      isStopped = true;
    });
    await Promise.resolve();
    expect(isStopped).toBe(false);
    store?.();
    await stopping;
    host.setAccept(undefined);
    rig.say("next");
    await rig.channel.start(host);
    await rig.until(() => rig.unconfirmed() === 0);
    expect(textsOf(host.stored())).toEqual(["next"]);
  });

  it("keeps order and loses and doubles nothing over restarts", async () => {
    const [rig, host] = [rigOf(), hostOf()];
    for (let round = 0; round < 4; round += 1) {
      rig.say(`${round} before`);
      await rig.channel.start(host);
      rig.say(`${round} during`);
      await host.until(() => host.stored().length === 2 * round + 2);
      await rig.channel.stop();
    }
    expect(textsOf(host.stored())).toEqual([0, 1, 2, 3].flatMap((round) => [`${round} before`, `${round} during`]));
  });

  it("stops without a start, and twice", async () => {
    const [rig, host] = [rigOf(), hostOf()];
    await rig.channel.stop();
    await rig.channel.start(host);
    await Promise.all([rig.channel.stop(), rig.channel.stop()]);
    const reports = host.reports().length;
    rig.say("nobody listens");
    expect(host.offers()).toBe(0);
    expect(host.reports().length).toBe(reports);
  });
}

function deliveryLaws(rigOf: () => ChannelRig, request: (text: string, signal?: AbortSignal) => DeliverRequest): void {
  it("delivers in the order of the calls and gives each its own platform id", async () => {
    const rig = rigOf();
    const first = await rig.channel.deliver(request("one"));
    const second = await rig.channel.deliver(request("two"));
    expect(rig.taken()).toEqual(["one", "two"]);
    expect(first.platformId).not.toBe("");
    expect(second.platformId).not.toBe(first.platformId);
  });

  it("says that a refused part will never be taken", async () => {
    const rig = rigOf();
    rig.failNext("refused");
    const error = await rejection(rig.channel.deliver(request("no")));
    expect(error).toBeInstanceOf(TerminalError);
    expect(error).toMatchObject({ code: "CHANNEL_REFUSED" });
    expect(rig.taken()).toEqual([]);
  });

  it("says that a part was surely not taken", async () => {
    const rig = rigOf();
    rig.failNext("unavailable");
    const error = await rejection(rig.channel.deliver(request("later")));
    expect(error).toBeInstanceOf(TransientError);
    expect(error).not.toBeInstanceOf(AmbiguousError);
    expect(error).toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    expect(rig.taken()).toEqual([]);
  });

  it("passes on how long the platform asks to wait, unclamped", async () => {
    const rig = rigOf();
    rig.failNext("throttled");
    const error = await rejection(rig.channel.deliver(request("slower")));
    expect(error).toMatchObject({ code: "CHANNEL_UNAVAILABLE", retryAfterMs: RIG_RETRY_AFTER_MS });
  });

  it("says that it is unknown whether a part was taken when no answer came", async () => {
    const rig = rigOf();
    rig.failNext("unanswered");
    const error = await rejection(rig.channel.deliver(request("perhaps")));
    expect(error).toBeInstanceOf(AmbiguousError);
    expect(error).toMatchObject({ code: "SEND_UNKNOWN" });
  });

  it("sends nothing when the signal was aborted before", async () => {
    const rig = rigOf();
    const error = await rejection(rig.channel.deliver(request("never", AbortSignal.abort())));
    expect(error).toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    expect(rig.taken()).toEqual([]);
  });

  it("never throws for typing", async () => {
    const { channel } = rigOf();
    await expect(channel.typing?.("nowhere at all", new AbortController().signal)).resolves.toBeUndefined();
    await expect(channel.typing?.(rigOf().address, AbortSignal.abort())).resolves.toBeUndefined();
  });
}
