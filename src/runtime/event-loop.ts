/**
 * Puts the actor system together: the supervisor with its queues, the registries of chats, deliveries, channels and jobs, and the ways
 * in and out. `createEventLoop` is the library's event loop; the gateway gives it channels.
 */
import { setMaxListeners } from "node:events";
import { createActor, fromCallback, fromPromise, type AnyActorRef, type SnapshotFrom } from "xstate";
import type { ChatEvent, TurnInput } from "../../machines/chat.machine.ts";
import { systemMachine } from "../../machines/system.machine.ts";
import { channelOf, parseChatKey, type ChatKey } from "../core/chat-key.ts";
import { parseContent, type Content } from "../core/content.ts";
import { InvariantError, RequestError, TransientError } from "../core/errors.ts";
import { DEFAULT_LIMITS, type Limits } from "../core/limits.ts";
import type { Agent } from "../ports/agent.ts";
import type { Channel } from "../ports/channel.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store/store.ts";
import { createAliases } from "./aliases.ts";
import { createAccess } from "./access.ts";
import type { EventLoop, HeartbeatOptions, PairingCode } from "./api.ts";
import { createChannels } from "./channels.ts";
import { createChats, type Chats } from "./chats.ts";
import { createChatActions } from "./chat-actions.ts";
import { createSnapshotReader, type SnapshotReader } from "./chat-snapshot.ts";
import { createCommands } from "./commands.ts";
import { createCommandServices } from "./commands/services.ts";
import { MENU, commandOf } from "./commands/table.ts";
import { createDeliveries, type Deliveries } from "./deliveries.ts";
import { createDrafts } from "./drafts.ts";
import { drain } from "./drain.ts";
import { openFile } from "./files.ts";
import { createHeartbeat } from "./heartbeat/heartbeat.ts";
import { NO_HOST, type Host } from "./host.ts";
import { createIntake } from "./intake.ts";
import { createJobs, type Jobs } from "./jobs.ts";
import { createJobControl } from "./jobs/job-control.ts";
import type { Kernel } from "./kernel.ts";
import { createMaintenance, maintenancePeriodMs } from "./maintenance.ts";
import { createOutboxControl } from "./outbox-control.ts";
import { createPacer } from "./pacer.ts";
import { createQuarantine } from "./quarantine.ts";
import { createReceipts } from "./receipts.ts";
import { FORBIDDEN_CLOCK, createSchedulingQueue, installScheduler } from "./scheduler.ts";
import { createStatus } from "./status.ts";
import { streamChat } from "./stream.ts";
import { createStreamHub } from "./stream-hub.ts";
import { createTurnCommits, publishPart, type Outgoing } from "./turn-commit.ts";
import { createTurnQueue } from "./turn-queue.ts";
import { createTurnRunner } from "./turn-runner.ts";
import { createTyping } from "./typing.ts";
import { createViews } from "./views.ts";

/** Everything an event loop stands on; src/app and the simulator fill in clock, chance and store. */
export interface EventLoopParts {
  readonly store: Store;
  readonly agent: Agent;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits?: Partial<Limits>;
  readonly channels?: readonly Channel[];
  readonly debounceMs?: number;
  /** Reads what is stored of chats; the machine's own versions by default. */
  readonly snapshots?: SnapshotReader;
  /** Shows a pairing code to whoever runs the bot; it must not go into a log. */
  readonly tellCode?: (code: PairingCode) => void;
  readonly host?: Host;
  /** The runtime looks around by itself; absent: it does not. */
  readonly heartbeat?: HeartbeatOptions | undefined;
}

export function assembleEventLoop(parts: EventLoopParts): EventLoop {
  const { store, clock, random, log, agent } = parts;
  const limits: Limits = { ...DEFAULT_LIMITS, ...parts.limits };
  const ended = new AbortController();
  // Every stream listens, and each has its own limit.
  setMaxListeners(0, ended.signal);
  const queue = createSchedulingQueue(clock, (byMs) => {
    maintenance
      .clockStepped(byMs)
      .catch((error: unknown) => log.warn({ err: error }, "cron jobs could not be looked at after the clock was set"));
  });
  const hub = createStreamHub();
  const turnQueue = createTurnQueue({
    slots: limits.concurrentTurns,
    clock,
    grant: (key) => chats.send(key, { type: "slot.granted" }),
    isStoring: (key) => commits.isStoring(key),
  });
  const kernel: Kernel = {
    store,
    clock,
    random,
    log,
    limits,
    agent,
    queue,
    turnQueue,
    hub,
    lookSoon: () => maintenance.lookSoon(),
    closed: ended.signal,
  };

  const snapshots = parts.snapshots ?? createSnapshotReader();
  const runner = createTurnRunner(kernel, {
    fenceOf: (key) => chats.get(key)?.fence ?? 0,
    grow: (claim, text) => drafts.grow(claim, text),
    close: (key) => drafts.close(key),
    showTyping: (key) => showTyping(key),
    open: (chat, ref, options) => openFile(channels, chat, ref, options),
  });
  const outgoing: Outgoing = {
    wayOf: (key) => deliveries.wayOf(key),
    reserve: (key) => deliveries.reserve(key),
    cancel: (key) => deliveries.cancel(key),
    stored: (key, stored, isReserved) => deliveries.stored(key, stored, isReserved),
  };
  const commits = createTurnCommits(kernel, {
    chats: () => chats,
    runner,
    outgoing,
    endDraft: (key, options) => drafts.end(key, options),
    runs: () => jobs.runs,
  });
  const chats: Chats = createChats(
    kernel,
    { debounceMs: parts.debounceMs ?? 0, snapshots },
    {
      implementations: {
        actors: { runTurn: fromCallback<ChatEvent, TurnInput>(({ input, sendBack }) => runner.start(input, sendBack)) },
        actions: {
          requestSlot: ({ context }, params) => turnQueue.request(context.key, { ...params, suspicion: chats.get(context.key)?.suspicion }),
          releaseSlot: ({ context }) => turnQueue.release(context.key),
          commitTurn: ({ context }) => commits.commit(context.key),
        },
      },
      forget: (key) => {
        runner.forget(key);
        drafts.forget(key);
        turnQueue.release(key);
      },
      quarantine: createQuarantine(kernel, { chats: () => chats, outgoing: () => outgoing, runs: () => jobs.runs }),
    },
  );
  const commands = createCommands(
    kernel,
    chats,
    runner,
    outgoing,
    () => services,
    (key) => drafts.end(key),
  );
  const intake = createIntake(kernel, chats, runner, commands, outgoing, { mayMerge: (parts.debounceMs ?? 0) === 0 });
  const jobs: Jobs = createJobs(kernel, intake, {
    chats,
    runner,
    outgoing,
    aliasOf: (key) => aliases.of(key),
    prepare: (job) => heartbeat.prepare(job),
  });
  const access = createAccess(kernel, parts.channels ?? [], {
    tellCode: parts.tellCode ?? (() => undefined),
    outgoing,
    isCommand: (content) => commandOf(content) !== undefined,
  });
  const aliases = createAliases(kernel, (key, address) => {
    const entry = chats.get(key);
    if (entry) entry.address = address;
  });
  const channels = createChannels(kernel, parts.channels ?? [], {
    accept: (channel, messages) => access.admit(channel, messages.map(aliases.own), intake.accept),
    moved: aliases.move,
    receive: createReceipts(kernel),
    opened: access.opened,
    changed: (name, isOnline) => deliveries.channelChanged(name, isOnline),
    commands: MENU,
  });
  const addressOf = async (key: ChatKey): Promise<string> =>
    chats.get(key)?.address || (await store.chats.open(key))?.address || (channels.find(channelOf(key))?.addressOf?.(key) ?? "");
  const pacer = createPacer(kernel);
  const deliveries: Deliveries = createDeliveries(kernel, channels, {
    addressOf,
    pacer,
    onSettled: (part, isDelivered) => jobs.partSettled(part, part.part === part.of || !isDelivered),
    onDraft: (part, platformId) => drafts.settled(part, platformId),
  });
  const drafts = createDrafts(kernel, { channels, pacer, addressOf, deliveries: () => deliveries });
  const showTyping = createTyping(kernel, channels, pacer, addressOf);
  const views = createViews(kernel, chats, runner, aliases.of);
  const maintenance = createMaintenance(kernel, { chats, deliveries, jobs, commands });

  const statusParts = { chats, runner, channels, maintenance };
  const status = createStatus(kernel, statusParts, {
    host: parts.host ?? NO_HOST,
    state: () => String(system.getSnapshot().value),
    startedAtMs: () => startedAt,
  });
  const heartbeat = createHeartbeat(kernel, { jobs, facts: status.facts });

  const actions = createChatActions(kernel, { chats, commands, intake, views, snapshots, requireOpen: () => requireOpen() });

  let bootError: unknown;
  let startedAt = 0;
  const boot = async (): Promise<void> => {
    try {
      await store.start();
      await aliases.load();
      await pacer.load(parts.channels ?? []);
      const found = await store.turns.recover(clock.now());
      if (found.suspects > 0 || found.ambiguous > 0)
        log.warn(found, "the last process ended uncleanly; its turns and sends are taken up again");
      turnQueue.open();
      await heartbeat.configure(parts.heartbeat);
      await maintenance.refill();
      jobs.realign().catch((error: unknown) => log.warn({ err: error }, "cron jobs could not be compared with the clock"));
      channels.start();
      void maintenance.recover();
      startedAt = clock.now();
    } catch (error) {
      bootError = error;
      throw error;
    }
  };

  const machine = systemMachine.provide({
    actors: {
      chats: chats.logic,
      deliveries: deliveries.logic,
      channels: channels.logic,
      jobs: jobs.logic,
      boot: fromPromise(boot),
      drain: fromPromise(() => drain(kernel, { chats, deliveries, channels, jobs, intake, runner, commits })),
    },
    actions: { maintain: () => void maintenance.maintain() },
    delays: { drainTimeout: () => limits.drainTimeoutMs, maintenancePeriod: () => maintenancePeriodMs(limits) },
  });
  const system = createActor(machine, {
    id: "system",
    clock: FORBIDDEN_CLOCK,
    input: { drainTimeoutMs: limits.drainTimeoutMs, maintenancePeriodMs: maintenancePeriodMs(limits) },
  });
  installScheduler((system as AnyActorRef).system, queue);

  /** Resolves when the system's snapshot satisfies `isThere`. */
  const reaches = (isThere: (snapshot: SnapshotFrom<typeof machine>) => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (snapshot: SnapshotFrom<typeof machine>): boolean => {
        const found = isThere(snapshot);
        if (found) resolve();
        return found;
      };
      if (look(system.getSnapshot())) return;
      const subscription = system.subscribe({
        next: (snapshot) => {
          if (look(snapshot)) subscription.unsubscribe();
        },
        error: (error) => reject(new InvariantError("the supervisor crashed", { cause: error })),
        complete: () => resolve(),
      });
    });

  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  const isOpen = (): boolean => system.getSnapshot().hasTag("open");
  const requireOpen = (): void => {
    if (!isOpen())
      throw new TransientError("DRAINING", "the runtime is starting or shutting down; try again shortly", { retryAfterMs: 2_000 });
  };

  const start = (): Promise<void> => {
    starting ??= (async () => {
      system.start();
      await reaches((snapshot) => snapshot.value !== "booting");
      if (system.getSnapshot().value !== "failed") return;
      ended.abort();
      queue.close();
      throw bootError;
    })();
    return starting;
  };

  const shutdown = (): Promise<void> => {
    stopping ??= (async () => {
      if (!starting) return;
      await starting.catch(() => undefined);
      if (system.getSnapshot().value === "failed") return;
      system.send({ type: "shutdown.requested" });
      await reaches((snapshot) => snapshot.status !== "active");
      ended.abort();
      queue.close();
      await store.stop();
    })();
    return stopping;
  };

  const mayBegin = (key: ChatKey): boolean => channelOf(key) === "api" || channels.find(channelOf(key))?.isDirect === true;

  const knownOrCreatable = async (key: ChatKey): Promise<void> => {
    if (mayBegin(key) || chats.get(key)?.actor || (await store.chats.open(key))) return;
    throw new RequestError(
      "CHAT_UNKNOWN",
      `chat ${key} has never been met; a chat of this channel begins on its platform, one named api:… here`,
      {
        path: "key",
      },
    );
  };

  const contentOf = (content: string | Content): Content => parseContent(content, typeof content === "string" ? "text" : "content");

  const loop: EventLoop = {
    start,
    run: async () => {
      await start();
      await reaches((snapshot) => snapshot.status !== "active");
      await stopping;
    },
    shutdown,
    addChatMessage: async (text, content, options = {}) => {
      requireOpen();
      const key = aliases.of(parseChatKey(text));
      const parsed = contentOf(content);
      await knownOrCreatable(key);
      const { messageId, sender, hook } = options;
      // No chat key and no channel holds a slash.
      const dedupe = messageId === undefined ? undefined : { scope: hook === undefined ? key : `hook/${hook}`, externalId: messageId };
      const turnClass = hook === undefined ? "interactive" : "cron";
      const [result] = await intake.append([
        { chat: key, address: "", content: parsed, sender, turnClass, dedupe, repliesWhenFull: false },
      ]);
      switch (result?.status) {
        case "accepted":
          return { seq: result.seq, duplicate: false };
        case "duplicate":
        case "edited":
          return { seq: result.seq, duplicate: true };
        case "full":
          throw new RequestError(
            "INBOX_FULL",
            `chat ${key} has ${limits.inboxPerChat} messages waiting (limits.inboxPerChat); send it again later`,
          );
        default:
          throw new RequestError(
            "MESSAGE_CONFLICT",
            `messageId ${options.messageId} was used in chat ${key} with another body; use a new id`,
            { path: "messageId" },
          );
      }
    },
    send: async (text, content) => {
      requireOpen();
      const key = aliases.of(parseChatKey(text));
      const parsed = contentOf(content);
      await knownOrCreatable(key);
      const { isDelivered } = deliveries.wayOf(key);
      const stored = await store.outbox.put(key, [parsed], { groupId: `out.${random.id()}`, delivered: isDelivered, atMs: clock.now() });
      for (const part of stored) publishPart(kernel, part);
      if (!isDelivered) deliveries.stored(key, stored);
      return stored[0]?.id ?? "";
    },
    pairing: access.pairing,
    access: { configure: access.configure },
    outbox: createOutboxControl(kernel, deliveries),
    webhook: async (name, request) => {
      requireOpen();
      return channels.webhook(name, request);
    },
    mayBegin: (text) => mayBegin(parseChatKey(text)),
    stream: (text, options = {}) => streamChat(kernel, chats, runner, aliases.of(parseChatKey(text)), options),
    ...createJobControl(kernel, jobs, requireOpen),
    ...actions,
    why: views.why,
    chat: views.chat,
    chats: views.chats,
    events: async (text, from, limit) => store.events.list((await views.recordOf(text)).key, from, limit),
    status: status.status,
    health: status.health,
    isReady: isOpen,
    configure: async (changed) => {
      Object.assign(limits, changed.limits);
      turnQueue.resize(limits.concurrentTurns);
      if (changed.heartbeat !== undefined) await heartbeat.configure(changed.heartbeat || undefined);
    },
  };
  const services = createCommandServices(store, access, loop);
  return loop;
}
