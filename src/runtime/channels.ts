/**
 * The registry of channels: each connection is an actor that is closed before it is opened again; one that fails touches no other.
 */
import type { AnyActorRef, SnapshotFrom } from "xstate";
import { channelMachine, type ChannelEvent } from "../../machines/channel.machine.ts";
import { backoffMs } from "../core/backoff.ts";
import { RESERVED_CHANNELS } from "../core/chat-key.ts";
import { noteOf, type ErrorNote, RequestError, TransientError } from "../core/errors.ts";
import type { AcceptOutcome, Channel, ChannelAccount, ChannelHost, ChannelReport, CommandInfo, InboundMessage } from "../ports/channel.ts";
import type { ChannelStatus } from "./api.ts";
import type { Kernel } from "./kernel.ts";
import { createRegistry, type Child, type Registry } from "./registry.ts";

type ChannelSnapshot = SnapshotFrom<typeof channelMachine>;

interface ChannelEntry {
  readonly channel: Channel;
  actor: (Child<ChannelEvent, ChannelSnapshot> & AnyActorRef) | undefined;
  state: string;
  sinceMs: number;
  isOnline: boolean;
  /** Between `start` and `stop`: requests of the platform may be handed to it. */
  isOpen: boolean;
  lastTrafficAtMs: number | undefined;
  /** The same by the monotonic clock. */
  heardMs: number;
  readonly counters: { received: number; sent: number; failed: number };
}

/** What the other parts ask of the channels. */
export interface ChannelDirectory {
  readonly find: (name: string) => Channel | undefined;
  readonly isOnline: (name: string) => boolean;
  /** True where no platform is behind the chats: a part is delivered by the commit that stores it. */
  readonly isDirect: (name: string) => boolean;
  readonly count: (name: string, what: "sent" | "failed") => void;
}

export interface Channels extends ChannelDirectory {
  readonly logic: Registry<ChannelEvent, ChannelSnapshot>["logic"];
  readonly start: () => void;
  /** Closes all connections; resolves when each is gone. */
  readonly drain: () => Promise<void>;
  readonly status: () => readonly ChannelStatus[];
  /** Hands a request of the platform to its channel. @throws RequestError NOT_FOUND for a channel without webhook @throws TransientError NOT_READY */
  readonly webhook: (name: string, request: Request) => Promise<Response>;
}

const RECONNECT_BACKOFF = { baseMs: 1_000, maxMs: 60_000 };
/** When a platform is asked to send again what its channel could not take. */
const WEBHOOK_RETRY_MS = 5_000;

export function createChannels(
  kernel: Kernel,
  channels: readonly Channel[],
  ways: {
    readonly accept: (channel: Channel, messages: readonly InboundMessage[]) => Promise<readonly AcceptOutcome[]>;
    readonly opened: (channel: Channel, account: ChannelAccount | undefined) => void;
    readonly changed: (name: string, isOnline: boolean) => void;
    readonly commands: readonly CommandInfo[];
    readonly moved: ChannelHost["moved"];
    readonly receive: ChannelHost["receive"];
  },
): Channels {
  const { store, clock, random, log, queue } = kernel;
  const entries = new Map<string, ChannelEntry>(
    channels.map((channel) => [
      channel.name,
      {
        channel,
        actor: undefined,
        state: "offline",
        sinceMs: clock.now(),
        isOnline: false,
        isOpen: false,
        lastTrafficAtMs: undefined,
        heardMs: clock.monotonic(),
        counters: { received: 0, sent: 0, failed: 0 },
      },
    ]),
  );
  /** Resolved when a draining channel is offline. */
  const closing = new Map<string, () => void>();
  let isDraining = false;

  const hostOf = (entry: ChannelEntry): ChannelHost => {
    const { name } = entry.channel;
    return {
      name,
      accept: async (messages) => {
        entry.counters.received += messages.length;
        return ways.accept(entry.channel, messages);
      },
      report: (report) => {
        if (report.type === "traffic.seen" || report.type === "connection.opened") {
          entry.lastTrafficAtMs = clock.now();
          entry.heardMs = clock.monotonic();
        }
        // Proof of life comes with each poll; the machine hears of it only where it changes something.
        if (report.type === "traffic.seen" && entry.state === "online" && entry.actor?.getSnapshot().context.failures === 0) return;
        entry.actor?.send(eventOf(entry, report));
        if (report.type === "connection.opened") ways.opened(entry.channel, report.account);
      },
      load: (cell) => store.kv.get(`channel/${name}`, cell),
      save: (cell, value) => store.kv.set(`channel/${name}`, cell, value),
      remove: (cell) => store.kv.remove(`channel/${name}`, cell),
      commands: ways.commands,
      moved: ways.moved,
      receive: ways.receive,
    };
  };

  const eventOf = (entry: ChannelEntry, report: ChannelReport): ChannelEvent => {
    if (report.type !== "connection.lost") return report;
    const failures = (entry.actor?.getSnapshot().context.failures ?? 0) + 1;
    return { ...report, delayMs: report.retryAfterMs ?? backoffMs(RECONNECT_BACKOFF, failures, random.next()) };
  };

  const open = (name: string): void => {
    const entry = entries.get(name);
    if (!entry) return;
    entry.isOpen = true;
    promised(() => entry.channel.start(hostOf(entry))).catch((error: unknown) => {
      log.error({ channel: name, err: error }, "channel could not start");
      const isPassing = error instanceof TransientError;
      entry.actor?.send(eventOf(entry, { type: isPassing ? "connection.lost" : "connection.refused", error: noteOf(error) }));
    });
  };

  const close = (name: string): void => {
    const entry = entries.get(name);
    if (!entry) return;
    entry.isOpen = false;
    void stopped(entry).then(() => entry.actor?.send({ type: "connection.closed" }));
  };

  const stopped = ({ channel }: ChannelEntry): Promise<void> =>
    promised(channel.stop).catch((error: unknown) => log.error({ channel: channel.name, err: error }, "channel did not stop cleanly"));

  const silence = ({ channel, lastTrafficAtMs }: ChannelEntry): ErrorNote => ({
    code: "CHANNEL_UNAVAILABLE",
    message: `nothing has come from ${channel.kind} since ${new Date(lastTrafficAtMs ?? 0).toISOString()}; it is connected anew`,
  });

  const checkSilence = (name: string): void => {
    const entry = entries.get(name);
    const maxMs = entry?.channel.limits.silenceMaxMs;
    if (entry && maxMs !== undefined && clock.monotonic() - entry.heardMs >= maxMs)
      entry.actor?.send({ type: "traffic.ceased", error: silence(entry) });
  };

  const changed = (entry: ChannelEntry, snapshot: ChannelSnapshot): void => {
    const { name } = entry.channel;
    entry.state = snapshot.value;
    entry.sinceMs = clock.now();
    const isOnline = snapshot.hasTag("online");
    log[entry.channel.isDirect ? "debug" : "info"](
      { channel: name, state: entry.state, reason: snapshot.context.reason?.message },
      "channel changed",
    );
    if (entry.state === "offline") closing.get(name)?.();
    // While draining, what is still to be sent goes out over the closed intake's platform API.
    if (isDraining || isOnline === entry.isOnline) return;
    entry.isOnline = isOnline;
    ways.changed(name, isOnline);
  };

  const machine = channelMachine.provide({
    actions: {
      checkSilence: ({ context }) => checkSilence(context.name),
      giveUpSilent: ({ context }) => {
        const entry = entries.get(context.name);
        if (entry) entry.actor?.send(eventOf(entry, { type: "connection.lost", error: silence(entry) }));
      },
      openConnection: ({ context }) => open(context.name),
      closeConnection: ({ context }) => close(context.name),
    },
  });
  const childLogic = Object.create(machine, {
    transition: {
      value: (before: ChannelSnapshot, event: ChannelEvent, scope: Parameters<typeof machine.transition>[2]) => {
        const after = machine.transition(before, event, scope);
        const entry = entries.get(scope.self.id);
        if (entry && after.value !== before.value) changed(entry, after);
        return after;
      },
    },
  }) as typeof machine;

  const registry = createRegistry<ChannelEvent, ChannelSnapshot>({
    childLogic,
    queue,
    onCrash: (name, error) => {
      log.error({ channel: name, err: error }, "channel machine crashed; starting again");
      const entry = entries.get(name);
      if (!entry) return;
      entry.actor = undefined;
      entry.isOpen = false;
      void stopped(entry).then(() => registry.wakeAt(name, clock.now() + backoffMs(RECONNECT_BACKOFF, 1, random.next())));
    },
    onWake: (name) => begin(name),
  });

  const begin = (name: string): void => {
    const entry = entries.get(name);
    if (!entry || entry.actor || isDraining) return;
    entry.actor = registry.create(name, { input: { name, silenceMaxMs: entry.channel.limits.silenceMaxMs ?? null } });
    entry.actor.send({ type: "channel.start" });
  };

  const webhook: Channels["webhook"] = async (name, request) => {
    const entry = entries.get(name);
    if (!entry?.channel.webhook)
      throw new RequestError("NOT_FOUND", "no channel of that name takes webhooks; check the address that the platform calls");
    const notNow = (why: string, cause?: unknown): TransientError =>
      new TransientError("NOT_READY", `${name} ${why}; send it again`, { cause, retryAfterMs: WEBHOOK_RETRY_MS });
    if (!entry.isOpen || isDraining) throw notNow("is not connected");
    try {
      return await entry.channel.webhook(request);
    } catch (error) {
      log.error({ channel: name, err: error }, "a webhook could not be answered");
      throw notNow("could not take this", error);
    }
  };

  return {
    webhook,
    logic: registry.logic,
    find: (name) => entries.get(name)?.channel,
    isOnline: (name) => entries.get(name)?.isOnline ?? false,
    isDirect: (name) => RESERVED_CHANNELS.has(name) || entries.get(name)?.channel.isDirect === true,
    count: (name, what) => {
      const entry = entries.get(name);
      if (entry) entry.counters[what] += 1;
    },
    start: () => {
      for (const name of entries.keys()) begin(name);
    },
    drain: async () => {
      isDraining = true;
      await Promise.all(
        [...entries.values()].map(
          (entry) =>
            new Promise<void>((resolve) => {
              if (!entry.actor || entry.state === "offline") return resolve();
              closing.set(entry.channel.name, resolve);
              entry.actor.send({ type: "channel.drain" });
            }),
        ),
      );
    },
    status: () =>
      [...entries.values()].map((entry) => ({
        name: entry.channel.name,
        kind: entry.channel.kind,
        state: entry.state,
        since: entry.sinceMs,
        reason: entry.actor?.getSnapshot().context.reason?.message,
        lastTrafficAt: entry.lastTrafficAtMs,
        counters: { ...entry.counters },
      })),
  };
}

/** What a channel throws before it has made its promise is an answer like any other. */
async function promised<T>(call: () => Promise<T>): Promise<T> {
  return call();
}
